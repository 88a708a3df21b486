"""What the API refuses of jobs of offered functions: with one sentence, and nothing is imported or kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler

from ledgers import change, found_in
from shells import completed, evaluated
from test_offer_api import HOURLY, JOBS, REMIND
from test_offer_api import client as client


@pytest.mark.parametrize(
    ("more", "status", "sentence"),
    [
        ({"function": "os:system"}, 422, "'os:system' is not offered by the code"),
        ({"function": "added_tasks:note"}, 422, "'added_tasks:note' is not offered by the code"),
        ({"function": "offered_tasks:remnd"}, 422, "did you mean 'offered_tasks:remind'?"),
        ({"arguments": {}}, 422, "customer_id: give a value: remind cannot be called without"),
        ({"arguments": {"customer_id": "7"}}, 422, "customer_id: '7' is not a whole number"),
        ({"arguments": {"customer_id": 7, "__dict__": {}}}, 422, "__dict__: remind takes no such argument"),
        ({"arguments": {"customer_id": 7, "text": "é" * 20_000}}, 422, "at most 64 KiB are kept"),
        ({"arguments": {"customer_id": 7, "text": "x" * 70_000}}, 413, "at most 65536 bytes are taken"),
        ({"arguments": [7]}, 422, "arguments: input should be a valid dictionary"),
        ({"schedule": {"trigger": "cron", "hour": "25"}}, 422, "hour"),
        (
            {"schedule": {"trigger": "or", "triggers": []}},
            422,
            "schedule: trigger='or' is none of cron,",
        ),
        (
            {"schedule": {"trigger": "interval", "func": "os:system"}},
            422,
            "schedule.interval.func: there is no",
        ),
        ({"schedule": {**HOURLY, "timezone": "Mars"}}, 422, "timezone='Mars'"),
        ({"schedule": {**HOURLY, "hours": 1e300}}, 422, "does not take numbers as large as these"),
        ({"options": {"ping": "http://169.254.169.254/"}}, 422, "options.ping: it stands in the code alone"),
        ({"options": {"overlap": "explode"}}, 422, "overlap='explode' must be 'skip'"),
        ({"options": {"retries": None}}, 422, "retries=None must be a whole number"),
        ({"id": "of-the-code"}, 409, "id: 'of-the-code' is taken by a job of the code"),
        ({"id": "a\u0000b"}, 422, "no control characters"),
        ({"id": "   "}, 422, "not empty"),
        ({"id": ".."}, 422, "id: '..' is no part of an address: give another"),
        (
            {"arguments": {"customer_id": 10**400}},
            422,
            "customer_id: it is a whole number of more than",
        ),
        ({"arguments": {"customer_id": 7, "": 1}}, 422, "'': remind takes no such argument"),
        (
            {"schedule": {**HOURLY, "jitter": 1e18}},
            422,
            "seconds, 0 or more, at most a century",
        ),
        ({"id": "a\u202eb"}, 422, "no control characters"),
        ({"schedule": {}}, 422, "schedule: give its trigger, one of cron, crontab, interval, date, cal"),
        ({"schedule": {"trigger": "crn"}}, 422, "did you mean 'cron'?"),
        (
            {"schedule": {"trigger": "cron", "hours": 9}},
            422,
            "schedule.cron.hours: there is no such field; did you mean 'hour'?",
        ),
        (
            {"schedule": {**HOURLY, "exclude": "sat"}},
            422,
            'schedule.interval.exclude: input should be a list, in brackets: ["sat"]',
        ),
        (
            {"schedule": {**HOURLY, "exclude": [["2026-12-24"]]}},
            422,
            "schedule.interval.exclude.0: a range of days is a list of two dates, the first and the last one",
        ),
        (
            {"schedule": {"trigger": "cron", "hour": True}},
            422,
            "schedule.cron.hour: input should be text or a whole number",
        ),
        ({"options": {"retry": 3}}, 422, "options.retry: there is no such field; did you mean 'retries'?"),
        ({"argument": {}}, 422, "argument: there is no such field; did you mean 'arguments'?"),
        ({"next_run_time": "now"}, 422, "next_run_time: there is no such field"),
        ({"replace_existing": True}, 422, "replace_existing: there is no such field"),
    ],
)
async def test_what_cannot_be_added_is_one_sentence(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler, more: dict[str, Any], status: int, sentence: str
) -> None:
    for path in (f"{JOBS}/preview", JOBS):
        answer = await client.post(path, json={**REMIND, **more})
        assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
        assert "\n" not in answer.json()["error"]
    assert found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs") == [{"job_id": "of-the-code"}]
    assert found_in(scheduler.ledger, "SELECT * FROM scheduler_audit") == []


async def test_nothing_is_imported_that_a_request_names(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    for named in ("this:x", "antigravity:x"):
        assert (await client.post(JOBS, json={**REMIND, "function": named})).status_code == 422
    await client.post(JOBS, json=REMIND)
    change(scheduler.ledger, "UPDATE scheduler_jobs SET function = 'this:x' WHERE job_id = 'r-7'")
    assert (await client.get(f"{JOBS}/r-7")).json()["offered"] is False
    assert (await client.patch(f"{JOBS}/r-7", json={})).status_code == 409
    assert not {"this", "antigravity"} & sys.modules.keys()


async def test_deep_and_broken_json_is_refused(client: httpx.AsyncClient) -> None:
    deep: Any = []
    for _ in range(60):
        deep = [deep]
    body = {
        "function": "offered_tasks:export",
        "schedule": HOURLY,
        "arguments": {"day": "2026-12-24", "more": deep},
    }
    answer = await client.post(JOBS, json=body)
    assert (answer.status_code, "nested too deeply" in answer.text) == (422, True)
    for text in ("[" * 30_000, "{", "null", "7", '{"function": NaN}'):
        answer = await client.post(JOBS, content=text, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, answer.text
        assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    "body",
    [
        {"arguments": {"customer_id": 7, "\ud800": 1}},
        {"arguments": {"customer_id": 7, "a\nb\x1b": 1}},
        {"arguments": {"customer_id": 7, "text": "\ud800"}},
        {"options": {"\ud800": 1}},
        {"options": {"queue": "\ud800"}},
        {"\ud800": 1},
        {"function": "\ud800"},
        {"id": "\ud800"},
        {"name": "\ud800"},
        {"note": "\ud800"},
        {"schedule": {"trigger": "\ud800"}},
        {"schedule": {**HOURLY, "timezone": "\ud800"}},
        {"schedule": {**HOURLY, "exclude": ["\ud800"]}},
        {"schedule": {"trigger": "crontab", "line": "\ud800 * * * *"}},
        {"schedule": {"trigger": "cron", "hour": "\ud800"}},
    ],
)
async def test_half_characters_are_refused_with_a_sentence(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    text = json.dumps({**REMIND, **body})
    answer = await client.post(JOBS, content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].isprintable()
    text = json.dumps({"\ud800": 1})
    answer = await client.post(
        f"{JOBS}/of-the-code/run-now", content=text, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text


async def test_an_id_that_a_shell_would_run_is_not_completed(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    for job_id in (r"report\$(touch pwned)", "report`touch pwned`", "report-2"):
        assert (await client.post(JOBS, json=REMIND | {"id": job_id})).status_code == 201
    for shell in ("bash", "fish", "zsh"):
        answer = completed(shell, "show")
        assert "report-2" in answer
        assert "pwned" not in answer
    assert evaluated(completed("zsh", "show"), tmp_path) == []


async def test_a_cron_field_without_end_is_refused_at_once(client: httpx.AsyncClient) -> None:
    attack = REMIND | {"schedule": {"trigger": "cron", "second": ",".join(["0"] * 20_000)}}
    for path in (f"{JOBS}/preview", JOBS):
        answer = await client.post(path, json=attack)
        assert (answer.status_code, "at most 500" in answer.json()["error"]) == (422, True), answer.text
