"""Public holidays that a person leaves out of a job of an offered function: by the codes of their country."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from everytick import AsyncIOScheduler
from everytick.api import holidays as holidays_room
from everytick.api.drafts import Draft, HolidaysOf, Wanted, WrongFieldError
from everytick.api.offered_jobs import OfferedJobs
from everytick.model import ticks

import added_tasks
from histories import ask, ask_json
from inside import rows_of, until
from ledgers import found_in
from offering import FIRST, wanted
from offering import jobs as jobs
from offering import no_calls_yet as no_calls_yet

BAVARIA = HolidaysOf("DE", "BY")
DAILY = {"trigger": "cron", "hour": 9}


@pytest.fixture(autouse=True)
def at_christmas() -> Iterator[Any]:
    with time_machine.travel(datetime(2026, 12, 23, 12, tzinfo=UTC), tick=True) as clock:
        yield clock


def days(found: list[tuple[int, str]]) -> list[str]:
    return [f"{ticks.moment(tick, UTC):%m-%d %H:%M}" for tick, _said in found]


def draft(jobs: OfferedJobs, **schedule: Any) -> Draft:
    return jobs.draft(FIRST, wanted(schedule={**DAILY, **schedule}))


def test_a_draft_says_which_days_it_leaves_out_and_why(jobs: OfferedJobs) -> None:
    found = draft(jobs, exclude=["sat-sun", BAVARIA, ("2026-12-28", "2026-12-29")])
    assert days(found.fires(3)) == ["12-24 09:00", "12-30 09:00", "12-31 09:00"]
    left_out = found.left_out(7)
    assert left_out[0][1] == "Friday 2026-12-25 (Christmas Day) is excluded"
    assert left_out[2][1] == "Monday 2026-12-28 is excluded"
    # Epiphany is a holiday of Bavaria. That a day is at a weekend is an everyday matter.
    assert days(left_out)[:6] == [
        f"{day} 09:00" for day in ("12-25", "12-26", "12-28", "12-29", "01-01", "01-06")
    ]
    assert found.job.schedule.text.endswith("except sat-sun, holidays('DE', 'BY'), 2026-12-28 to 2026-12-29")


def test_a_draft_says_where_its_ticks_are_moved(jobs: OfferedJobs) -> None:
    found = draft(jobs, exclude=[HolidaysOf("DE")], shift="next-workday")
    notes = "; ".join(note for _tick, note in found.fires(5))
    assert "moved from Friday 2026-12-25 (Christmas Day)" in notes
    assert found.left_out(1)[0][1] == (
        "Friday 2026-12-25 (Christmas Day) is excluded: moved to Monday 2026-12-28 09:00"
    )


def test_a_job_that_leaves_nothing_out_says_nothing(jobs: OfferedJobs) -> None:
    assert draft(jobs).left_out(10) == []
    assert draft(jobs, exclude=["sat-sun"]).left_out(10) == []


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (HolidaysOf("DF"), "schedule: holidays('DF'): no such country is known"),
        (HolidaysOf("de"), "did you mean 'DE'?"),
        (HolidaysOf("DE", "XX"), "holidays('DE', 'XX'): no such part of it is known, of BB, BE"),
        (HolidaysOf(""), "write its code of two letters"),
        (HolidaysOf("os"), "no such country is known"),
        (HolidaysOf("holidays.countries.germany"), "no such country is known"),
        (HolidaysOf("\ud800\n"), r"holidays('\ud800\n'): no such country"),
        (HolidaysOf("DE", "__class__"), "no such part of it is known"),
    ],
)
def test_a_country_that_is_not_known_is_one_sentence(
    jobs: OfferedJobs, named: HolidaysOf, sentence: str
) -> None:
    with pytest.raises(WrongFieldError) as raised:
        draft(jobs, exclude=[named])
    assert (raised.value.field, sentence in str(raised.value)) == ("schedule", True), raised.value
    assert str(raised.value).isprintable()


def test_nothing_is_imported_that_is_named_as_a_country(jobs: OfferedJobs) -> None:
    for named in ("this", "antigravity", "this:x"):
        for one in (HolidaysOf(named), HolidaysOf("DE", named)):
            with pytest.raises(WrongFieldError):
                draft(jobs, exclude=[one])
    assert not {"this", "antigravity"} & sys.modules.keys()


def test_more_calendars_than_are_kept_are_refused(jobs: OfferedJobs) -> None:
    with pytest.raises(WrongFieldError, match="names 21 calendars of holidays: at most 20 are kept"):
        draft(jobs, exclude=[HolidaysOf("DE")] * 21)


def test_without_the_package_a_sentence_says_what_is_to_be_installed(
    jobs: OfferedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    holidays_room.look_up.cache_clear()
    with pytest.raises(
        WrongFieldError, match=r"holidays\(\) needs the package holidays: install everytick\[hol"
    ):
        draft(jobs, exclude=[BAVARIA])


async def test_the_days_are_kept_with_the_job_over_restarts_and_without_the_package(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler, at_christmas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.keep(draft(jobs, exclude=["sat-sun", BAVARIA], shift="next-workday"))
    jobs.keep(jobs.draft(FIRST, wanted(job_id="left-out", schedule={**DAILY, "exclude": [BAVARIA]})))
    monkeypatch.setitem(sys.modules, "holidays", None)
    holidays_room.look_up.cache_clear()

    def definitions() -> dict[str, str]:
        found = found_in(scheduler.ledger, "SELECT job_id, definition FROM scheduler_jobs")
        return {row["job_id"]: row["definition"] for row in found}

    before = definitions()
    async with scheduler:
        pass
    at_christmas.move_to(datetime(2026, 12, 28, 9, 0, 5, tzinfo=UTC))
    again = AsyncIOScheduler()
    again.add_job(added_tasks.note, "interval", hours=1, id="of-the-code")
    async with again:
        await until(lambda: [row for row in rows_of(again, "r-7") if row["state"] == "succeeded"])
    found = {row["state"]: row["tick_us"] for row in rows_of(again, "r-7")}
    assert days([(found["skipped"], ""), (found["succeeded"], "")]) == ["12-24 09:00", "12-28 09:00"]
    assert definitions() == before
    words = {row["id"]: row["schedule_in_words"] for row in ask_json(again, "jobs")}
    assert words["r-7"].endswith("except sat-sun, holidays('DE', 'BY') (moved to the next workday)")
    span = ("--from", "2026-12-31", "--to", "2027-01-08")
    said = ask_json(again, "plan", "--job", "left-out", "--summary", *span)["left_out"]
    assert [one["why"] for one in said] == [
        "Friday 2027-01-01 (New Year's Day) is excluded",
        "Wednesday 2027-01-06 (Epiphany) is excluded",
    ]
    assert "No tick: Wednesday 2027-01-06 (Epiphany) is excluded" in ask(
        again, "why", "left-out", "2027-01-06T09:00"
    )
    assert "left-out" not in ask(again, "diff").split("a start now")[0]


def test_a_change_keeps_the_days_or_gives_others(jobs: OfferedJobs) -> None:
    jobs.keep(draft(jobs, exclude=[BAVARIA]))

    def changed(**schedule: Any) -> str:
        jobs.keep(jobs.draft_change("r-7", Wanted({**DAILY, **schedule}, None)))
        return jobs.as_it_is("r-7")[0].job.schedule.text

    assert changed(hour=8) == "cron[hour='8'] except holidays('DE', 'BY')"
    assert changed(exclude=[HolidaysOf("AT"), "sun"]) == "cron[hour='9'] except sun, holidays('AT')"
    assert changed(shift="previous-workday").endswith(
        "except sun, holidays('AT'), moved to the previous workday"
    )
    assert changed(exclude=[]) == "cron[hour='9']"
