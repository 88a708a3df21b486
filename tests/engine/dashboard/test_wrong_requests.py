"""Requests of the API whose values are of a wrong type, or no JSON: each is refused with a sentence."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler

from ledgers import found_in
from test_offer_api import HOURLY, JOBS, REMIND
from test_offer_api import client as client


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": {"trigger": "cron", "hour": True}},
        {"schedule": {"trigger": "cron", "hour": 7.5}},
        {"schedule": {"trigger": "interval", "hours": True}},
        {"schedule": {"trigger": "interval", "hours": "1"}},
        {"schedule": {**HOURLY, "jitter": True}},
        {"schedule": {"trigger": "calendarinterval", "months": True}},
        {"schedule": {"trigger": "calendarinterval", "months": "1"}},
        {"options": {"alert": "no"}},
        {"options": {"coalesce": 1}},
        {"options": {"timeout": "5"}},
        {"options": {"timeout": True}},
        {"options": {"max_instances": "3"}},
        {"options": {"max_instances": True}},
        {"options": {"retries": 1.5}},
    ],
)
async def test_a_value_of_another_type_is_not_taken_for_one_of_the_right_type(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler, wrong: dict[str, Any]
) -> None:
    answer = await client.post(JOBS, json={**REMIND, **wrong})
    [name] = wrong
    assert (answer.status_code, answer.json()["error"].startswith(name)) == (422, True), answer.text
    assert found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs") == [{"job_id": "of-the-code"}]


async def test_numbers_and_text_that_code_takes_are_taken(client: httpx.AsyncClient) -> None:
    for schedule in ({"trigger": "cron", "hour": 7, "minute": "7"}, {"trigger": "interval", "hours": 0.5}):
        body = {**REMIND, "schedule": schedule, "options": {"timeout": 5, "retry_delay": 0.5}}
        answer = await client.post(f"{JOBS}/preview", json=body)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "wrong",
    [{"rate": "5"}, {"rate": True}, {"max_instances": "2"}, {"only_missed": "yes"}, {"only_missed": 1}],
)
async def test_a_backfill_takes_only_the_right_types(
    client: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    answer = await client.post("/api/v1/backfills", json={"job": "of-the-code", "from": "2h", **wrong})
    [name] = wrong
    assert (answer.status_code, answer.json()["error"].startswith(f"{name}: ")) == (422, True), answer.text


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[]", "the request: give a JSON object, { }"),
        (b'"x"', "the request: give a JSON object, { }"),
        (b"{", "the request is not JSON"),
        (b'{"function": "\xff"}', "the request is not JSON, which is UTF-8"),
    ],
)
async def test_what_is_no_object_is_told_in_our_words(
    client: httpx.AsyncClient, body: bytes, sentence: str
) -> None:
    for path in (f"{JOBS}/preview", JOBS):
        answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (422, {"error": sentence})


@pytest.mark.parametrize("trigger", [7, None, [], {}])
async def test_what_is_no_trigger_is_told_with_those_that_there_are(
    client: httpx.AsyncClient, trigger: Any
) -> None:
    answer = await client.post(f"{JOBS}/preview", json={**REMIND, "schedule": {"trigger": trigger}})
    error = answer.json()["error"]
    assert (answer.status_code, error.startswith("schedule: ")) == (422, True), error
    assert "cron, crontab, interval, date, calendarinterval" in error
