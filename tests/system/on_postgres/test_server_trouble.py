"""What only a server can do to a ledger: to go away, to forget, to say no, and to be behind a bad wire."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application import Application, Running
from application_on_server import STEP, TICK, behind, hasten, on, row_of, ticks_of
from application_on_server import app as app
from application_on_server import own as own
from application_on_server import wire as wire
from bodies import AFTER_THE_START, deploy, doomed, entered, in_some_seconds, let, marks, more
from clock_file import give_clock
from proxy import Proxy, lose_the_answer, lose_the_question, swallow_the_answer
from servers import Server
from waiting import wait_for

pytestmark = pytest.mark.full


# --- the server goes away and returns


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restart_of_the_server_loses_nothing_and_doubles_nothing(
    app: Application, own: Server, how: str
) -> None:
    on(app, own.new_ledger())
    deploy(app, TICK, 'short, "date", id="short"', 'long, "date", id="long"')
    with app.running() as process:
        entered(app, "short"), entered(app, "long"), entered(app, "tick", 3)
        own.stop(how)
        try:
            process.says("the ledger does not answer")
            # It ends while nobody can write that down.
            let(app, "soon")
            wait_for(lambda: marks(app, "short", "end"), "the end of its body")
            started = len(marks(app, "tick"))
        finally:
            own.start()
        process.says("the ledger answers again")
        entered(app, "tick", started + 5)
        wait_for(lambda: row_of(app, "short")["state"] == "succeeded", "the outcome of before")
        let(app, "release")
        wait_for(lambda: row_of(app, "long")["state"] == "succeeded", "the end of the long run")
    ticks_of(app)
    assert [len(marks(app, name)) for name in ("short", "long")] == [1, 1]
    assert "Traceback" not in process.log()


def test_a_probe_of_a_process_is_answered_while_the_server_says_nothing(
    app: Application, own: Server
) -> None:
    url = own.new_ledger()
    on(app, url)
    deploy(app, TICK)
    with app.running() as process, psycopg.connect(url) as somebody:
        # As a repair of the table does, or a migration of another program's.
        somebody.execute("LOCK TABLE scheduler_processes IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        done = app.command("health", "--here")
        # The probes of the manifests have as long, for all of it.
        assert time.monotonic() - began < 15
        assert done.returncode == 0, done.stdout
        assert "remark: the ledger has not answered for 5 seconds" in done.stdout
        somebody.rollback()
        more(app, "tick", 2)
    assert "Traceback" not in process.log()


def test_several_restarts_under_two_processes(app: Application, own: Server) -> None:
    on(app, own.new_ledger())
    deploy(app, TICK)
    with app.running() as one, app.running() as other:
        for how in ("immediate", "fast", "immediate"):
            more(app, "tick", 2)
            own.stop(how)
            own.start()
        more(app, "tick", 5)
    ticks_of(app)
    assert "died" not in one.log() + other.log()
    assert "Traceback" not in one.log() + other.log()


def test_a_start_waits_for_a_server_that_is_not_up_yet(app: Application, own: Server) -> None:
    on(app, own.new_ledger())
    deploy(app, TICK)
    own.stop()
    process = app.launch()
    try:
        process.says("waiting up to 30 seconds")
        own.start()
        wait_for(process.is_up, "the start line")
        entered(app, "tick", 2)
    finally:
        if not own.runs():
            own.start()
        process.popen.terminate()
        assert process.popen.wait(30) == 0
    assert "Traceback" not in process.log()


# --- the wire


@pytest.mark.parametrize("lost", [lose_the_question, lose_the_answer])
def test_a_wire_that_is_cut_in_the_moment_of_a_commit(
    app: Application, server: Server, wire: Proxy, postgres_url: str, lost: Any
) -> None:
    behind(app, postgres_url, server, wire)
    deploy(app, TICK)
    with app.running() as process:
        for _ in range(4):
            more(app, "tick", 1)
            assert wire.when(b"COMMIT", lost).wait(20)
        more(app, "tick", 3)
        assert process.log().count("asking what became of it") >= 4
    ticks_of(app)
    assert "Traceback" not in process.log()


def test_a_wire_that_is_cut_at_any_moment(
    app: Application, server: Server, wire: Proxy, postgres_url: str
) -> None:
    behind(app, postgres_url, server, wire)
    deploy(app, TICK)
    with app.running() as process:
        for words in (b"BEGIN", b"INSERT INTO scheduler_runs", b"UPDATE scheduler_runs", b"ROLLBACK"):
            if words != b"ROLLBACK":
                more(app, "tick", 1)
                assert wire.when(words, lose_the_answer).wait(20)
        wire.cut()
        process.says("the ledger does not answer")
        wire.mend()
        process.says("the ledger answers again")
        more(app, "tick", 3)
    ticks_of(app)
    assert "Traceback" not in process.log()


def test_a_wire_that_swallows_everything_is_given_up_and_opened_anew(
    app: Application, server: Server, wire: Proxy, postgres_url: str
) -> None:
    behind(app, postgres_url, server, wire)
    deploy(app, TICK)
    hasten(app)
    with app.running() as process:
        entered(app, "tick", 2)
        # In a statement: of a COMMIT it would first be asked what became of it.
        assert wire.when(b"INSERT INTO scheduler_runs", swallow_the_answer).wait(60)
        # No packet says that anything is wrong.
        process.says("the server has not answered for 3 seconds")
        wire.cut_once()
        wire.mend()
        process.says("the ledger answers again")
        more(app, "tick", 3)
    ticks_of(app)
    assert "Traceback" not in process.log()


# --- stopped in the middle


@pytest.mark.long
def test_a_process_that_is_stopped_in_a_transaction_holds_up_nobody_for_long(
    app: Application, server: Server, wire: Proxy, postgres_url: str
) -> None:
    # Each job has a process that claims it first: of many both have some.
    names = ["tick", *(f"tick{number}" for number in range(15))]
    ticking = [TICK.replace('id="tick"', f'id="{name}"') for name in names]
    deploy(app, *ticking, f'long, "date", {AFTER_THE_START}, id="long"')
    hasten(app)
    behind(app, postgres_url, server, wire)
    with doomed(app) as stopped:
        entered(app, "long")

        def stop(_wire: object) -> bool:
            os.kill(stopped.popen.pid, signal.SIGSTOP)
            return True

        on(app, postgres_url)
        with app.running() as other:
            entered(app, "tick", 2)
            assert wire.when(b"INSERT INTO scheduler_runs", stop).wait(60)
            begin = time.monotonic()
            for name in names:
                more(app, name, 3)
            assert time.monotonic() - begin < 30
            # Later its lease is over as well, and its run begins anew.
            wait_for(lambda: len(marks(app, "long")) == 2, "another start of the long run", 60)
            let(app, "release")
            wait_for(lambda: row_of(app, "long")["state"] == "succeeded", "its end")
            before = row_of(app, "long")
            stopped.popen.send_signal(signal.SIGCONT)
            wait_for(lambda: len(marks(app, "long", "end")) == 2, "the late end")
            stopped.says("the ledger answers again")
            more(app, "tick", 6)
            assert row_of(app, "long") == before
            assert (before["attempt"], before["crashes"]) == (2, 1)
    recorded = app.recorded()
    for name in names:
        found = [row["tick_us"] for row in recorded if row["job_id"] == name]
        assert {later - earlier for earlier, later in pairwise(found)} == {STEP}
    assert "Traceback" not in stopped.log() + other.log()


# --- whose clock


def test_two_machines_whose_clocks_are_minutes_apart_go_by_the_servers(
    app: Application, postgres_url: str, tmp_path: Path
) -> None:
    on(app, postgres_url)
    give_clock(app)
    deploy(app, TICK, f'short, "date", run_date="{in_some_seconds(10)}", id="short"')
    ahead = time.time_ns() // 1000 - time.monotonic_ns() // 1000

    def at(offset: int) -> Running:
        file = tmp_path / f"clock{offset}"
        file.write_text(str(offset))
        app.environment["CLOCK_FILE"] = str(file)
        return app.start()

    one, other = at(60), at(-60)
    try:
        let(app, "soon")
        entered(app, "short")
        more(app, "tick", 10)
        asked = app.command("health")
        assert asked.returncode == 0, asked.stdout
    finally:
        for process in (one, other):
            process.popen.terminate()
        assert [process.popen.wait(30) for process in (one, other)] == [0, 0]
    rows = ticks_of(app)
    begun = sorted(mark.at + ahead for mark in marks(app, "tick"))
    due = sorted(row["tick_us"] for row in rows if row["state"] == "succeeded")
    late = [start - tick for start, tick in zip(begun, due, strict=True)]
    assert min(late) > -50_000
    assert max(late) < 5_000_000
    assert all(abs(row["started_us"] - row["tick_us"]) < 5_000_000 for row in rows if row["started_us"])
    [mark] = marks(app, "short")
    assert mark.at + ahead >= row_of(app, "short")["tick_us"] - 50_000
    assert "died" not in one.log() + other.log()


# --- the server says no


def test_who_follows_runs_waits_for_the_server(app: Application, own: Server) -> None:
    on(app, own.new_ledger())
    deploy(app, TICK)
    with app.running() as process:
        entered(app, "tick")
        with (app.folder / "followed").open("w") as stream:
            follower = subprocess.Popen(
                [sys.executable, "-m", "app", "runs", "--follow", "--json"],
                cwd=app.folder, env=app.variables(), stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            told(app)
            own.stop("immediate")
            try:
                process.says("the ledger does not answer")
            finally:
                own.start()
            process.says("the ledger answers again")
            last = row_of_newest(app)
            wait_for(lambda: last in told(app), "the run that ended after the restart")
        finally:
            follower.send_signal(signal.SIGINT)
            assert follower.wait(20) == 0
    seen = told(app)
    # None is missing, and none is told twice. A server that crashed leaves a gap in the numbers.
    known = [row["run_id"] for row in app.recorded("succeeded")]
    assert seen == [run_id for run_id in known if seen[0] <= run_id <= seen[-1]]


def told(app: Application) -> list[int]:
    """Wait until somebody who follows has told of runs; return their numbers, lowest first."""

    def lines() -> list[str]:
        return (app.folder / "followed").read_text().splitlines()

    return sorted(json.loads(line)["run_id"] for line in wait_for(lines, "a run that is told"))


def row_of_newest(app: Application) -> int:
    """Return the number of the newest run that has ended."""
    rows = wait_for(lambda: app.recorded("succeeded"), "a run that ended")
    return max(int(row["run_id"]) for row in rows)
