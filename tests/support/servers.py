"""A PostgreSQL of the tests' own: started when the first test asks for it, stopped with the last."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from database_server import bouncer, programs
from ports import free_port
from temporary import folder_for_a_server, fresh_folder
from waiting import wait_for

_numbers = itertools.count(1)


class Server:
    """One server with a data folder of its own, on a free port of 127.0.0.1."""

    _making: psycopg.Connection[Any] | None = None

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs = folder, programs
        self.port = free_port()
        # The server refuses to run as root.
        self._user = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "max_connections = 200\nshared_buffers = 32MB\nlogging_collector = off\n"
            )

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._run("pg_ctl", "-D", self._data, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop: `fast` cuts the connections, `immediate` is a crash."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    @contextmanager
    def standby(self) -> Iterator[Server]:
        """Give a copy that follows this server and can only be read."""
        copy = Server.__new__(Server)
        with folder_for_a_server("standby") as folder:
            copy.folder, copy._programs, copy._user, copy.port = (
                folder,
                self._programs,
                self._user,
                free_port(),
            )
            if self._user:
                shutil.chown(folder, self._user)
            source = f"host=127.0.0.1 port={self.port} user=postgres"
            copy._run("pg_basebackup", "-d", source, "-D", copy._data, "-R", "-c", "fast", "--no-sync")
            with (folder / "data/postgresql.conf").open("a") as file:
                file.write(f"port = {copy.port}\n")
            copy.start()
            try:
                yield copy
            finally:
                copy.stop("immediate")

    def runs(self) -> bool:
        """Return whether it was started and not stopped."""
        return (self.folder / "data/postmaster.pid").exists()

    def url(self, schema: str = "public", user: str = "postgres", port: int | None = None) -> str:
        """Return the address of a ledger in a schema."""
        place = f"postgresql://{user}@127.0.0.1:{port or self.port}/postgres"
        return f"{place}?options=-csearch_path%3D{schema}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement as the server's owner; return its rows."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def drop(self, database: str) -> None:
        """Remove a database, also while clients are connected; wait until all are disconnected."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            except psycopg.errors.ObjectInUse:
                # It waits five seconds for those that it cut off, which a busy machine may need to notice.
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def new_ledger(self) -> str:
        """Make an empty schema; return the address of a ledger in it."""
        schema = f"ledger_{next(_numbers)}"
        made = f"CREATE SCHEMA {schema}"
        # Kept, since to connect takes longer than all else; the server may have been stopped meanwhile.
        if self._making is None or self._making.broken:
            self._making = psycopg.connect(self.url(), autocommit=True)
        try:
            self._making.execute(made)
        except psycopg.OperationalError:
            self._making = None
            return self.new_ledger()
        return self.url(schema)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if self._user:
            command = [
                "setpriv",
                f"--reuid={self._user}",
                f"--regid={self._user}",
                "--clear-groups",
                *command,
            ]
        log = self.folder / "commands.log"
        # Not captured: the server would keep a pipe open.
        with log.open("ab") as stream:
            done = subprocess.run(command, stdout=stream, stderr=stream, cwd=self.folder, timeout=90)
        assert done.returncode == 0, log.read_text("utf-8", errors="replace")


def at_port(url: str, port: int) -> str:
    """Return the address of the same ledger through another port of this machine."""
    return re.sub(r"@127\.0\.0\.1:\d+/", f"@127.0.0.1:{port}/", url)


def port_of(url: str) -> int:
    """Return the port of an address on this machine."""
    found = re.search(r"@127\.0\.0\.1:(\d+)/", url)
    assert found is not None, url
    return int(found[1])


@contextmanager
def running_server(*, start: bool = True) -> Iterator[Server]:
    """A PostgreSQL that lasts as long as the block; without `start` it is only made ready."""
    found = programs()
    assert found is not None, "no PostgreSQL here: `make test` finds or installs it"
    # Not in a folder of pytest's, which it closes to all others: the server may have a user of its own.
    with folder_for_a_server("postgres") as folder:
        made = Server(folder, found)
        if start:
            made.start()
        try:
            yield made
        finally:
            if made._making is not None:
                made._making.close()
            if made.runs():
                made.stop("immediate")


@contextmanager
def running_bouncer(server: Server, database: str, connections: int = 3) -> Iterator[str]:
    """A PgBouncer in its transaction mode before an empty database of its own; gives the database's address.

    connections: how many it has to the server at most.
    """
    program = bouncer()
    assert program is not None, "no PgBouncer here: `make test` finds or installs it"
    server.execute(f"DROP DATABASE IF EXISTS {database}")
    server.execute(f"CREATE DATABASE {database}")
    folder, port = fresh_folder("bouncer"), free_port()
    (folder / "users.txt").write_text('"postgres" ""\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{database} = host=127.0.0.1 port={server.port} dbname={database}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\n"
        f"auth_file = {folder / 'users.txt'}\npool_mode = transaction\n"
        f"default_pool_size = {connections}\nunix_socket_dir =\nserver_round_robin = 1\n"
        "server_login_retry = 1\n"
    )
    command = [str(program), str(settings)]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # It refuses to run as root.
        command += ["-u", "postgres"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: _listens(port), f"PgBouncer\n{(folder / 'log').read_text()}")
        yield f"postgresql://postgres@127.0.0.1:{port}/{database}"
    finally:
        running.terminate()
        running.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL that runs, for all tests of a process: none of them stops it."""
    with running_server() as made:
        yield made


@pytest.fixture
def postgres_url(server: Server) -> str:
    """The address of a ledger that does not exist yet."""
    return server.new_ledger()
