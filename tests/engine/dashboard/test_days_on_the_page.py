"""Days that are left out, and public holidays, in the form of an added job and in the API."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import time_machine
from everytick import AsyncIOScheduler, SchedulerClient, holidays
from everytick.api import holidays as holidays_room
from everytick.api.offered_jobs import OfferedJobs
from everytick.dashboard.forms import Form
from everytick.dashboard.job_forms import days_fields, hides_days, wanted

import offered_tasks
from form_browser import REMIND, Browser, fields_of, text_of
from form_browser import browser as browser
from offering import jobs as jobs
from test_offer_api import JOBS, client_of, dashboard
from test_offer_api import REMIND as BODY

NINE = {"trigger": "cron", "cron__hour": "9", "arguments__customer_id": "7", "id": "r-7"}


@pytest.fixture(autouse=True)
def before_christmas() -> Iterator[None]:
    # The sign-in of the browser, which has begun before, is a matter of hours.
    with time_machine.travel(datetime(2026, 12, 23, 12, tzinfo=UTC), tick=True):
        yield


def schedule_of(job_id: str) -> str:
    job = SchedulerClient().get_job(job_id)
    assert job is not None
    return job.schedule.text


# --- the page


async def test_a_person_leaves_out_weekends_and_holidays_and_sees_which(browser: Browser) -> None:
    days = {"exclude": "sat-sun, 2026-12-30 to 2027-01-02", "holidays": "DE/BY, AT"}
    shown = await browser.send_form(f"/add?function={REMIND}", **NINE, **days)
    said = text_of(shown)
    assert "except sat-sun, holidays('AT'), holidays('DE', 'BY'), 2026-12-30 to 2027-01-02" in said
    listed = re.search(r'id="left-out">(.*?)</ol>', shown.text, re.DOTALL)
    assert listed is not None
    assert "Friday 2026-12-25 (Christmas Day) is excluded" in listed[1]
    assert "Wednesday 2026-12-30 is excluded" in listed[1]
    assert listed[1].count("<li>") == 10
    kept = fields_of(shown, 'name="save"')
    assert {name: kept[name] for name in days} == days
    done = await browser.post(f"/add?function={REMIND}", data=kept)
    assert done.status_code == 303
    assert "except sat-sun, holidays('AT'), holidays('DE', 'BY')" in schedule_of("r-7")


async def test_where_a_tick_is_moved_the_page_says_whereto(browser: Browser) -> None:
    shown = await browser.send_form(
        f"/add?function={REMIND}", **NINE, holidays="DE", shift="previous-workday"
    )
    assert "is excluded: moved to Thursday 2026-12-24 09:00" in text_of(shown)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("XX", "holidays('XX'): no such country is known"),
        ("DE/Bayern", "holidays('DE', 'Bayern'): no such part of it is known, of BB, BE"),
        ("DE/BY/M", "holidays('DE', 'BY/M'): no such part of it is known"),
        ("/BY", "holidays(''): no such country is known"),
    ],
)
async def test_a_country_that_is_not_known_is_told_at_the_field(
    browser: Browser, given: str, sentence: str
) -> None:
    answer = await browser.send_form(f"/add?function={REMIND}", **NINE, holidays=given)
    assert (answer.status_code, sentence in text_of(answer)) == (422, True), text_of(answer)
    assert 'id="wrong-schedule"' in answer.text
    assert fields_of(answer, 'id="preview"')["holidays"] == given


async def test_without_the_package_the_page_says_what_to_install(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    holidays_room.look_up.cache_clear()
    answer = await browser.send_form(f"/add?function={REMIND}", **NINE, holidays="DE")
    assert "holidays() needs the package holidays: install everytick[holidays]" in text_of(answer)
    assert answer.status_code == 422


async def test_a_change_shows_the_days_and_keeps_them_without_the_package(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    days: Any = {"exclude": ["sat-sun", "2026-12-24", holidays("DE", "BY")], "shift": "next-workday"}
    SchedulerClient().add_job(offered_tasks.remind, "cron", hour=9, args=[7], id="r-7", **days)
    monkeypatch.setitem(sys.modules, "holidays", None)
    holidays_room.look_up.cache_clear()
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    assert (fields["exclude"], fields["holidays"], fields["shift"]) == (
        "sat-sun, 2026-12-24",
        "DE/BY",
        "next-workday",
    )
    shown = await browser.post("/change?id=r-7", data={**fields, "trigger": "cron", "cron.hour": "8"})
    done = await browser.post("/change?id=r-7", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    assert schedule_of("r-7") == (
        "cron[hour='8'] except sat-sun, holidays('DE', 'BY'), 2026-12-24, moved to the next workday"
    )


@pytest.mark.full
async def test_a_person_gives_other_days_or_takes_them_away(browser: Browser) -> None:
    days: Any = {"exclude": ["sat-sun", holidays("DE")], "shift": "next-workday"}
    SchedulerClient().add_job(offered_tasks.remind, "cron", hour=9, args=[7], id="r-7", **days)

    async def changed(**given: str) -> str:
        fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
        shown = await browser.post("/change?id=r-7", data={**fields, "trigger": "cron", **given})
        assert shown.status_code == 200, text_of(shown)
        done = await browser.post("/change?id=r-7", data=fields_of(shown, 'name="save"'))
        assert done.status_code == 303
        return schedule_of("r-7")

    assert await changed(holidays="AT", shift="skip") == "cron[hour='9'] except sat-sun, holidays('AT')"
    assert await changed(holidays="", shift="next-workday") == (
        "cron[hour='9'] except sat-sun, moved to the next workday"
    )
    assert await changed(exclude="") == "cron[hour='9']"


def test_more_days_than_the_field_holds_stay(jobs: OfferedJobs, scheduler: AsyncIOScheduler) -> None:
    many = [f"20{year}-{month:02}-13" for year in range(27, 40) for month in range(1, 13)]
    job = jobs.add_job(offered_tasks.sweep, "cron", hour=9, id="s", exclude=many)
    assert hides_days(job.schedule)
    assert days_fields(job.schedule) == {"shift": "skip"}
    form = Form({"trigger": ["cron"], "cron.hour": ["8"], "shift": ["skip"]})
    asked = wanted(form, scheduler.offers["offered_tasks:sweep"], jobs.as_it_is("s")[0])
    assert "except 2027-01-13" in jobs.draft_change("s", asked).job.schedule.text
    form = Form({"trigger": ["keep"], "exclude": ["none"]})
    asked = wanted(form, scheduler.offers["offered_tasks:sweep"], jobs.as_it_is("s")[0])
    assert jobs.draft_change("s", asked).job.schedule.text == "cron[hour='9']"


# --- the api


async def test_a_program_leaves_out_the_holidays_of_a_state(scheduler: AsyncIOScheduler) -> None:
    scheduler.offer(offered_tasks.remind)
    bavaria = {"country": "DE", "subdivision": "BY"}
    schedule = {"trigger": "cron", "hour": 9, "exclude": ["sat-sun", bavaria, {"country": "AT"}]}
    async with client_of(dashboard(scheduler)) as client:
        shown = (await client.post(f"{JOBS}/preview", json={**BODY, "schedule": schedule})).json()
        assert shown["left_out"][0] == {
            "job_id": "r-7",
            "tick": "2026-12-25T09:00:00+00:00",
            "why": "Friday 2026-12-25 (Christmas Day) is excluded",
        }
        assert [one["tick"][:10] for one in shown["next_fires"][:2]] == ["2026-12-24", "2026-12-28"]
        answer = await client.post(JOBS, json={**BODY, "schedule": schedule})
        assert answer.status_code == 201, answer.text
        job = (await client.get(f"{JOBS}/r-7")).json()
        assert "except sat-sun, holidays('AT'), holidays('DE', 'BY')" in job["trigger"]
        only = {"trigger": "cron", "hour": 9, "exclude": [bavaria], "shift": "next-workday"}
        shown = (await client.post(f"{JOBS}/r-7/preview", json={"schedule": only})).json()
        assert shown["left_out"][0]["why"].endswith("is excluded: moved to Monday 2026-12-28 09:00")


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        ({"country": "XX"}, "schedule: holidays('XX'): no such country is known"),
        ({"country": "DE", "subdivision": "XX"}, "no such part of it is known, of BB, BE"),
        ({"country": "D" * 200}, "should have at most 100 characters"),
        ({"country": 7}, "exclude.0.holidays.country: input should be a valid string"),
        ({"country": "DE", "years": [1]}, "exclude.0.holidays.years: there is no such field"),
        ({"subdivision": "BY"}, "exclude.0.holidays.country: field required"),
        ({}, "exclude.0.holidays.country: field required"),
        (7, "exclude.0: write a date, a pair of dates, weekdays, or the country of public holidays"),
        (["2026-12-24"], "exclude.0: a range of days is a list of two dates"),
    ],
)
async def test_what_is_no_country_is_one_sentence(
    scheduler: AsyncIOScheduler, one: Any, sentence: str
) -> None:
    scheduler.offer(offered_tasks.remind)
    schedule = {"trigger": "interval", "hours": 1, "exclude": [one]}
    async with client_of(dashboard(scheduler)) as client:
        for path in (f"{JOBS}/preview", JOBS):
            answer: httpx.Response = await client.post(path, json={**BODY, "schedule": schedule})
            assert (answer.status_code, sentence in answer.json()["error"]) == (422, True), answer.text


async def test_a_wrong_day_is_told_with_what_is_written_there(browser: Browser) -> None:
    answer = await browser.send_form(f"/add?function={REMIND}", **NINE, exclude="2026-02-30")
    said = text_of(answer)
    assert (
        "exclude='2026-02-30' is no day: write a date (2026-12-24), a range of dates (2026-12-24 to" in said
    )
    assert "public holidays have a field of their own" in said
    SchedulerClient().add_job(offered_tasks.remind, "cron", hour=9, args=[7], id="r-7")
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    answer = await browser.post("/change?id=r-7", data={**fields, "exclude": "someday"})
    assert "(2026-12-24 to 2027-01-01)" in text_of(answer)


async def test_a_program_is_told_how_days_are_written_in_json(scheduler: AsyncIOScheduler) -> None:
    scheduler.offer(offered_tasks.remind)
    async with client_of(dashboard(scheduler)) as client:
        for day in ("2026-02-30", 'holidays("DE")'):
            schedule = {"trigger": "interval", "hours": 1, "exclude": [day]}
            answer = await client.post(f"{JOBS}/preview", json={**BODY, "schedule": schedule})
            error = answer.json()["error"]
            assert answer.status_code == 422
            assert '(["2026-12-24", "2027-01-01"])' in error
            assert '({"country": "DE", "subdivision": "BY"})' in error
            assert "holidays('DE', 'BY')" not in error
