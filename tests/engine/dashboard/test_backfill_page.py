"""Backfills on the page and by the API: a preview first, then how far it is, a stop, and that it goes on."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import unescape
from typing import Any

import httpx
import pytest
from apscheduler.triggers.combining import AndTrigger
from apscheduler.triggers.cron import CronTrigger
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.dashboard import answers, control
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.dashboard.problems import Problem
from everytick.model import ticks
from everytick.read.backfills import backfill_rows

import added_tasks
from histories import prepared
from inside import Clock, until
from ledgers import change, changing

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
        "from": "2026-03-01T00:00:00+00:00",
        "to": "2026-03-04T03:00:00+00:00",
        "schedule": answer.json()["schedule"],
    }
    answer = await client.post("/api/v1/backfills", json={"job": "report/daily", **SPAN, "rate": 30})
    assert (answer.status_code, answer.json()) == (
        202,
        {
            "backfill_id": 1,
            "said": "Backfill 1 of report/daily begins when a scheduler is started; no scheduler is up.",
        },
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
        ({"job": "report/daily", "from": "2h", "to": "3h"}, 422, "from: the start of a backfill, "),
        ({"job": "report/daily", **SPAN, "rate": 0}, 422, "rate=0 must be a whole number from 1 to 6,000"),
        (
            {"job": "report/daily", "from": "2026-03-01T04:00", "to": "2026-03-01T05:00"},
            422,
            "from: there is no",
        ),
        ({"job": "report/daily", "from": "2h", "to": "2099-01-01"}, 422, "to: the end of a backfill, 2099"),
        ({"job": "report/daily"}, 422, "from"),
    ],
)
async def test_what_cannot_be_done_is_a_sentence(
    client: httpx.AsyncClient, body: dict[str, object], status: int, sentence: str
) -> None:
    answer = await client.post("/api/v1/backfills", json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


async def test_beside_one_that_goes_on_another_is_a_conflict(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    wanted = {"job": "report/daily", **SPAN}
    assert (await client.post("/api/v1/backfills", json=wanted)).status_code == 202
    again = await client.post("/api/v1/backfills", json=wanted)
    assert (again.status_code, "backfill 1 of the job" in again.json()["error"]) == (409, True)
    await client.post("/api/v1/backfills/1/stop")
    assert (await client.post("/api/v1/backfills", json=wanted)).status_code == 202
    again = await client.post("/api/v1/backfills/1/continue")
    assert (again.status_code, "backfill 2 of the job" in again.json()["error"]) == (409, True)


async def test_what_a_setting_disables_is_a_conflict(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    change(scheduler.ledger, "UPDATE scheduler_jobs SET disabled_by = 'SCHEDULER_DISABLED_JOBS=*'")
    for answer in (
        await client.post("/api/v1/backfills", json={"job": "report/daily", **SPAN}),
        await client.post("/api/v1/jobs/report%2Fdaily/run-now"),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, "is disabled by SCHEDULER_DISABLED_JOBS=*" in error) == (409, True)


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
    assert "Backfill 1 of report/daily begins when a scheduler is started; no" in text_of(said)
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


def often(scheduler: AsyncIOScheduler, clock: Clock) -> None:
    scheduler.add_job(added_tasks.note, "interval", seconds=10, id="often")
    prepared(scheduler)
    clock.set(ticks.instant(datetime(2027, 3, 1, 9, 0, 5, tzinfo=UTC)))


async def test_a_page_that_was_open_for_long_begins_what_it_shows(
    scheduler: AsyncIOScheduler, client: httpx.AsyncClient, clock: Clock
) -> None:
    often(scheduler, clock)
    del client.headers["Authorization"]
    await client.post("/login", data={"token": TOKEN, "name": "Anna"})
    shown = await client.get("/backfills", params={"job": "often", "from": "5m"})
    assert "30 ticks of often , from 2027-03-01 08:55:10 to 2027-03-01 09:00:00" in text_of(shown)
    # Who previews once more means what was typed.
    assert 'name="from" value="5m"' in shown.text
    form = shown.text[shown.text.index("/do/backfill") :]
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', unescape(form[: form.index("</form>")])))
    clock.step(3_000)
    assert "begins" in text_of(await client.post("/do/backfill", data=fields))
    [row] = backfill_rows(scheduler.ledger, 10)
    assert (row["ticks"], row["from"], row["to"][:19]) == (
        30,
        "2027-03-01T08:55:05+00:00",
        "2027-03-01T09:00:05",
    )


async def test_a_program_sends_the_times_of_the_preview(
    scheduler: AsyncIOScheduler, client: httpx.AsyncClient, clock: Clock
) -> None:
    often(scheduler, clock)
    found = (await client.get("/api/v1/backfills/preview", params={"job": "often", "from": "5m"})).json()
    assert found["count"] == 30
    clock.step(25)
    wanted = {"job": "often", "from": found["from"], "to": found["to"]}
    assert (await client.post("/api/v1/backfills", json=wanted)).status_code == 202
    [row] = backfill_rows(scheduler.ledger, 10)
    assert (row["ticks"], row["from"], row["to"]) == (30, found["from"], found["to"])


async def test_the_page_says_that_a_job_is_disabled_for_which_a_backfill_waits(
    scheduler: AsyncIOScheduler, client: httpx.AsyncClient
) -> None:
    del client.headers["Authorization"]
    await client.post("/login", data={"token": TOKEN, "name": "Anna"})
    SchedulerClient().pause_job("report/daily")
    page = await client.get("/backfills", params={"job": "report/daily", **SPAN})
    proof = re.findall(r'name="csrf_token" value="([^"]*)"', page.text)[0]
    asked = {"job": "report/daily", **SPAN, "csrf_token": proof}
    said = text_of(await client.post("/do/backfill", data=asked))
    assert "Backfill 1 waits until the job report/daily is resumed." in said
    with changing(scheduler.ledger) as hand:
        hand.execute("UPDATE scheduler_jobs SET paused_us = 1, disabled_by = 'SCHEDULER_DISABLED_JOBS=*'")
    assert "waits: the job is disabled" in text_of(await client.get("/backfills"))


async def test_a_preview_that_means_nothing_says_so(client: httpx.AsyncClient) -> None:
    shown = await client.get("/backfills", params={"job": "report/daily", "from": "soon"})
    assert "from: 'soon' is not a date or time" in text_of(shown)
    empty = {"job": "report/daily", **SPAN, "only_missed": "true"}
    assert "no tick of that time is on record that did not succeed" in text_of(
        await client.get("/backfills", params=empty)
    )


async def test_a_preview_says_how_many_run_at_once_and_how_long_the_rate_takes(
    client: httpx.AsyncClient,
) -> None:
    asked = {"job": "report/daily", **SPAN}
    assert "Each gets a run, one after another." in text_of(await client.get("/backfills", params=asked))
    said = text_of(await client.get("/backfills", params={**asked, "rate": "2", "max_instances": "3"}))
    assert (
        "Each gets a run, up to 3 at once. At most 2 of them begin in a minute, so it takes 1 min 30 s at"
        in said
    )


@pytest.mark.parametrize(
    ("pace", "sentence"),
    [
        ({"rate": "0"}, "rate=0 must be a whole number from 1 to 6,000"),
        ({"rate": "abc"}, "runs in a minute: 'abc' is no whole number"),
        ({"max_instances": "1000"}, "max_instances=1000 must be a whole number from 1 to 100"),
        ({"max_instances": "1.5"}, "runs at once: '1.5' is no whole number"),
    ],
)
async def test_a_pace_that_is_refused_later_is_refused_in_the_preview(
    client: httpx.AsyncClient, pace: dict[str, str], sentence: str
) -> None:
    shown = await client.get("/backfills", params={"job": "report/daily", **SPAN, **pace})
    assert sentence in text_of(shown)
    assert "begin-backfill" not in shown.text


# --- previews that count for long


SLOW = {"job": "slow", "from": "1970-01-01"}


@pytest.fixture
async def reader(scheduler: AsyncIOScheduler) -> AsyncIterator[httpx.AsyncClient]:
    """A program that may only read, with a schedule whose ticks have to be walked."""
    parts = [CronTrigger(second="*/10"), CronTrigger(minute="*/2")]
    scheduler.add_job(added_tasks.note, AndTrigger(parts), id="slow")
    prepared(scheduler)
    app = create_app(scheduler.ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0)
    headers = {"Authorization": f"Bearer {READ_TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as made:
        yield made


@pytest.mark.full
@pytest.mark.parametrize("only_missed", [False, True])
async def test_a_preview_that_counts_for_long_ends_with_a_sentence(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, only_missed: bool
) -> None:
    monkeypatch.setattr(control, "_PREVIEW_SECONDS", 0.0 if only_missed else 0.2)
    params: dict[str, Any] = {**SLOW, "only_missed": only_missed}
    answer = await reader.get("/api/v1/backfills/preview", params=params)
    assert answer.status_code == 422
    assert "were not counted within 0" in answer.json()["error"]
    assert answer.json()["error"].endswith("s: give a shorter time")
    page = await reader.get("/backfills", params=SLOW)
    assert (page.status_code, "give a shorter time" in page.text) == (200, True)


async def test_previews_do_not_take_the_place_of_pages_and_one_whose_client_is_gone_is_not_made(
    scheduler: AsyncIOScheduler, reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, begun = threading.Event(), list[str]()

    def preview(_self: object, job_id: str, *_span: object, **_options: object) -> Any:
        begun.append(job_id)
        may_end.wait(20)
        raise Problem(422, "enough")

    monkeypatch.setattr(control.Actions, "preview_backfill", preview)

    async def gone() -> list[Any]:
        """Ask as a client that does not wait for the answer."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            return next(messages, {"type": "http.disconnect"})

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "root_path": "",
            "path": "/api/v1/backfills/preview",
            "raw_path": b"/api/v1/backfills/preview",
            "query_string": b"job=gone&from=1970-01-01",
            "headers": [(b"host", b"here"), (b"authorization", f"Bearer {READ_TOKEN}".encode())],
            "server": ("here", 80),
            "client": ("127.0.0.1", 1),
        }
        await reader._transport.app(scope, receive, send)  # type: ignore[attr-defined]
        return sent

    first = asyncio.create_task(reader.get("/api/v1/backfills/preview", params=SLOW))
    await until(lambda: bool(begun))
    others = [asyncio.create_task(gone()) for _ in range(16)]
    try:
        for path in ("/api/v1/overview", "/jobs", "/backfills", "/api/v1/backfills"):
            assert (await reader.get(path)).status_code == 200
        monkeypatch.setattr(answers, "_TURN", 0.0)
        late = await reader.get("/api/v1/backfills/preview", params=SLOW)
        assert (late.status_code, late.json()["error"]) == (
            503,
            "other previews are being counted: try again in a moment",
        )
    finally:
        may_end.set()
    assert (await first).status_code == 422
    await asyncio.gather(*others)
    assert begun == ["slow"]


async def test_a_preview_of_another_schedule_by_now_begins_nothing(
    scheduler: AsyncIOScheduler, client: httpx.AsyncClient
) -> None:
    preview = (await client.get("/api/v1/backfills/preview", params={"job": "report/daily", **SPAN})).json()
    deployed = AsyncIOScheduler()
    deployed.add_job(added_tasks.note, "cron", hour="*", id="report/daily")
    prepared(deployed)
    wanted = {name: preview[name] for name in ("from", "to", "schedule")} | {"job": "report/daily"}
    refused = await client.post("/api/v1/backfills", json=wanted)
    assert refused.status_code == 409
    assert refused.json()["error"] == (
        "the job 'report/daily' has another schedule by now than the one whose ticks were shown: look at the"
        " preview again"
    )
    assert backfill_rows(scheduler.ledger, 10) == []
    # Who names none means the one of now.
    del wanted["schedule"]
    assert (await client.post("/api/v1/backfills", json=wanted)).status_code == 202


async def test_a_page_that_shows_another_schedule_begins_nothing(
    scheduler: AsyncIOScheduler, client: httpx.AsyncClient
) -> None:
    del client.headers["Authorization"]
    await client.post("/login", data={"token": TOKEN, "name": "Anna"})
    shown = await client.get("/backfills", params={"job": "report/daily", **SPAN})
    form = shown.text[shown.text.index("/do/backfill") :]
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', unescape(form[: form.index("</form>")])))
    deployed = AsyncIOScheduler()
    deployed.add_job(added_tasks.note, "cron", hour="*", id="report/daily")
    prepared(deployed)
    refused = await client.post("/do/backfill", data=fields)
    assert (refused.status_code, "has another schedule by now" in refused.text) == (409, True)
    assert backfill_rows(scheduler.ledger, 10) == []
