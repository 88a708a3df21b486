"""Trigger objects mean what the same words given to add_job mean, on a machine in whichever zone.

APScheduler's classes are left as they are: what an object was not given is found out otherwise.
"""

from __future__ import annotations

import copy
import functools
import linecache
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tzlocal
from apscheduler.triggers import cron
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler, ScheduleError
from everytick.api import default_zone
from everytick.model.job import Job
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inside import scheduler_settings

BERLIN, TOKYO, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")

_numbers = count()


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/New_York"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine in another zone; what is made in a test is made there."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    tzlocal.reload_localzone()
    yield request.param
    monkeypatch.undo()
    time.tzset()
    tzlocal.reload_localzone()


@pytest.fixture
def berlin(machine: str, tmp_path: Path) -> Iterator[AsyncIOScheduler]:
    """A scheduler in Berlin, on that machine."""
    with scheduler_settings(tmp_path, SCHEDULER_TIMEZONE="Europe/Berlin"):
        yield AsyncIOScheduler()


@pytest.fixture
def elsewhere(machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module that makes triggers when it is imported, and knows no scheduler."""
    (tmp_path / "elsewhere.py").write_text(
        "from zoneinfo import ZoneInfo\n\nfrom apscheduler.triggers.combining import OrTrigger\n"
        "from apscheduler.triggers.cron import CronTrigger\n\n"
        "EITHER: OrTrigger = OrTrigger([CronTrigger(hour=1), CronTrigger(hour=2)])\n"
        "class Times:\n    NIGHT = CronTrigger(hour=3, minute=3)\n"
        "EARLY = CronTrigger(hour=4, minute=44)\n"
        "IN_NEW_YORK = CronTrigger(hour=5, minute=55, timezone=ZoneInfo('America/New_York'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("elsewhere")
    del sys.modules["elsewhere"]


def meant(job: Job) -> Any:
    """Return all that decides when a job runs, and how that is shown."""
    schedule = job.schedule
    return (
        schedule.ticks.canonical,
        str(schedule.zone),
        schedule.jitter,
        schedule.startup_delay,
        schedule.text,
    )


def same(scheduler: AsyncIOScheduler, object_form: Job, trigger: str, **arguments: Any) -> None:
    by_name = scheduler.add_job(print, trigger, id=f"by_name{next(_numbers)}", **arguments)
    assert meant(object_form) == meant(by_name)


def test_a_zone_that_was_not_given_is_the_schedulers(berlin: AsyncIOScheduler) -> None:
    add = berlin.add_job
    same(berlin, add(print, CronTrigger(hour=9)), "cron", hour=9)
    same(berlin, add(print, CronTrigger(hour="8-18/2", jitter=30)), "cron", hour="8-18/2", jitter=30)
    same(berlin, add(print, CronTrigger.from_crontab("0 7 * * mon")), "cron",
         minute=0, hour=7, day="*", month="*", day_of_week="mon")  # fmt: skip
    same(berlin, add(print, IntervalTrigger(hours=4)), "interval", hours=4)
    same(berlin, add(print, IntervalTrigger(seconds=0.25)), "interval", seconds=0.25)
    begin = "2027-01-01 09:00:00"
    same(berlin, add(print, IntervalTrigger(days=2, start_date=begin)), "interval", days=2, start_date=begin)
    same(berlin, add(print, CronTrigger(hour=9, end_date=begin)), "cron", hour=9, end_date=begin)
    same(berlin, add(print, DateTrigger("2027-05-05 05:05:05")), "date", run_date="2027-05-05 05:05:05")
    same(berlin, add(print, DateTrigger(datetime(2027, 5, 5))), "date", run_date="2027-05-05")
    same(berlin, add(print, CalendarIntervalTrigger(months=1, hour=3)), "calendarinterval", months=1, hour=3)


def test_a_zone_that_was_given_is_kept(berlin: AsyncIOScheduler, machine: str) -> None:
    add = berlin.add_job
    for zone in ("Asia/Tokyo", "America/New_York", "UTC", "Europe/Berlin"):
        same(berlin, add(print, CronTrigger(hour=9, minute=3, timezone=zone)), "cron",
             hour=9, minute=3, timezone=zone)  # fmt: skip
        same(berlin, add(print, IntervalTrigger(hours=7, timezone=zone)), "interval", hours=7, timezone=zone)
        same(berlin, add(print, CronTrigger.from_crontab("1 2 3 4 *", zone)), "cron",
             minute=1, hour=2, day=3, month=4, day_of_week="*", timezone=zone)  # fmt: skip
        same(
            berlin, add(print, DateTrigger("2027-05-05", zone)), "date", run_date="2027-05-05", timezone=zone
        )
        same(berlin, add(print, CalendarIntervalTrigger(weeks=1, timezone=zone)), "calendarinterval",
             weeks=1, timezone=zone)  # fmt: skip
    # Written as an object, also where it is the machine's own.
    same(berlin, add(print, CronTrigger(hour=8, timezone=NEW_YORK)), "cron", hour=8, timezone=NEW_YORK)
    begin = datetime(2027, 1, 1, tzinfo=NEW_YORK)
    same(berlin, add(print, IntervalTrigger(hours=8, start_date=begin, timezone=NEW_YORK)), "interval",
         hours=8, start_date=begin, timezone=NEW_YORK)  # fmt: skip


def test_it_does_not_matter_where_a_trigger_was_made(berlin: AsyncIOScheduler, elsewhere: Any) -> None:
    add, early = berlin.add_job, elsewhere.EARLY
    same(berlin, add(print, early, id="made when its module was imported"), "cron", hour=4, minute=44)
    same(berlin, add(print, elsewhere.IN_NEW_YORK), "cron", hour=5, minute=55, timezone=NEW_YORK)
    either = OrTrigger([CronTrigger(hour=1), CronTrigger(hour=2, timezone=TOKYO)])
    assert berlin.add_job(print, either).schedule.ticks.canonical == (
        berlin.add_job(
            print, "or", triggers=[CronTrigger(hour=1), CronTrigger(hour=2, timezone=TOKYO)], id="or"
        ).schedule.ticks.canonical
    )
    configured = {"night": {"hour": 3, "minute": 33}}
    same(berlin, berlin.add_job(print, CronTrigger(**configured["night"])), "cron", hour=3, minute=33)

    either = elsewhere.EITHER
    assert (
        berlin.add_job(print, either, id="combined elsewhere").schedule.ticks.canonical
        == (
            berlin.add_job(print, "or", triggers=[CronTrigger(hour=1), CronTrigger(hour=2)], id="or here")
        ).schedule.ticks.canonical
    )
    same(berlin, add(print, elsewhere.Times.NIGHT, id="in a class"), "cron", hour=3, minute=3)
    for one in (CronTrigger(hour=8, minute=18), CronTrigger(hour=8, minute=19)):
        same(berlin, add(print, one, id=f"looped {one}"), "cron", hour=8, minute=str(one.fields[6]))

    named = CronTrigger(hour=7, minute=17)
    same(berlin, add(print, named), "cron", hour=7, minute=17)
    _other = [CronTrigger(hour=7, minute=17, timezone=zone) for zone in (NEW_YORK, BERLIN, "UTC")]

    @berlin.scheduled_job(CronTrigger(hour=6, minute=6))
    def decorated() -> None: ...

    found = [job for job in berlin.get_jobs() if job.func is decorated]
    same(berlin, found[0], "cron", hour=6, minute=6)


def test_a_subclass_means_what_its_base_means(berlin: AsyncIOScheduler) -> None:
    class Mine(CronTrigger):  # type: ignore[misc]
        pass

    same(berlin, berlin.add_job(print, Mine(hour=9)), "cron", hour=9)
    same(berlin, berlin.add_job(print, Mine(hour=8, timezone=TOKYO)), "cron", hour=8, timezone=TOKYO)


def test_a_date_without_a_date_is_at_each_start(berlin: AsyncIOScheduler) -> None:
    assert berlin.add_job(print, DateTrigger()).startup_delay == 0
    soon = berlin.add_job(print, DateTrigger(datetime.now(UTC) + timedelta(seconds=30)), id="soon")
    assert soon.startup_delay is not None
    assert 25_000_000 < soon.startup_delay <= 30_000_000


def test_a_start_that_is_computed_is_refused(berlin: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match="start_date is computed from the present moment"):
        berlin.add_job(print, IntervalTrigger(minutes=5, start_date=datetime.now() + timedelta(minutes=7)))


def handed_over(fields: dict[str, Any], make: Callable[..., BaseTrigger]) -> BaseTrigger:
    return make(**fields)


@pytest.mark.parametrize("machine", ["America/New_York"], indirect=True)
def test_what_cannot_be_known_is_said(berlin: AsyncIOScheduler) -> None:
    made = handed_over({"hour": 9, "minute": 41}, CronTrigger)
    with pytest.raises(ScheduleError) as refusal:
        berlin.add_job(print, made, id="job")
    assert "whether its time zone, America/New_York, was given to this CronTrigger" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    # With a zone that is not the machine's there is no doubt.
    made = handed_over({"hour": 9, "minute": 41, "timezone": "Asia/Tokyo"}, CronTrigger)
    same(berlin, berlin.add_job(print, made), "cron", hour=9, minute=41, timezone="Asia/Tokyo")


@pytest.mark.parametrize("machine", ["Europe/Berlin"], indirect=True)
def test_where_the_machine_is_in_the_schedulers_zone_there_is_no_doubt(berlin: AsyncIOScheduler) -> None:
    made = handed_over({"hour": 9, "minute": 42}, CronTrigger)
    same(berlin, berlin.add_job(print, made, id="job"), "cron", hour=9, minute=42)


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_a_subclass_with_ticks_of_its_own_is_refused(berlin: AsyncIOScheduler) -> None:
    class Workdays(CronTrigger):  # type: ignore[misc]
        def get_next_fire_time(self, previous: Any, now: Any) -> Any:
            found = super().get_next_fire_time(previous, now)
            return found if found is None or found.weekday() < 5 else found + timedelta(days=2)

    class Either(OrTrigger):  # type: ignore[misc]
        def get_next_fire_time(self, previous: Any, now: Any) -> Any: ...

    for made in (
        Workdays(hour=9, timezone=TOKYO),
        OrTrigger([Workdays(hour=9, timezone=TOKYO)]),
        Either([CronTrigger(hour=9, timezone=TOKYO)]),
    ):
        with pytest.raises(ScheduleError, match="is a trigger of your own"):
            berlin.add_job(print, made)


def test_a_wrong_combination_is_refused_in_a_sentence(berlin: AsyncIOScheduler) -> None:
    single: Any = CronTrigger(hour=9, timezone=TOKYO)
    with pytest.raises(ScheduleError, match="takes a list of trigger objects, not CronTrigger"):
        berlin.add_job(print, "or", triggers=single)
    with pytest.raises(ScheduleError, match="takes a list of trigger objects, not str"):
        berlin.add_job(print, AndTrigger(["cron"]))
    circle = OrTrigger([single])
    circle.triggers.append(AndTrigger([circle]))
    with pytest.raises(ScheduleError, match="cannot be a part of itself"):
        berlin.add_job(print, circle)
    # Nor does it keep others from being looked at.
    same(berlin, berlin.add_job(print, CronTrigger(hour=9), id="other"), "cron", hour=9)


class Foreign(tzinfo):
    """Berlin as other libraries have it: such as dateutil's, which has no hash."""

    __hash__ = None  # type: ignore[assignment]

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return BERLIN.utcoffset(moment and moment.replace(tzinfo=BERLIN))

    def dst(self, moment: datetime | None) -> timedelta | None:
        return BERLIN.dst(moment and moment.replace(tzinfo=BERLIN))

    def tzname(self, moment: datetime | None) -> str | None:
        return BERLIN.tzname(moment and moment.replace(tzinfo=BERLIN))


def test_a_scheduler_may_be_in_a_zone_of_another_library(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path):
        scheduler = AsyncIOScheduler(timezone=Foreign())
        job = scheduler.add_job(print, "cron", hour=9, id="named")
        assert job.next_tick(0) == 8 * 3_600_000_000
        assert scheduler.add_job(print, "interval", hours=1, id="interval").next_tick(0) is not None
