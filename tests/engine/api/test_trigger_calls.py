"""Whether a trigger object was given a zone, found out from the call that made it."""

from __future__ import annotations

import copy
import functools
import linecache
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers import cron
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError
from everytick.api import default_zone
from everytick.model.job import Job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from test_trigger_objects import NEW_YORK, _numbers, handed_over, same
from test_trigger_objects import berlin as berlin
from test_trigger_objects import elsewhere as elsewhere
from test_trigger_objects import machine as machine


@pytest.mark.full
def test_while_the_schedule_is_loaded_every_trigger_shows_whether_it_was_given_a_zone(
    berlin: AsyncIOScheduler, machine: str
) -> None:
    asked = cron.get_localzone
    with default_zone.marked():
        kept = {"night": CronTrigger(hour=9, minute=43), "often": [IntervalTrigger(hours=4)]}
        helped = handed_over({"hour": 9, "minute": 44}, CronTrigger)
        once = handed_over({"run_date": "2027-05-05 05:05:05"}, DateTrigger)
        yearly = handed_over({"years": 1, "start_date": "2027-01-01"}, CalendarIntervalTrigger)
        assert CronTrigger(hour=1).timezone.key == machine
        assert cron.get_localzone is not asked
    assert cron.get_localzone is asked
    add = berlin.add_job
    same(berlin, add(print, kept["night"], id="kept"), "cron", hour=9, minute=43)
    same(berlin, add(print, copy.deepcopy(kept["night"]), id="copied"), "cron", hour=9, minute=43)
    stored = pickle.loads(pickle.dumps(kept["night"]))
    same(berlin, add(print, stored, id="stored"), "cron", hour=9, minute=43)
    same(berlin, add(print, kept["often"][0], id="often"), "interval", hours=4)
    same(berlin, add(print, helped, id="helped"), "cron", hour=9, minute=44)
    same(berlin, add(print, once, id="once"), "date", run_date="2027-05-05 05:05:05")
    same(berlin, add(print, yearly, id="yearly"), "calendarinterval", years=1, start_date="2027-01-01")


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "hour": st.sampled_from([0, 9, "9", "*/6", "8-18/2", "1, 2"]),
        "minute": st.sampled_from([0, "*/15", "5,10"]),
        "day": st.sampled_from(["last", "2nd fri", 13, "1-7"]),
        "month": st.sampled_from(["jan-mar", 6]),
        "day_of_week": st.sampled_from(["mon-fri", "SUN", 0]),
        "jitter": st.sampled_from([None, 60]),
        "start_date": st.sampled_from(["2027-01-01", "2027-01-01T00:00:00+02:00", None]),
        "end_date": st.sampled_from(["2030-12-31 23:00:00"]),
        "timezone": st.sampled_from(["Asia/Tokyo", "America/New_York", "Europe/Berlin", "UTC", None]),
    },
)


@pytest.mark.full
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=FIELDS)
def test_any_cron_trigger_that_is_written_out(
    berlin: AsyncIOScheduler, tmp_path: Path, fields: dict[str, Any]
) -> None:
    file = tmp_path / f"schedule_{next(_numbers)}.py"
    written = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    file.write_text(f"job = scheduler.add_job(print, CronTrigger({written}), id='written')\n")
    names: dict[str, Any] = {"scheduler": berlin, "CronTrigger": CronTrigger}
    berlin.remove_all_jobs()
    linecache.checkcache(str(file))
    exec(compile(file.read_text(), str(file), "exec"), names)
    same(berlin, names["job"], "cron", **fields)


@pytest.mark.full
def test_apschedulers_own_classes_are_left_alone(tmp_path: Path) -> None:
    """Also for a scheduler of its own beside ours, whose triggers go into its own job store."""
    program = """
import pickle
from apscheduler.triggers import calendarinterval, cron, date, interval
modules = (calendarinterval, cron, date, interval)
before = [dict(vars(module)) for module in modules]
classes = (cron.CronTrigger, interval.IntervalTrigger, date.DateTrigger,
           calendarinterval.CalendarIntervalTrigger)
own = [dict(vars(cls)) for cls in classes]
made = cron.CronTrigger(hour=9)
import everytick
from everytick.api import control, loading, scheduler, triggers
scheduler = everytick.AsyncIOScheduler(timezone="Europe/Berlin")
scheduler.add_job(print, cron.CronTrigger(hour=9), id="ours")
assert [dict(vars(cls)) for cls in classes] == own
assert [dict(vars(module)) for module in modules] == before
assert all(cls.__new__ is object.__new__ for cls in classes)
later = cron.CronTrigger(hour=9)
assert type(later) is cron.CronTrigger and not hasattr(later, "given")
import tzlocal
assert later.timezone is tzlocal.get_localzone() and later.timezone.key == "America/New_York"
assert pickle.dumps(later) == pickle.dumps(made)
"""
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        env={"TZ": "America/New_York", "SCHEDULER_TIMEZONE": "UTC"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def handed_on(scheduler: AsyncIOScheduler, trigger: BaseTrigger) -> Job:
    return scheduler.add_job(print, trigger, id="handed on")


def of_that_name() -> BaseTrigger:
    trigger = CronTrigger(hour=3, minute=51, second=7)
    assert trigger.timezone
    return trigger


@pytest.mark.parametrize("machine", ["America/New_York"], indirect=True)
def test_a_name_in_another_function_says_nothing_of_a_trigger(berlin: AsyncIOScheduler) -> None:
    """`trigger` is assigned in one function, and the parameter of another, which got it from a third."""
    of_that_name()
    with pytest.raises(ScheduleError, match="cannot be told from the object"):
        handed_on(berlin, CronTrigger(hour=3, minute=51, second=7, timezone=NEW_YORK))


def in_new_york(**fields: Any) -> BaseTrigger:
    return CronTrigger(timezone=NEW_YORK, **fields)


def unrelated() -> list[BaseTrigger]:
    """Calls that would make the very triggers below, if they had been the ones."""
    trigger = CronTrigger(hour=3, minute=52)
    return [trigger, CronTrigger(hour=3, minute=52), CronTrigger(hour=3, minute=52)]


trigger = in_new_york(hour=3, minute=52)


@pytest.mark.parametrize("machine", ["America/New_York"], indirect=True)
def test_a_like_call_proves_nothing(berlin: AsyncIOScheduler, elsewhere: Any) -> None:
    """What a function, a partial, a copy or a list gives may be of any zone, whatever else stands around."""
    unrelated()
    held = [CronTrigger(hour=3, minute=52)]
    either = CronTrigger(hour=3, minute=52)
    if held:
        either = in_new_york(hour=3, minute=52)
    rebound: BaseTrigger = held[0] if not held else in_new_york(hour=3, minute=52)
    doubtful = {
        "partial": functools.partial(CronTrigger, timezone=NEW_YORK)(hour=3, minute=52),
        "function": in_new_york(hour=3, minute=52),
        "copy": copy.deepcopy(elsewhere.EARLY),
        "stored": pickle.loads(pickle.dumps(elsewhere.EARLY)),
        "list": held[0],
        "two calls": either,
        "of a condition": rebound,
        "same name elsewhere": trigger,
    }
    for id_, made in doubtful.items():
        with pytest.raises(ScheduleError, match="cannot be told from the object"):
            berlin.add_job(print, made, id=id_)
    for make in (in_new_york, functools.partial(CronTrigger, timezone=NEW_YORK)):
        with pytest.raises(ScheduleError, match="cannot be told from the object"):
            berlin.add_job(print, make(hour=3, minute=52) if held else CronTrigger(hour=3, minute=52))


@pytest.mark.parametrize("machine", ["America/New_York"], indirect=True)
def test_a_name_that_hides_the_class_is_seen_through(berlin: AsyncIOScheduler) -> None:
    hidden = {"CronTrigger": functools.partial(CronTrigger, timezone=NEW_YORK), "add": berlin.add_job}
    with pytest.raises(ScheduleError, match="cannot be told from the object"):
        exec("add(print, CronTrigger(hour=3, minute=52))", hidden)
