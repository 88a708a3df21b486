"""An application as it stands on a user's disk, run as a process: what the stories act on.

It is the template's own Python tree next to a `pyproject.toml`, so that nothing has to be installed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from everytick.store.connections import UNAVAILABLE
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

import warm_python
from ledgers import rows_in
from waiting import wait_for
from warm_children import Warm

TEMPLATE = Path(__file__).parents[2] / "template"

HEADER = "from everytick import AsyncIOScheduler\n"


class Application:
    """An application folder and its commands."""

    # Whether its processes load all that they import, as those of a user do: for tests of memory, of what is
    # loaded, of the environment of Python, and of what the system tells of a process.
    is_loaded_anew = False

    def __init__(self, folder: Path, name: str = "story-app") -> None:
        self.folder = folder
        shutil.copytree(
            TEMPLATE / "app",
            folder / "app",
            ignore=shutil.ignore_patterns("__pycache__", "*.jinja"),
        )
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\n\n[tool.everytick]\napp = "app"\n'
        )
        self.project_file = folder / "app/core/project.toml"
        self.project_file.write_text(f'name = "{name}"\ntimezone = "UTC"\n')
        self.main_file = folder / "app/components/scheduler/main.py"
        self.tasks_file = folder / "app/services/my_tasks.py"
        self.ledger_file = folder / "data/ledger.db"
        self.environment: dict[str, str] = {}
        # Whether the first start makes its ledger itself, as that of a user does.
        self.makes_its_ledger = False
        # How hints name the command line of this application: as it was called.
        self.typed = f"{sys.executable} -m app"

    def schedule(self, body: str, imports: str = "") -> None:
        """Write `main.py`: `body` is what stands in create_scheduler(), between its first and last line."""
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        self.main_file.write_text(
            f"{HEADER}{imports}\n\ndef create_scheduler() -> AsyncIOScheduler:\n"
            f"    scheduler = AsyncIOScheduler()\n{lines}    return scheduler\n"
        )

    def tasks(self, text: str) -> None:
        """Write `my_tasks.py`."""
        self.tasks_file.write_text(text)

    def command(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `python -m app ...` to its end, with what it imports of others loaded already."""
        python = sys.executable if self._tells_python(self.environment) else str(warm_python.program())
        return self.call(python, "-m", "app", *arguments, cwd=cwd)

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of bash to its end, in which `app` is `python -m app`."""
        return self.call("bash", "-c", f'app() {{ "{sys.executable}" -m app "$@"; }}; {line}')

    def call(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in the folder of the application."""
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.variables(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def refused(self, code: int = 2) -> str:
        """Run, expect to be refused in one line, and return the line."""
        done = self.command("run")
        assert done.returncode == code, done.stderr
        lines = [line for line in done.stderr.splitlines() if line]
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("error: ")
        return lines[0].removeprefix("error: ")

    def json(self, *arguments: str) -> Any:
        """Return what a command prints as JSON."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def runs(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the ledger's runs, newest first."""
        found: list[dict[str, Any]] = self.json("runs", *arguments)
        return found

    def recorded(self, *states: str) -> list[dict[str, Any]]:
        """Return the ledger's rows themselves, oldest first: cheap enough to wait on."""
        try:
            rows = rows_in(self.ledger) if self.ledger.exists() else []
        except (*UNAVAILABLE, psycopg.errors.UndefinedTable):
            return []
        return [row for row in rows if not states or row["state"] in states]

    @property
    def ledger(self) -> Ledger:
        """Its ledger."""
        return ledger_at(self.ledger_url)

    @property
    def ledger_url(self) -> str:
        """Where its ledger is."""
        return self.variables().get("SCHEDULER_DATABASE_URL") or f"sqlite:///{self.ledger_file}"

    def records(self, number: int, *states: str) -> None:
        """Wait until the ledger has that many rows."""
        wait_for(lambda: len(self.recorded(*states)) >= number, f"{number} rows in the ledger")

    @contextmanager
    def running(self, *, expect: int = 0) -> Iterator[Running]:
        """Run the scheduler inside the block; stop it with SIGTERM at its end and check the exit code."""
        process = self.start()
        try:
            yield process
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)
            code = process.popen.wait(60)
            assert code == expect, f"exit code {code}\n{process.log()}"
        finally:
            process.popen.kill()
            process.popen.wait()

    def start(self) -> Running:
        """Start `python -m app run` and wait until it says that it runs."""
        self._prepare_ledger()
        process = self.launch()
        wait_for(lambda: process.is_up() or process.popen.poll() is not None, "the start line")
        return process

    def _prepare_ledger(self) -> None:
        """Spare a first start from making the ledger: loading Alembic costs as much as all the rest of it."""
        named = "SCHEDULER_DATABASE_URL" in self.environment
        if not (self.makes_its_ledger or named or self.ledger.exists()):
            self.ledger.prepare()

    def launch(self, **variables: str) -> Running:
        """Start `python -m app run`, with these variables besides, and return at once."""
        log = self.folder / f"run-{time.monotonic_ns()}.log"
        anew = self.is_loaded_anew or self._tells_python({**self.environment, **variables})
        with log.open("wb") as stream:
            popen = (subprocess.Popen if anew else Warm)(
                [sys.executable, "-m", "app", "run"],
                cwd=self.folder,
                env=self.variables() | variables,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        return Running(popen, log)

    @staticmethod
    def _tells_python(variables: dict[str, str]) -> bool:
        """Return whether a variable is there that Python reads when it starts."""
        return any(name.startswith("PYTHON") for name in variables)

    def variables(self) -> dict[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SCHEDULER_", "LOG_", "PYTHON", "COLUMNS"))
        }
        # Without the dashboard, unless a test asks for it.
        place = {"SCHEDULER_DATABASE_URL": os.environ["LEDGER"]} if os.environ.get("LEDGER") else {}
        return {
            **clean,
            **place,
            "SCHEDULER_DASHBOARD": "false",
            "COLUMNS": "200",
            "PYTHONUTF8": "1",
            **self.environment,
        }


class Running:
    """A scheduler that runs as a process."""

    def __init__(self, popen: subprocess.Popen[bytes], log_file: Path) -> None:
        self.popen = popen
        self._log_file = log_file

    def log(self) -> str:
        """Return what it has printed so far."""
        return self._log_file.read_text("utf-8", errors="replace")

    def is_up(self) -> bool:
        """Return whether it has said that it runs."""
        return "| ledger " in self.log()

    def says(self, text: str) -> None:
        """Wait until it has printed `text`."""
        wait_for(lambda: text in self.log(), f"{text!r} in the log:\n{self.log()}")
