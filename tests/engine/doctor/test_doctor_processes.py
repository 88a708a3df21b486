"""What `doctor` says of clocks, processes and runs, and what its questions cost."""

from __future__ import annotations

import os
import re
import socket
from contextlib import closing

from everytick.doctor import liveness
from everytick.dryrun.start import dry_run
from everytick.model.allowed_functions import AllowedFunctions
from everytick.read.known_job import Declared

from inside import Clock
from sample_ledger import DAY, HOUR, SECOND, SampleLedger, up
from statements import statements, walks_runs
from test_doctor import change, history_of, looked_at, only
from test_doctor import troubled as troubled


def test_a_clock_that_was_set_back(troubled: SampleLedger, clock: Clock) -> None:
    assert [it.level for it in looked_at(troubled, liveness.examine_clock)] == ["ok"]
    clock.set(troubled.tick - HOUR)
    found = looked_at(troubled, liveness.examine_clock)
    assert "it was set back by at least 1 h" in found[0].what
    assert found[0].level == "error"
    silent = [it for it in found if it.where == "job fine"]
    assert [it.level for it in silent] == ["warning"]


def test_no_process_and_a_living_one(troubled: SampleLedger) -> None:
    found = only(looked_at(troubled, liveness.examine_processes), "processes", "warning")
    assert found.what.startswith("no scheduler is up: its last trace is of ")
    with up(troubled.ledger):
        found = only(looked_at(troubled, liveness.examine_processes), "processes", "ok")
    assert f"process {os.getpid()} on {socket.gethostname()}" in found.what


def test_a_silent_process(troubled: SampleLedger) -> None:
    with up(troubled.ledger, silent=20 * SECOND):
        nobody, found = looked_at(troubled, liveness.examine_processes)
    assert nobody.what.startswith("no scheduler is up since")
    assert re.search(r"no heartbeat for 20(\.\d)? s", found.what)


def test_a_process_that_is_gone(troubled: SampleLedger) -> None:
    with up(troubled.ledger) as process_id:
        change(troubled, "UPDATE scheduler_processes SET pid = ? WHERE process_id = ?", 2**22 + 7, process_id)
        nobody, found = looked_at(troubled, liveness.examine_processes)
    assert (nobody.level, found.level) == ("warning", "warning")
    assert "died: its last heartbeat" in found.what


def test_an_event_loop_that_is_stuck_is_told_with_what_runs_there(troubled: SampleLedger) -> None:
    with up(troubled.ledger, stuck=40 * SECOND) as process_id:
        statement = "UPDATE scheduler_runs SET state = 'running', process_id = ? WHERE run_id = ?"
        change(troubled, statement, process_id, troubled.run_ids["slot"])
        found = only(looked_at(troubled, liveness.examine_processes), "processes", "error")
    assert "has not answered for 40 s: a coroutine blocks it; under way there: slot" in found.what


def test_two_machines_on_one_file(troubled: SampleLedger) -> None:
    with up(troubled.ledger), up(troubled.ledger) as process_id:
        change(troubled, "UPDATE scheduler_processes SET host = 'other' WHERE process_id = ?", process_id)
        found = looked_at(troubled, liveness.examine_processes)
    assert "processes of 2 machines use one SQLite ledger" in found[-1].what


def test_runs_that_are_left_over_or_were_lost(troubled: SampleLedger) -> None:
    found = only(looked_at(troubled, liveness.examine_runs), "runs", "warning")
    assert re.match(r"lost within a day: 2 runs, of (lost, skipper|skipper, lost)", found.what)
    old = "UPDATE scheduler_runs SET state = ?, due_us = due_us - ? WHERE run_id = ?"
    change(troubled, old, "queued", 2 * DAY, troubled.run_ids["retry"])
    change(troubled, old, "running", 0, troubled.run_ids["crash"])
    found_all = looked_at(troubled, liveness.examine_runs)
    said = " ".join(it.what for it in found_all)
    assert f"run {troubled.run_ids['crash']} of crash is held by a process that is not there" in said
    assert f"the oldest is run {troubled.run_ids['retry']} of retry, queued" in said


def test_no_question_reads_through_the_history(troubled: SampleLedger) -> None:
    """Each query of the examination, and of a rehearsed start, finds its runs by an index."""
    with statements() as noted:
        with up(troubled.ledger, stuck=40 * SECOND):
            looked_at(troubled, liveness.examine_processes)
        looked_at(troubled, liveness.examine_clock)
        looked_at(troubled, liveness.examine_runs)
        history_of(troubled)
        dry_run(troubled.ledger, Declared([], {"misfire_grace_time": 600}, AllowedFunctions(("app",))))
    asked = [one for one in noted if "scheduler_runs" in one.sql]
    assert len(asked) > 20
    with closing(troubled.ledger.connect(read_only=True)) as connection:
        for statement in asked:
            steps = statement.plan(connection)
            assert all(" USING " in step for step in steps if walks_runs(step)), (statement, steps)
