"""What the buttons of pages do, for one job or run and for several, with JavaScript and without."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, LedgerError, SchedulerClient
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.system import use

from form_browser import text_of
from ledgers import change, found_in
from sample_ledger import up

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"
BY_SCRIPT = {"HX-Request": "true"}


async def quick() -> None:
    """Do nothing."""


class Browser(httpx.AsyncClient):
    """A browser, and the CSRF token in the forms that it is shown."""

    proof = ""


@pytest.fixture
async def browser(scheduler: AsyncIOScheduler) -> AsyncIterator[Browser]:
    """A browser that has signed in to the dashboard of a schedule with three jobs."""
    for job_id in ("sync_1", "sync_2", "sync_10"):
        scheduler.add_job(quick, "interval", days=300, id=job_id, start_date="1970-01-01T00:00:03+00:00")
    async with scheduler:
        pass
    app = create_app(scheduler.ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0)
    async with Browser(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        await client.post("/login", data={"token": TOKEN, "name": "Anna"})
        found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', (await client.get("/")).text)
        assert found, "forms have no CSRF token"
        client.proof = found[1]
        yield client


async def press(
    browser: Browser, action: str, *, headers: dict[str, str] | None = None, **fields: object
) -> httpx.Response:
    """Send a form as a browser does by itself, without any script."""
    form = {"csrf_token": browser.proof, **fields}
    return await browser.post(f"/do/{action}", data=form, headers=headers or {})


def paused(scheduler: AsyncIOScheduler) -> set[str]:
    """Return which jobs are paused."""
    found = found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs WHERE paused_us IS NOT NULL")
    return {row["job_id"] for row in found}


def left(answer: httpx.Response) -> list[str]:
    """Return those that a script keeps selected."""
    found = re.search(r"data-left='([^']*)'|data-left=\"([^\"]*)\"", answer.text)
    assert found
    return [str(one) for one in json.loads(unescape(found[1] or found[2]))]


async def test_several_jobs_are_acted_on_at_once_and_one_sentence_sums_up(
    scheduler: AsyncIOScheduler, browser: Browser
) -> None:
    await press(browser, "pause", job_id="sync_1")
    said = await press(
        browser, "pause", job_id=["sync_2", "sync_1", "sync_10", "sync_2", "gone"], headers=BY_SCRIPT
    )
    assert said.status_code == 200
    # A part was refused: no tick, and the page does not take the message away by itself.
    assert said.text.startswith('<p class="said partly" data-left=')
    assert left(said) == ["gone"]
    assert "2 jobs are paused. sync_1 was paused already. Refused for 1: gone: " in text_of(said)
    assert paused(scheduler) == {"sync_1", "sync_2", "sync_10"}
    said = await press(browser, "resume", job_id=["sync_1", "sync_2", "sync_10"], headers=BY_SCRIPT)
    assert "3 jobs are resumed." in text_of(said)
    assert said.text.startswith('<p class="said good">')
    assert paused(scheduler) == set()


async def test_the_message_links_to_the_runs_that_begin(
    scheduler: AsyncIOScheduler, browser: Browser
) -> None:
    said = await press(browser, "run-now", job_id="sync_10", headers=BY_SCRIPT)
    assert "begins when a scheduler is started; no scheduler is up since " in said.text
    with up(scheduler.ledger):
        await the_message_links_to_them(browser)


async def the_message_links_to_them(browser: Browser) -> None:
    said = await press(browser, "run-now", job_id="sync_1", headers=BY_SCRIPT)
    assert '<a href="/run/2">Run 2</a> of sync_1 begins.' in said.text
    said = await press(browser, "run-now", job_id=["sync_2", "sync_1"], headers=BY_SCRIPT)
    assert '2 runs begin: <a href="/run/3">3</a>, <a href="/run/4">4</a>.' in said.text


async def test_a_tick_that_was_skipped_is_run_by_the_number_of_its_row(
    scheduler: AsyncIOScheduler, browser: Browser
) -> None:
    change(
        scheduler.ledger,
        "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, reason, attempt, crashes, due_us,"
        " finished_us) VALUES ('sync_2', 'scheduled', 3000000, 'skipped', 'missed', 0, 0, 3000000, 5000000)",
    )
    said = await press(browser, "run-now", run_id="1", headers=BY_SCRIPT)
    assert '<a href="/run/2">Run 2</a> of sync_2 begins ' in said.text
    (run,) = found_in(scheduler.ledger, "SELECT for_tick_us FROM scheduler_runs WHERE run_id = 2")
    assert run["for_tick_us"] == 3_000_000
    said = await press(browser, "run-now", run_id="2", headers=BY_SCRIPT)
    assert (said.status_code, "run 2 is no tick that was skipped" in said.text) == (409, True)


async def test_several_runs_are_cancelled_or_retried_at_once(
    scheduler: AsyncIOScheduler, browser: Browser
) -> None:
    # Each run's sentence says when a scheduler was seen last: an outcome of a moment ago shows that too.
    now = time.time_ns()
    with use(time_ns=lambda: now + 5_000_000_000):
        await press(browser, "run-now", job_id=["sync_1", "sync_2", "sync_10"])
        said = await press(browser, "cancel", run_id=["1", "2"], headers=BY_SCRIPT)
        assert "2 runs are cancelled: 1, 2." in re.sub(" ([,.])", r"\1", text_of(said))
        said = await press(browser, "retry", run_id=["1", "2", "3"], headers=BY_SCRIPT)
    told = re.sub(" ([,.])", r"\1", text_of(said))
    assert "2 runs begin one more attempt when a scheduler is started; no scheduler is up" in told
    assert ": 1, 2. Refused for 1: 3: " in told


async def test_what_is_refused_for_all_is_an_error_that_names_a_few(browser: Browser) -> None:
    said = await press(browser, "pause", job_id=[f"gone_{n}" for n in range(5)], headers=BY_SCRIPT)
    assert said.status_code == 404
    assert text_of(said).startswith("Refused for 5: gone_0: ")
    assert "gone_2" in said.text
    assert "gone_3" not in said.text
    assert text_of(said).endswith("; and 2 more.")
    for action, name in (("pause", "job_id"), ("cancel", "run_id")):
        said = await press(browser, action, headers=BY_SCRIPT)
        assert said.status_code == 422
        assert f"{name}: which " in said.text


async def test_nothing_more_is_tried_when_the_ledger_does_not_answer(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    pause = SchedulerClient.pause_job

    def pause_some(client: SchedulerClient, job_id: str, **more: Any) -> bool:
        asked.append(job_id)
        if job_id == "sync_2":
            raise LedgerError("the ledger is away")
        return pause(client, job_id, **more)

    monkeypatch.setattr(SchedulerClient, "pause_job", pause_some)
    said = await press(browser, "pause", job_id=["sync_1", "sync_2", "sync_10"], headers=BY_SCRIPT)
    assert asked == ["sync_1", "sync_2"]
    assert said.status_code == 200
    assert "sync_1 is paused. Refused for 1: sync_2: the ledger is away. Not tried: 1." in text_of(said)
    assert left(said) == ["sync_2", "sync_10"]
    said = await press(browser, "pause", job_id=["sync_2", "sync_1", "sync_10"], headers=BY_SCRIPT)
    assert asked[2:] == ["sync_2"]
    assert said.status_code == 503
    assert "Refused for 1: sync_2: the ledger is away. Not tried: 2." in text_of(said)


async def test_without_javascript_the_answer_is_a_page_that_leads_back(browser: Browser) -> None:
    origin = {"Origin": "http://here", "Referer": "http://here/jobs?q=sync"}
    answer = await press(browser, "pause", job_id=["sync_1", "sync_2"], headers=origin)
    assert answer.status_code == 200
    assert "<!doctype html>" in answer.text
    assert "2 jobs are paused." in answer.text
    assert 'href="/jobs?q=sync"' in answer.text
    answer = await press(browser, "pause", job_id="gone", headers=origin)
    assert answer.status_code == 404
    assert 'href="/jobs?q=sync"' in answer.text
    answer = await press(browser, "pause", job_id="sync_1", headers={"Referer": "http://evil.example/x"})
    assert "evil" not in answer.text
    assert 'href="/"' in answer.text


async def test_without_javascript_an_answer_has_the_menu_too(browser: Browser) -> None:
    for answer in (
        await press(browser, "pause", job_id="sync_1"),
        await press(browser, "pause", job_id="gone"),
        await press(browser, "retry", run_id="abc"),
        await browser.get("/job?id=gone"),
        await browser.get("/jobs?sort=colour"),
        await browser.get("/nothing/here"),
    ):
        assert 'aria-label="Pages"' in answer.text
        assert "Sign out" in answer.text
    await browser.post("/logout", data={"csrf_token": browser.proof})
    assert 'aria-label="Pages"' not in (await browser.get("/login?token=wrong")).text


@pytest.mark.parametrize(
    ("action", "field", "given", "told"),
    [
        ("run-now", "tick", "soon", "'soon' is not a date or time"),
        ("pause", "until", "2001-01-01T00:00", "2001-01-01T00:00 is over already"),
    ],
)
async def test_without_javascript_a_wrong_field_is_told_at_the_field(
    browser: Browser, action: str, field: str, given: str, told: str
) -> None:
    wrong = {field: given, "note": "the shelves were moved"}
    there = {"Referer": "http://here/job?id=sync_1", "Origin": "http://here"}
    answer = await press(browser, action, headers=there, job_id="sync_1", **wrong)
    assert answer.status_code == 422
    form = re.search(rf'<form[^>]*action="/do/{action}" hx-post.*?</form>', answer.text, re.DOTALL)
    assert form
    assert told in unescape(form[0])
    assert re.search(rf'<input name="{field}"[^>]*value="{given}"[^>]*aria-invalid="true"', form[0])
    assert 'value="the shelves were moved"' in form[0]
    assert 'aria-label="Pages"' in answer.text


async def test_a_form_without_the_proof_or_with_a_wrong_one_does_nothing(
    scheduler: AsyncIOScheduler, browser: Browser
) -> None:
    for fields in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}):
        answer = await browser.post("/do/pause", data={"job_id": "sync_1", **fields})
        assert answer.status_code == 403
    proof = browser.proof
    foreign = {"Origin": "http://evil.example"}
    assert (await press(browser, "pause", job_id="sync_1", headers=foreign)).status_code == 403
    in_json = {"Content-Type": "text/plain"}
    body = f"job_id=sync_1&csrf_token={proof}"
    assert (await browser.post("/do/pause", content=body, headers=in_json)).status_code == 403
    # A wrong header is not mended by a right field.
    wrong = {"X-CSRF-Token": "0" * 64}
    assert (await press(browser, "pause", job_id="sync_1", headers=wrong)).status_code == 403
    assert paused(scheduler) == set()


async def test_one_signs_out_without_javascript(browser: Browser) -> None:
    proof = {"csrf_token": browser.proof}
    answer = await browser.post("/logout", data=proof)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await browser.get("/")).status_code == 303


async def test_an_action_for_a_job_of_the_code_is_refused_when_it_is_gone(
    scheduler: AsyncIOScheduler, browser: Browser
) -> None:
    change(scheduler.ledger, "UPDATE scheduler_jobs SET removed_us = 1 WHERE job_id = 'sync_2'")
    said = await press(browser, "run-now", job_id=["sync_1", "sync_2"], headers=BY_SCRIPT)
    assert said.status_code == 200
    assert "Refused for 1: sync_2: " in said.text


@pytest.mark.parametrize(("action", "field"), [("run-now", "tick"), ("pause", "until")])
async def test_an_empty_time_in_a_request_by_a_program_is_refused(
    browser: Browser, action: str, field: str
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = await browser.post(f"/api/v1/jobs/sync_1/{action}", json={field: ""}, headers=headers)
    assert answer.status_code == 422
    assert field in answer.json()["error"]
    answer = await browser.post(
        "/api/v1/backfills", json={"job": "sync_1", "from": "2h", "to": ""}, headers=headers
    )
    assert answer.status_code == 422
    job = (await browser.get("/api/v1/jobs/sync_1")).json()
    assert not job["paused"]


async def test_no_runs_at_once_is_not_taken_for_one(browser: Browser) -> None:
    asked: dict[str, Any] = {"job": "sync_1", "from": "2h", "max_instances": "0"}
    answer = await press(browser, "backfill", **asked)
    assert answer.status_code == 422
    assert "max_instances" in answer.text
