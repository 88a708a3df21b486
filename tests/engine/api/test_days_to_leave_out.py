"""`add_job(exclude=..., shift=...)`: what is taken and refused, and what the schedule then does and says."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient, holidays
from everytick import settings as settings_room
from everytick.api import holidays as holidays_room
from everytick.doctor.finding import Finding
from everytick.doctor.pitfalls import examine_schedule
from everytick.explain import why
from everytick.model import ticks
from everytick.model.job import Job
from loguru import logger

import added_tasks
from dashboards import api, page
from histories import ask, ask_json
from inside import rows_of, until
from ledgers import found_in

BERLIN = ZoneInfo("Europe/Berlin")
CHRISTMAS_EVE = datetime(2026, 12, 24, 8, 0, tzinfo=UTC)


def task() -> None:
    """The body of all jobs."""


def declared(*, hour: int = 9, **arguments: Any) -> Job:
    scheduler = AsyncIOScheduler(timezone="Europe/Berlin")
    return scheduler.add_job(task, arguments.pop("trigger", "cron"), hour=hour, id="job", **arguments)


def days_of(job: Job, begin: str = "2026-12-21", end: str = "2027-01-11") -> list[str]:
    """Return the dates of a job's ticks as `12-24`."""
    found = job.ticks_between(datetime.fromisoformat(begin), datetime.fromisoformat(end))
    return [f"{tick:%m-%d}" for tick in found]


# --- what is taken


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ("2026-12-24", ["12-23", "12-25", "12-26", "12-27"]),
        (date(2026, 12, 24), ["12-23", "12-25", "12-26", "12-27"]),
        (("2026-12-24", date(2026, 12, 26)), ["12-23", "12-27"]),
        ("sat", ["12-23", "12-24", "12-25", "12-27"]),
        ("sat-sun", ["12-23", "12-24", "12-25"]),
        ("sun-thu", ["12-25", "12-26"]),
        (["sat-sun", "2026-12-23", ("2026-12-25", "2027-01-06")], ["12-24"]),
        (holidays("DE", "BY"), ["12-23", "12-24", "12-27"]),
        ([], ["12-23", "12-24", "12-25", "12-26", "12-27"]),
    ],
)
def test_days_are_left_out_in_every_form(exclude: Any, left: list[str]) -> None:
    assert days_of(declared(exclude=exclude), "2026-12-23", "2026-12-28") == left


def test_a_calendar_is_that_of_the_country_and_its_state() -> None:
    epiphany = "01-06"
    assert epiphany not in days_of(declared(exclude=holidays("DE", "BY")))
    assert epiphany in days_of(declared(exclude=holidays("DE")))
    assert holidays("DE", "BY").days["Christmas Day"][0] == "2026-12-25"


def test_days_are_left_out_beside_a_trigger_object_too() -> None:
    scheduler = AsyncIOScheduler(timezone="Europe/Berlin")
    either = OrTrigger([CronTrigger(hour=9), CronTrigger(hour=17)])
    job = scheduler.add_job(task, either, exclude="2026-12-24", id="job")
    assert days_of(job, "2026-12-23", "2026-12-26") == ["12-23", "12-23", "12-25", "12-25"]


def test_a_tick_is_moved_to_a_workday() -> None:
    monthly: dict[str, Any] = {"day": 1, "exclude": ["sat-sun", holidays("DE")]}
    assert days_of(declared(**monthly), end="2027-06-02") == ["02-01", "03-01", "04-01", "06-01"]
    following = declared(**monthly, shift="next-workday")
    assert days_of(following, end="2027-06-02") == ["01-04", "02-01", "03-01", "04-01", "05-03", "06-01"]
    before = declared(**monthly, shift="previous-workday")
    assert days_of(before, end="2027-06-02") == ["12-31", "02-01", "03-01", "04-01", "04-30", "06-01"]


def test_the_first_and_the_last_workday_of_a_month() -> None:
    first = declared(day="first workday", exclude=holidays("DE", "BY"))
    assert days_of(first, "2027-01-01", "2027-03-31") == ["01-04", "02-01", "03-01"]
    last = declared(day="last workday", exclude="2026-12-31")
    assert days_of(last, "2026-12-01", "2027-02-01") == ["12-30", "01-29"]
    assert days_of(declared(day="first workday", month="3,6"), "2027-01-01", "2027-12-31") == [
        "03-01",
        "06-01",
    ]
    assert first.trigger == "cron[day='first workday', hour='9'] except holidays('DE', 'BY')"


def test_a_day_is_one_in_the_zone_of_the_job() -> None:
    scheduler = AsyncIOScheduler(timezone="UTC")
    job = scheduler.add_job(task, "cron", hour=1, timezone="Asia/Tokyo", exclude="2026-12-25", id="job")
    found = job.ticks_between(datetime(2026, 12, 24), datetime(2026, 12, 27))
    assert [f"{tick:%m-%d %H}" for tick in found] == ["12-24 01", "12-26 01"]


def test_equal_days_are_one_definition_however_they_are_written() -> None:
    one = declared(exclude=["2026-12-24", "2026-12-25", "sun", "sat"])
    other = declared(exclude=["sat-sun", ("2026-12-24", "2026-12-26")])
    assert one.definition == other.definition
    assert declared(exclude=[]).definition == declared().definition
    assert one.definition != declared(exclude=["sat-sun", "2026-12-24"]).definition


def test_the_days_are_a_part_of_the_schedule_as_it_is_shown(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, "cron", hour=9, exclude=["sat-sun", holidays("DE")], id="one")
    scheduler.add_job(task, "cron", day="last workday", hour=9, id="two")
    scheduler.add_job(task, "cron", day=1, hour=9, exclude="2027-01-01", shift="next-workday", id="three")
    words = {row["id"]: row["schedule_in_words"] for row in ask_json(scheduler, "jobs")}
    assert words == {
        "one": "at 09:00 every day, except sat-sun, holidays('DE')",
        "two": "at 09:00 on the last workday of the month",
        "three": "at 09:00 on the 1st of every month, except 2027-01-01 (moved to the next workday)",
    }


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"exclude": "saturday"}, "exclude='saturday' is no day: write a date"),
        ({"exclude": "saturday"}, "; did you mean 'sat'?"),
        ({"exclude": "Tuesdays"}, "; did you mean 'tue'?"),
        ({"exclude": "weekend"}, "; did you mean 'sat-sun'?"),
        ({"exclude": "sat,sun"}, "; give them one by one: 'sat', 'sun'"),
        ({"exclude": "sat sun"}, "; give them one by one: 'sat', 'sun'"),
        ({"exclude": "sta"}, "; did you mean 'sat'?"),
        ({"exclude": "sat-"}, "exclude='sat-' is no day"),
        ({"exclude": "-sat"}, "exclude='-sat' is no day"),
        ({"exclude": "2026-02-30"}, "exclude='2026-02-30' is no day"),
        ({"exclude": "2026-W52"}, "exclude='2026-W52' is no day: write a date"),
        ({"exclude": "2026-W52-3"}, "exclude='2026-W52-3' is no day"),
        ({"exclude": 5}, "exclude=5 is no day"),
        ({"exclude": datetime(2026, 12, 24, 9)}, "whole days are left out"),
        ({"exclude": ("sat", "sun")}, "a tuple is a range of dates, the first and the last one"),
        ({"exclude": ("2026-12-26", "2026-12-24")}, "the range ends before it begins"),
        ({"exclude": ("2026-01-01", "2046-01-01")}, "more than 3,660 days"),
        ({"exclude": "1066-10-14"}, "is too far away"),
        ({"exclude": "mon-sun"}, "leaves out every day of the week"),
        ({"exclude": "sat", "day_of_week": "sat"}, "leaves out every tick of 2026 to 2040"),
        ({"exclude": holidays("DE"), "month": 12, "day": 25}, "leaves out every tick of 2026 to 2040"),
        ({"exclude": "mon-fri", "shift": "next-workday"}, "there is no workday"),
        ({"exclude": "mon-fri", "day": "first workday"}, "there is no workday"),
        ({"shift": "next-workday"}, "give exclude= beside it"),
        ({"exclude": "sat", "shift": "previous"}, "did you mean 'previous-workday'"),
        ({"exclude": "sat", "shift": "next-workday", "day": "last workday"}, "has no effect with day='last"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        declared(**arguments)
    assert sentence in str(refused.value)
    assert __file__.rpartition("/")[2] in str(refused.value)


@pytest.mark.parametrize("day", ["first workday,15", "1st workday", "first weekday", "last work day", "LW"])
def test_a_workday_that_is_written_otherwise_is_refused_with_the_words_that_mean_it(day: str) -> None:
    with pytest.raises(ScheduleError, match="write day='first workday' or day='last workday'"):
        declared(day=day)


def test_a_single_date_leaves_out_no_days() -> None:
    scheduler = AsyncIOScheduler()
    with pytest.raises(ScheduleError, match="a date is one instant"):
        scheduler.add_job(task, "date", run_date="2027-01-01", exclude="2027-01-01")
    with pytest.raises(ScheduleError, match="a date is one instant"):
        scheduler.add_job(task, exclude="2027-01-01", id="start")


def test_a_calendar_that_is_not_known_is_refused_with_the_line() -> None:
    with pytest.raises(ScheduleError, match=r"test_days_to_leave_out.py:\d+: .*'DF'.*: write its code"):
        holidays("DF")
    with pytest.raises(
        ScheduleError, match=r"holidays\('DE', 'XX'\).*no such part of it is known, of BB, BE"
    ):
        holidays("DE", "XX")


def test_without_the_package_the_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    holidays_room.look_up.cache_clear()
    with pytest.raises(
        ScheduleError, match=r"install everytick\[holidays\] .*`holidays` in the answer `parts`"
    ):
        holidays("DE")


# --- in a schedule that runs


async def test_a_holiday_is_no_tick_after_an_outage_either(scheduler: AsyncIOScheduler) -> None:
    def schedule() -> AsyncIOScheduler:
        made = AsyncIOScheduler(timezone="Europe/Berlin")
        every_day: dict[str, Any] = {"trigger": "cron", "hour": 9, "misfire_grace_time": None}
        made.add_job(task, **every_day, exclude=holidays("DE"), coalesce=False, id="job")
        return made

    with time_machine.travel(CHRISTMAS_EVE - timedelta(hours=1), tick=True) as clock:
        async with schedule():
            pass
        clock.move_to(datetime(2026, 12, 28, 7, 0, tzinfo=UTC))
        again = schedule()
        async with again:
            await until(lambda: len([it for it in rows_of(again, "job") if it["finished_us"]]) == 2)
        found = [ticks.moment(it["tick_us"], BERLIN) for it in rows_of(again, "job")]
        assert [f"{tick:%m-%d}" for tick in found] == ["12-24", "12-27"]


async def test_another_release_of_the_calendar_is_in_force_from_now_on(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def schedule(days: dict[str, list[str]]) -> AsyncIOScheduler:
        made = AsyncIOScheduler(timezone="Europe/Berlin")
        calendar = holidays_room.Calendar("holidays('XX')", days)
        made.add_job(task, "cron", hour=9, exclude=calendar, misfire_grace_time=None, id="job")
        return made

    def definition() -> str:
        [row] = found_in(scheduler.ledger, "SELECT definition FROM scheduler_jobs")
        return str(row["definition"])

    with time_machine.travel(CHRISTMAS_EVE - timedelta(hours=1), tick=True) as clock:
        async with schedule({"Day": ["2026-12-24", "2027-01-06"]}):
            first = definition()
        clock.move_to(CHRISTMAS_EVE + timedelta(hours=2))
        # What was a holiday is none any more: nothing is made up for.
        async with schedule({"Day": ["2027-01-06"]}):
            assert definition() != first
        assert rows_of(scheduler, "job") == []


async def test_jobs_added_while_running_keep_their_days_and_can_be_given_others(
    scheduler: AsyncIOScheduler,
) -> None:
    def shown(job: Job) -> list[str]:
        return days_of(job, "2027-01-01", "2027-01-05")

    with time_machine.travel(CHRISTMAS_EVE, tick=True):
        async with scheduler:
            client = SchedulerClient()
            job = client.add_job(
                added_tasks.note, "cron", hour=9, exclude=["sat-sun", holidays("DE")], id="job"
            )
            assert shown(job) == ["01-04"]
            assert shown(client.reschedule_job("job", trigger="cron", hour=8)) == ["01-04"]
            assert shown(client.modify_job("job", shift="previous-workday")) == ["01-04"]
            assert shown(client.modify_job("job", exclude="2027-01-04")) == ["01-01", "01-02", "01-03"]
            assert shown(client.modify_job("job", trigger=CronTrigger(hour=7))) == ["01-01", "01-02", "01-03"]
            assert shown(client.modify_job("job", exclude=None)) == ["01-01", "01-02", "01-03", "01-04"]
            moved = client.reschedule_job("job", trigger="cron", day=3, exclude="sun", shift="next-workday")
            assert shown(moved) == ["01-04"]
            with pytest.raises(ScheduleError, match="there is no workday"):
                client.modify_job("job", exclude="mon-fri")
            only = client.reschedule_job("job", trigger="date", run_date="2027-01-03T09:00+00:00")
            assert shown(only) == ["01-03"]
        again = AsyncIOScheduler()
        async with again:
            kept = again.get_job("job")
            assert kept is not None
            assert kept.definition == only.definition


async def test_what_a_new_trigger_cannot_have_of_the_former_one_is_said(scheduler: AsyncIOScheduler) -> None:
    said = list[str]()
    sink = logger.add(lambda message: said.append(message.record["message"]), level="WARNING")
    try:
        async with scheduler:
            client = SchedulerClient()
            days: dict[str, Any] = {"exclude": "sat-sun", "shift": "next-workday"}
            client.add_job(added_tasks.note, "cron", hour=9, id="job", **days)
            kept = client.reschedule_job("job", trigger="cron", hour=8)
            assert "moved to the next workday" in kept.schedule.text
            assert said == []
            first = client.reschedule_job("job", trigger="cron", day="first workday", hour=8)
            assert "except sat-sun" in first.schedule.text
            client.modify_job("job", exclude="sun")
            client.reschedule_job("job", trigger="date", run_date="2037-01-03T09:00+00:00")
    finally:
        logger.remove(sink)
    assert [line.partition("job job: ")[2] for line in said] == [
        "its shift='next-workday' is gone, since the first workday is never an excluded day",
        "its exclude= is gone, since a date is one instant",
    ]


# --- what is said


def test_the_plan_tells_which_holidays_are_left_out(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, "cron", hour=9, exclude=["sat-sun", holidays("DE")], id="job")
    span = ("--from", "2026-12-24", "--to", "2026-12-29")
    assert len(ask_json(scheduler, "plan", *span)) == 2
    found = ask_json(scheduler, "plan", "--summary", *span)
    assert found["left_out"][0] == {
        "job_id": "job",
        "tick": "2026-12-25T09:00:00+00:00",
        "why": "Friday 2026-12-25 (Christmas Day) is excluded",
    }
    said = ask(scheduler, "plan", *span)
    assert "left out, by their date: 2 days" in said
    assert "2026-12-25 09:00:00 UTC job: Friday 2026-12-25 (Christmas Day) is excluded" in " ".join(
        said.split()
    )


def test_the_plan_tells_which_tick_was_moved(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, "cron", day=25, hour=9, exclude=holidays("DE"), shift="next-workday", id="job")
    [tick] = ask_json(scheduler, "plan", "--from", "2026-12-24", "--to", "2026-12-31")
    assert tick["tick"] == "2026-12-28T09:00:00+00:00"
    assert tick["note"] == "moved from Friday 2026-12-25 (Christmas Day)"


async def test_why_tells_of_a_holiday_and_of_a_moved_tick(scheduler: AsyncIOScheduler) -> None:
    def said(job_id: str, day: int, hour: int = 9) -> str:
        at = datetime(2026, 12, day, hour, tzinfo=UTC)
        found = why(scheduler.ledger, job_id, at, None, None, None, settings_room.settings())
        return " ".join(found.sentences)

    scheduler.add_job(task, "cron", hour=9, exclude=holidays("DE"), id="left")
    monthly: dict[str, Any] = {"trigger": "cron", "day": 25, "hour": 9}
    scheduler.add_job(task, **monthly, exclude=holidays("DE"), shift="next-workday", id="moved")
    with time_machine.travel(CHRISTMAS_EVE, tick=True):
        async with scheduler:
            pass
        assert "No tick: Friday 2026-12-25 (Christmas Day) is excluded." in said("left", 25)
        # Who asks about the day does not have to know the time.
        assert "Friday 2026-12-25 (Christmas Day) is excluded." in said("left", 25, hour=0)
        assert "is excluded: moved to Monday 2026-12-28 09:00." in said("moved", 25)
        assert "Moved from Friday 2026-12-25 (Christmas Day)" in said("moved", 28)


async def test_a_changed_set_of_days_is_a_difference_and_the_page_says_what_is_left_out(
    scheduler: AsyncIOScheduler,
) -> None:
    def schedule(exclude: Any) -> AsyncIOScheduler:
        made = AsyncIOScheduler()
        made.add_job(task, "cron", day=25, hour=9, exclude=exclude, shift="next-workday", id="job")
        return made

    with time_machine.travel(CHRISTMAS_EVE, tick=True):
        async with schedule(holidays("DE")) as made:
            pass
        assert not ask_json(schedule(holidays("DE")), "diff")["differs"]
        [change] = ask_json(schedule("2026-12-25"), "diff")["jobs"]
        assert change["what"] == "changed"
        assert change["new"]["trigger"].endswith("except 2026-12-25, moved to the next workday")
        shown = page(made.ledger, "/job?id=job")
    assert "except holidays(&#39;DE&#39;) (moved to the next workday)" in shown
    assert "moved from Friday 2026-12-25 (Christmas Day)" in shown


def examined(job: Job) -> list[Finding]:
    now = ticks.instant(CHRISTMAS_EVE)
    return [it for it in examine_schedule([job], 10, now) if it.check == "excluded days"]


def test_doctor_finds_days_that_leave_out_nothing() -> None:
    [finding] = examined(declared(day_of_week="mon", exclude="sat-sun"))
    assert (
        "leaves out sat-sun, and none of its ticks of the next two years falls on such a day" in finding.what
    )
    [finding] = examined(declared(exclude=("2026-01-01", "2026-12-23")))
    assert (finding.level, finding.right) == ("warning", "days to come in exclude=")
    assert "leaves out days up to 2026-12-23 only: they have passed" in finding.what
    assert not examined(declared(exclude=["sat-sun", holidays("DE")]))
    assert not examined(declared(day="last workday"))


def test_doctor_tells_that_a_calendar_ends() -> None:
    short = holidays_room.Calendar("holidays('DE')", {"Christmas Day": ["2026-12-25"]})
    [finding] = examined(declared(exclude=["sat-sun", short]))
    assert "leaves out holidays up to 2026-12-25, and none after that day" in finding.what


async def test_the_page_of_what_is_coming_and_the_api_name_the_days_that_are_left_out() -> None:
    made = AsyncIOScheduler()
    made.add_job(task, "cron", hour=9, exclude="2026-12-25", id="job")
    with time_machine.travel(CHRISTMAS_EVE + timedelta(hours=2), tick=True):
        async with made:
            pass
        [left_out] = api(made.ledger, "plan")["left_out"]
        assert left_out["job_id"] == "job"
        assert left_out["tick"] == "2026-12-25T09:00:00+00:00"
        assert "2026-12-25" in left_out["why"]
        shown = page(made.ledger, "/coming")
        assert "Left out, by their date" in shown
        assert left_out["why"] in unescape(shown)
        assert api(made.ledger, "plan", **{"from": "2026-12-26"})["left_out"] == []


@pytest.mark.parametrize("text", ["someday", "sat-sunday", "monthly", "holiday"])
def test_no_other_day_is_guessed_than_the_one_that_is_meant(text: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        declared(exclude=text)
    assert str(refused.value).endswith("or a list of these")
