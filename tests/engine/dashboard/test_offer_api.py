"""Jobs of offered functions by the API: what is offered, a preview, and then to add, change and remove."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import everytick
import httpx
import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.api.loading import declared
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

import added_tasks
import offered_tasks
from histories import prepared
from ledgers import found_in

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"
JOBS = "/api/v1/jobs"
HOURLY = {"trigger": "interval", "hours": 1}
REMIND = {
    "function": "offered_tasks:remind",
    "id": "r-7",
    "schedule": HOURLY,
    "arguments": {"customer_id": 7},
}


@asynccontextmanager
async def client_of(app: Any, token: str = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}", "X-Scheduler-Who": "Anna"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://here", headers=headers
    ) as made:
        yield made


def dashboard(scheduler: AsyncIOScheduler) -> Any:
    tokens = Authenticator(TOKEN, READ_TOKEN)
    return create_app(scheduler.ledger, tokens, frozenset(), 0, partial(declared, scheduler))


@pytest.fixture
async def client(scheduler: AsyncIOScheduler) -> AsyncIterator[httpx.AsyncClient]:
    """A program that may do all, with a schedule that has one job and offers three functions."""
    for function in (offered_tasks.remind, offered_tasks.export, offered_tasks.with_token):
        scheduler.offer(function)
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="of-the-code")
    prepared(scheduler)
    async with client_of(dashboard(scheduler)) as made:
        yield made


async def test_a_program_learns_what_is_offered(client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/v1/offers")).json()
    assert found["code_is_loaded"] is True
    assert [one["function"] for one in found["offers"]] == [
        "offered_tasks:remind",
        "offered_tasks:export",
        "offered_tasks:with_token",
    ]
    assert found["offers"][0]["description"] == "Send a reminder to a customer."
    assert found["offers"][0]["parameters"] == [
        {"name": "customer_id", "type": "integer", "required": True, "nullable": False, "choices": None,
         "default": None},
        {"name": "text", "type": "string", "required": False, "nullable": False, "choices": None,
         "default": "'Hello'"},
        {"name": "urgent", "type": "boolean", "required": False, "nullable": False, "choices": None,
         "default": "False"},
    ]  # fmt: skip
    assert found["offers"][1]["parameters"][2]["choices"] == ["csv", "xlsx"]


async def test_a_program_previews_adds_changes_and_removes(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    answer = await client.post(f"{JOBS}/preview", json=REMIND)
    assert answer.status_code == 200, answer.text
    preview = answer.json()
    assert len(preview.pop("next_fires")) == 10
    assert len(preview.pop("shown")) == 32
    assert preview == {
        "job_id": "r-7",
        "name": "remind",
        "function": "offered_tasks:remind",
        "arguments": ["customer_id=7"],
        "trigger": "interval[1:00:00]",
        "trigger_in_words": "every hour",
        "timezone": "UTC",
        "options": {
            "arguments": ["customer_id=7"],
            "misfire_grace_time": 600,
            "coalesce": True,
            "max_instances": 1,
            "overlap": "skip",
            "max_catch_up": 10,
            "timeout": None,
            "retries": 0,
            "retry_delay": 10.0,
            "on_crash": "rerun",
            "queue": "default",
            "group": None,
            "alert": True,
            "ping": False,
            "jitter": 0.0,
        },
        "left_out": [],
        "warnings": [],
    }
    assert found_in(scheduler.ledger, "SELECT * FROM scheduler_audit") == []
    answer = await client.post(JOBS, json={**REMIND, "note": "as he asked"})
    said = answer.json()["said"]
    assert (answer.status_code, answer.json()["changed"]) == (201, True)
    assert said.startswith("r-7 is added, and due next 20")
    job = (await client.get(f"{JOBS}/r-7")).json()
    assert (job["offered"], job["added_while_running"], job["changed"]) == (True, True, None)
    assert (job["added"]["who"], job["added"]["note"]) == ('api: "Anna" (127.0.0.1)', "as he asked")
    body = {"arguments": {"customer_id": 8}, "version": job["version"], "options": {"retries": 3}}
    shown = (await client.post(f"{JOBS}/r-7/preview", json=body)).json()
    assert (shown["arguments"], shown["options"]["retries"]) == (["customer_id=8"], 3)
    answer = await client.patch(f"{JOBS}/r-7", json=body)
    assert (answer.status_code, answer.json()["said"][:26]) == (200, "r-7 is changed, and due ne")
    job = (await client.get(f"{JOBS}/r-7")).json()
    assert job["options"]["arguments"] == ["customer_id=8"]
    assert job["options"]["retries"] == 3
    assert job["changed"]["who"] == 'api: "Anna" (127.0.0.1)'
    answer = await client.delete(f"{JOBS}/r-7", params={"note": "done"})
    assert answer.json() == {"changed": True, "said": "r-7 is removed; its history stays."}
    job = (await client.get(f"{JOBS}/r-7")).json()
    assert (job["removed"], job["offered"]) == (True, False)
    entries = (await client.get("/api/v1/audit")).json()["entries"]
    assert [(one["action"], one["job_id"]) for one in entries] == [
        ("remove", "r-7"),
        ("change", "r-7"),
        ("add", "r-7"),
    ]


@pytest.mark.parametrize("job_id", ["a/b", "ünï", "x/preview", "50%", "a?b=c#d", "<b>'\"", "...", "preview"])
async def test_an_id_may_have_any_characters_that_are_seen(client: httpx.AsyncClient, job_id: str) -> None:
    assert (await client.post(JOBS, json={**REMIND, "id": job_id})).status_code == 201
    address = httpx.URL("http://here", raw_path=f"{JOBS}/".encode() + _quoted(job_id))
    assert (await client.get(address)).json()["id"] == job_id
    assert (await client.patch(address, json={"arguments": {"customer_id": 8}})).status_code == 200
    assert (await client.delete(address)).json()["said"] == f"{job_id} is removed; its history stays."


def _quoted(job_id: str) -> bytes:
    return "".join(f"%{byte:02x}" for byte in job_id.encode()).encode()


async def test_of_two_who_change_a_job_one_is_told(client: httpx.AsyncClient) -> None:
    await client.post(JOBS, json=REMIND)
    version = (await client.get(f"{JOBS}/r-7")).json()["version"]
    for number, status in ((8, 200), (9, 409)):
        body = {"arguments": {"customer_id": number}, "version": version}
        answer = await client.patch(f"{JOBS}/r-7", json=body)
        assert answer.status_code == status, answer.text
    assert "was changed meanwhile" in answer.json()["error"]
    job = (await client.get(f"{JOBS}/r-7")).json()
    assert job["options"]["arguments"] == ["customer_id=8"]


async def test_jobs_of_the_code_and_of_other_functions_are_left_alone(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    SchedulerClient().add_job(offered_tasks.not_offered, "interval", hours=1, args=[1], id="internal")
    for job_id, status, sentence in (
        ("of-the-code", 409, "job 'of-the-code' stands in the schedule's code: change it there"),
        ("internal", 409, "calls 'offered_tasks:not_offered', which the code does not offer"),
        ("gone", 404, "there is no job 'gone' in the schedule"),
    ):
        for answer in (
            await client.patch(f"{JOBS}/{job_id}", json={"schedule": HOURLY}),
            await client.post(f"{JOBS}/{job_id}/preview", json={"schedule": HOURLY}),
            await client.delete(f"{JOBS}/{job_id}"),
        ):
            assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert (await client.get(f"{JOBS}/of-the-code")).json()["offered"] is False
    left = found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs WHERE removed_us IS NULL")
    assert {row["job_id"] for row in left} == {"of-the-code", "internal"}


async def test_a_job_whose_function_is_offered_no_more_goes_on_and_is_left_alone(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    await client.post(JOBS, json=REMIND)
    del scheduler._offers["offered_tasks:remind"]
    job = (await client.get(f"{JOBS}/r-7")).json()
    assert (job["offered"], job["problem"], bool(job["next_fires"])) == (False, None, True)
    answer = await client.delete(f"{JOBS}/r-7")
    assert (answer.status_code, "does not offer" in answer.json()["error"]) == (409, True)


async def test_who_may_only_look_adds_nothing(client: httpx.AsyncClient, scheduler: AsyncIOScheduler) -> None:
    await client.post(JOBS, json=REMIND)
    async with client_of(dashboard(scheduler), READ_TOKEN) as reader:
        assert len((await reader.get("/api/v1/offers")).json()["offers"]) == 3
        for answer in (
            await reader.post(f"{JOBS}/preview", json=REMIND),
            await reader.post(JOBS, json={**REMIND, "id": "other"}),
            await reader.post(f"{JOBS}/r-7/preview", json={}),
            await reader.patch(f"{JOBS}/r-7", json={}),
            await reader.delete(f"{JOBS}/r-7"),
        ):
            assert (answer.status_code, answer.json()["error"][:24]) == (403, "you may look but not act")


async def test_a_page_of_another_site_adds_nothing(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(dashboard(scheduler)), base_url="http://here"
    ) as browser:
        assert (await browser.post(JOBS, json=REMIND)).status_code == 401
        await browser.post("/login", data={"token": TOKEN})
        for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            for answer in (
                await browser.post(JOBS, json=REMIND, headers=headers),
                await browser.delete(f"{JOBS}/of-the-code", headers=headers),
            ):
                assert answer.status_code == 403, answer.text
    assert found_in(scheduler.ledger, "SELECT * FROM scheduler_audit") == []


async def test_secrets_are_not_shown(client: httpx.AsyncClient) -> None:
    body = {
        "function": "offered_tasks:with_token",
        "schedule": HOURLY,
        "id": "fetch",
        "arguments": {"api_token": "hunter2-hunter2"},
    }
    for answer in (
        await client.post(f"{JOBS}/preview", json=body),
        await client.post(JOBS, json=body),
        await client.get(f"{JOBS}/fetch"),
        await client.get("/api/v1/audit"),
    ):
        assert answer.is_success, answer.text
        assert "hunter2" not in answer.text


async def test_where_the_code_is_not_loaded_nothing_is_offered(scheduler: AsyncIOScheduler) -> None:
    prepared(scheduler)
    app = create_app(scheduler.ledger, Authenticator(TOKEN), frozenset(), 0)
    async with client_of(app) as client:
        assert (await client.get("/api/v1/offers")).json() == {"offers": [], "code_is_loaded": False}
        answer = await client.post(JOBS, json=REMIND)
        assert (answer.status_code, answer.json()["error"][:38]) == (
            409,
            "the schedule's code is not loaded here",
        )


async def test_inside_of_an_application_its_people_are_named(scheduler: AsyncIOScheduler) -> None:
    def who(request: Request) -> tuple[str, str]:
        name = request.headers["x-user"]
        return (name, "all" if name == "Ann" else "read")

    scheduler.offer(offered_tasks.remind)
    prepared(scheduler)
    shop = Starlette(routes=[Mount("/scheduler", everytick.dashboard.asgi(scheduler, sign_in=who))])
    transport = httpx.ASGITransport(shop)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        for name, status in (("Bob", 403), ("Ann", 201)):
            headers = {"x-user": name, "Authorization": "Bearer any"}
            answer = await client.post(f"/scheduler{JOBS}", json=REMIND, headers=headers)
            assert answer.status_code == status, answer.text
    [entry] = found_in(scheduler.ledger, "SELECT who, action FROM scheduler_audit")
    assert entry["action"] == "add"
    assert entry["who"] == "api: Ann (127.0.0.1)"


async def test_each_form_of_a_schedule_is_described(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/openapi.json")).json()
    schedules = described["components"]["schemas"]["JobWanted"]["properties"]["schedule"]
    assert set(schedules["discriminator"]["mapping"]) == {
        "cron", "crontab", "interval", "date", "calendarinterval"
    }  # fmt: skip
    for schedule in (
        {"trigger": "cron", "hour": 9, "day_of_week": "mon-fri", "exclude": [["2026-12-30", "2027-01-02"]]},
        {"trigger": "crontab", "line": "0 9 * * 1-5", "timezone": "Europe/Berlin", "jitter": 60},
        {"trigger": "interval", "minutes": 30, "exclude": ["sat-sun"], "start_date": "2026-01-01"},
        {"trigger": "date", "run_date": "2099-12-24T18:00:00+01:00"},
        {"trigger": "calendarinterval", "months": 1, "exclude": ["sat-sun"], "shift": "next-workday"},
    ):  # fmt: skip
        answer = await client.post(f"{JOBS}/preview", json={**REMIND, "schedule": schedule})
        assert answer.status_code == 200, answer.text
        assert answer.json()["next_fires"], json.dumps(schedule)


async def test_before_the_first_start_there_is_a_preview_and_then_a_ledger(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.offer(offered_tasks.remind)
    async with client_of(dashboard(scheduler)) as client:
        assert len((await client.get("/api/v1/offers")).json()["offers"]) == 1
        answer = await client.post(f"{JOBS}/preview", json=REMIND)
        assert answer.status_code == 200, answer.text
        assert not scheduler.ledger.exists()
        answer = await client.post(JOBS, json=REMIND)
        assert answer.status_code == 201, answer.text
        assert (await client.get(f"{JOBS}/r-7")).json()["offered"] is True


async def test_a_change_of_nothing_is_none(client: httpx.AsyncClient, scheduler: AsyncIOScheduler) -> None:
    await client.post(JOBS, json={**REMIND, "options": {"retries": 1}})
    version = (await client.get(f"{JOBS}/r-7")).json()["version"]
    for body in ({}, {"arguments": {"customer_id": 7}, "schedule": HOURLY, "options": {"retries": 1}}):
        answer = await client.patch(f"{JOBS}/r-7", json=body)
        assert (answer.status_code, answer.json()["changed"]) == (200, False)
        assert answer.json()["said"].startswith("r-7 is as it was, and due next 20")
    assert (await client.get(f"{JOBS}/r-7")).json()["version"] == version
    assert [it["action"] for it in found_in(scheduler.ledger, "SELECT action FROM scheduler_audit")] == [
        "add"
    ]
    body = {"options": {"retries": 2}}
    assert (await client.patch(f"{JOBS}/r-7", json=body)).json()["changed"] is True
