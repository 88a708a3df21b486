"""The dashboard inside of somebody's web application: `everytick.dashboard.asgi`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import everytick
import httpx
import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.dashboard import mounted
from everytick.dashboard.authentication import open_authenticator
from everytick.dashboard.settings import DashboardSettings
from fastapi import FastAPI, HTTPException
from loguru import logger
from starlette.requests import Request
from uvicorn.protocols.utils import get_path_with_query_string

from ledgers import found_in

SAME_ORIGIN = {"Origin": "http://shop.example"}


def shop(scheduler: Any, sign_in: Any = None) -> FastAPI:
    app = FastAPI()
    app.mount("/scheduler", everytick.dashboard.asgi(scheduler, sign_in=sign_in))
    return app


def browser(app: Any, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example", headers=headers)


def by_header(request: Request) -> tuple[str, str] | None:
    name = request.headers.get("x-user")
    return None if name is None else (name, "all" if name == "Ann" else "read")


async def by_header_later(request: Request) -> tuple[str, str] | None:
    return by_header(request)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """All that is logged."""
    lines: list[str] = []
    number = logger.add(lambda line: lines.append(str(line)))
    yield lines
    logger.remove(number)


def csrf_in(page: str) -> str:
    return str(re.findall(r'"X-CSRF-Token": "([^"]+)"', page)[0])


async def test_without_a_sign_in_of_the_application_tokens_are_asked_for(
    scheduler: AsyncIOScheduler,
) -> None:
    _authenticator, token, _new = open_authenticator(DashboardSettings(), scheduler.ledger.folder)
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    async with scheduler, browser(shop(scheduler)) as she:
        assert (await she.get("/scheduler/")).headers["location"] == "/scheduler/login"
        assert (await she.get("/scheduler/health/live")).status_code == 200
        answer = await she.post("/scheduler/login", data={"token": token})
        assert answer.headers["location"] == "/scheduler/"
        assert "hourly" in (await she.get("/scheduler/")).text + (await she.get("/scheduler/jobs")).text


async def test_a_link_with_the_token_leaves_none_of_it_in_the_log_of_the_server(
    scheduler: AsyncIOScheduler,
) -> None:
    _authenticator, token, _new = open_authenticator(DashboardSettings(), scheduler.ledger.folder)
    app, logged = shop(scheduler), list[str]()

    async def server(scope: Any, receive: Any, send: Any) -> None:
        async def log_and_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                # As uvicorn writes its access log.
                logged.append(get_path_with_query_string(scope))
            await send(message)

        await app(scope, receive, log_and_send)

    async with scheduler, browser(server) as she:
        for address in (f"/scheduler/jobs?token={token}&q=a%20b", f"/scheduler/login?token={token}"):
            await she.get(address)
        # It has signed in all the same.
        assert (await she.get("/scheduler/jobs?q=a%20b")).status_code == 200
    assert logged == ["/scheduler/jobs?q=a%20b", "/scheduler/login", "/scheduler/jobs?q=a%20b"]


async def test_two_on_one_host_do_not_share_their_cookies(scheduler: AsyncIOScheduler) -> None:
    _authenticator, token, _new = open_authenticator(DashboardSettings(), scheduler.ledger.folder)
    app = shop(scheduler)
    app.mount("/other", everytick.dashboard.asgi(scheduler))
    async with scheduler, browser(app) as she:
        await she.post("/scheduler/login", data={"token": token})
        assert (await she.get("/scheduler/")).status_code == 200
        assert (await she.get("/other/")).status_code == 303


@pytest.mark.parametrize("sign_in", [by_header, by_header_later], ids=["plain", "coroutine"])
async def test_the_application_says_who_asks_and_what_they_may(
    scheduler: AsyncIOScheduler, sign_in: Callable[[Request], Any]
) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    app = shop(scheduler, sign_in)
    async with scheduler:
        async with browser(app) as stranger:
            refused = await stranger.get("/scheduler/")
            assert (refused.status_code, "sign in there" in refused.text) == (403, True)
            assert (await stranger.get("/scheduler/api/v1/jobs")).status_code == 403
            assert (await stranger.post("/scheduler/api/v1/jobs/hourly/pause")).status_code == 403
            for path in ("/login", "/logout", "/login?token=anything"):
                assert (await stranger.get(f"/scheduler{path}")).status_code == 404
        async with browser(app, **{"X-User": "Bob"}) as reader:
            page = (await reader.get("/scheduler/job?id=hourly")).text
            assert "read only" in page
            assert "Sign out" not in page
            headers = {"X-CSRF-Token": csrf_in(page)}
            answer = await reader.post("/scheduler/api/v1/jobs/hourly/pause", json={}, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (
                403,
                "you may look but not act: that takes another role",
            )
        async with browser(app, **{"X-User": "Ann"}) as ann:
            page = (await ann.get("/scheduler/job?id=hourly")).text
            assert "Sign out" not in page
            headers = {"X-CSRF-Token": csrf_in(page), **SAME_ORIGIN}
            answer = await ann.post("/scheduler/do/pause", data={"job_id": "hourly"}, headers=headers)
            assert answer.status_code == 200, answer.text
        [entry] = found_in(scheduler.ledger, "SELECT who, action FROM scheduler_audit")
        assert (entry["who"], entry["action"]) == ("dashboard: Ann (127.0.0.1)", "pause")


async def test_each_page_leads_to_places_below_its_own_path_alone(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly", args=["an argument"], max_instances=7)
    async with scheduler, browser(shop(scheduler, by_header), **{"X-User": "Ann"}) as ann:
        for path in ("/", "/jobs", "/job?id=hourly", "/runs", "/running", "/coming", "/audit"):
            page = (await ann.get(f"/scheduler{path}")).text
            found = re.findall(r'(?:href|src|action|formaction|hx-post)="([^"]*)"', page)
            assert len(found) > 8
            assert [it for it in found if not it.startswith(("/scheduler/", "#"))] == [], path
        old = await ann.get("/scheduler/?q=hour")
        assert old.headers["location"] == "/scheduler/jobs?q=hour"
        # The process that serves it has loaded the code.
        job = (await ann.get("/scheduler/job?id=hourly")).text
        assert "an argument" in job
        assert (await ann.get("/scheduler/api/v1/jobs/hourly")).json()["options"]["max_instances"] == 7
        # Without JavaScript the proof is in the form.
        form = {"job_id": "hourly", "csrf_token": csrf_in(job)}
        answer = await ann.post("/scheduler/do/pause", data=form, headers={"Referer": "http://shop/"})
        assert (answer.status_code, "hourly is paused." in answer.text) == (200, True), answer.text


async def test_what_comes_from_elsewhere_does_nothing_though_the_application_knows_who_asks(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    async with scheduler, browser(shop(scheduler, by_header), **{"X-User": "Ann"}) as ann:
        csrf = csrf_in((await ann.get("/scheduler/job?id=hourly")).text)
        for headers in (
            {},
            {"X-CSRF-Token": "x" * 64},
            {"X-CSRF-Token": csrf, "Origin": "http://evil.example"},
            {"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"},
        ):
            answer = await ann.post("/scheduler/do/pause", data={"job_id": "hourly"}, headers=headers)
            assert answer.status_code == 403, headers
        assert (await ann.get("/scheduler/", headers={"Authorization": "Bearer wrong"})).status_code == 200
    async with browser(shop(scheduler, by_header), **{"X-User": "Bob"}) as bob:
        # Who may look cannot use the token of who may act.
        headers = {"X-CSRF-Token": csrf, **SAME_ORIGIN}
        answer = await bob.post("/scheduler/do/pause", data={"job_id": "hourly"}, headers=headers)
        assert answer.status_code == 403
    assert scheduler.paused_jobs() == set()


async def test_a_program_that_the_application_knows_by_a_token_needs_no_page(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    program = browser(shop(scheduler, by_header), **{"X-User": "Ann", "Authorization": "Bearer of the shop"})
    async with scheduler, program:
        assert (await program.post("/scheduler/api/v1/jobs/hourly/pause", json={})).status_code == 200
    [entry] = found_in(scheduler.ledger, "SELECT who FROM scheduler_audit")
    assert entry["who"] == "api: Ann (127.0.0.1)"


def by_cookie_or_token(request: Request) -> tuple[str, str] | None:
    is_known = request.cookies.get("user") or request.headers.get("authorization") == "Bearer of the shop"
    return ("Ann", "all") if is_known else None


@pytest.mark.parametrize("authorization", ["Bearer junk", "bearer junk", "Bearer of the shop", "Basic eDp5"])
async def test_a_header_beside_the_cookie_does_not_stand_in_for_the_proof(
    scheduler: AsyncIOScheduler, authorization: str
) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    cookie = {"Cookie": "user=ann", "Authorization": authorization}
    async with scheduler, browser(shop(scheduler, by_cookie_or_token), **cookie) as ann:
        for headers in ({}, SAME_ORIGIN, {"X-Scheduler-Who": "Ann"}):
            answer = await ann.post("/scheduler/api/v1/jobs/hourly/pause", json={}, headers=headers)
            assert (answer.status_code, "no cookie" in answer.json()["error"]) == (403, True)
            answer = await ann.post("/scheduler/do/pause", data={"job_id": "hourly"}, headers=headers)
            assert answer.status_code == 403
        assert scheduler.paused_jobs() == set()
        proof = {"X-CSRF-Token": csrf_in((await ann.get("/scheduler/job?id=hourly")).text)}
        answer = await ann.post("/scheduler/api/v1/jobs/hourly/pause", json={}, headers=proof)
        assert answer.status_code == 200


async def test_a_form_needs_its_proof_from_a_program_too(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    program = browser(shop(scheduler, by_cookie_or_token), Authorization="Bearer of the shop")
    async with scheduler, program:
        answer = await program.post("/scheduler/do/pause", data={"job_id": "hourly"})
        assert answer.status_code == 403
        assert scheduler.paused_jobs() == set()
        headers = {"Origin": "http://evil.example"}
        answer = await program.post("/scheduler/api/v1/jobs/hourly/pause", json={}, headers=headers)
        assert answer.status_code == 403
        answer = await program.post("/scheduler/api/v1/jobs/hourly/pause", json={}, headers=SAME_ORIGIN)
        assert answer.status_code == 200


async def test_a_sign_in_may_lead_to_the_page_of_the_application(scheduler: AsyncIOScheduler) -> None:
    def sign_in(request: Request) -> None:
        raise HTTPException(303, headers={"Location": "/sign-in"})

    async with scheduler, browser(shop(scheduler, sign_in)) as she:
        answer = await she.get("/scheduler/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_a_refusal_of_the_application_is_told_in_its_own_words(scheduler: AsyncIOScheduler) -> None:
    def sign_in(request: Request) -> None:
        raise HTTPException(403, "<b>your account</b> is locked", headers={"X-Reason": "locked"})

    async with scheduler, browser(shop(scheduler, sign_in)) as she:
        page = await she.get("/scheduler/")
        assert (page.status_code, page.headers["x-reason"]) == (403, "locked")
        assert "&lt;b&gt;your account&lt;/b&gt; is locked" in page.text
        assert page.headers["x-frame-options"] == "DENY"
        answer = await she.get("/scheduler/api/v1/jobs")
        assert answer.json() == {"error": "<b>your account</b> is locked"}


async def test_a_sign_in_that_fails_lets_nobody_in_and_is_logged(
    scheduler: AsyncIOScheduler, said: list[str]
) -> None:
    def sign_in(request: Request) -> None:
        raise RuntimeError("the user database is away")

    async with scheduler, browser(shop(scheduler, sign_in)) as she:
        for path in ("/scheduler/", "/scheduler/api/v1/jobs", "/scheduler/static/page.css"):
            answer = await she.get(path)
            assert (answer.status_code, "user database" in answer.text) == (500, False)
            assert answer.headers["x-frame-options"] == "DENY"
    assert "".join(said).count("RuntimeError: the user database is away") == 1


@pytest.mark.parametrize(
    "answer",
    [
        "Ann",
        ("Ann", "admin"),
        ("Ann",),
        ["Ann", "all"],
        1,
        (None, "all"),
        ("", "all"),
        (" ", "read"),
        (7, "all"),
    ],
)
async def test_an_answer_that_means_nothing_is_an_error_and_lets_nobody_in(
    scheduler: AsyncIOScheduler, said: list[str], answer: Any
) -> None:
    async with scheduler, browser(shop(scheduler, lambda request: answer)) as she:
        refused = await she.get("/scheduler/")
    assert (refused.status_code, "the log says why" in refused.text) == (500, True)
    assert refused.headers["x-frame-options"] == "DENY"
    assert "it must return a name and 'all' or 'read'" in "".join(said)


async def test_names_that_are_set_are_the_only_ones(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = DashboardSettings(scheduler_dashboard_names="admin.example")
    monkeypatch.setattr(mounted, "dashboard_settings", lambda: chosen)
    async with scheduler, browser(shop(scheduler, by_header), **{"X-User": "Ann"}) as ann:
        assert (await ann.get("/scheduler/")).status_code == 421
        assert (await ann.get("/scheduler/", headers={"Host": "admin.example:8000"})).status_code == 200


@pytest.mark.parametrize("probe", ["/health/live", "/health/ready"])
@pytest.mark.parametrize("host", ["127.0.0.1:8787", "10.42.0.7:8787", "", "evil.example"])
async def test_probes_are_answered_by_any_address_where_names_are_set(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, probe: str, host: str
) -> None:
    chosen = DashboardSettings(scheduler_dashboard_names="admin.example", scheduler_dashboard_host="0.0.0.0")
    monkeypatch.setattr(mounted, "dashboard_settings", lambda: chosen)
    async with scheduler, browser(shop(scheduler, by_header), Host=host) as supervisor:
        for method in ("GET", "HEAD"):
            assert (await supervisor.request(method, f"/scheduler{probe}")).status_code in (200, 503), method
        # All else is refused as ever.
        assert (await supervisor.post(f"/scheduler{probe}")).status_code == 421
        for path in ("/", "/metrics", "/login", "/health/", "/health/live/more", "/api/v1/jobs"):
            assert (await supervisor.get(f"/scheduler{path}")).status_code == 421, path


async def test_probes_do_not_ask_the_sign_in_of_the_application(scheduler: AsyncIOScheduler) -> None:
    def sign_in(request: Request) -> None:
        raise HTTPException(303, headers={"Location": "/sign-in"})

    async with scheduler, browser(shop(scheduler, sign_in)) as supervisor:
        assert (await supervisor.get("/scheduler/health/live")).json() == {"live": True}


async def test_a_stream_of_events_ends_soon_so_that_the_server_can_stop(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounted, "_STREAM_SECONDS", 0.2)
    async with scheduler, browser(shop(scheduler, by_header), **{"X-User": "Ann"}) as ann:
        # The transport of httpx returns when the stream has ended.
        answer = await ann.get("/scheduler/live")
        assert answer.text.startswith("retry: 50\nevent: here\n")


async def test_a_client_of_a_schedule_elsewhere_will_do(scheduler: AsyncIOScheduler) -> None:
    async with scheduler, browser(shop(SchedulerClient(), by_header), **{"X-User": "Ann"}) as ann:
        assert (await ann.get("/scheduler/api/v1/jobs")).json()["jobs"] == []


async def test_a_ledger_that_cannot_be_used_is_a_sentence_that_tells_strangers_nothing(
    scheduler: AsyncIOScheduler, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise everytick.LedgerError("the dashboard's token cannot be read or made")

    monkeypatch.setattr(mounted, "open_authenticator", fail)
    async with browser(shop(scheduler)) as she:
        for _ in range(3):
            answer = await she.get("/scheduler/")
            assert (answer.status_code, answer.headers["x-frame-options"]) == (503, "DENY")
            assert answer.text == "the dashboard cannot be used now: the log of the application says why\n"
    assert "".join(said).count("the dashboard's token cannot be read or made") == 1


async def test_a_page_of_a_child_that_was_forked_asks_for_the_declared_jobs_alone(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    async with scheduler:
        pass
    # As a child is, of a process that had started the schedule: it asks the ledger for all other jobs.
    scheduler._become_client()
    monkeypatch.setattr(SchedulerClient, "get_jobs", lambda *_: pytest.fail("writes into the ledger"))
    async with browser(shop(scheduler, by_header), **{"X-User": "Ann"}) as ann:
        assert "hourly" in (await ann.get("/scheduler/jobs")).text
        assert (await ann.get("/scheduler/api/v1/jobs/hourly")).status_code == 200
    scheduler._forget_start_elsewhere()


def test_without_the_dashboard_installed_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "everytick.dashboard.mounted", None)
    with pytest.raises(everytick.ConfigurationError, match=r"install everytick\[dashboard\]"):
        everytick.dashboard.asgi(SchedulerClient())
