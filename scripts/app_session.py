"""Render the working tree, install the application that comes out, and run it for a while.

`make demo`, `make picture`, `make screenshots` and the check of the rendered workflows share this file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "copier.yml",
    "CHANGELOG.md",
    "includes",
    "template",
    "src",
    "pyproject.toml",
    "LICENSE",
)
TRACES = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", "*.pyc", "data", "*.egg-info")

SCHEDULE = Path("app/components/scheduler/main.py")
BEFORE_THIS_LINE = "    return scheduler\n"
DEMO_JOBS = """\
    # Three jobs that are due every few seconds, so that there is something to see.
    scheduler.add_job(send_daily_report, trigger="interval", seconds=1, id="demo_report")
    scheduler.add_job(cleanup_temp_files, trigger="interval", seconds=2, id="demo_cleanup")
    scheduler.add_job(backup_database, trigger="interval", seconds=3, id="demo_backup")

"""


class SessionError(Exception):
    """One sentence that says what did not work, and the output that shows it."""

    def __init__(self, sentence: str, output: str = "") -> None:
        lines = output.strip().splitlines()[-15:]
        super().__init__("\n".join([sentence, *(f"  | {line}" for line in lines)]))


@contextmanager
def fresh_folder(prefix: str) -> Iterator[Path]:
    """Give a temporary folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy_source(destination: Path) -> Path:
    """Copy what makes the template, uncommitted changes included: Copier would leave them out."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, destination / part, ignore=TRACES)
        else:
            shutil.copy2(ROOT / part, destination / part)
    return destination


def render(destination: Path, answers: Mapping[str, Any] | None = None) -> None:
    """Render the template of the working tree, with the defaults where no answer is given.

    Uncommitted changes count too. The application that comes out has its engine from this very folder.
    """
    import copier

    try:
        with warnings.catch_warnings():
            # That there are changes which are not committed.
            warnings.simplefilter("ignore", copier.errors.DirtyLocalWarning)
            copier.run_copy(
                str(ROOT), destination, data=dict(answers or {}), vcs_ref="HEAD", defaults=True, quiet=True
            )
    except Exception as problem:
        raise SessionError(
            f"The template does not render: {type(problem).__name__}.", str(problem)
        ) from problem


class AppSession:
    """One rendered application and the processes that run it."""

    def __init__(self, folder: Path, extra_environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.log: list[str] = []
        binaries = "Scripts/python.exe" if os.name == "nt" else "bin/python"
        self.python = folder / ".venv" / binaries
        # The application must see its own settings, not those of the shell that started us.
        foreign = ("SCHEDULER_", "LOG_", "VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "PYTHONUTF8": "1",
            **(extra_environment or {}),
        }

    def install(self) -> str:
        """Make the application's own `.venv`: with uv, and where that fails with pip.

        Returns:
            The tool that did it.
        """
        uv = [sys.executable, "-m", "uv", "sync", "--quiet", "--python", sys.executable]
        first = self._call([*uv, "--no-python-downloads"])
        if first.returncode == 0:
            return "uv sync"
        shutil.rmtree(self.folder / ".venv", ignore_errors=True)
        for step in (
            [sys.executable, "-m", "venv", ".venv"],
            [str(self.python), "-m", "pip", "install", "--quiet", "-e", "."],
        ):
            done = self._call(step)
            if done.returncode != 0:
                output = f"{first.stderr}\n{done.stderr}"
                raise SessionError("Neither uv nor pip could install the application.", output)
        return "pip install -e ."

    def add_demo_jobs(self) -> None:
        """Edit the schedule as a user would: three more jobs before `return scheduler`."""
        path = self.folder / SCHEDULE
        text = path.read_text(encoding="utf-8")
        if text.count(BEFORE_THIS_LINE) != 1:
            raise SessionError(f"{SCHEDULE} does not have exactly one line `return scheduler`.")
        edited = text.replace(BEFORE_THIS_LINE, DEMO_JOBS + BEFORE_THIS_LINE)
        path.write_text(edited, encoding="utf-8")

    def ask(self, *arguments: str) -> str:
        """Run one command of the application and return what it prints."""
        done = self._call([str(self.python), "-m", "app", *arguments])
        if done.returncode != 0:
            command = " ".join(["python -m app", *arguments])
            raise SessionError(f"`{command}` ended with exit code {done.returncode}.", done.stderr)
        return done.stdout

    def runs(self) -> list[dict[str, Any]]:
        """Return the recorded runs, newest first."""
        return cast(list[dict[str, Any]], json.loads(self.ask("runs", "--json", "--limit", "1000")))

    def run_until(
        self, succeeded: int, *, seconds: float, show: Callable[[str], None] = lambda line: None
    ) -> None:
        """Run the scheduler until that many runs have succeeded, then stop it as a service would."""
        with self.running(show) as process:
            self._wait_for(succeeded, seconds, process)

    @contextmanager
    def running(self, show: Callable[[str], None] = lambda line: None) -> Iterator[subprocess.Popen[str]]:
        """Run the scheduler; at the end stop it as a service would.

        Raises:
            SessionError: it did not stop, or had to cut a run off.
        """
        process = subprocess.Popen(
            [str(self.python), "-m", "app", "run"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        reader = threading.Thread(target=self._read, args=(process, show), daemon=True)
        reader.start()
        try:
            yield process
            process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
            try:
                code = process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                raise SessionError(
                    "The scheduler did not stop within 60 s of being asked to.", self._output()
                ) from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            reader.join(timeout=5)
        if code != 0:
            raise SessionError(f"The scheduler stopped with exit code {code}.", self._output())

    def _wait_for(self, succeeded: int, seconds: float, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + seconds
        problem = ""
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise SessionError(
                    f"The scheduler ended by itself with exit code {process.returncode}.",
                    self._output(),
                )
            try:
                done = sum(run["state"] == "succeeded" for run in self.runs())
                problem = f"{done} of {succeeded} runs had succeeded"
                if done >= succeeded:
                    return
            except SessionError as error:
                # The first question may come before the ledger is there.
                problem = str(error)
            time.sleep(0.3)
        raise SessionError(f"After {seconds:.0f} s: {problem}.", self._output())

    def _read(self, process: subprocess.Popen[str], show: Callable[[str], None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line.rstrip("\n"))
            show(self.log[-1])

    def _output(self) -> str:
        return "\n".join(self.log)

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
