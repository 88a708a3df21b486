"""Jobs added while the schedule runs: kept as data, over restarts, known to every process."""

from __future__ import annotations

import enum
import functools
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import time_machine
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick.api.loading import declared
from everytick.doctor.history import examine_history
from everytick.model import ticks
from everytick.store import claims
from everytick.store.querying import connect

import added_tasks
from histories import ask_json
from inside import rows, until
from ledgers import changing

calls = added_tasks.calls


@pytest.fixture(autouse=True)
def no_calls_yet() -> Iterator[None]:
    calls.clear()
    added_tasks.opened.clear()
    yield
    added_tasks.opened.set()


def restarted(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """The same application, started anew."""
    return AsyncIOScheduler()


async def test_a_single_run_added_while_running_runs_once_and_is_accounted_for(
    scheduler: AsyncIOScheduler,
) -> None:
    async with scheduler:
        when = datetime.now(UTC) + timedelta(seconds=0.3)
        job = scheduler.add_job(
            added_tasks.note, "date", run_date=when, args=[1, {"a": [2]}], kwargs={"x": "y"}
        )
        assert scheduler.get_job(job.id) is job
        await until(lambda: rows(scheduler, "succeeded"))
    assert calls == [(1, {"a": [2]}, ("x", "y"))]
    [run] = rows(scheduler)
    assert (run["job_id"], run["kind"]) == (job.id, "scheduled")
    assert run["tick_us"] == int(when.timestamp() * 1e6)
    async with restarted(scheduler) as again:
        assert again.get_jobs() == []
    assert len(rows(scheduler)) == 1


async def test_without_a_trigger_it_runs_at_once_and_only_once(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note_soon, args=["now"])
        await until(lambda: rows(scheduler, "succeeded"))
    async with restarted(scheduler):
        pass
    assert calls == [("now",)]


@pytest.mark.full
async def test_a_recurring_job_goes_on_after_a_restart_as_it_was_added(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(
            "added_tasks:note", "interval", seconds=0.2, id="ticking", name="Tick", args=["a"], retries=2
        )
        await until(lambda: len(calls) >= 2)
    before = len(calls)
    async with restarted(scheduler) as again:
        job = again.get_job("ticking")
        assert job is not None
        assert (job.name, job.args, job.options.retries, job.trigger) == (
            "Tick",
            ("a",),
            2,
            "interval[0:00:00.200000]",
        )
        await until(lambda: len(calls) >= before + 2)
    ticks = [row["tick_us"] for row in rows(scheduler)]
    assert len(ticks) == len(set(ticks))


async def test_ticks_missed_while_nothing_was_up_are_caught_up(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        async with scheduler:
            soon = datetime.now(UTC) + timedelta(minutes=5)
            scheduler.add_job(added_tasks.note, "date", run_date=soon, id="soon", args=["soon"])
            scheduler.add_job(
                added_tasks.note, "date", run_date=soon, id="short", misfire_grace_time=1, args=["short"]
            )
        clock.shift(6 * 60)
        async with restarted(scheduler):
            await until(lambda: rows(scheduler, "succeeded"))
    assert calls == [("soon",)]
    [skipped] = rows(scheduler, "skipped")
    assert (skipped["job_id"], skipped["reason"]) == ("short", "outage")


async def test_a_date_that_is_past_is_judged_by_its_grace(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        now = datetime.now(UTC)
        scheduler.add_job(
            added_tasks.note, "date", run_date=now - timedelta(minutes=5), args=["late"], id="a"
        )
        scheduler.add_job(added_tasks.note, "date", run_date=now - timedelta(hours=5), args=["never"], id="b")
        await until(lambda: len(rows(scheduler, "succeeded", "skipped")) == 2)
    assert calls == [("late",)]
    assert [row["reason"] for row in rows(scheduler, "skipped")] == ["missed"]


@pytest.mark.full
async def test_a_retry_of_a_single_run_survives_a_restart(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.fails_once, id="once", retries=1, retry_delay=0.5)
        await until(lambda: rows(scheduler, "retrying"))
    async with restarted(scheduler):
        await until(lambda: rows(scheduler, "succeeded"))
    assert len(calls) == 2


async def test_every_trigger_is_the_same_after_a_restart(scheduler: AsyncIOScheduler) -> None:
    berlin, plus_two = "Europe/Berlin", timezone(timedelta(hours=2))
    start = datetime(2027, 1, 1, 12, tzinfo=plus_two)
    async with scheduler:
        add = functools.partial(scheduler.add_job, added_tasks.note)
        add("cron", day_of_week="mon-fri", hour="8,17", minute="*/20", timezone=berlin, jitter=5, id="cron")
        add("interval", hours=3, start_date=start, end_date="2028-01-01", id="interval")
        add("calendarinterval", months=1, hour=2, timezone=berlin, id="calendar")
        add(OrTrigger([CronTrigger(hour=3), IntervalTrigger(hours=7, timezone=berlin)]), id="or")
        add(CronTrigger.from_crontab("0 9 * * mon", timezone=berlin), id="crontab")
        add("date", run_date="2030-06-01 12:00:00", timezone=berlin, id="date")
        before = {job.id: job.schedule for job in scheduler.get_jobs()}
    async with restarted(scheduler) as again:
        after = {job.id: job.schedule for job in again.get_jobs()}
    assert after.keys() == before.keys()
    for name, schedule in before.items():
        assert after[name].ticks.canonical == schedule.ticks.canonical
        assert (after[name].text, after[name].jitter, str(after[name].zone)) == (
            schedule.text,
            schedule.jitter,
            str(schedule.zone),
        )
        assert after[name].next_tick(0) == schedule.next_tick(0)


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: None, "a lambda cannot be found again"),
        (added_tasks.by_lambda, "a lambda cannot be found again"),
        (added_tasks.nested(), "inner stands inside of another function"),
        (added_tasks.Tasks().of_an_object, "method of a Tasks object"),
        (functools.partial(added_tasks.note, 1), "a partial of note cannot be kept"),
        ("added_tasks:nowhere", "'added_tasks:nowhere' cannot be imported"),
    ],
)
async def test_a_function_that_no_process_could_find_again_is_refused(
    scheduler: AsyncIOScheduler, function: Any, sentence: str
) -> None:
    async with scheduler:
        with pytest.raises(ScheduleError, match=sentence) as refusal:
            scheduler.add_job(function, "interval", hours=1, id="job")
        assert "test_added_jobs.py:" in str(refusal.value)
        assert scheduler.get_jobs() == []


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([datetime(2027, 1, 1)], r"args\[0\] is a datetime"),
        ([1, {"when": {2}}], r"args\[1\]\['when'\] is a set"),
        ([[(1, 2)]], r"args\[0\]\[0\] is a tuple"),
        ([{1: 2}], "a dict with keys that are not text"),
        ([float("nan")], r"args\[0\] is a float \(nan\)"),
        ([Colour.RED], r"args\[0\] is a Colour"),
        ([b"bytes"], r"args\[0\] is a bytes"),
        (["\ud800"], r"args\[0\] is a str"),
    ],
)
async def test_arguments_that_would_not_come_back_as_they_were_are_refused(
    scheduler: AsyncIOScheduler, args: list[Any], sentence: str
) -> None:
    async with scheduler:
        with pytest.raises(ScheduleError, match=sentence):
            scheduler.add_job(added_tasks.note, "interval", hours=1, id="job", args=args)


async def test_a_class_method_can_be_kept(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.Tasks.of_a_class, id="job")
        await until(lambda: rows(scheduler, "succeeded"))
    assert calls == [("Tasks",)]


async def test_the_same_call_without_an_id_is_the_same_job(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        first = scheduler.add_job(added_tasks.note, "interval", hours=1, args=[1])
        again = scheduler.add_job(added_tasks.note, "interval", hours=1, args=[1])
        other = scheduler.add_job(added_tasks.note, "interval", hours=1, args=[2])
        assert first.id == again.id != other.id
        assert len(scheduler.get_jobs()) == 2


async def test_a_single_run_added_again_with_its_date_does_not_run_again(scheduler: AsyncIOScheduler) -> None:
    when = datetime.now(UTC) + timedelta(seconds=0.2)
    for start in (scheduler, restarted(scheduler)):
        async with start:
            start.add_job(added_tasks.note, "date", run_date=when, id="once", replace_existing=True)
            await until(lambda: rows(scheduler, "succeeded"))
    assert calls == [()]
    assert len(rows(scheduler)) == 1


@pytest.mark.full
async def test_next_run_time_now_asks_for_a_run_beside_the_ticks(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="job", next_run_time=datetime.now())
        await until(lambda: rows(scheduler, "succeeded"))
    assert [row["kind"] for row in rows(scheduler)] == ["manual"]


async def test_a_job_can_be_added_before_the_schedule_ever_ran(scheduler: AsyncIOScheduler) -> None:
    SchedulerClient().add_job(added_tasks.note, id="first")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    assert calls == [()]


async def test_a_job_may_add_another_from_its_thread(scheduler: AsyncIOScheduler) -> None:
    done = threading.Event()

    def parent() -> None:
        scheduler.add_job(added_tasks.note, args=["child"])
        done.set()

    scheduler.add_job(parent, "date", id="parent")
    async with scheduler:
        await until(lambda: calls)
    assert done.is_set()


async def test_a_function_that_is_gone_keeps_its_job_until_it_is_back(
    capsys: Any, scheduler: AsyncIOScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "passing.py"
    module.write_text("import added_tasks\n\ndef work(): added_tasks.note('back')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    async with scheduler:
        scheduler.add_job("passing:work", "interval", seconds=0.2, id="kept", misfire_grace_time=None)
        scheduler.add_job(added_tasks.note, "interval", seconds=0.2, id="other", args=["other"])
    sys.modules.pop("passing")
    calls.clear()
    module.rename(tmp_path / "elsewhere.txt")
    async with restarted(scheduler) as without:
        await until(lambda: ("other",) in calls)
        assert without.get_job("kept") is None
    assert "job kept is kept, but cannot run: 'passing:work' cannot be imported" in capsys.readouterr().err
    (tmp_path / "elsewhere.txt").rename(module)
    async with restarted(scheduler):
        await until(lambda: ("back",) in calls)


async def test_of_a_function_that_takes_other_arguments_now_it_is_said_how_the_job_is_given_these(
    scheduler: AsyncIOScheduler,
) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", seconds=0.2, id="kept", args=[1, 2, 3])
    with changing(scheduler.ledger) as hand:
        hand.execute("UPDATE scheduler_jobs SET function = 'added_tasks:note_twice'")
    async with restarted(scheduler) as again:
        tick = datetime.now(UTC)
        problem = "note_twice cannot be called with these arguments: too many positional arguments"

        def told() -> str:
            with connect(again.ledger) as connection:
                found = examine_history(connection, declared(again), ticks.now(), UTC)
            return next((str(it.right) for it in found if it.check == "function"), "")

        right = await until(told)
        assert (
            right == "arguments that it takes (Change on the page of the job, or modify_job), or its removal"
        )
        [row] = [row for row in ask_json(again, "jobs") if row["id"] == "kept"]
        assert problem in row["problem"]
        await until(lambda: datetime.now(UTC) > tick + timedelta(seconds=0.3))
        said = " ".join(ask_json(again, "why", "kept")["sentences"])
        assert "with arguments that it takes it goes on (Change on its page, or modify_job)" in said
        assert "has its function" not in said


async def test_a_naive_moment_that_could_mean_two_is_refused(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = AsyncIOScheduler(timezone="Asia/Tokyo")
    async with scheduler:
        with pytest.raises(ScheduleError, match=r"datetime\.now\(UTC\)"):
            scheduler.add_job(
                added_tasks.note, "date", run_date=datetime.now() + timedelta(days=1, microseconds=1)
            )


@pytest.mark.full
async def test_many_single_runs_are_taken_up_at_the_start(scheduler: AsyncIOScheduler) -> None:
    elsewhere = SchedulerClient()
    later = datetime.now(UTC) + timedelta(days=1)
    for number in range(500):
        elsewhere.add_job(added_tasks.note, "date", run_date=later, args=[number])
    async with scheduler:
        assert sorted(job.args[0] for job in scheduler.get_jobs()) == list(range(500))


@pytest.mark.full
async def test_a_single_run_whose_claim_is_delayed_is_not_forgotten(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()
    away.set()
    claim = claims.claim

    def when_it_is_back(*args: Any) -> Any:
        if away.is_set():
            raise RuntimeError("not yet")
        return claim(*args)

    monkeypatch.setattr(claims, "claim", when_it_is_back)
    async with scheduler:
        when = datetime.now(UTC) + timedelta(seconds=0.2)
        scheduler.add_job(added_tasks.note, "date", run_date=when, id="job")
        await until(lambda: datetime.now(UTC) > when)
        process = scheduler._process
        assert process is not None
        process.execute(process._registry.forget_what_is_over)
        away.clear()
        await until(lambda: rows(scheduler, "succeeded"))
        process.execute(process._registry.forget_what_is_over)
        assert scheduler.get_jobs() == []


async def test_a_job_with_an_option_of_a_newer_version_is_kept_and_stops_nothing(
    scheduler: AsyncIOScheduler,
) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="newer")
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="older")
    with changing(scheduler.ledger) as hand:
        [[call]] = hand.execute("SELECT call_data FROM scheduler_jobs WHERE job_id = 'newer'").fetchall()
        kept = json.loads(call)
        kept["options"]["priority"] = 1
        hand.execute("UPDATE scheduler_jobs SET call_data = ? WHERE job_id = 'newer'", (json.dumps(kept),))
    again = restarted(scheduler)
    async with again:
        assert [job.id for job in again.get_jobs()] == ["older"]
    listed = {row["id"]: row for row in ask_json(again, "jobs")}
    assert "lacks: priority" in str(listed["newer"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "x" * 1_001}, "name= has 1,001 characters: at most 1,000 are kept"),
        ({"retries": 10**30}, "retries=1000000000000000000000000000000 must be a whole number, at most"),
        ({"max_instances": 2**31}, "max_instances=2147483648 must be a whole number, at most 2,147,483,647"),
        ({"max_catch_up": 2**63}, "max_catch_up=9223372036854775808 must be a whole number, at most"),
    ],
)
async def test_more_than_any_job_needs_is_refused(
    scheduler: AsyncIOScheduler, given: dict[str, Any], said: str
) -> None:
    async with scheduler:
        for who in (scheduler, SchedulerClient()):
            with pytest.raises(ScheduleError, match=said):
                who.add_job(added_tasks.note, "interval", hours=1, id="job", **given)
