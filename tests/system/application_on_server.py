"""An application whose ledger is on a server of the test's own, behind a wire that may be cut."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from application import Application
from bodies import marks
from proxy import Proxy, proxy
from servers import Server, running_server
from short_waits import shorten_leases

STEP = 500_000


TICK = 'quick, "interval", seconds=0.5, id="tick", coalesce=False, max_catch_up=1000, max_instances=20'


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that stories may stop; each leaves it running."""
    with running_server() as made:
        yield made


@pytest.fixture
def wire(server: Server) -> Iterator[Proxy]:
    with proxy(server.port) as made:
        yield made


def on(app: Application, url: str) -> Application:
    """Let processes that start from now on use this ledger."""
    app.environment["SCHEDULER_DATABASE_URL"] = url
    return app


def behind(app: Application, postgres_url: str, server: Server, wire: Proxy) -> Application:
    return on(app, postgres_url.replace(f":{server.port}/", f":{wire.port}/"))


# With their true patience the stories would take minutes.
_HASTE = """\
from everytick.engine import process
from everytick.store import postgres_connection
process._START_PATIENCE = 3.0
postgres_connection.WiredConnection.patience = 3.0
for scope, text in postgres_connection._BEGIN.items():
    text = text.replace("_session_timeout', '10s'", "_session_timeout', '2s'")
    postgres_connection._BEGIN[scope] = text.replace("_session_timeout', '3s'", "_session_timeout', '2s'")
"""


def hasten(app: Application) -> None:
    """Let the processes that start from now on have less patience."""
    shorten_leases(app)
    app.main_file.write_text(_HASTE + app.main_file.read_text())


def ticks_of(app: Application) -> list[dict[str, Any]]:
    """Return the rows of the job that ticks; each of its ticks has one, and each run began once."""
    found = [row for row in app.recorded() if row["job_id"] == "tick"]
    instants = [row["tick_us"] for row in found]
    assert {later - earlier for earlier, later in pairwise(instants)} == {STEP}, found
    assert {row["state"] for row in found} <= {"succeeded", "queued"}
    done = [row for row in found if row["state"] == "succeeded"]
    assert {row["attempt"] for row in done} == {1}
    assert len(marks(app, "tick")) == len(done)
    return found


def row_of(app: Application, job_id: str) -> dict[str, Any]:
    [row] = [row for row in app.recorded() if row["job_id"] == job_id]
    return row
