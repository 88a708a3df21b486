"""The pages on which people add, change and remove jobs, as a browser without scripts sends their forms."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from functools import partial
from html import unescape
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.api.loading import declared
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator

import added_tasks
import offered_tasks
from histories import prepared
from ledgers import change, found_in

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"
REMIND, EXPORT, TOKENS = (f"offered_tasks:{name}" for name in ("remind", "export", "with_token"))
NIGHTLY = {"trigger": "crontab", "crontab.line": "30 2 * * 1-5"}
MOST_BYTES = 50_000


class Browser(httpx.AsyncClient):
    """A browser, and the CSRF token in the forms that it is shown."""

    proof = ""

    async def send_form(self, address: str, **fields: str) -> httpx.Response:
        """Send a form; `__` stands for a dot in the name of a field."""
        named = {name.replace("__", "."): value for name, value in fields.items()}
        return await self.post(address, data={"csrf_token": self.proof, **named})


async def signed_in(scheduler: AsyncIOScheduler, token: str = TOKEN) -> Browser:
    app = create_app(
        scheduler.ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0, partial(declared, scheduler)
    )
    made = Browser(transport=httpx.ASGITransport(app), base_url="http://here")
    await made.post("/login", data={"token": token, "name": "Anna"})
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', (await made.get("/")).text)
    made.proof = found[1] if found else ""
    return made


@pytest.fixture
async def browser(scheduler: AsyncIOScheduler) -> AsyncIterator[Browser]:
    """A browser that has signed in to the dashboard of a schedule that offers three functions."""
    for function in (offered_tasks.remind, offered_tasks.export, offered_tasks.with_token):
        scheduler.offer(function)
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="of-the-code")
    prepared(scheduler)
    made = await signed_in(scheduler)
    yield made
    await made.aclose()


def text_of(answer: httpx.Response) -> str:
    """Return what a person reads."""
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", answer.text).split()))


def fields_of(answer: httpx.Response, form: str) -> dict[str, str]:
    """Return what a browser sends of a form, as it stands; `form` is in its beginning."""
    [body] = [it for it in re.findall(r"<form.*?</form>", answer.text, re.DOTALL) if form in it]
    found = {}
    for tag in re.findall(r"<input[^>]*>", body):
        name, value = (re.search(rf'{it}="([^"]*)"', tag) for it in ("name", "value"))
        if name and value and ('type="radio"' not in tag or " checked" in tag):
            found[name[1]] = unescape(value[1])
    for name_, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', body, re.DOTALL):
        found[name_] = unescape(text)
    for name_, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', body, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
        found[name_] = unescape(chosen[1] or chosen[2]) if chosen else ""
    return found


def jobs_in(scheduler: AsyncIOScheduler) -> set[str]:
    found = found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs WHERE removed_us IS NULL")
    return {row["job_id"] for row in found}


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


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"arguments__customer_id": ""}, "arguments.customer_id", "give a value"),
        ({"arguments__customer_id": "seven"}, "arguments.customer_id", "'seven' is not a whole number"),
        ({"arguments__customer_id": "9" * 399}, "arguments.customer_id", "cannot be kept as it is"),
        ({"arguments__urgent": "maybe"}, "arguments.urgent", "'maybe' is not true or false"),
        ({"trigger": ""}, "schedule", "choose when it is due"),
        ({"trigger": "or"}, "schedule", "choose when it is due"),
        ({"crontab__line": "at noon"}, "schedule", "which has five fields"),
        ({"trigger": "cron", "cron__hour": "25"}, "schedule", "hour"),
        ({"trigger": "cron"}, "schedule", "it would be due every second: give at least one"),
        ({"trigger": "interval"}, "schedule", "is too short"),
        ({"trigger": "interval", "interval__hours": "one"}, "schedule", "hours='one' is no number"),
        ({"trigger": "interval", "interval__hours": "1", "exclude": "someday"}, "schedule", "is no day"),
        ({"trigger": "calendarinterval", "calendarinterval__months": "1.5"}, "schedule", "no whole number"),
        ({"timezone": "Mars"}, "schedule", "timezone='Mars'"),
        ({"options__timeout": "soon"}, "options", "timeout='soon' is no number"),
        ({"options__overlap": "explode"}, "options", "overlap='explode'"),
        ({"id": "of-the-code"}, "id", "is taken by a job of the code"),
        ({"id": "a\u202eb"}, "id", "no control characters"),
    ],
)
async def test_a_sentence_stands_at_the_field_that_is_wrong_and_the_others_stay(
    browser: Browser, scheduler: AsyncIOScheduler, fields: dict[str, str], field: str, sentence: str
) -> None:
    usual = {"id": "r-7", "name": "Seven", "arguments__customer_id": "7", **NIGHTLY}
    answer = await browser.send_form(f"/add?function={REMIND}", save="1", **{**usual, **fields})
    assert answer.status_code in (409, 422)
    [wrong] = re.findall(r'<p class="wrong" id="wrong-([^"]+)" role="alert">⚠ ([^<]*)', answer.text)
    assert (wrong[0], sentence in unescape(wrong[1])) == (field, True), wrong
    assert fields_of(answer, 'id="preview"')["name"] == "Seven"
    assert jobs_in(scheduler) == {"of-the-code"}


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


async def test_of_two_who_change_a_job_the_second_is_told(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, args=[7], id="r-7")
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"')
    previews = [
        await browser.post("/change?id=r-7", data={**fields, "arguments.customer_id": number})
        for number in ("8", "9")
    ]
    answers = [
        await browser.post("/change?id=r-7", data=fields_of(shown, 'name="save"')) for shown in previews
    ]
    assert [it.status_code for it in answers] == [303, 409]
    assert "was changed meanwhile: look at it as it is now" in text_of(answers[1])
    for version in ("", "x", "9" * 40):
        answer = await browser.post("/change?id=r-7", data={**fields, "version": version})
        assert answer.status_code == 422, version


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


async def test_more_than_fields_hold_is_for_the_api(browser: Browser, scheduler: AsyncIOScheduler) -> None:
    client = SchedulerClient()
    client.add_job(offered_tasks.remind, "interval", hours=1, args=[7, "x" * 60_000], id="long")
    page = await browser.get("/change?id=long")
    assert "its arguments are more than fields hold" in text_of(page)
    assert 'id="preview"' not in page.text
    answer = await browser.send_form(
        f"/add?function={REMIND}", arguments__customer_id="7", arguments__text="x" * 9_000, **NIGHTLY
    )
    assert (answer.status_code, "more than 8,000 characters are for the API" in text_of(answer)) == (
        422,
        True,
    )
    for shown in (page, answer):
        assert len(shown.content) < MOST_BYTES


async def test_pages_are_small(browser: Browser, scheduler: AsyncIOScheduler) -> None:
    form = {"arguments__day": "2026-12-24", "arguments__more": '"' + "x" * 7_000 + '"', **NIGHTLY}
    for page in (
        await browser.get("/add"),
        await browser.get("/add", params={"function": EXPORT}),
        await browser.send_form(f"/add?function={EXPORT}", **form),
    ):
        assert page.status_code == 200
        assert len(page.content) < MOST_BYTES


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/add?function=os:system"),
        ("POST", "/add?function=os:system"),
        ("GET", "/change?id=gone"),
        ("POST", "/change?id=gone"),
    ],
)
async def test_nothing_else_can_be_named(browser: Browser, method: str, address: str) -> None:
    data = {"csrf_token": browser.proof, "id": "x", **NIGHTLY}
    answer = await browser.request(method, address, data=data if method == "POST" else None)
    assert answer.status_code == 404


async def test_a_job_of_the_code_or_of_another_function_has_no_form(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    SchedulerClient().add_job(offered_tasks.not_offered, "interval", hours=1, args=[1], id="internal")
    for job_id in ("of-the-code", "internal"):
        page = await browser.get("/job", params={"id": job_id})
        assert not {"to-change", "do-remove"} & set(re.findall(r'id="([^"]+)"', page.text))
        assert (await browser.get("/change", params={"id": job_id})).status_code == 409
        assert (await browser.send_form("/remove", job_id=job_id)).status_code == 409
    assert jobs_in(scheduler) == {"of-the-code", "internal"}


async def test_without_the_proof_of_a_page_nothing_is_done(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, args=[7], id="r-7")
    fields = {"save": "1", "id": "r-8", "arguments.customer_id": "7", **NIGHTLY}
    for address, data in (
        (f"/add?function={REMIND}", fields),
        ("/change?id=r-7", {**fields, "version": "1"}),
        ("/remove", {"job_id": "r-7"}),
    ):
        assert (await browser.post(address, data=data)).status_code == 403
        data = {**data, "csrf_token": browser.proof}
        answer = await browser.post(address, data=data, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
    assert jobs_in(scheduler) == {"of-the-code", "r-7"}


async def test_who_may_only_look_has_no_form(browser: Browser, scheduler: AsyncIOScheduler) -> None:
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, args=[7], id="r-7")
    reader = await signed_in(scheduler, READ_TOKEN)
    for address in (f"/add?function={REMIND}", "/change?id=r-7", "/job?id=r-7", "/jobs", "/add"):
        page = await reader.get(address)
        assert page.status_code == 200, address
        assert 'method="post" action="/' not in page.text.replace('action="/logout"', "")
        assert "/change" not in re.sub(r'id="said".*?<main', "", page.text) or address.startswith("/change")
    reader.proof = reader.proof or browser.proof
    assert (await reader.send_form("/remove", job_id="r-7")).status_code == 403
    await reader.aclose()


async def test_where_nothing_is_offered_a_sentence_says_how(scheduler: AsyncIOScheduler) -> None:
    prepared(scheduler)
    browser = await signed_in(scheduler)
    assert "write scheduler.offer(send_reminder) in it" in text_of(await browser.get("/add"))
    await browser.aclose()
    app: Any = create_app(scheduler.ledger, Authenticator(TOKEN), frozenset(), 0)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://here", headers=headers
    ) as program:
        assert "the schedule's code is not loaded here" in text_of(await program.get("/add"))


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
