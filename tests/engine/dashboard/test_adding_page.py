"""The pages on which people add, change and remove jobs, as a browser without scripts sends their forms."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from everytick import AsyncIOScheduler, SchedulerClient

import offered_tasks
from form_browser import (
    EXPORT,
    MOST_BYTES,
    NIGHTLY,
    REMIND,
    TOKENS,
    Browser,
    fields_of,
    jobs_in,
    signed_in,
    text_of,
)
from form_browser import browser as browser
from histories import prepared
from ledgers import change


async def test_a_person_adds_a_job_with_a_preview_before(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    chooser = await browser.get("/add")
    assert re.findall(r'<option value="([^"]+)"', chooser.text) == [EXPORT, REMIND, TOKENS]
    empty = await browser.get("/add", params={"function": REMIND})
    assert "Send a reminder to a customer." in text_of(empty)
    address = f"/add?function={REMIND}"
    shown = await browser.send_form(address, id="r-7", arguments__customer_id="7", **NIGHTLY)
    assert shown.status_code == 200
    said = text_of(shown)
    assert "customer_id=7) , at 02:30 on Mondays to Fridays, in UTC. Next fires" in said
    assert shown.text.count("<li><time") == 10
    assert jobs_in(scheduler) == {"of-the-code"}
    kept = fields_of(shown, 'name="save"')
    done = await browser.post(address, data={**kept, "note": "as he asked"})
    assert (done.status_code, done.headers["location"]) == (303, "/job?id=r-7&done=added")
    page = await browser.get(done.headers["location"])
    assert "The job is added." in text_of(page)
    assert re.search(
        r'added while running by dashboard: "Anna" \(127.0.0.1\), .*: as he asked', text_of(page)
    )
    again = await browser.post(address, data=kept)
    assert (again.status_code, "is taken by a job that was added before" in text_of(again)) == (409, True)
    assert fields_of(again, 'id="preview"')["id"] == "r-7"


async def test_each_kind_of_field_comes_back_as_it_was_given(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    given = {
        "day": "2026-12-24",
        "at": "2026-12-24T18:00:00",
        "form": '"xlsx"',
        "colour": '"blue"',
        "share": "0.25",
        "columns": "[1, 2]",
        "more": '{"a": "ü"}',
    }
    form = {f"arguments__{name}": value for name, value in given.items()}
    shown = await browser.send_form(f"/add?function={EXPORT}", id="e", **form, **NIGHTLY)
    await browser.post(f"/add?function={EXPORT}", data=fields_of(shown, 'name="save"'))
    job = SchedulerClient().get_job("e")
    assert job is not None
    assert job.kwargs == {
        "day": "2026-12-24",
        "at": "2026-12-24T18:00:00",
        "form": "xlsx",
        "colour": "blue",
        "share": 0.25,
        "columns": [1, 2],
        "more": {"a": "ü"},
    }
    fields = fields_of(await browser.get("/change?id=e"), 'id="preview"')
    assert {name: fields[f"arguments.{name}"] for name in given} == given
    assert fields["trigger"] == "keep"
    # Nothing was changed: the same comes of it.
    shown = await browser.post("/change?id=e", data=fields)
    done = await browser.post("/change?id=e", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    again = SchedulerClient().get_job("e")
    assert again is not None
    assert (again.kwargs, again.schedule.text) == (job.kwargs, job.schedule.text)


async def test_a_person_changes_and_removes_a_job(browser: Browser, scheduler: AsyncIOScheduler) -> None:
    client = SchedulerClient(who="the shop")
    client.add_job(offered_tasks.remind, "interval", minutes=90, args=[7], id="r/7 ü", exclude="sat-sun")
    page = await browser.get("/job", params={"id": "r/7 ü"})
    assert "added while running by the shop" in text_of(page)
    [there] = re.findall(r'id="to-change" href="([^"]+)"', page.text)
    fields = fields_of(await browser.get(unescape(there)), 'id="preview"')
    assert (fields["arguments.customer_id"], fields["interval.hours"], fields["interval.minutes"]) == (
        "7",
        "1",
        "30",
    )
    fields |= {"trigger": "interval", "interval.hours": "3", "interval.minutes": ""}
    shown = await browser.post(unescape(there), data=fields)
    assert "every 3 hours" in text_of(shown)
    done = await browser.post(unescape(there), data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    page = await browser.get(done.headers["location"])
    assert "The job is changed." in text_of(page)
    assert '; changed by dashboard: "Anna" (127.0.0.1)' in text_of(page)
    job = client.get_job("r/7 ü")
    assert job is not None
    assert (job.kwargs, "sat-sun" in job.schedule.text or "excl" in job.schedule.text) == (
        {"customer_id": 7},
        True,
    )
    done = await browser.post("/remove", data={**fields_of(page, 'id="remove"'), "note": "enough"})
    assert done.status_code == 303
    assert "This job was removed" in text_of(await browser.get(done.headers["location"]))
    assert jobs_in(scheduler) == {"of-the-code"}


async def test_a_job_whose_function_takes_others_by_now_gets_new_arguments(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    kwargs = {"customer_id": 7, "text": "kept"}
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, kwargs=kwargs, id="r-7")
    change(scheduler.ledger, "UPDATE scheduler_jobs SET call_data = replace(call_data, 'customer_id', 'who')")
    assert "This job cannot run: remind cannot be called with" in text_of(await browser.get("/job?id=r-7"))
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    assert (fields["arguments.customer_id"], fields["arguments.text"]) == ("", "kept")
    shown = await browser.post("/change?id=r-7", data={**fields, "arguments.customer_id": "8"})
    done = await browser.post("/change?id=r-7", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    job = SchedulerClient().get_job("r-7")
    assert job is not None
    assert job.kwargs == {"customer_id": 8, "text": "kept"}


@pytest.mark.full
@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("\\ud800", False),
        ("\\u0000", False),
        ("\\u001b[2J", False),
        ("a\\r\\nb", False),
        ("a\\nb\\tc", True),
        ("</textarea><script>x", True),
        ("</textarea>\\n<script>x", True),
    ],
)
async def test_strange_text_that_a_row_holds_is_shown(
    browser: Browser, scheduler: AsyncIOScheduler, text: str, is_kept: bool
) -> None:
    kwargs = {"customer_id": 7, "text": "kept"}
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, kwargs=kwargs, id="r-7")
    call = f"replace(call_data, 'kept', '{text}')"
    change(scheduler.ledger, f"UPDATE scheduler_jobs SET call_data = {call} WHERE job_id = 'r-7'")
    page = await browser.get("/change?id=r-7")
    assert page.status_code == 200
    assert "<script>x" not in page.text
    assert (await browser.get("/job?id=r-7")).status_code == 200
    if not is_kept:
        assert "its arguments are more than fields hold" in text_of(page)
        return
    fields = fields_of(page, 'id="preview"') | {"arguments.customer_id": "8"}
    shown = await browser.post("/change?id=r-7", data=fields)
    done = await browser.post("/change?id=r-7", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    job = SchedulerClient().get_job("r-7")
    assert job is not None
    assert job.kwargs == {"customer_id": 8, "text": json.loads(f'"{text}"')}


async def test_secrets_are_not_in_the_fields_and_stay_as_they_are(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    kwargs = {"api_token": "hunter2-hunter2", "folder": "a"}
    SchedulerClient().add_job(offered_tasks.with_token, "interval", hours=1, kwargs=kwargs, id="t")
    page = await browser.get("/change?id=t")
    fields = fields_of(page, 'id="preview"') | {"arguments.folder": "b"}
    shown = await browser.post("/change?id=t", data=fields)
    done = await browser.post("/change?id=t", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    assert "hunter2" not in page.text + shown.text
    job = SchedulerClient().get_job("t")
    assert job is not None
    assert job.kwargs == {"api_token": "hunter2-hunter2", "folder": "b"}


@pytest.mark.full
async def test_pages_are_small(browser: Browser, scheduler: AsyncIOScheduler) -> None:
    form = {"arguments__day": "2026-12-24", "arguments__more": '"' + "x" * 7_000 + '"', **NIGHTLY}
    for page in (
        await browser.get("/add"),
        await browser.get("/add", params={"function": EXPORT}),
        await browser.send_form(f"/add?function={EXPORT}", **form),
    ):
        assert page.status_code == 200
        assert len(page.content) < MOST_BYTES


async def test_with_one_function_there_is_nothing_to_choose(scheduler: AsyncIOScheduler) -> None:
    scheduler.offer(offered_tasks.sweep, name="Sweep <b>all</b>")
    prepared(scheduler)
    browser = await signed_in(scheduler)
    page = await browser.get("/add")
    assert "Sweep <b>all</b> : Sweep the floor." in text_of(page)
    assert "<b>all</b>" not in page.text
    shown = await browser.send_form("/add?function=offered_tasks:sweep", trigger="date")
    done = await browser.post("/add?function=offered_tasks:sweep", data=fields_of(shown, 'name="save"'))
    assert done.status_code == 303
    await browser.aclose()


async def test_hostile_text_is_text(browser: Browser, scheduler: AsyncIOScheduler) -> None:
    hostile = "<script>document.title='taken'</script>\"'{{7*7}}"
    form = {"arguments__customer_id": "7", "arguments__text": hostile, "id": hostile, "name": hostile}
    shown = await browser.send_form(f"/add?function={REMIND}", **form, **NIGHTLY)
    assert shown.status_code == 200
    assert "<script>document" not in shown.text
    done = await browser.post(f"/add?function={REMIND}", data=fields_of(shown, 'name="save"'))
    page = await browser.get(done.headers["location"])
    assert "<script>document" not in page.text
    assert "49" not in re.findall(r"<h1>.*?</h1>", page.text)[0]
    change = await browser.get("/change", params={"id": hostile})
    assert "<script>document" not in change.text
    assert fields_of(change, 'id="preview"')["arguments.text"] == hostile
