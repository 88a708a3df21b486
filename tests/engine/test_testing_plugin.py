"""The fixture `schedule` as the tests of a user's application meet it."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from everytick import AsyncIOScheduler, Run, ScheduleError, ScheduleUnderTest, current_run
from everytick import app as which
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
Declare = Callable[..., ScheduleUnderTest]
seen = SimpleNamespace(runs=[], threads=[])


def note() -> Run | None:
    seen.runs.append(current_run())
    seen.threads.append(threading.current_thread())
    return current_run()


async def note_later() -> Run | None:
    await asyncio.sleep(0)
    return await asyncio.to_thread(note)


async def add(left: int, right: int = 0) -> int:
    return left + right


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.runs, seen.threads = [], []


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Declare one job, as `main.py` would."""

    def declared(function: Any, trigger: str = "cron", **options: Any) -> ScheduleUnderTest:
        def create_scheduler() -> AsyncIOScheduler:
            scheduler = AsyncIOScheduler(timezone="Europe/Berlin")
            scheduler.add_job(function, trigger, **{"id": "job", "name": "Job", **options})
            return scheduler

        monkeypatch.setattr(sys.modules[__name__], "create_scheduler", create_scheduler, raising=False)
        monkeypatch.setattr(which, "_current", which.Application(schedule=f"{__name__}:create_scheduler"))
        return ScheduleUnderTest()

    return declared


# --- when a job is due ---


def test_times_are_given_in_any_way_and_come_in_the_jobs_zone(declare: Declare) -> None:
    schedule = declare(note, hour=9)
    expected = [datetime(2026, 3, day, 9, tzinfo=BERLIN) for day in (28, 29, 30)]
    utc = ZoneInfo("UTC")
    for begin, end in (
        ("2026-03-28", "2026-03-31"),
        (date(2026, 3, 28), date(2026, 3, 31)),
        (datetime(2026, 3, 28, 9), "2026-03-30T09:00:01"),
        ("2026-03-28T09:00+01:00", datetime(2026, 3, 30, 7, 0, 1, tzinfo=utc)),
    ):
        found = schedule.fires("job", begin, end)
        assert found == expected
        assert [tick.tzinfo for tick in found] == [BERLIN] * 3


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 59), st.integers(0, 5_000), st.integers(1, 5_000))
def test_a_job_is_due_at_each_of_its_times(declare: Declare, step: int, begin: int, length: int) -> None:
    schedule = declare(note, "interval", minutes=step, start_date="2026-01-01T00:00:00+01:00")
    first = datetime(2026, 1, 1, tzinfo=BERLIN)
    found = schedule.fires("job", first + timedelta(minutes=begin), first + timedelta(minutes=begin + length))
    minutes = [minute for minute in range(begin, begin + length) if minute % step == 0]
    assert found == [first + timedelta(minutes=minute) for minute in minutes]


def test_a_job_that_is_not_there_is_told_with_the_nearest_name(declare: Declare) -> None:
    schedule = declare(note, hour=9, id="daily_report")
    assert schedule.job_ids == ["daily_report"]
    for ask in (
        lambda: schedule.fires("dayly_report", "2026-01-01", "2026-01-02"),
        lambda: schedule.simulate(durations={"dayly_report": 1}),
        lambda: schedule.simulate(1).runs("dayly_report"),
    ):
        with pytest.raises(LookupError, match="did you mean 'daily_report'"):
            ask()


def test_a_schedule_that_is_wrong_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "create_scheduler", lambda: None, raising=False)
    monkeypatch.setattr(which, "_current", which.Application(schedule=f"{__name__}:create_scheduler"))
    with pytest.raises(ScheduleError, match="returned nothing"):
        ScheduleUnderTest()


# --- running its function ---


@pytest.mark.parametrize("function", [note, note_later, lambda: note_later(), functools.partial(note)])
async def test_a_function_finds_itself_in_its_run(declare: Declare, function: Any) -> None:
    schedule = declare(function, hour=9, timeout=30)
    before = time.time()
    run = await schedule.run("job", tick="2026-03-29T09:00", attempt=2)
    assert run == seen.runs[0]
    assert (run.job_id, run.kind, run.attempt) == ("job", "scheduled", 2)
    assert run.tick == datetime(2026, 3, 29, 9, tzinfo=BERLIN)
    assert run.tick.tzinfo == BERLIN
    assert before + 30 <= run.deadline.timestamp() <= time.time() + 30
    assert not run.cancel_requested
    assert seen.threads[0] is not threading.main_thread()
    assert current_run() is None


async def test_a_run_without_a_tick_is_one_by_hand(declare: Declare) -> None:
    schedule = declare(note, hour=9)
    runs = [await schedule.run("job") for _ in range(2)]
    assert [(run.kind, run.tick, run.deadline, run.attempt) for run in runs] == [
        ("manual", None, None, 1)
    ] * 2
    assert runs[0].run_id != runs[1].run_id


async def test_a_tick_at_which_the_job_is_not_due_is_refused(declare: Declare) -> None:
    schedule = declare(note, hour=9)
    with pytest.raises(
        ValueError, match=r"job is not due at 2026-03-28 10:00:00 CET: the next tick is 2026-03-29 09:"
    ):
        await schedule.run("job", tick="2026-03-28T10:00")
    assert seen.runs == []


async def test_the_arguments_are_those_of_the_declaration(declare: Declare) -> None:
    assert await declare(add, hour=9, args=[3], kwargs={"right": 4}).run("job") == 7


@pytest.mark.parametrize("problem", [KeyError("gone"), StopIteration()])
async def test_an_exception_of_the_function_is_raised(declare: Declare, problem: Exception) -> None:
    def fail() -> None:
        raise problem

    expected = RuntimeError if isinstance(problem, StopIteration) else type(problem)
    with pytest.raises(expected):
        await declare(fail, hour=9).run("job")
    assert current_run() is None


async def _endless() -> None:
    await asyncio.Event().wait()


async def _deaf() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


@pytest.mark.parametrize("function", [_endless, _deaf])
async def test_a_coroutine_that_takes_too_long_is_cancelled(declare: Declare, function: Any) -> None:
    with pytest.raises(TimeoutError):
        await declare(function, hour=9, timeout=0.05).run("job")


async def test_a_plain_function_that_takes_too_long_is_left_behind(declare: Declare) -> None:
    may_end = threading.Event()

    def stubborn() -> None:
        note()
        may_end.wait(30)

    with pytest.raises(TimeoutError):
        await declare(stubborn, hour=9, timeout=0.05).run("job")
    may_end.set()
    seen.threads[0].join(30)
    assert not seen.threads[0].is_alive()


# --- simulating ---


def test_a_year_is_simulated_in_the_schedules_zone(declare: Declare) -> None:
    schedule = declare(note, hour=9)
    year = schedule.simulate(
        days=365, outages=[("2026-03-29T08:55", "2026-03-29T09:05"), ("2026-06-01", "2026-06-03")]
    )
    assert (year.runs("job"), year.skipped("job")) == (363, {"outage": 2})
    assert year.longest_without("job") == timedelta(days=3)
    assert datetime.fromtimestamp(year.begin / 1e6, BERLIN) == datetime(2026, 1, 1, tzinfo=BERLIN)
    year.check()


@pytest.mark.parametrize("length", [1800, 1800.0, timedelta(minutes=30)])
def test_runs_that_take_long_overlap(declare: Declare, length: Any) -> None:
    schedule = declare(note, "interval", minutes=20)
    day = schedule.simulate(1, start="2026-01-05", durations={"job": length})
    assert (day.runs("job"), day.skipped("job")) == (36, {"overlap": 36})


def test_without_a_date_this_year_is_simulated(declare: Declare) -> None:
    found = declare(note, hour=9).simulate()
    this_year = datetime.now(BERLIN).year
    assert datetime.fromtimestamp(found.begin / 1e6, BERLIN) == datetime(this_year, 1, 1, tzinfo=BERLIN)


@pytest.mark.full
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.integers(1, 12),
    marks=st.lists(st.integers(0, 1_000), max_size=6, unique=True).map(sorted),
    takes=st.sampled_from([0, 10, 7_200]),
)
def test_each_tick_of_a_span_is_accounted_for(
    declare: Declare, days: int, marks: list[int], takes: int
) -> None:
    schedule = declare(note, "cron", hour="*", minute="*/20", coalesce=False)
    start = datetime(2026, 10, 20, tzinfo=BERLIN)
    points = [start + timedelta(days=days) * mark / 1_000 for mark in marks]
    outages = list(zip(points[::2], points[1::2], strict=False))
    found = schedule.simulate(days, outages, start=start, durations={"job": takes})
    found.check()
    due = schedule.fires("job", start, start + timedelta(days=days))
    assert found.runs("job") + sum(found.skipped("job").values()) + found.job("job").lost == len(due)


@pytest.mark.parametrize(
    ("begin", "end", "sentence"),
    [
        (
            "2026-03-29",
            "2026-03-28",
            "the end 2026-03-28 00:00:00 CET is earlier than the beginning 2026-03",
        ),
        ("tomorrow", "2026-03-28", "'tomorrow' is not a date or time such as 2026-12-24 or 2026-12-24T18:00"),
    ],
)
def test_a_span_that_is_none_is_told_in_a_sentence(
    declare: Declare, begin: str, end: str, sentence: str
) -> None:
    schedule = declare(note, "cron", hour=9, timezone="Europe/Berlin")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        schedule.fires("job", begin, end)


# --- pytest finds it by itself ---


def test_a_suite_that_does_not_use_it_does_not_pay_for_it(tmp_path: Path) -> None:
    (tmp_path / "test_of_others.py").write_text(
        "import sys\n\n\n"
        "def test_what_is_loaded(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('everytick.testing')\n"
        "    heavy = {'apscheduler', 'pydantic', 'sqlalchemy', 'loguru', 'typer', 'rich'}\n"
        "    assert heavy & sys.modules.keys() == set()\n"
        "    ours = {name for name in sys.modules if name.split('.')[0] == 'everytick'}\n"
        "    light = {'everytick.errors', 'everytick.under_pytest'}\n"
        "    assert ours == {'everytick', 'everytick.testing'} | light\n"
    )
    # No other plugins: they load what they like.
    variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "everytick.testing", "-p", "no:cacheprovider", "-q"],
        cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.full
def test_pytest_is_not_needed_where_no_tests_run() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None; import everytick;"
        "[getattr(everytick, name) for name in everytick.__all__];"
        "import everytick.cli.program, everytick.dashboard.application"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys; import everytick; from everytick import Application, register, ConfigurationError;"
        "print(*{'apscheduler', 'pydantic', 'sqlalchemy', 'loguru', 'asyncio'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
