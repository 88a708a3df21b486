"""Addresses that could mean two things, or be taken for open ones."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.dashboard import application
from everytick.dashboard.authentication import Authenticator
from everytick.dashboard.rendering import STATIC
from fastapi import APIRouter

from dashboards import api, look

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
    app = application.create_app(scheduler.ledger, Authenticator(TOKEN), frozenset(), 0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as anybody:
        for path in closed:
            assert (await anybody.get(path)).status_code in (303, 401), path
            signed_in = await anybody.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
            assert signed_in.json() == "mine"
        for path in ("/health/live", "/health/ready", "/login", *OURS):
            assert (await anybody.get(path)).status_code in (200, 503), path
