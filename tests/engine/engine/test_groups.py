"""group= and SCHEDULER_GROUP_LIMITS: jobs whose runs share a limit, over all processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, ScheduleError, SchedulerClient
from everytick import settings as settings_room
from everytick.doctor.environment import examine_group_limits
from everytick.doctor.liveness import examine_processes
from everytick.explain import why
from everytick.model import ticks
from everytick.model.group_limits import GroupLimits
from everytick.store.querying import connect
from everytick.system import use
from loguru import logger

from dashboards import api, page
from histories import ask, ask_json
from inside import Gauge, rows, rows_of, until
from ledgers import found_in

# Each has settings of its own, whichever application a test before was about.
pytestmark = pytest.mark.usefixtures("nothing_left_behind", "scheduler")

NEVER = 10_000.0


@contextmanager
def limits(text: str, **others: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEDULER_GROUP_LIMITS", text)
        for name, value in others.items():
            patch.setenv(name, value)
        settings_room.settings.cache_clear()
        settings_room.settings()
        yield
    settings_room.settings.cache_clear()


class Work:
    """A task that goes on until it is let go; it knows how many of its runs were inside at once."""

    def __init__(self) -> None:
        self.gauge, self.begun = Gauge(), list[str]()
        self._may_end = asyncio.Semaphore(0)

    async def __call__(self, name: str) -> None:
        self.begun.append(name)
        self.gauge.enter()
        try:
            await self._may_end.acquire()
        finally:
            self.gauge.leave()

    def has_begun(self, number: int) -> bool:
        return len(self.begun) == number

    def let_go(self, number: int = 1) -> None:
        for _ in range(number):
            self._may_end.release()


def add(
    scheduler: AsyncIOScheduler, work: Any, *job_ids: str, group: str | None = "database", **options: Any
) -> None:
    options = {"seconds": 1, **options}
    for job_id in job_ids:
        scheduler.add_job(work, "interval", args=[job_id], id=job_id, group=group, **options)


async def test_no_more_runs_of_a_group_begin_than_its_limit_and_each_end_lets_the_next_begin(
    scheduler: AsyncIOScheduler,
) -> None:
    work = Work()
    jobs = [f"job{number}" for number in range(5)]
    # No pulse comes by itself: a run that waits begins as soon as its group has a place.
    with use(uniform=lambda _low, _high: NEVER), limits("database=2"):
        add(scheduler, work, *jobs, hours=1, next_run_time=datetime.now())
        async with scheduler:
            await until(lambda: len(work.begun) == 2)
            assert len(rows(scheduler, "queued")) == 3
            for number in (3, 4, 5):
                work.let_go()
                await until(partial(work.has_begun, number))
            work.let_go(9)
    assert sorted(work.begun) == jobs
    assert work.gauge.most == 2


@pytest.mark.full
async def test_ticks_wait_for_a_place_in_their_group_and_the_newest_of_a_job_stays(
    scheduler: AsyncIOScheduler,
) -> None:
    work = Work()
    with limits("database=1,api=5"):
        add(scheduler, work, "first", "second", seconds=0.3)
        async with scheduler:
            await until(lambda: len(work.begun) == 1)
            other = "second" if work.begun == ["first"] else "first"
            await until(lambda: [row for row in rows_of(scheduler, other) if row["reason"] == "coalesced"])
            assert work.begun != [other]
            work.let_go(99)
            await until(lambda: other in work.begun)
    assert work.gauge.most == 1
    assert {row["reason"] for row in rows(scheduler, "skipped")} <= {"coalesced", "overlap"}


@pytest.mark.full
async def test_each_tick_of_a_job_that_waits_runs_in_its_turn(scheduler: AsyncIOScheduler) -> None:
    gauge = Gauge()

    async def short(_name: str) -> None:
        gauge.enter()
        await asyncio.sleep(0.12)
        gauge.leave()

    with limits("database=1"):
        add(scheduler, short, "first", "second", seconds=0.4, overlap="wait")
        async with scheduler:
            await until(lambda: len(rows(scheduler, "succeeded")) >= 6)
    assert gauge.most == 1
    assert not [row for row in rows(scheduler, "skipped") if row["attempt"]]


async def test_a_tick_that_waits_for_its_group_beyond_its_grace_time_is_missed(
    scheduler: AsyncIOScheduler,
) -> None:
    work = Work()
    with limits("database=1"):
        add(scheduler, work, "long", hours=1, next_run_time=datetime.now())
        add(scheduler, work, "short", seconds=0.3, misfire_grace_time=0.5, overlap="wait")
        async with scheduler:
            await until(lambda: work.begun)
            first = work.begun[0]
            assert first in ("long", "short")
            if first == "short":
                work.let_go()
                await until(lambda: "long" in work.begun)
            await until(lambda: [row for row in rows_of(scheduler, "short") if row["reason"] == "missed"])
            [missed, *_] = [row for row in rows_of(scheduler, "short") if row["reason"] == "missed"]
            assert missed["error"] == "it waited for a place in the group database"
            work.let_go(99)


async def test_a_group_without_a_limit_and_a_job_without_a_group_begin_as_others_do(
    scheduler: AsyncIOScheduler,
) -> None:
    work = Work()
    with limits("database=1"):
        add(scheduler, work, "a", "b", group="reports", hours=1, next_run_time=datetime.now())
        add(scheduler, work, "c", group=None, hours=1, next_run_time=datetime.now())
        async with scheduler:
            await until(lambda: len(work.begun) == 3)
            work.let_go(9)


async def test_runs_by_hand_retries_and_added_jobs_count_for_their_group(scheduler: AsyncIOScheduler) -> None:
    work = Work()
    with limits("database=1"):
        add(scheduler, work, "a", "b", hours=1)
        async with scheduler:
            client = SchedulerClient()
            client.run_job_now("a")
            await until(lambda: work.begun == ["a"])
            client.run_job_now("b")
            scheduler.add_job("added_tasks:note", "date", id="added", group="database")
            await until(lambda: len(rows(scheduler, "queued")) == 2)
            assert work.begun == ["a"]
            work.let_go(9)
            await until(lambda: len(rows(scheduler, "succeeded")) == 3)
    assert work.gauge.most == 1
    kept = {
        row["job_id"]: row["group_name"] for row in found_in(scheduler.ledger, "SELECT * FROM scheduler_jobs")
    }
    assert kept == {"a": "database", "b": "database", "added": "database"}


async def test_a_change_of_the_group_is_in_force_from_the_next_start(scheduler: AsyncIOScheduler) -> None:
    work = Work()
    add(scheduler, work, "a", "b", hours=1)
    async with scheduler:
        pass
    again = AsyncIOScheduler()
    add(again, work, "a", "b", group="api", hours=1)
    async with again:
        pass
    kept = {row["group_name"] for row in found_in(again.ledger, "SELECT * FROM scheduler_jobs")}
    assert kept == {"api"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("database", "'database' must be a group and how many of its runs may be under way: database=2"),
        ("database=0", "'database=0' must be a group and how many"),
        ("database=two", "'database=two' must be a group and how many"),
        ("data/base=2", "group='data/base' must be a name of letters, digits, '.' and '-'"),
        ("api=1, api=2", "the group api has two limits"),
    ],
)
def test_limits_that_are_none_are_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="SCHEDULER_GROUP_LIMITS: ") as refused, limits(text):
        pass
    assert said in str(refused.value)


def test_a_group_s_name_is_one(scheduler: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match="group='two words' must be a name"):
        add(scheduler, print, "job", group="two words")


def test_what_a_row_holds_that_are_no_limits_limits_nothing() -> None:
    assert GroupLimits.of(GroupLimits.read("a=1 b=2").kept) == {"a": 1, "b": 2}
    for kept in (None, "", "[]", "{", 7, '{"a": "x"}', '{"a": 1e999}'):
        assert GroupLimits.of(kept) == {}


# --- what is told of it


@pytest.mark.full
async def test_what_waits_for_its_group_is_told(scheduler: AsyncIOScheduler) -> None:
    work = Work()
    with limits("database=1"):
        add(scheduler, work, "first", hours=1, next_run_time=datetime.now())
        add(scheduler, work, "second", hours=1)
        async with scheduler:
            await until(lambda: work.begun)
            SchedulerClient().run_job_now("second")
            await until(lambda: rows(scheduler, "queued"))
            [waiting] = rows(scheduler, "queued")
            said = " ".join(
                why(
                    scheduler.ledger, "second", None, waiting["run_id"], {}, None, scheduler.settings
                ).sentences
            )
            assert "It is waiting for group database (1 of 1), since" in said
            listed = {row["id"]: row for row in ask_json(scheduler, "jobs")}
            assert [(listed[id]["group"], listed[id]["waits_for"]) for id in ("first", "second")] == [
                ("database", None),
                ("database", "group database (1 of 1)"),
            ]
            assert "waiting for group database (1 of 1)" in " ".join(ask(scheduler, "jobs").split())
            assert "waiting for group database (1 of 1)" in page(scheduler.ledger, "/running")
            assert "waiting for group database (1 of 1)" in page(scheduler.ledger, "/jobs")
            assert "its runs share a limit" in page(scheduler.ledger, "/job?id=second")
            assert api(scheduler.ledger, "jobs/second")["waits_for"] == "group database (1 of 1)"
            work.let_go(9)


def test_doctor_finds_groups_without_a_limit_and_limits_without_a_group() -> None:
    with limits("api=2,database=1"):
        found = examine_group_limits(
            settings_room.settings(), {"a": "database", "b": "reports", "c": "reports"}
        )
    assert [finding.what for finding in found] == [
        "the group reports has no limit: b, c run as if they had no group",
        "no job has the group api",
    ]


def test_doctor_advises_a_value_that_keeps_the_limits_that_there_are() -> None:
    with limits("database=2,api=1"):
        found = examine_group_limits(
            settings_room.settings(), {"a": "database", "b": "files", "c": "api", "d": "mail"}
        )
    value = "SCHEDULER_GROUP_LIMITS=database=2,api=1,files=2,mail=2"
    assert [finding.right for finding in found] == [value, value]
    # Where there is none yet.
    with limits(""):
        [only] = examine_group_limits(settings_room.settings(), {"b": "files"})
    assert only.right == "SCHEDULER_GROUP_LIMITS=files=2"


@pytest.mark.usefixtures("scheduler")
async def test_a_start_says_once_which_groups_lack_a_limit_and_which_limits_a_group() -> None:
    scheduler, said = AsyncIOScheduler(), list[str]()
    add(scheduler, print, "a", group="database", hours=1)
    for job_id in ("b", "c"):
        add(scheduler, print, job_id, group="reports", hours=1)
    add(scheduler, print, "d", group=None, hours=1)
    sink = logger.add(lambda message: said.append(message.record["message"]), level="WARNING")
    try:
        with limits("api=2,database=1"):
            async with scheduler:
                await until(lambda: bool(said))
    finally:
        logger.remove(sink)
    assert said == [
        "the group reports has no limit in SCHEDULER_GROUP_LIMITS: b, c run as if they had no group",
        "SCHEDULER_GROUP_LIMITS: no job has the group api",
    ]


async def test_doctor_finds_processes_with_different_limits(scheduler: AsyncIOScheduler) -> None:
    one, other = AsyncIOScheduler(), AsyncIOScheduler()
    add(one, print, "a", hours=1)
    add(other, print, "a", hours=1)
    with limits("database=1"):
        async with one:
            with limits("database=2"):
                async with other:
                    with connect(scheduler.ledger) as connection:
                        found = examine_processes(connection, ticks.now(), UTC, is_held=False)
    assert any("have different limits of groups" in finding.what for finding in found)
