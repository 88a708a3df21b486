"""The runs on pages and in the API: their filters, their counts by state, and what may be done with several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.model import ticks
from everytick.store.database import Ledger

from histories import MINUTE, SECOND, prepared, run, write
from inside import scheduler_settings

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"


@pytest.fixture
def begin() -> int:
    """When the first run of the history was due: two days ago."""
    return ticks.now() // MINUTE * MINUTE - 48 * 60 * MINUTE


@pytest.fixture
def ledger(tmp_path: Path, begin: int) -> Any:
    """A ledger with runs of two jobs: some hours old, a few minutes old, and one that is under way."""
    with scheduler_settings(tmp_path):
        scheduler = AsyncIOScheduler()
        for job_id in ("sync_shop", "report"):
            scheduler.add_job(print, "cron", minute="*", id=job_id)
        now = ticks.now()
        rows = [
            run("sync_shop", begin, "failed", error="ConnectTimeout: no answer"),
            run("sync_shop", begin + MINUTE),
            run("report", begin + 2 * MINUTE, "timed_out", error="it took longer than its timeout"),
            run("report", begin + 3 * MINUTE, "skipped", reason="overlap"),
            run("report", now - 5 * MINUTE, started_us=now - 4 * MINUTE, finished_us=now - 3 * MINUTE),
            run("sync_shop", now - MINUTE, "running", finished_us=None),
        ]
        write(prepared(scheduler), "scheduler_runs", rows)
        yield scheduler.ledger


def client(ledger: Ledger, token: str = TOKEN) -> httpx.AsyncClient:
    """Return what asks a dashboard."""
    app = create_app(ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0)
    given = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", headers=given)


async def listed(ledger: Ledger, **query: Any) -> dict[str, Any]:
    """Return what the API lists, with the numbers of the runs only."""
    async with client(ledger) as asked:
        answer = await asked.get("/api/v1/runs", params=query)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return {**found, "runs": [row["run_id"] for row in found["runs"]]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"q": "SYNC"}, [6, 2, 1]),
        ({"job": "report"}, [5, 4, 3]),
        ({"state": "failed"}, [1]),
        ({"state": ["failed", "running"]}, [6, 1]),
        ({"failed": "true"}, [3, 1]),
        ({"failed": "true", "q": "rep"}, [3]),
        ({"error": "no answer"}, [1]),
        ({"q": "nothing"}, []),
    ],
)
async def test_the_api_lists_runs_by_job_state_and_error(
    ledger: Ledger, query: dict[str, Any], expected: list[int]
) -> None:
    assert (await listed(ledger, **query))["runs"] == expected


async def test_the_api_counts_by_state_what_its_other_filters_want(ledger: Ledger) -> None:
    found = await listed(ledger, state="failed", q="sync")
    assert found["counts"] == {"by_state": {"failed": 1, "succeeded": 1, "running": 1}, "complete": True}


async def test_the_api_tells_how_late_a_run_began(ledger: Ledger) -> None:
    async with client(ledger) as asked:
        rows = (await asked.get("/api/v1/runs")).json()["runs"]
        one = (await asked.get("/api/v1/runs/5")).json()
    assert [row["late"] for row in rows] == [0, 60, None, 0, 0, 0]
    assert one["late"] == 60
