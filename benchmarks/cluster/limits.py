"""The limits of the server alone, with any client: the figures that the arithmetic starts from."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
from everytick.model import ticks
from everytick.store import process_statements
from everytick.store.opening import ledger_at

from database_server import programs
from servers import Server

from .processes import run_all
from .servers import Database
from .systems import Place, Programs, ours

_LOCKED = """
BEGIN;
SELECT pg_advisory_xact_lock(1);
UPDATE bench_rows SET number = number + 1 WHERE id = :client_id;
COMMIT;
"""
_FREE = "UPDATE bench_rows SET number = number + 1 WHERE id = :client_id;\n"
_CLIENTS = 8
_REPEATS = 20


@dataclass(frozen=True)
class Limits:
    """Commits a second of one and of eight clients, without and with one lock for all of them.

    beats: milliseconds of one look at the other processes, as each takes it with its heartbeat, by their
        number: which are silent, and whether those that claim are the same as before.
    """

    commits_one: float
    commits_free: float
    commits_locked: float
    beats: dict[int, float]


def measure_limits(server: Server, made: Programs, processes: tuple[int, ...], seconds: int) -> Limits:
    """Measure them on a server that does nothing else."""
    database = Database(server)
    try:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE bench_rows (id int PRIMARY KEY, number int NOT NULL)")
            connection.execute("INSERT INTO bench_rows SELECT id, 0 FROM generate_series(0, 63) AS id")
        one = _bench(server, database, _FREE, 1, seconds)
        free = _bench(server, database, _FREE, _CLIENTS, seconds)
        locked = _bench(server, database, _LOCKED, _CLIENTS, seconds)
        return Limits(one, free, locked, _beats(made, database, processes))
    finally:
        database.drop()


def _bench(server: Server, database: Database, script: str, clients: int, seconds: int) -> float:
    """Return the transactions a second of a script of pgbench."""
    found = programs()
    assert found is not None, "the server runs"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        place = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres"]
        size = ["-n", "-c", str(clients), "-T", str(seconds), "-f", file.name]
        done = subprocess.run(
            [str(found / "pgbench"), *place, *size, database.name], check=True, capture_output=True, text=True
        )
    said = re.search(r"tps = ([0-9.]+)", done.stdout)
    if said is None:
        raise RuntimeError(f"pgbench said nothing of its speed: {done.stdout[-200:]}")
    return float(said[1])


def _beats(made: Programs, database: Database, processes: tuple[int, ...]) -> dict[int, float]:
    place = Place(Path(tempfile.gettempdir()), database.url, "")
    run_all(ours(made, ["all"]).preparing(place))
    found = {}
    with closing(ledger_at(database.url).connect()) as connection:
        me = connection.execute("SELECT md5('1')").fetchone()[0]
        look = {"process_id": me, "host": "host-1", "since": 0, "forever": ticks.FOREVER}
        for number in processes:
            connection.execute("TRUNCATE scheduler_processes")
            connection.execute(
                "INSERT INTO scheduler_processes"
                " (process_id, host, pid, started_us, beat, beat_us, start_number, schedule_digest)"
                " SELECT md5(i::text), 'host-' || i, i, 0, 1, 1, 1, 'same'"
                " FROM generate_series(1, :several) AS i",
                {"several": number},
            )
            began = time.perf_counter()
            for _ in range(_REPEATS):
                for statement in (process_statements.LIST_SILENT, process_statements.MARK_CLAIMERS):
                    connection.execute(statement, look).fetchall()
            found[number] = (time.perf_counter() - began) / _REPEATS * 1000
    return found
