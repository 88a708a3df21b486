"""Told once more on PostgreSQL: see `tests/engine/doctor`, and what it sees of a server."""

from __future__ import annotations

import time

import pytest
from everytick import AsyncIOScheduler
from everytick.doctor import liveness
from everytick.doctor.server import examine_server
from everytick.store.opening import ledger_at
from everytick.system import use

from sample_ledger import SampleLedger, up
from servers import Server

# Those that look into the ledger. How the ledger is kept as a file is SQLite's own.
from test_doctor import (  # noqa: F401
    change,
    looked_at,
    test_a_job_that_failed_when_it_ran_last_and_several_times_in_a_row,
    test_a_job_that_takes_longer_than_its_interval,
    test_a_job_whose_function_is_gone,
    test_a_pause_that_nobody_explained,
    troubled,
)
from test_doctor_processes import (  # noqa: F401
    test_a_clock_that_was_set_back,
    test_a_process_that_is_gone,
    test_a_silent_process,
    test_an_event_loop_that_is_stuck_is_told_with_what_runs_there,
    test_no_process_and_a_living_one,
    test_runs_that_are_left_over_or_were_lost,
)

pytestmark = pytest.mark.full


def test_many_machines_on_one_server_are_in_order(troubled: SampleLedger) -> None:  # noqa: F811
    with up(troubled.ledger), up(troubled.ledger) as process_id:
        change(troubled, "UPDATE scheduler_processes SET host = 'other' WHERE process_id = ?", process_id)
        found = looked_at(troubled, liveness.examine_processes)
    assert {it.level for it in found} == {"ok"}


def test_a_machine_whose_clock_is_not_the_servers(
    troubled: SampleLedger,  # noqa: F811
) -> None:
    with use(time_ns=lambda: time.time_ns() - 60_000_000_000):
        with_problems = looked_at(troubled, liveness.examine_clock)
    [said] = [it.what for it in with_problems if "the server's differ by" in it.what]
    assert said.endswith(": jobs go by the server's")


def test_a_role_that_may_not_write_all_is_told(scheduler: AsyncIOScheduler, server: Server) -> None:
    scheduler.ledger.prepare()
    owner = str(scheduler.settings.database_url)
    schema = owner.rpartition("%3D")[2]
    server.execute("DROP ROLE IF EXISTS halfway")
    server.execute("CREATE ROLE halfway LOGIN")
    server.execute(f"GRANT USAGE ON SCHEMA {schema} TO halfway")
    server.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO halfway")
    readable, found = examine_server(ledger_at(server.url(schema, user="halfway")))
    assert readable
    assert [it.what for it in found if "may read the ledger and not write it" in it.what]
