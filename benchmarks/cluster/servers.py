"""The servers under measure: a PostgreSQL that counts its statements, and a Redis, both of our own."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ports import free_port
from servers import Server, running_server

_numbers = itertools.count(1)
_START_SECONDS = 10.0


@dataclass(frozen=True)
class Counters:
    """The counters of a database since it was made."""

    statements: int
    commits: int


class Database:
    """A database of its own for each measurement, so that the server's counters are of it alone."""

    def __init__(self, server: Server) -> None:
        self.server, self.name = server, f"bench_{next(_numbers)}"
        server.execute(f"CREATE DATABASE {self.name}")

    @property
    def url(self) -> str:
        """Its address."""
        return f"postgresql://postgres@127.0.0.1:{self.server.port}/{self.name}"

    def schema(self, name: str) -> str:
        """Make a schema; return the address of a ledger in it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url}?options=-csearch_path%3D{name}"

    def counters(self) -> Counters:
        """Return what it has counted. What is asked here is asked of another database."""
        [(statements, commits)] = self.server.execute(
            "SELECT (SELECT COALESCE(sum(calls), 0) FROM pg_stat_statements"
            f" WHERE dbid = (SELECT oid FROM pg_database WHERE datname = '{self.name}')),"
            f" xact_commit FROM pg_stat_database WHERE datname = '{self.name}'"
        )
        return Counters(int(statements), int(commits))

    def connections(self) -> int:
        """Return how many connections to it are open."""
        [(number,)] = self.server.execute(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.name}'"
        )
        return int(number)

    def drop(self) -> None:
        """Remove the database, also while clients are connected."""
        self.server.drop(self.name)


@contextmanager
def postgres() -> Iterator[Server]:
    """A PostgreSQL as it is shipped, that counts statements."""
    with running_server(start=False) as server:
        with (server.folder / "data/postgresql.conf").open("a") as file:
            file.write("shared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.max = 10000\n")
            file.write("shared_buffers = 128MB\n")
        server.start()
        server.execute("CREATE EXTENSION pg_stat_statements")
        yield server


@contextmanager
def redis() -> Iterator[str | None]:
    """The address of a Redis as it is shipped; None where the program is not there."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    folder, port = Path(tempfile.mkdtemp(prefix="bench-redis-")), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for_redis(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def flush(port: int) -> None:
    """Empty a Redis."""
    subprocess.run(["redis-cli", "-p", str(port), "flushall"], check=True, stdout=subprocess.DEVNULL)


def commands(port: int) -> int:
    """Return how many commands a Redis has done."""
    done = subprocess.run(
        ["redis-cli", "-p", str(port), "info", "stats"], check=True, capture_output=True, text=True
    )
    found = dict(line.strip().split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    return int(found["total_commands_processed"])


def _wait_for_redis(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        asked = subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, text=True)
        if asked.stdout.strip() == "PONG":
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("the Redis of the benchmark did not start")
