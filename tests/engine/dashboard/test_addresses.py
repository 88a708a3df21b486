"""Addresses that could mean two things, or be taken for open ones."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.dashboard import application
from everytick.dashboard.addresses import STATIC
from everytick.dashboard.authentication import Authenticator
from everytick.dashboard.guard import _host
from everytick.dashboard.settings import DashboardSettings
from everytick.store.database import Ledger
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from dashboards import api, look
from ledgers import change

TOKEN = "all-all-all-all-all-all"
OURS = [f"/static/{file.relative_to(STATIC).as_posix()}" for file in Path(STATIC).rglob("*.*")]


@pytest.mark.parametrize("job_id", ["a/why", "a/why/why", "why", "/why", "a/b/why"])
async def test_the_id_of_a_job_may_end_like_an_address(scheduler: AsyncIOScheduler, job_id: str) -> None:
    scheduler.add_job(print, "interval", hours=1, id=job_id)
    async with scheduler:
        encoded = job_id.replace("/", "%2F")
        found = look(scheduler.ledger, f"/api/v1/jobs/{encoded}")
        assert (found.status_code, found.json()["id"]) == (200, job_id)
        assert look(scheduler.ledger, f"/api/v1/jobs/{encoded}/why").json()["job_id"] == job_id
        assert api(scheduler.ledger, "jobs")["jobs"][0]["id"] == job_id


@pytest.mark.parametrize("job_id", ["two\nlines", "last\n", "\n", "last/why\n", "a\r\nb"])
async def test_an_id_with_a_line_end_is_found_and_means_no_other_job(
    scheduler: AsyncIOScheduler, job_id: str
) -> None:
    for one in ("last", "other"):
        scheduler.add_job(print, "interval", hours=1, id=one)
    async with scheduler:
        pass
    encoded = f"/api/v1/jobs/{quote(job_id, safe='')}"
    for address in (encoded, f"{encoded}/why"):
        answer = look(scheduler.ledger, address)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("there is no job"), answer.text
    transport = httpx.ASGITransport(new_dashboard(scheduler.ledger))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as program:
        token = {"Authorization": f"Bearer {TOKEN}"}
        assert (await program.post(f"{encoded}/pause", headers=token)).status_code == 404
        # No version takes such an id, but a ledger may have one all the same.
        change(scheduler.ledger, "UPDATE scheduler_jobs SET job_id = ? WHERE job_id = 'other'", job_id)
        assert (await program.get(encoded, headers=token)).json()["id"] == job_id
        assert (await program.get(f"{encoded}/why", headers=token)).json()["job_id"] == job_id
        assert (await program.post(f"{encoded}/pause", headers=token)).status_code == 200
        assert (await program.get("/api/v1/jobs/last", headers=token)).json()["paused"] is False


@pytest.mark.parametrize("zeros", [30, 5_000])
async def test_a_number_with_leading_zeros_is_a_number(scheduler: AsyncIOScheduler, zeros: int) -> None:
    async with scheduler:
        for path in ("/api/v1/runs/", "/run/"):
            assert look(scheduler.ledger, f"{path}{'0' * zeros}1").status_code == 404
            assert look(scheduler.ledger, f"{path}{'9' * zeros}").status_code in (404, 422)


async def test_routes_of_the_user_are_open_nowhere(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = APIRouter()
    closed = ["/health", "/health/mine", "/health/live/mine", "/healthy", "/login/x"]
    closed += ["/static/mine", "/static/style.css/mine"]
    for path in closed:
        mine.get(path)(lambda: "mine")
    monkeypatch.setattr(application, "own_routers", lambda: [mine])
    app = new_dashboard(scheduler.ledger)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as anybody:
        for path in closed:
            assert (await anybody.get(path)).status_code in (303, 401), path
            signed_in = await anybody.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
            assert signed_in.json() == "mine"
        for path in ("/health/live", "/health/ready", "/login", *OURS):
            assert (await anybody.get(path)).status_code in (200, 503), path


async def test_below_a_path_of_another_application_every_address_is_below_it(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(print, "interval", hours=1, id="hourly")
    app = Starlette(routes=[Mount("/admin/jobs", new_dashboard(scheduler.ledger))])
    async with (
        scheduler,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as she,
    ):
        asked = await she.get("/admin/jobs/job?id=hourly")
        assert asked.status_code == 303
        assert asked.headers["location"] == "/admin/jobs/login?next=/admin/jobs/job%3Fid%3Dhourly"
        form = await she.get(asked.headers["location"])
        given = {"token": TOKEN, "next": "/admin/jobs/job?id=hourly"}
        signed_in = await she.post("/admin/jobs/login", data=given)
        assert signed_in.headers["location"] == "/admin/jobs/job?id=hourly"
        assert "Path=/admin/jobs/;" in signed_in.headers["set-cookie"]
        paths = ("/", "/job?id=hourly", "/runs", "/running", "/coming", "/audit", "/nowhere")
        pages = [form.text, *[(await she.get(f"/admin/jobs{path}")).text for path in paths]]
        for text in pages:
            # What a browser asks for by itself, or when somebody clicks.
            found = re.findall(r'(?:href|src|action|hx-[a-z]+)="(/[^"]*)"', text)
            assert found
            assert [it for it in found if not it.startswith("/admin/jobs/")] == []
            assert 'data-root="/admin/jobs"' in text
        styles = re.findall(r'href="(/[^"]*style\.css[^"]*)"', pages[0])
        assert (await she.get(styles[0])).headers["content-type"].startswith("text/css")
        assert (await she.get("/admin/jobs/api/v1/jobs")).json()["jobs"][0]["id"] == "hourly"
        csrf = re.findall(r'"X-CSRF-Token": "([^"]+)"', pages[1])[0]
        out = await she.post("/admin/jobs/logout", headers={"X-CSRF-Token": csrf})
        assert (out.status_code, out.headers["hx-redirect"]) == (204, "/admin/jobs/login")
        assert "Path=/admin/jobs/;" in out.headers["set-cookie"]
        assert (await she.get("/admin/jobs/")).status_code == 303


@pytest.mark.parametrize("onward", ["/", "//evil.example/", "https://evil.example/", "/admin/jobsevil", "x"])
async def test_a_sign_in_leads_on_to_pages_of_the_dashboard_alone(
    scheduler: AsyncIOScheduler, onward: str
) -> None:
    app = Starlette(routes=[Mount("/admin/jobs", new_dashboard(scheduler.ledger))])
    async with (
        scheduler,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as she,
    ):
        signed_in = await she.post("/admin/jobs/login", data={"token": TOKEN, "next": onward})
        assert signed_in.headers["location"] == "/admin/jobs/"


def new_dashboard(ledger: Ledger) -> FastAPI:
    return application.create_app(ledger, Authenticator(TOKEN), frozenset(), 0)


def browser_of_a_mounted(dashboard: FastAPI) -> httpx.AsyncClient:
    around = Starlette(routes=[Mount("/admin/jobs", dashboard)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(around), base_url="http://here")


@pytest.mark.parametrize("host", ["[::1]", "[::1]:8787", "LOCALHOST:8787", "127.0.0.1", "127.0.0.1:"])
def test_a_name_of_ones_own_is_known_with_and_without_a_port(host: str) -> None:
    assert _host(host) in DashboardSettings().names


@pytest.mark.parametrize(
    "host",
    [
        "[::1].evil.example",
        "[::1]evil:8787",
        "[::1]:8787.evil",
        "127.0.0.1:evil.example",
        "127.0.0.1:80:80",
        "[::1",
    ],
)
def test_a_name_with_more_behind_it_is_a_foreign_one(host: str) -> None:
    assert _host(host) not in DashboardSettings().names
