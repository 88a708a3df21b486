"""Open pages share what is the same for all, few pages are made at a time, and none reads all arguments."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, ConfigurationError, SchedulerClient
from everytick.dashboard import answers as room
from everytick.dashboard import pages, probes, run_pages
from everytick.dashboard.answers import Answers
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.dashboard.processes import schedule_state
from everytick.read.known_job import jobs_due
from everytick.store.database import Ledger
from everytick.system import use
from everytick.telemetry.health import Health, check
from fastapi import FastAPI
from starlette.responses import Response

from histories import prepared
from inside import scheduler_settings, until
from ledgers import change
from standing import beats
from statements import statements

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"


async def takes_text(text: str) -> None:
    """Do nothing with it."""


async def quick() -> None:
    """Do nothing."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger with thirty jobs in the code and thirty that were added, with arguments."""
    with scheduler_settings(tmp_path_factory.mktemp("written")):
        scheduler = AsyncIOScheduler()
        for number in range(30):
            scheduler.add_job(quick, "interval", hours=1, id=f"declared-{number}")
        prepared(scheduler)
        client = SchedulerClient()
        for number in range(30):
            client.add_job(takes_text, "interval", hours=1, args=["x" * 1_000], id=f"added-{number}")
        return scheduler.ledger.path


@pytest.fixture
def ledger(tmp_path: Path, written: Path) -> Iterator[Ledger]:
    """A copy of it, for one test."""
    shutil.copy(written, tmp_path / "ledger.db")
    with scheduler_settings(tmp_path):
        probes._look.cache_clear()
        probes._metrics.cache_clear()
        yield AsyncIOScheduler().ledger
        probes._look.cache_clear()
        probes._metrics.cache_clear()


def dashboard(ledger: Ledger) -> FastAPI:
    """Return a dashboard that has a page open, so that its answers are kept until a change."""
    app = create_app(ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0)
    app.state.answers.renew(keeps=True)
    return app


def browser(app: FastAPI, token: str = TOKEN, **headers: str) -> httpx.AsyncClient:
    """Return what asks a dashboard."""
    given = {"Authorization": f"Bearer {token}", **headers}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", headers=given)


@pytest.mark.parametrize(
    "path", ["/health/ready", "/metrics", "/", "/jobs", "/coming", "/running", "/api/v1/plan"]
)
async def test_no_page_and_no_probe_reads_the_arguments_of_all_jobs(ledger: Ledger, path: str) -> None:
    # While none is up, the probe for health has no need to look at the jobs.
    beats(ledger)
    async with browser(dashboard(ledger)) as client:
        with statements() as asked:
            answer = await client.get(path)
    assert answer.status_code in (200, 503)
    of_jobs = [one.sql for one in asked if "FROM scheduler_jobs" in one.sql]
    assert of_jobs or path == "/running"
    whole = [one for one in of_jobs if re.search(r"\bcall_data(?! IS NOT NULL)", one)]
    # Those that do are about the jobs that are shown.
    assert [one for one in whole if "LIMIT" not in one and "job_id IN" not in one] == []
    if path in ("/health/ready", "/metrics", "/api/v1/plan"):
        assert whole == []


async def test_open_pages_get_one_answer_until_the_ledger_changes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def counted(connection: Any) -> Any:
        looks.append(1)
        return jobs_due(connection)

    monkeypatch.setattr(pages, "jobs_due", counted)
    app = dashboard(ledger)
    async with browser(app, **{"X-Live": "1"}) as open_pages:
        found = await asyncio.gather(*(open_pages.get("/coming") for _ in range(40)))
        assert {answer.status_code for answer in found} == {200}
        assert len({answer.text for answer in found}) == 1
        assert len(looks) == 1
        await open_pages.get("/coming?number=2")
        assert len(looks) == 2
        app.state.answers.renew(keeps=True)
        await asyncio.gather(*(open_pages.get("/coming") for _ in range(40)))
        assert len(looks) == 3
    # Who loads a page sees the ledger as it is now.
    async with browser(app) as other:
        await other.get("/coming")
        await other.get("/coming")
        assert len(looks) == 5


async def test_an_answer_is_kept_only_while_somebody_will_tell_of_a_change(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(ledger, Authenticator(TOKEN), frozenset(), 0)
    async with browser(app, **{"X-Live": "1"}) as open_pages:
        before = (await open_pages.get("/jobs")).text
        change(ledger, "UPDATE scheduler_jobs SET name = 'another name' WHERE job_id = 'added-1'")
        assert "another name" not in before
        assert "another name" in (await open_pages.get("/jobs")).text


async def test_who_acts_sees_what_came_of_it_and_is_told_of_more_soon(ledger: Ledger) -> None:
    app = dashboard(ledger)
    async with browser(app, **{"X-Live": "1"}) as client:
        assert "on holiday" not in (await client.get("/job?id=added-1")).text
        app.state.answers._rest = 1_000.0
        resting = asyncio.create_task(app.state.answers.rest())
        await asyncio.sleep(0)
        paused = await client.post("/api/v1/jobs/added-1/pause", json={"note": "on holiday"})
        assert paused.status_code == 200, paused.text
        assert "on holiday" in (await client.get("/job?id=added-1")).text
        await asyncio.wait_for(resting, 5)


async def test_what_is_shared_has_nothing_of_one_visitor_and_no_button_for_those_who_may_not_act(
    ledger: Ledger,
) -> None:
    app = dashboard(ledger)
    async with browser(app) as client:
        signed_in = await client.post("/login", data={"token": TOKEN, "name": "carla"})
        assert signed_in.status_code == 303
    session = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0], "X-Live": "1"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=session) as carla:
        hers = (await carla.get("/jobs")).text
    assert re.search('"X-CSRF-Token": ""', hers)
    assert "Run now" in hers
    async with browser(app, READ_TOKEN, **{"X-Live": "1"}) as reader:
        assert "Run now" not in (await reader.get("/jobs")).text
    async with browser(app, **{"X-Live": "1"}) as other:
        assert (await other.get("/jobs")).text == hers


async def test_two_pages_are_made_at_a_time_and_probes_do_not_wait_for_them(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most, may_go = [0], [0], threading.Event()
    lock = threading.Lock()

    def slow(connection: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        may_go.wait(20)
        with lock:
            inside[0] -= 1
        return schedule_state(connection)

    monkeypatch.setattr(run_pages, "schedule_state", slow)
    app = dashboard(ledger)
    async with browser(app) as client:
        asked = [asyncio.create_task(client.get("/runs")) for _ in range(50)]
        await until(lambda: inside[0] == 2)
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        may_go.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
    assert most == [2]


async def test_a_probe_is_answered_in_time_while_the_ledgers_server_says_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, answers = list[int](), threading.Event()

    def hanging(ledger: Ledger) -> Health:
        looks.append(1)
        answers.wait(20)
        return check(ledger)

    monkeypatch.setattr(probes, "check", hanging)
    monkeypatch.setattr(probes, "PATIENCE", 0.2)
    async with browser(dashboard(ledger)) as client:
        silent = await asyncio.gather(*(client.get("/health/ready") for _ in range(3)))
        # Who asks meanwhile waits for the look that is under way, and begins none.
        silent.append(await client.get("/health/ready"))
        assert {answer.status_code for answer in silent} == {503}
        assert all(answer.json()["problems"] == ["the ledger cannot be read"] for answer in silent)
        assert looks == [1]
        answers.set()
        monkeypatch.setattr(probes, "PATIENCE", 20)
        assert (await client.get("/health/ready")).json()["problems"] == ["no scheduler is up"]


async def test_probes_at_the_same_time_are_one_look_into_the_ledger(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def counted(of: Ledger) -> Any:
        looks.append(1)
        return check(of)

    monkeypatch.setattr(probes, "check", counted)
    async with browser(dashboard(ledger)) as client:
        await asyncio.gather(*(client.get("/health/ready") for _ in range(100)))
    assert len(looks) == 1


async def test_the_longer_pages_take_the_later_they_are_told_of_the_next_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    with use(monotonic=lambda: now[0]):
        answers = Answers()
        answers.renew(keeps=True)

        async def takes(seconds: float) -> Response:
            now[0] += seconds
            return Response()

        await answers.share("a", lambda: takes(0.5))
        await answers.share("a", lambda: takes(0.5))
        await answers.share("b", lambda: takes(0.25))
        waited: list[float] = []

        async def wait_for(waiting: Any, seconds: float) -> None:
            waiting.close()
            waited.append(seconds)
            raise TimeoutError

        monkeypatch.setattr(asyncio, "wait_for", wait_for)
        await answers.rest()
        await answers.rest()
        await answers.share("c", lambda: takes(1_000))
        await answers.rest()
        assert waited == [pytest.approx(0.75 * room._SHARE), 0, room._LONGEST_REST]


async def test_what_all_pages_use_is_set_apart_from_garbage_a_few_times() -> None:
    answers, settled = Answers(), list[int]()
    made = 0
    answers.settle = lambda: settled.append(made)

    async def page() -> Response:
        nonlocal made
        made += 1
        return Response()

    for _ in range(200):
        await answers.make(page)
    assert settled == [1, 10, 100]


async def test_an_answer_that_fails_fails_for_those_who_wait_for_it_and_is_made_anew_after_a_change() -> None:
    answers = Answers()
    answers.renew(keeps=True)

    async def fails() -> Response:
        raise ValueError("no page")

    async def works() -> Response:
        return Response("a page")

    found = await asyncio.gather(*(answers.share("a", fails) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in found] == ["no page"] * 3
    answers.renew(keeps=True)
    assert (await answers.share("a", works)).body == b"a page"


async def test_one_who_asks_no_more_does_not_end_the_answer_for_others() -> None:
    answers, may_go = Answers(), asyncio.Event()
    answers.renew(keeps=True)

    async def waits() -> Response:
        await may_go.wait()
        return Response("a page")

    first, second = (asyncio.create_task(answers.share("a", waits)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    may_go.set()
    assert (await second).body == b"a page"


def test_arguments_of_more_than_64_kib_are_refused(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path):
        client = SchedulerClient()
        room_for = 65_536 - len(json.dumps({"args": [""], "kwargs": {}}))
        client.add_job(takes_text, "interval", hours=1, args=["x" * room_for], id="fits")
        with pytest.raises(ConfigurationError, match=r"64 KiB.*give an id and look it up"):
            client.add_job(takes_text, "interval", hours=1, args=["x" * (room_for + 1)], id="large")
        with pytest.raises(ConfigurationError, match="64 KiB"):
            client.modify_job("fits", kwargs={"text": "\u20ac" * 22_000}, args=[])
