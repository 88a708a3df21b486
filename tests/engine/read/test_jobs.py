"""A job is the same job wherever it is shown, with the options that the engine goes by."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, SchedulerClient, masking
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.doctor import history
from everytick.model import ticks
from everytick.read.job_list import JobFilter, list_jobs
from everytick.read.known_job import Declared, undeclared
from everytick.settings import settings
from everytick.store.database import Ledger
from everytick.store.querying import connect

import added_tasks
from dashboards import api, page
from histories import MINUTE, ask, ask_json, prepared, run, write
from inside import until
from ledgers import change, found_in


def shown(ledger: Ledger, job_id: str = "added") -> int | None:
    """Return how many runs at once the API grants a job."""
    found: int | None = api(ledger, f"jobs/{job_id}")["max_instances"]
    return found


@pytest.fixture
def held() -> Any:
    """Let the task that waits wait in vain no longer when the test is over."""
    added_tasks.opened.clear()
    yield
    added_tasks.opened.set()


async def test_the_defaults_of_the_schedule_are_those_that_are_shown(scheduler: AsyncIOScheduler) -> None:
    three = AsyncIOScheduler(job_defaults={"max_instances": 3, "misfire_grace_time": 90})
    async with three:
        three.add_job(added_tasks.note, "interval", days=300, id="added")
        added = three.get_job("added")
        assert added is not None
        assert added.options.max_instances == 3
        assert shown(three.ledger) == 3
    # And with nothing up: neither a page nor the API loads the schedule.
    assert shown(three.ledger) == 3
    [row] = [row for row in ask_json(three, "jobs") if row["id"] == "added"]
    assert row["max_instances"] == 3


async def test_why_counts_with_the_instances_that_the_engine_grants(scheduler: AsyncIOScheduler) -> None:
    three = AsyncIOScheduler(job_defaults={"max_instances": 3})
    three.ledger.prepare()
    async with three:
        three.add_job(added_tasks.note, "interval", days=300, id="added")
    ledger, now = three.ledger, ticks.now()
    write(ledger, "scheduler_runs", [run("added", now - MINUTE, "running", finished_us=None)])
    waits = run("added", None, "queued", due_us=now, started_us=None, finished_us=None, process_id=None)
    write(ledger, "scheduler_runs", [waits])
    for_all = " ".join(api(ledger, "jobs/added/why")["sentences"])
    assert "is reached" not in for_all
    by_hand = found_in(ledger, "SELECT run_id FROM scheduler_runs WHERE state = 'queued'")[0]["run_id"]
    assert "is reached" not in ask(three, "why", "added", "--run", str(by_hand))
    more = [run("added", now - number * MINUTE, "running", finished_us=None) for number in (2, 3)]
    write(ledger, "scheduler_runs", more)
    assert "max_instances=3 is reached by run" in ask(three, "why", "added", "--run", str(by_hand))


async def test_a_restart_with_other_defaults_shows_those(scheduler: AsyncIOScheduler) -> None:
    async with AsyncIOScheduler(job_defaults={"max_instances": 3}) as three:
        three.add_job(added_tasks.note, "interval", days=300, id="added")
        three.add_job(added_tasks.note, "interval", days=300, id="named", max_instances=2)
    async with AsyncIOScheduler(job_defaults={"max_instances": 5, "misfire_grace_time": 77}) as five:
        assert five.get_job("added").options.max_instances == 5  # type: ignore[union-attr]
        await until(lambda: shown(five.ledger) == 5)
        assert shown(five.ledger, "named") == 2
        [row] = found_in(five.ledger, "SELECT grace_us FROM scheduler_jobs WHERE job_id = 'added'")
        assert row["grace_us"] == 77 * ticks.SECOND


async def test_jobs_that_another_process_adds_get_the_defaults_of_the_schedule(
    scheduler: AsyncIOScheduler,
) -> None:
    async with AsyncIOScheduler(job_defaults={"max_instances": 3}) as three:
        SchedulerClient().add_job(added_tasks.note, "interval", days=300, id="added")
        await until(lambda: three.get_job("added"))
        assert three.get_job("added").options.max_instances == 3  # type: ignore[union-attr]
        await until(lambda: shown(three.ledger) == 3)


async def test_a_job_of_an_older_version_gets_its_options_written_down_at_the_next_start(
    scheduler: AsyncIOScheduler,
) -> None:
    async with AsyncIOScheduler(job_defaults={"max_instances": 3}) as three:
        three.add_job(added_tasks.note, "interval", days=300, id="added")
    old = '{"args": [], "kwargs": {}, "options": {}}'
    change(three.ledger, "UPDATE scheduler_jobs SET call_data = ? WHERE job_id = 'added'", old)
    # Nobody who does not load the schedule can know more.
    assert shown(three.ledger) == 1
    async with AsyncIOScheduler(job_defaults={"max_instances": 3}):
        await until(lambda: shown(three.ledger) == 3)


def test_of_a_job_in_the_code_nothing_is_claimed_that_only_the_code_says(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="job", max_instances=3)
    ledger, now = prepared(scheduler), ticks.now()
    write(ledger, "scheduler_runs", [run("job", now - MINUTE, "running", finished_us=None)])
    waits = run("job", now, "queued", due_us=now, started_us=None, finished_us=None, process_id=None)
    write(ledger, "scheduler_runs", [waits])
    tick = ticks.moment(now).isoformat()
    said = " ".join(api(ledger, "jobs/job/why", tick=tick)["sentences"])
    assert "max_instances=1" not in said
    assert "1 run of the job under way" in said
    assert shown(ledger, "job") is None


async def test_doctor_judges_by_the_options_in_force(scheduler: AsyncIOScheduler) -> None:
    async with AsyncIOScheduler(job_defaults={"max_instances": 3}) as three:
        three.add_job(added_tasks.note, "interval", minutes=1, id="added")
    now = ticks.now()
    slow = [
        run("added", now - number * MINUTE, finished_us=now - number * MINUTE + 2 * MINUTE)
        for number in range(1, 9)
    ]
    write(three.ledger, "scheduler_runs", slow)
    with connect(three.ledger) as connection:
        plain = undeclared(settings())
        found = history.examine_history(connection, plain, now, settings().zone)
    assert not [finding for finding in found if finding.check == "duration"], found


async def test_a_job_may_go_while_the_plan_is_read(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the jobs and what is known of their runs."""
    coming: Any = import_module("everytick.read.coming")
    jobs: Any = import_module("everytick.read.jobs")
    declared = undeclared(settings())
    client = SchedulerClient()
    async with scheduler:
        for name in ("stays", "goes"):
            client.add_job(added_tasks.note, "interval", hours=1, id=name)
        for read in ("read_jobs", "recent"):
            real = getattr(jobs, read)

            def between(*arguments: Any, real: Any = real) -> Any:
                found = real(*arguments)
                if client.get_job("goes"):
                    client.remove_job("goes")
                return found

            with monkeypatch.context() as patch:
                patch.setattr(jobs, read, between)
                begin = ticks.now()
                found = coming.coming(
                    scheduler.ledger,
                    declared,
                    begin,
                    begin + ticks.DAY,
                    1_000,
                    max_workers=4,
                    group_limits={},
                )
            assert "stays" in found.findings.loads
            client.add_job(added_tasks.note, "interval", hours=1, id="goes", replace_existing=True)


async def test_a_search_for_jobs_ignores_case_in_every_alphabet(scheduler: AsyncIOScheduler) -> None:
    names = {"Größe": "x", "b": "ÄPFEL zählen", "c": "ΔΕΛΤΑ", "d": "100%_\\", "e": "plain"}
    for job_id, name in names.items():
        scheduler.add_job(added_tasks.note, "cron", hour=9, id=job_id, name=name)
    async with scheduler:
        pass

    def found(text: str) -> list[str]:
        return [job["id"] for job in api(scheduler.ledger, "jobs", q=text)["jobs"]]

    assert (found("größe"), found("GRÖSSE"), found("äpfel ZÄHLEN")) == (["Größe"], ["Größe"], ["b"])
    assert (found("δελτα"), found("PLAIN"), found("_")) == (["c"], ["e"], ["d"])
    assert found("%") == found("\\") == ["d"]
    first, rest = (api(scheduler.ledger, "jobs", q="", limit=2, offset=offset) for offset in (0, 2))
    assert [len(part["jobs"]) for part in (first, rest)] == [2, 2]
    with connect(scheduler.ledger) as connection:
        page, _due = list_jobs(connection, JobFilter("l"), 1, 1)
    # Of ΔΕΛΤΑ no letter is an l.
    assert ([job.id for job in page.rows], page.total) == (["e"], 2)


async def takes_all(text: str, thing: object, limit: int, api_token: str) -> None:
    """Do nothing with them."""


class Unprintable:
    """An argument of a class of the user, which cannot be shown."""

    def __repr__(self) -> str:
        raise ValueError("no")


async def test_all_that_was_declared_of_a_job_is_shown_where_its_code_is_loaded(
    scheduler: AsyncIOScheduler,
) -> None:
    secret = "hunter2-hunter2"
    scheduler.add_job(
        takes_all,
        "interval",
        hours=1,
        jitter=30,
        id="job",
        args=["a" * 1_000, Unprintable()],
        kwargs={"limit": 3, "api_token": secret},
        timeout=90,
        retries=2,
        max_instances=4,
        coalesce=False,
        max_catch_up=7,
        queue="reports",
        misfire_grace_time=45,
    )
    async with scheduler:
        pass
    declared = partial(
        Declared, scheduler.get_jobs(), scheduler.defaults, scheduler.settings.allowed_functions
    )
    loaded = create_app(scheduler.ledger, Authenticator("t" * 20), frozenset(), 0, declared)
    transport, headers = httpx.ASGITransport(loaded), {"Authorization": f"Bearer {'t' * 20}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
        found = (await client.get("/api/v1/jobs/job")).json()
        shown = (await client.get("/job?id=job")).text
        listed = (await client.get("/api/v1/jobs")).json()["jobs"][0]
    options = found["options"]
    assert (options["timeout"], options["retries"], options["max_instances"]) == (90, 2, 4)
    assert (options["coalesce"], options["max_catch_up"], options["queue"]) == (False, 7, "reports")
    assert (options["misfire_grace_time"], options["jitter"], options["on_crash"]) == (45, 30, "rerun")
    first, second, *named = options["arguments"]
    assert first.startswith("'aaaa")
    assert len(first) < 200
    assert second.startswith("<Unprintable instance")
    assert named == ["limit=3", "api_token='*****'"]
    for row in (found, listed):
        assert row["max_instances"] == 4
        assert re.search(r"test_jobs\.py:\d+$", row["declared_at"])
    assert secret not in shown
    for told in (
        "limit=3",
        "1 min 30 s",
        "up to 7 missed ticks run",
        "reports",
        "up to 30 s",
        "test_jobs.py:",
    ):
        assert told in shown
    # Where the code is not loaded, the page says so and shows what the ledger has.
    assert api(scheduler.ledger, "jobs/job")["options"] is None
    assert "stand in the code, which is not loaded here" in page(scheduler.ledger, "/job", id="job")


async def test_no_secret_in_an_argument_is_shown_however_deep_it_is(scheduler: AsyncIOScheduler) -> None:
    known = "sesame-open-4711"
    masking.hide(known)
    dsn = "postgresql://shop:hunter22@db.example/shop"
    scheduler.add_job(
        added_tasks.note,
        "interval",
        days=300,
        id="job",
        args=[{"password": "hunter22"}, "a" * 50 + known + "b" * 50],
        kwargs={"to": [{"dsn": dsn}], "secret_key": 4711, "at": dsn},
    )
    ledger = prepared(scheduler)
    declared = partial(
        Declared, scheduler.get_jobs(), scheduler.defaults, scheduler.settings.allowed_functions
    )
    app = create_app(ledger, Authenticator("t" * 20), frozenset(), 0, declared)
    transport, headers = httpx.ASGITransport(app), {"Authorization": f"Bearer {'t' * 20}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
        arguments = (await client.get("/api/v1/jobs/job")).json()["options"]["arguments"]
        shown = (await client.get("/job?id=job")).text
    assert arguments[0] == "{'password': '*****'}"
    assert arguments[2:] == [
        "to=[{'dsn': 'postgresql://shop:*****@db.example/shop'}]",
        "secret_key='*****'",
        "at='postgresql://shop:*****@db.example/shop'",
    ]
    for told in (shown, str(arguments)):
        assert "hunter22" not in told
        assert "sesame" not in told
        assert "4711" not in told
