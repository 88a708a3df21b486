"""What people cannot do on the pages for jobs that they add, and the sentences that say why."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator

import offered_tasks
from form_browser import (
    MOST_BYTES,
    NIGHTLY,
    READ_TOKEN,
    REMIND,
    TOKEN,
    Browser,
    fields_of,
    jobs_in,
    signed_in,
    text_of,
)
from form_browser import browser as browser
from histories import prepared


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
