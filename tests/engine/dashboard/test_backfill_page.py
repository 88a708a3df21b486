"""Backfills on the page and by the API: a preview first, then how far it is, a stop, and that it goes on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.read.backfills import backfill_rows

import added_tasks
from histories import prepared

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"
SPAN = {"from": "2026-03-01", "to": "2026-03-04T03:00"}


@pytest.fixture
async def client(scheduler: AsyncIOScheduler) -> AsyncIterator[httpx.AsyncClient]:
    """A program that may do all, with a schedule of one job."""
    scheduler.add_job(added_tasks.note, "cron", hour=3, id="report/daily")
    prepared(scheduler)
    app = create_app(scheduler.ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0)
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Scheduler-Who": "Anna"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as made:
        yield made


def text_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", answer.text).split()))


async def test_a_program_previews_begins_looks_stops_and_continues(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/backfills/preview", params={"job": "report/daily", **SPAN})
    assert answer.json() == {
        "job_id": "report/daily",
        "count": 4,
        "first": "2026-03-01T03:00:00+00:00",
        "last": "2026-03-04T03:00:00+00:00",
    }
    answer = await client.post("/api/v1/backfills", json={"job": "report/daily", **SPAN, "rate": 30})
    assert (answer.status_code, answer.json()) == (
        202,
        {"backfill_id": 1, "said": "Backfill 1 of report/daily begins."},
    )
    found = (await client.get("/api/v1/backfills/1")).json()
    assert (found["state"], found["rate"], found["made"], found["ticks"]) == ("running", 30, 0, 4)
    assert (await client.get("/api/v1/backfills", params={"job": "report/daily"})).json() == {
        "backfills": [found]
    }
    for action, changed, said in (
        ("stop", True, "Backfill 1 is stopped; runs that are under way go on."),
        ("stop", False, "Backfill 1 did not go on anyway."),
        ("continue", True, "Backfill 1 goes on."),
        ("continue", False, "Backfill 1 was not stopped."),
    ):
        answer = await client.post(f"/api/v1/backfills/1/{action}", json={"note": "why not"})
        assert answer.json() == {"changed": changed, "said": said}
    entries = (await client.get("/api/v1/audit")).json()["entries"]
    assert {entry["who"] for entry in entries} == {'api: "Anna" (127.0.0.1)'}
    assert [entry["action"] for entry in entries] == ["continue backfill", "stop backfill", "backfill"]


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"job": "gone", **SPAN}, 404, "there is no job 'gone' in the schedule"),
        ({"job": "report/daily", "from": "soon"}, 422, "from: 'soon' is not a date or time such as"),
        ({"job": "report/daily", "from": "2h", "to": "3h"}, 422, "is later than its end"),
        ({"job": "report/daily", **SPAN, "rate": 0}, 422, "rate=0 must be a whole number from 1 to 6,000"),
        ({"job": "report/daily", "from": "2026-03-01T04:00", "to": "2026-03-01T05:00"}, 422, "nothing to do"),
        ({"job": "report/daily"}, 422, "from"),
    ],
)
async def test_what_cannot_be_done_is_a_sentence(
    client: httpx.AsyncClient, body: dict[str, object], status: int, sentence: str
) -> None:
    answer = await client.post("/api/v1/backfills", json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


async def test_there_is_none_of_another_number(client: httpx.AsyncClient) -> None:
    for ask in (client.get("/api/v1/backfills/7"), client.post("/api/v1/backfills/7/stop")):
        answer = await ask
        assert answer.status_code == 404
        assert answer.json()["error"] == "there is no backfill 7, or it is not kept any more"


async def test_who_may_only_look_begins_none(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {READ_TOKEN}"}
    answer = await client.post("/api/v1/backfills", json={"job": "report/daily", **SPAN}, headers=headers)
    assert answer.status_code == 403
    preview = {"job": "report/daily", **SPAN}
    shown = await client.get("/backfills", params=preview, headers=headers)
    assert "4 ticks of report/daily" in text_of(shown)
    assert "begin-backfill" not in shown.text


async def test_a_person_sees_a_preview_confirms_it_and_stops_it(
    scheduler: AsyncIOScheduler, client: httpx.AsyncClient
) -> None:
    del client.headers["Authorization"]
    await client.post("/login", data={"token": TOKEN, "name": "Anna"})
    assert "There is none yet." in text_of(await client.get("/backfills"))
    assert 'href="/backfills?job=report%2Fdaily"' in (await client.get("/job?id=report/daily")).text
    shown = await client.get("/backfills", params={"job": "report/daily", **SPAN, "max_instances": "2"})
    assert "4 ticks of report/daily , from 2026-03-01 03:00:00 to 2026-03-04 03:00:00" in text_of(shown)
    form = shown.text[shown.text.index("/do/backfill") :]
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', form[: form.index("</form>")]))
    said = await client.post("/do/backfill", data=fields)
    assert "Backfill 1 of report/daily begins." in text_of(said)
    [row] = backfill_rows(scheduler.ledger, 10)
    assert (row["max_instances"], row["ticks"], row["asked_by"]) == (
        2,
        4,
        'dashboard: "Anna" (127.0.0.1)',
    )
    assert "1 report/daily 2026-03-01 00:00:00 2026-03-04 03:00:00 running 0 of 4" in text_of(
        await client.get("/backfills")
    )
    proof = {"csrf_token": fields["csrf_token"], "backfill_id": "1"}
    said = await client.post("/do/stop-backfill", data=proof)
    assert "Backfill 1 is stopped; runs that are under way go on." in text_of(said)
    assert 'id="continue-1"' in (await client.get("/backfills")).text
    for field, value in (("rate", "fast"), ("max_instances", "-1")):
        refused = await client.post("/do/backfill", data={**fields, field: value})
        assert (refused.status_code, "is no whole number" in refused.text) == (422, True)


async def test_a_preview_that_means_nothing_says_so(client: httpx.AsyncClient) -> None:
    shown = await client.get("/backfills", params={"job": "report/daily", "from": "soon"})
    assert "from: 'soon' is not a date or time" in text_of(shown)
    empty = {"job": "report/daily", **SPAN, "only_missed": "true"}
    assert "no tick of that time is on record that did not succeed" in text_of(
        await client.get("/backfills", params=empty)
    )
