"""Through PgBouncer, which gives a transaction whichever connection to the server is free."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from application import Application
from bodies import deploy, marks, more
from servers import Server, running_bouncer


@pytest.fixture
def bounced(server: Server) -> Iterator[str]:
    """The address of an empty ledger behind PgBouncer, in a database of its own."""
    with running_bouncer(server, "bounced") as url:
        yield url


@pytest.mark.full
def test_two_processes_work_through_pgbouncer_in_transaction_mode(bounced: str, tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    app.environment["SCHEDULER_DATABASE_URL"] = bounced
    # Each job has a process that claims it first: of many both have some.
    some = [f'quick_too, "interval", seconds=1, id="job{number}"' for number in range(16)]
    deploy(app, 'quick, "interval", seconds=0.2, id="tick", coalesce=False, max_instances=20', *some)
    with app.running() as one, app.running() as other:
        more(app, "tick", 12)
        assert app.command("pause", "tick").returncode == 0
        assert [job["id"] for job in app.json("jobs") if job["paused"]] == ["tick"]
        assert app.command("resume", "tick").returncode == 0
        assert app.command("health").returncode == 0
        more(app, "tick", 12)
    found = [row for row in app.recorded() if row["job_id"] == "tick"]
    instants = [row["tick_us"] for row in found if row["last_tick_us"] is None]
    assert len(instants) == len(set(instants))
    covered = [(row["tick_us"], row["last_tick_us"] or row["tick_us"]) for row in found]
    assert {later[0] - earlier[1] for earlier, later in pairwise(covered)} == {200_000}
    done = [row for row in found if row["state"] == "succeeded"]
    assert len(marks(app, "tick")) == len(done)
    pids = {mark.pid for number in range(16) for mark in marks(app, f"job{number}")}
    assert len(pids) == 2
    said = one.log() + other.log()
    assert "does not answer" not in said
    assert "prepared statement" not in said
    assert "Traceback" not in said
