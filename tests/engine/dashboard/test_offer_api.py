"""Jobs of offered functions by the API: what is offered, a preview, and then to add, change and remove."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
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
from ledgers import change, found_in
from shells import completed, evaluated

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


@pytest.mark.parametrize(
    ("more", "status", "sentence"),
    [
        ({"function": "os:system"}, 422, "'os:system' is not offered by the code"),
        ({"function": "added_tasks:note"}, 422, "'added_tasks:note' is not offered by the code"),
        ({"function": "offered_tasks:remnd"}, 422, "did you mean 'offered_tasks:remind'?"),
        ({"arguments": {}}, 422, "customer_id: give a value: remind cannot be called without"),
        ({"arguments": {"customer_id": "7"}}, 422, "customer_id: '7' is not a whole number"),
        ({"arguments": {"customer_id": 7, "__dict__": {}}}, 422, "__dict__: remind takes no such argument"),
        ({"arguments": {"customer_id": 7, "text": "é" * 20_000}}, 422, "at most 64 KiB are kept"),
        ({"arguments": {"customer_id": 7, "text": "x" * 70_000}}, 413, "at most 65536 bytes are taken"),
        ({"arguments": [7]}, 422, "arguments: input should be a valid dictionary"),
        ({"schedule": {"trigger": "cron", "hour": "25"}}, 422, "hour"),
        (
            {"schedule": {"trigger": "or", "triggers": []}},
            422,
            "schedule: trigger='or' is none of cron,",
        ),
        (
            {"schedule": {"trigger": "interval", "func": "os:system"}},
            422,
            "schedule.interval.func: there is no",
        ),
        ({"schedule": {**HOURLY, "timezone": "Mars"}}, 422, "timezone='Mars'"),
        ({"schedule": {**HOURLY, "hours": 1e300}}, 422, "does not take numbers as large as these"),
        ({"options": {"ping": "http://169.254.169.254/"}}, 422, "options.ping: it stands in the code alone"),
        ({"options": {"overlap": "explode"}}, 422, "overlap='explode' must be 'skip'"),
        ({"options": {"retries": None}}, 422, "retries=None must be a whole number"),
        ({"id": "of-the-code"}, 409, "id: 'of-the-code' is taken by a job of the code"),
        ({"id": "a\u0000b"}, 422, "no control characters"),
        ({"id": "   "}, 422, "not empty"),
        ({"id": ".."}, 422, "id: '..' is no part of an address: give another"),
        (
            {"arguments": {"customer_id": 10**400}},
            422,
            "customer_id: it is a whole number of more than",
        ),
        ({"arguments": {"customer_id": 7, "": 1}}, 422, "'': remind takes no such argument"),
        (
            {"schedule": {**HOURLY, "jitter": 1e18}},
            422,
            "seconds, 0 or more, at most a century",
        ),
        ({"id": "a\u202eb"}, 422, "no control characters"),
        ({"schedule": {}}, 422, "schedule: give its trigger, one of cron, crontab, interval, date, cal"),
        ({"schedule": {"trigger": "crn"}}, 422, "did you mean 'cron'?"),
        (
            {"schedule": {"trigger": "cron", "hours": 9}},
            422,
            "schedule.cron.hours: there is no such field; did you mean 'hour'?",
        ),
        (
            {"schedule": {**HOURLY, "exclude": "sat"}},
            422,
            'schedule.interval.exclude: input should be a list, in brackets: ["sat"]',
        ),
        (
            {"schedule": {**HOURLY, "exclude": [["2026-12-24"]]}},
            422,
            "schedule.interval.exclude.0: a range of days is a list of two dates, the first and the last one",
        ),
        (
            {"schedule": {"trigger": "cron", "hour": True}},
            422,
            "schedule.cron.hour: input should be text or a whole number",
        ),
        ({"options": {"retry": 3}}, 422, "options.retry: there is no such field; did you mean 'retries'?"),
        ({"argument": {}}, 422, "argument: there is no such field; did you mean 'arguments'?"),
        ({"next_run_time": "now"}, 422, "next_run_time: there is no such field"),
        ({"replace_existing": True}, 422, "replace_existing: there is no such field"),
    ],
)
async def test_what_cannot_be_added_is_one_sentence(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler, more: dict[str, Any], status: int, sentence: str
) -> None:
    for path in (f"{JOBS}/preview", JOBS):
        answer = await client.post(path, json={**REMIND, **more})
        assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
        assert "\n" not in answer.json()["error"]
    assert found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs") == [{"job_id": "of-the-code"}]
    assert found_in(scheduler.ledger, "SELECT * FROM scheduler_audit") == []


async def test_nothing_is_imported_that_a_request_names(
    client: httpx.AsyncClient, scheduler: AsyncIOScheduler
) -> None:
    for named in ("this:x", "antigravity:x"):
        assert (await client.post(JOBS, json={**REMIND, "function": named})).status_code == 422
    await client.post(JOBS, json=REMIND)
    change(scheduler.ledger, "UPDATE scheduler_jobs SET function = 'this:x' WHERE job_id = 'r-7'")
    assert (await client.get(f"{JOBS}/r-7")).json()["offered"] is False
    assert (await client.patch(f"{JOBS}/r-7", json={})).status_code == 409
    assert not {"this", "antigravity"} & sys.modules.keys()


async def test_deep_and_broken_json_is_refused(client: httpx.AsyncClient) -> None:
    deep: Any = []
    for _ in range(60):
        deep = [deep]
    body = {
        "function": "offered_tasks:export",
        "schedule": HOURLY,
        "arguments": {"day": "2026-12-24", "more": deep},
    }
    answer = await client.post(JOBS, json=body)
    assert (answer.status_code, "nested too deeply" in answer.text) == (422, True)
    for text in ("[" * 30_000, "{", "null", "7", '{"function": NaN}'):
        answer = await client.post(JOBS, content=text, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, answer.text
        assert set(answer.json()) == {"error"}


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


@pytest.mark.parametrize(
    "body",
    [
        {"arguments": {"customer_id": 7, "\ud800": 1}},
        {"arguments": {"customer_id": 7, "a\nb\x1b": 1}},
        {"arguments": {"customer_id": 7, "text": "\ud800"}},
        {"options": {"\ud800": 1}},
        {"options": {"queue": "\ud800"}},
        {"\ud800": 1},
        {"function": "\ud800"},
        {"id": "\ud800"},
        {"name": "\ud800"},
        {"note": "\ud800"},
        {"schedule": {"trigger": "\ud800"}},
        {"schedule": {**HOURLY, "timezone": "\ud800"}},
        {"schedule": {**HOURLY, "exclude": ["\ud800"]}},
        {"schedule": {"trigger": "crontab", "line": "\ud800 * * * *"}},
        {"schedule": {"trigger": "cron", "hour": "\ud800"}},
    ],
)
async def test_half_characters_are_refused_with_a_sentence(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    text = json.dumps({**REMIND, **body})
    answer = await client.post(JOBS, content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"].isprintable()
    text = json.dumps({"\ud800": 1})
    answer = await client.post(
        f"{JOBS}/of-the-code/run-now", content=text, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text


async def test_an_id_that_a_shell_would_run_is_not_completed(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    for job_id in (r"report\$(touch pwned)", "report`touch pwned`", "report-2"):
        assert (await client.post(JOBS, json=REMIND | {"id": job_id})).status_code == 201
    for shell in ("bash", "fish", "zsh"):
        answer = completed(shell, "show")
        assert "report-2" in answer
        assert "pwned" not in answer
    assert evaluated(completed("zsh", "show"), tmp_path) == []


async def test_a_cron_field_without_end_is_refused_at_once(client: httpx.AsyncClient) -> None:
    attack = REMIND | {"schedule": {"trigger": "cron", "second": ",".join(["0"] * 20_000)}}
    for path in (f"{JOBS}/preview", JOBS):
        answer = await client.post(path, json=attack)
        assert (answer.status_code, "at most 500" in answer.json()["error"]) == (422, True), answer.text


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
