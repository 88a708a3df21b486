"""Options of an added job on its page: which a form offers, shows, and takes away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.model.job import Job

import offered_tasks
from form_browser import NIGHTLY, REMIND, Browser, fields_of, signed_in, text_of
from form_browser import browser as browser
from histories import prepared

DAYS: Any = {"exclude": ["sat-sun", "2099-12-24"], "shift": "next-workday"}


def added(**options: Any) -> None:
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, args=[7], id="r-7", **options)


def job() -> Job:
    found = SchedulerClient().get_job("r-7")
    assert found is not None
    return found


async def previewed(browser: Browser, **given: str) -> httpx.Response:
    """Return the preview of a change in the form as it stands; `__` stands for a dot."""
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    fields |= {name.replace("__", "."): value for name, value in given.items()}
    return await browser.post("/change?id=r-7", data=fields)


async def changed(browser: Browser, **given: str) -> httpx.Response:
    shown = await previewed(browser, **given)
    assert shown.status_code == 200, text_of(shown)
    done = await browser.post("/change?id=r-7", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303, text_of(done)
    return shown


def in_force(answer: httpx.Response) -> str:
    found = re.search(r'<p id="in-force">(.*?)</p>', answer.text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


async def test_an_option_that_is_emptied_is_taken_away_and_the_preview_says_so(browser: Browser) -> None:
    added(timeout=30, retries=2, overlap="wait")
    shown = await changed(browser, options__timeout="", options__overlap="")
    assert "timeout none (was 30)" in in_force(shown)
    assert "overlap skip (was wait)" in in_force(shown)
    assert "retries 2," in in_force(shown)
    assert job().given == {"retries": 2}


async def test_a_limit_that_the_job_lifts_stays_lifted(browser: Browser) -> None:
    added(misfire_grace_time=None, timeout=None)
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    assert fields["options.misfire_grace_time"] == fields["options.timeout"] == "none"
    await changed(browser, arguments__customer_id="8")
    assert job().given == {"misfire_grace_time": None, "timeout": None}
    shown = await changed(browser, options__misfire_grace_time="")
    assert "(was none)" in in_force(shown)
    assert job().given == {"timeout": None}


async def test_what_the_form_does_not_show_of_the_options_stays(browser: Browser) -> None:
    added(ping="http://ping.example/secret", timeout=30)
    shown = await changed(browser, options__timeout="")
    assert "ping.example" not in shown.text
    assert job().given == {"ping": "http://ping.example/secret"}


async def test_days_are_taken_away_or_moved_with_the_schedule_as_it_is(browser: Browser) -> None:
    added(**DAYS)
    before = job().schedule.data["source"]
    await changed(browser, shift="skip")
    assert job().schedule.text == "interval[1:00:00] except sat-sun, 2099-12-24"
    await changed(browser, exclude="mon")
    assert job().schedule.text == "interval[1:00:00] except mon"
    shown = await changed(browser, exclude="")
    assert ", every hour, in UTC. Next fires" in text_of(shown)
    assert job().schedule.data == before


@pytest.mark.parametrize(
    "field", [{"start_date": "2099-01-01"}, {"jitter": "5"}, {"timezone": "Europe/Berlin"}]
)
async def test_what_cannot_be_changed_beside_a_schedule_that_stays_is_refused(
    browser: Browser, field: dict[str, str]
) -> None:
    added()
    answer = await previewed(browser, **field)
    [name] = field
    assert answer.status_code == 422
    said = "is not changed while the schedule stays as it is: choose a kind of schedule"
    assert f"{name} {said}" in text_of(answer)


async def test_a_form_for_a_new_job_takes_none_for_a_limit(browser: Browser) -> None:
    shown = await browser.send_form(
        f"/add?function={REMIND}",
        id="r-7",
        arguments__customer_id="7",
        options__misfire_grace_time="none",
        **NIGHTLY,
    )
    assert "misfire_grace_time none" in in_force(shown)
    done = await browser.post(f"/add?function={REMIND}", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    assert job().given == {"misfire_grace_time": None}


async def test_all_options_of_people_have_fields_and_come_back_as_they_were_given(browser: Browser) -> None:
    given: dict[str, Any] = {
        "timeout": 30,
        "retries": 2,
        "retry_delay": 0.5,
        "misfire_grace_time": 60,
        "coalesce": False,
        "max_catch_up": 3,
        "max_instances": 2,
        "overlap": "wait-one",
        "group": "database",
        "queue": "letters",
        "on_crash": "skip",
        "alert": False,
    }
    form = {f"options__{name}": str(value) for name, value in given.items()}
    usual = {"id": "r-7", "arguments__customer_id": "7"}
    shown = await browser.send_form(f"/add?function={REMIND}", **usual, **form, **NIGHTLY)
    for name, value in given.items():
        assert f"{name} {value}" in in_force(shown)
    done = await browser.post(f"/add?function={REMIND}", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    assert job().given == given
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    assert {name: fields[f"options.{name}"] for name in given} == {n: str(it) for n, it in given.items()}
    await changed(browser, arguments__customer_id="8")
    assert job().given == given
    await changed(browser, **dict.fromkeys(form, ""))
    assert job().given == {}


async def test_a_field_says_what_holds_where_it_is_empty(browser: Browser) -> None:
    page = (await browser.get("/add", params={"function": REMIND})).text
    assert re.search('name="options.misfire_grace_time"[^>]* placeholder="600"', page)
    assert re.search('name="options.timeout"[^>]* placeholder="none"', page)
    assert '<select name="options.on_crash"><option value="">rerun, by default</option>' in page


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("coalesce", "perhaps", "coalesce='perhaps' must be True or False"),
        ("on_crash", "cry", "on_crash='cry' must be 'rerun' or 'skip'"),
        ("group", "a b", "group='a b'"),
        ("queue", "a b", "queue='a b'"),
        ("max_catch_up", "some", "max_catch_up='some' is no whole number"),
        ("max_instances", "9" * 17, "is too large a number"),
    ],
)
async def test_a_wrong_option_is_told_at_its_field(
    browser: Browser, field: str, value: str, sentence: str
) -> None:
    form = {"id": "r-7", "arguments__customer_id": "7", f"options__{field}": value}
    answer = await browser.send_form(f"/add?function={REMIND}", **form, **NIGHTLY)
    assert (answer.status_code, 'id="wrong-options"' in answer.text) == (422, True)
    assert sentence in text_of(answer)


async def test_a_change_of_nothing_says_so(browser: Browser) -> None:
    added(timeout=30)
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    shown = await browser.post("/change?id=r-7", data=fields)
    done = await browser.post("/change?id=r-7", data=fields_of(shown, 'name="save"'))
    assert (done.status_code, done.headers["location"]) == (303, "/job?id=r-7&done=same")
    assert "nothing was changed" in text_of(await browser.get(done.headers["location"]))


async def test_what_is_said_of_the_id_stands_behind_it(browser: Browser) -> None:
    page = text_of(await browser.get("/add", params={"function": REMIND}))
    assert re.search(r" id it stays for good; such as reminder-42 name ", page)


@pytest.fixture
async def grouped(scheduler: AsyncIOScheduler) -> AsyncIterator[Browser]:
    """A browser at a schedule whose jobs are of a group, unless they say otherwise."""
    scheduler = AsyncIOScheduler(job_defaults={"group": "database", "retries": 3})
    scheduler.offer(offered_tasks.remind)
    prepared(scheduler)
    made = await signed_in(scheduler)
    yield made
    await made.aclose()


async def test_a_job_is_taken_out_of_the_group_of_all_jobs_and_put_back(grouped: Browser) -> None:
    added()
    assert 'placeholder="database"' in (await grouped.get("/change?id=r-7")).text
    shown = await changed(grouped, options__group="no group")
    assert "group no group (was database)" in in_force(shown)
    assert "retries 3," in in_force(shown)
    assert job().given == {"group": None}
    assert job().options.group is None
    fields = fields_of(await grouped.get("/change?id=r-7"), 'id="preview"')
    assert fields["options.group"] == "no group"
    shown = await changed(grouped, options__group="")
    assert "group database (was no group)" in in_force(shown)
    assert job().given == {}


async def test_by_the_api_null_is_no_group_as_none_is_in_code(grouped: Browser) -> None:
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, args=[8], id="by-code", group=None)
    body = {"function": REMIND, "id": "r-7", "schedule": {"trigger": "interval", "hours": 1}}
    body |= {"arguments": {"customer_id": 7}, "options": {"group": None}}
    headers = {"Authorization": "Bearer all-all-all-all-all-all"}
    shown = await grouped.post("/api/v1/jobs/preview", json=body, headers=headers)
    assert shown.json()["options"]["group"] is None
    assert (await grouped.post("/api/v1/jobs", json=body, headers=headers)).status_code == 201
    by_code = SchedulerClient().get_job("by-code")
    assert by_code is not None
    assert job().given == by_code.given == {"group": None}
    without = {**body, "id": "r-8", "options": {}}
    shown = await grouped.post("/api/v1/jobs/preview", json=without, headers=headers)
    assert shown.json()["options"]["group"] == "database"
