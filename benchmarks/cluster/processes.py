"""Starting and ending the processes of one measurement, and what they used."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_END_SECONDS = 8.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Command:
    """One process: its program, its environment, and the words in its log by which it says it is ready."""

    name: str
    arguments: Sequence[str]
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


class Group:
    """The processes of one system. Each writes its log into a file of the folder."""

    def __init__(self, commands: Sequence[Command], folder: Path) -> None:
        self._folder, self._commands = folder, commands
        self._running: list[tuple[Command, Path, subprocess.Popen[bytes]]] = []
        self.began = time.time()
        for number, command in enumerate(commands):
            self._start(number, command)

    def _start(self, number: int, command: Command) -> None:
        log = self._folder / f"log-{number}-{command.name}"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command.arguments,
                cwd=command.folder or self._folder,
                env={**_plain_environment(), **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self._running.append((command, log, process))

    def wait_until_ready(self, seconds: float) -> float | None:
        """Return after how many seconds all had said that they are ready; None if one did not."""
        waiting = list(self._running)
        while waiting and time.time() < self.began + seconds:
            waiting = [each for each in waiting if each[0].ready.encode() not in each[1].read_bytes()]
            if waiting:
                time.sleep(_LOOK_SECONDS)
        return None if waiting else time.time() - self.began

    def trouble(self) -> str | None:
        """Return in one line what became of a process that ended by itself."""
        for command, log, process in self._running:
            code = process.poll()
            if code is not None:
                lines = log.read_text("utf-8", errors="replace").strip().splitlines() or ["nothing said"]
                return f"{command.name} ended with code {code}: {lines[-1][:200]}"
        return None

    def cpu(self) -> float:
        """Return the seconds of processor time that they and their children have used."""
        return sum(_cpu_of(process.pid) for _command, _log, process in self._running)

    def end(self) -> None:
        """Stop all processes; one that does not end is killed with all of its children."""
        for _command, _log, process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        give_up = time.monotonic() + _END_SECONDS
        for _command, _log, process in self._running:
            try:
                process.wait(max(0.1, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def children(pid: int) -> list[int]:
    """Return the processes that a process has begun, on Linux."""
    found = []
    # It, or one of its threads, may end meanwhile.
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in file.read_text().split()]
    return found


def cpu_of_tree(pid: int) -> float:
    """Return the seconds of processor time of the processes that a process has now, itself included."""
    return _cpu_of(pid)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # Its own and that of children that have ended, as utime, stime, cutime and cstime.
    own = sum(int(number) for number in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_of(child) for child in children(pid))


def _plain_environment() -> dict[str, str]:
    foreign = ("SCHEDULER_", "LOG_", "PYTHONPATH", "VIRTUAL_ENV", "PG", "BENCH_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def run_all(commands: Iterable[Command]) -> None:
    """Run commands to their end, one after another. Raises RuntimeError with what the first bad one said."""
    for command in commands:
        done = subprocess.run(
            command.arguments,
            env={**_plain_environment(), **command.environment},
            cwd=command.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or ["nothing said"]
            raise RuntimeError(f"{command.name}: {said[-1][:200]}")
