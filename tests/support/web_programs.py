"""Programs of users that start a scheduler in themselves: written into a folder, run, and looked at."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from ledgers import found_in, rows_in
from pythons import clean_environment
from waiting import wait_for

BIN = Path(sys.executable).parent


class Program:
    """A folder with a program of a user, and what the program did: its log, the ledger, `done.txt`."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder}/ledger.db"
        self.port = 0

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def log(self) -> str:
        return (self.folder / "program.log").read_text(encoding="utf-8")

    def done(self) -> list[list[str]]:
        """Return what jobs wrote down with the function of `NOTES`: the words of each line."""
        path = self.folder / "done.txt"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def rows(self) -> list[dict[str, Any]]:
        return rows_in(self.ledger)

    @property
    def ledger(self) -> Ledger:
        return ledger_at(self.url, root=self.folder)

    def processes(self) -> list[int]:
        """Return the process ids of the schedulers that are there."""
        try:
            return [row["pid"] for row in found_in(self.ledger, "SELECT pid FROM scheduler_processes")]
        except sqlite3.OperationalError:
            # The ledger is not made yet.
            return []

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return str(answer.read().decode())

    @contextmanager
    def running(
        self,
        *command: str | Path,
        until: str = "",
        code: int = 0,
        stop: int = signal.SIGTERM,
        **variables: str,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in a process group of its own; at the end, ask all of it to stop, as a terminal does.

        until: a pattern of what it says; a group in it is the port on which it listens.
        """
        environment = clean_environment() | {"SCHEDULER_DATABASE_URL": self.url, "PYTHONUNBUFFERED": "1"}
        with (self.folder / "program.log").open("wb") as stream:
            process = subprocess.Popen(
                [str(part) for part in command], cwd=self.folder, env=environment | variables,
                stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            if until:
                wait_for(lambda: process.poll() is not None or re.search(until, self.log()), until)
                found = re.search(until, self.log())
                assert found, self.log()
                self.port = int(found[1]) if found.groups() else 0
            yield process
            if process.poll() is None:
                if stop == signal.SIGINT:
                    os.killpg(process.pid, stop)
                else:
                    process.send_signal(stop)
            assert process.wait(60) == code, self.log()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# A line for each call: what, for which tick, in which process.
NOTES = """
import os
from everytick import current_run

def note(what):
    run = current_run()
    tick = run.tick.isoformat() if run and run.tick else "-"
    with open("done.txt", "a") as file:
        file.write(f"{what} {tick} {os.getpid()}\\n")
"""
