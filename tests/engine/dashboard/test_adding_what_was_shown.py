"""What is saved from a preview of a job that people add or change is what it showed, or is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick import settings as settings_room

import offered_tasks
from form_browser import NIGHTLY, REMIND, TOKEN, Browser, fields_of, jobs_in, signed_in, text_of
from form_browser import browser as browser


async def at_other_code(browser: Browser, form: dict[str, str], **options: Any) -> httpx.Response:
    """Save a preview when a deploy has changed the defaults, or the zone, of the schedule meanwhile."""
    scheduler = AsyncIOScheduler(**options)
    scheduler.offer(offered_tasks.remind)
    other = await signed_in(scheduler)
    try:
        return await other.post(str(form.pop("address")), data={**form, "csrf_token": other.proof})
    finally:
        await other.aclose()


async def previewed(browser: Browser) -> dict[str, str]:
    address = f"/add?function={REMIND}"
    fields = {"id": "r-7", "arguments.customer_id": "7", **NIGHTLY}
    shown = await browser.post(address, data={"csrf_token": browser.proof, **fields})
    assert "Next fires" in shown.text
    return {**fields_of(shown, 'name="save"'), "address": address}


async def test_what_is_saved_is_what_was_shown_or_is_refused(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    refused = await at_other_code(browser, await previewed(browser), job_defaults={"retries": 3})
    assert refused.status_code == 409
    said = text_of(refused)
    assert (
        "job 'r-7' would not be the one that was shown: the schedule's code or its settings changed" in said
    )
    assert "retries 3" in said
    assert jobs_in(scheduler) == {"of-the-code"}
    # The preview as it is now can be saved.
    form = {**fields_of(refused, 'name="save"'), "address": f"/add?function={REMIND}"}
    saved = await at_other_code(browser, form, job_defaults={"retries": 3})
    assert saved.status_code == 303
    assert jobs_in(scheduler) == {"of-the-code", "r-7"}


async def test_a_preview_in_another_zone_by_now_is_refused(
    browser: Browser, scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await previewed(browser)
    monkeypatch.setenv("SCHEDULER_TIMEZONE", "Asia/Tokyo")
    settings_room.settings.cache_clear()
    refused = await at_other_code(browser, form)
    assert refused.status_code == 409
    assert "in Asia/Tokyo" in text_of(refused)
    assert jobs_in(scheduler) == {"of-the-code"}


async def test_a_change_of_other_defaults_by_now_is_refused(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    SchedulerClient().add_job(offered_tasks.remind, "interval", hours=1, args=[7], id="r-7")
    fields = fields_of(await browser.get("/change?id=r-7"), 'id="preview"') | {"name": "another"}
    shown = await browser.post("/change?id=r-7", data=fields)
    form = {**fields_of(shown, 'name="save"'), "address": "/change?id=r-7"}
    refused = await at_other_code(browser, dict(form), job_defaults={"timeout": 5})
    assert (refused.status_code, "would not be the one that was shown" in text_of(refused)) == (409, True)
    assert (await at_other_code(browser, dict(form))).status_code == 303


async def test_a_program_has_just_what_its_preview_shows(
    browser: Browser, scheduler: AsyncIOScheduler
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body: dict[str, Any] = {"function": REMIND, "id": "r-7", "arguments": {"customer_id": 7}}
    body["schedule"] = {"trigger": "interval", "hours": 1}
    shown = (await browser.post("/api/v1/jobs/preview", json=body, headers=headers)).json()["shown"]
    other = {**body, "schedule": {"trigger": "interval", "hours": 2}, "shown": shown}
    refused = await browser.post("/api/v1/jobs", json=other, headers=headers)
    assert (refused.status_code, "would not be the one" in refused.json()["error"]) == (409, True)
    kept = await browser.post("/api/v1/jobs", json={**body, "shown": shown}, headers=headers)
    assert kept.status_code == 201
