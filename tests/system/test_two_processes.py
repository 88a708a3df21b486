"""Several processes on one ledger: who starts what, how many at once, and what becomes of the dead."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from everytick.engine import heartbeats

from application import TEMPLATE, Application
from bodies import (
    AFTER_THE_START,
    TASKS,
    deploy,
    doomed,
    entered,
    in_some_seconds,
    kill,
    let,
    marks,
    more,
    pass_by,
)
from ledgers import held
from short_waits import BEAT, LEASE, shorten_leases
from waiting import wait_for


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


def most_at_once(app: Application, job_id: str) -> int:
    """Return how many bodies of a job were inside at the same time."""
    inside = most = 0
    changes = [(mark.at, 1) for mark in marks(app, job_id)]
    changes += [(mark.at, -1) for mark in marks(app, job_id, "end")]
    for _, change in sorted(changes):
        inside += change
        most = max(most, inside)
    return most


@pytest.mark.full
@pytest.mark.parametrize("limit", [1, 2])
def test_max_instances_bounds_the_runs_of_all_processes_together(app: Application, limit: int) -> None:
    deploy(app, f'slow, "interval", seconds=0.3, id="slow", max_instances={limit}')
    with app.running(), app.running():
        entered(app, "slow", 8 * limit)
    assert most_at_once(app, "slow") == limit
    found = app.recorded()
    ticks = [row["tick_us"] for row in found]
    assert {later - earlier for earlier, later in pairwise(ticks)} == {300_000}
    reasons = {row["reason"] for row in found if row["state"] == "skipped"}
    # On a machine that is slow for a moment two ticks may be due at once.
    assert {"overlap"} <= reasons <= {"overlap", "coalesced"}
    assert len([row for row in found if row["state"] == "succeeded"]) == len(marks(app, "slow"))


@pytest.mark.full
def test_a_function_beyond_its_timeout_holds_its_slot_against_other_processes(app: Application) -> None:
    deploy(app, 'stuck, "interval", seconds=0.5, id="stuck", timeout=0.2')
    with app.running() as one, app.running() as other:
        wait_for(lambda: "took longer than its timeout" in one.log() + other.log(), "the timeout")
        app.records(6, "skipped")
        assert len(marks(app, "stuck")) == 1
        assert [row["state"] for row in app.recorded() if row["state"] != "skipped"] == ["running"]
        let(app, "release")
        wait_for(lambda: len(marks(app, "stuck", "end")) >= 3, "further runs")
    assert {"overlap"} <= {row["reason"] for row in app.recorded("skipped")} <= {"overlap", "coalesced"}
    first = next(row for row in app.recorded() if row["state"] != "skipped")
    assert first["state"] == "timed_out"


@pytest.mark.full
def test_processes_that_start_together_create_one_ledger_and_make_one_start(app: Application) -> None:
    app.makes_its_ledger = True
    deploy(app, 'quick, "date", id="hello"', 'quick, "interval", seconds=0.5, id="tick"')
    with ThreadPoolExecutor(4) as pool:
        processes = list(pool.map(lambda _: app.start(), range(4)))
    try:
        entered(app, "tick", 5)
        for process in processes:
            assert "| ledger " in process.log(), process.log()
        for process in processes:
            process.popen.send_signal(signal.SIGTERM)
        assert [process.popen.wait(30) for process in processes] == [0] * 4
    finally:
        for process in processes:
            kill(process)
    assert len(marks(app, "hello")) == 1
    assert [row["kind"] for row in app.recorded() if row["job_id"] == "hello"] == ["startup"]
    ticks = [row["tick_us"] for row in app.recorded() if row["job_id"] == "tick"]
    assert {later - earlier for earlier, later in pairwise(ticks)} == {500_000}


TOGETHER = """
import multiprocessing, sys
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

def create(folder, together, said):
    problems = set()
    for number in range(200):
        together.wait()
        try:
            ledger_at(f"sqlite:///{folder}/{number}.db").connect().close()
        except Exception as problem:
            problems.add(repr(problem))
    said.put(problems)

fork = multiprocessing.get_context("fork")
together, said = fork.Barrier(4), fork.Queue()
processes = [fork.Process(target=create, args=(sys.argv[1], together, said)) for _ in range(4)]
for process in processes:
    process.start()
print(set().union(*(said.get() for _ in processes)) or "no problems")
"""


@pytest.mark.full
def test_a_ledger_can_be_created_by_many_at_the_same_moment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER, str(tmp_path)],
        cwd=TEMPLATE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "no problems\n"


@pytest.mark.full
def test_a_run_that_kills_its_process_is_not_begun_again_with_on_crash_skip(app: Application) -> None:
    at = in_some_seconds()
    deploy(
        app,
        f'deadly, "date", run_date="{at}", id="deadly", on_crash="skip", misfire_grace_time=None',
        'quick, "interval", seconds=1, id="tick"',
    )
    with doomed(app) as one, doomed(app) as other:
        app.records(1, "lost")
        assert [one.popen.poll(), other.popen.poll()].count(None) == 1
        more(app, "tick", 3)
    for _ in range(2):
        with app.running():
            more(app, "tick", 3)
    assert len(marks(app, "deadly")) == 1
    [run] = [row for row in app.recorded() if row["job_id"] == "deadly"]
    assert (run["state"], run["attempt"], run["rerun_until_us"]) == ("lost", 1, None)
    assert run["started_us"] is not None


@pytest.mark.full
def test_the_other_process_begins_the_next_attempt_of_what_died(app: Application) -> None:
    deploy(
        app,
        f'long, "date", {AFTER_THE_START}, id="long"',
        'quick, "interval", seconds=1, id="tick"',
    )
    shorten_leases(app)
    with doomed(app) as first:
        entered(app, "long")
        with app.running() as other:
            kill(first)
            died = time.monotonic()
            entered(app, "long", 2)
            assert time.monotonic() - died < LEASE + BEAT + 3
            other.says("died, lost with it: ")
            let(app, "release")
            wait_for(lambda: marks(app, "long", "end"), "its end")
    [run] = [row for row in app.recorded() if row["job_id"] == "long"]
    assert (run["state"], run["attempt"], run["crashes"]) == ("succeeded", 2, 1)
    assert [mark.pid for mark in marks(app, "long")] == [first.popen.pid, other.popen.pid]


def test_a_heartbeat_may_be_missed_twice_in_each_lease() -> None:
    """The stories have both shorter, in the same relation."""
    assert (heartbeats.LEASE_SECONDS, heartbeats.BEAT_SECONDS) == (15.0, 5.0)
    assert LEASE / BEAT == heartbeats.LEASE_SECONDS / heartbeats.BEAT_SECONDS


HOSTS = "import os, socket\nsocket.gethostname = lambda: os.environ['TEST_HOST']\n"


@pytest.mark.full
def test_a_process_of_another_machine_is_dead_after_a_whole_lease_and_not_before(app: Application) -> None:
    site = app.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(HOSTS)
    app.environment |= {"PYTHONPATH": str(site), "TEST_HOST": "one"}
    deploy(app, f'long, "date", {AFTER_THE_START}, id="long"')
    shorten_leases(app)
    with doomed(app) as first:
        entered(app, "long")
        app.environment["TEST_HOST"] = "other"
        with app.running():
            kill(first)
            died = time.monotonic()
            wait_for(lambda: len(marks(app, "long")) == 2, "the second attempt", 2 * LEASE)
            waited = time.monotonic() - died
            # Its last heartbeat may be one beat old.
            assert LEASE - BEAT - 1 <= waited <= LEASE + 2 * BEAT + 3
            let(app, "release")


@pytest.mark.full
def test_a_run_lost_longer_ago_than_its_grace_stays_lost(app: Application) -> None:
    deploy(
        app,
        f'long, "date", {AFTER_THE_START}, id="long", misfire_grace_time=1',
        'quick, "interval", seconds=0.5, id="tick"',
    )
    with doomed(app) as first:
        entered(app, "long")
        kill(first)
    # Counted from its last heartbeat, which is not younger than its death.
    pass_by(1.5)
    with app.running() as process:
        # A tick of the other job may have been claimed for the next moment.
        process.says(" of a process that died")
        more(app, "tick", 6)
    assert len(marks(app, "long")) == 1
    [run] = [row for row in app.recorded() if row["job_id"] == "long"]
    assert (run["state"], run["attempt"]) == ("lost", 1)


@pytest.mark.full
def test_a_run_that_waited_in_a_process_that_died_costs_no_attempt(app: Application) -> None:
    app.environment["SCHEDULER_MAX_WORKERS"] = "1"
    deploy(
        app,
        'long, "date", id="long"',
        *(f'quick, "date", {AFTER_THE_START}, id="quick{number}", on_crash="skip"' for number in range(3)),
    )
    with doomed(app) as first:
        app.records(4)
        app.environment["SCHEDULER_MAX_WORKERS"] = "4"
        with app.running() as other:
            kill(first)
            app.records(3, "succeeded")
            let(app, "release")
    found = {row["job_id"]: row for row in app.recorded() if row["job_id"] != "long"}
    assert {(row["state"], row["attempt"], row["crashes"]) for row in found.values()} == {("succeeded", 1, 0)}
    for job_id in found:
        [mark] = marks(app, job_id)
        assert mark.pid == other.popen.pid


@pytest.mark.full
@pytest.mark.parametrize("on_crash", ["rerun", "skip"])
def test_a_kill_before_the_outcome_is_written_counts_as_one_inside_of_the_run(
    app: Application, on_crash: str
) -> None:
    deploy(
        app,
        f'short, "date", {AFTER_THE_START}, id="short", on_crash="{on_crash}"',
        'quick, "interval", seconds=0.5, id="tick"',
    )
    with doomed(app) as first:
        entered(app, "short")
        with held(app.ledger):
            let(app, "soon")
            wait_for(lambda: marks(app, "short", "end"), "the end of its body")
            kill(first)
    with app.running() as second:
        second.says(" of a process that died")
        more(app, "tick", 6)
    [run] = [row for row in app.recorded() if row["job_id"] == "short"]
    expected = ("succeeded", 2) if on_crash == "rerun" else ("lost", 1)
    assert (run["state"], run["attempt"]) == expected
    assert len(marks(app, "short")) == expected[1]


@pytest.mark.full
def test_a_coroutine_that_blocks_the_loop_for_longer_than_a_lease_does_not_lose_it(app: Application) -> None:
    # Two, since the blocked process may have claimed one for the next moment, which waits with it.
    # The greedy one comes when the process has said that it is up: it keeps the loop from saying anything.
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    deploy(
        app,
        f'greedy, "date", run_date="{soon}", id="greedy"',
        'quick, "interval", seconds=1, id="tick", max_instances=2',
    )
    app.main_file.write_text(app.main_file.read_text().replace("import deadly", "import greedy, deadly"))
    # Longer than a lease, and until the other process has run a tick.
    body = f"    note('start')\n    time.sleep({LEASE + 2 * BEAT})\n    seen('release')\n"
    app.tasks(f"{TASKS}\nasync def greedy() -> None:\n{body}")
    shorten_leases(app)
    with app.running() as blocked:
        entered(app, "greedy")
        with app.running() as other:
            blocked.says("job greedy blocks the event loop")
            # Those that the blocked process had claimed wait, all others are run by the other one.
            wait_for(
                lambda: other.popen.pid in {mark.pid for mark in marks(app, "tick")}, "the other's ticks"
            )
            let(app, "release")
            ended = ("succeeded", "lost", "failed")
            wait_for(lambda: "greedy" in {row["job_id"] for row in app.recorded(*ended)}, "its end")
        logs = blocked.log() + other.log()
    for bad in ("died", "declared dead", "lost its lease"):
        assert bad not in logs
    [run] = [row for row in app.recorded() if row["job_id"] == "greedy"]
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert len(marks(app, "greedy")) == 1


@pytest.mark.full
def test_all_processes_take_part(app: Application) -> None:
    deploy(app, *(f'quick, "interval", seconds=0.5, id="job{number}"' for number in range(6)))
    with app.running() as one, app.running() as other:
        both = {one.popen.pid, other.popen.pid}
        jobs = [f"job{number}" for number in range(6)]
        wait_for(lambda: {mark.pid for job in jobs for mark in marks(app, job)} == both, "runs in both")
    found = [(row["job_id"], row["tick_us"]) for row in app.recorded()]
    assert len(found) == len(set(found))
    assert "Traceback" not in one.log() + other.log()
