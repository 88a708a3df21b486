"""Backfills by several processes, some of which are killed: each tick begins once, or as its job says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from application import Application
from bodies import doomed, kill, let
from short_waits import shorten_leases
from waiting import wait_for

pytestmark = pytest.mark.full

TASKS = """\
import asyncio, os, time
from everytick import current_run

async def fill() -> None:
    run = current_run()
    if run.kind != "backfill":
        return
    with open("filled.txt", "a") as file:
        file.write(f"{run.tick.day} {run.attempt} {os.getpid()}\\n")
    while run.tick.day == 5 and not os.path.exists("release"):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)
"""
SPAN = ("--from", "2026-03-01", "--to", "2026-03-20T12:00", "--yes", "--json")


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


def deploy(app: Application, on_crash: str) -> None:
    app.tasks(TASKS)
    app.schedule(
        'scheduler.add_job(fill, "cron", hour=3, id="fill", misfire_grace_time=None,'
        f' on_crash="{on_crash}")\n'
        'scheduler.add_job(fill, "interval", seconds=1, id="tick")',
        "from app.services.my_tasks import fill\n",
    )


def filled(app: Application) -> list[tuple[int, int, int]]:
    """Return the day, the attempt and the process of each start."""
    file = app.folder / "filled.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(day), int(attempt), int(pid)) for day, attempt, pid in map(str.split, lines)]


def state(app: Application) -> str:
    return str(app.json("backfill")[0]["state"])


@pytest.mark.parametrize("on_crash", ["skip", "rerun"])
def test_it_goes_on_where_it_was_when_its_process_is_killed(app: Application, on_crash: str) -> None:
    deploy(app, on_crash)
    shorten_leases(app)
    with doomed(app) as first:
        app.json("backfill", "fill", *SPAN)
        wait_for(lambda: any(day == 5 for day, _attempt, _pid in filled(app)), "the fifth tick")
        with app.running() as other:
            kill(first)
            let(app, "release")
            wait_for(lambda: state(app) == "finished", "its end", 40)
            pids = {pid for _day, _attempt, pid in filled(app)}
            assert pids == {first.popen.pid, other.popen.pid}
    starts = Counter(day for day, _attempt, _pid in filled(app))
    assert starts == Counter(range(1, 21)) + Counter({5: int(on_crash == "rerun")})
    [found] = app.json("backfill")
    assert found["runs"] == ({"succeeded": 20} if on_crash == "rerun" else {"lost": 1, "succeeded": 19})


def test_many_processes_together_make_no_tick_twice(app: Application) -> None:
    deploy(app, "rerun")
    let(app, "release")
    with app.running(), app.running(), app.running():
        app.json("backfill", "fill", *SPAN, "--max-instances", "5")
        wait_for(lambda: state(app) == "finished", "its end", 40)
    assert Counter(day for day, _attempt, _pid in filled(app)) == Counter(range(1, 21))
    assert {attempt for _day, attempt, _pid in filled(app)} == {1}
    # No tick of the schedule was in its way, nor it in theirs.
    assert {row["reason"] for row in app.recorded("skipped")} <= {"coalesced"}


def test_a_worker_makes_them_as_well_where_the_scheduler_is_away(app: Application) -> None:
    deploy(app, "rerun")
    let(app, "release")
    with app.running():
        pass
    app.environment["SCHEDULER_ROLE"] = "worker"
    with app.running():
        app.json("backfill", "fill", *SPAN)
        wait_for(lambda: state(app) == "finished", "its end", 40)
    assert Counter(day for day, _attempt, _pid in filled(app)) == Counter(range(1, 21))
