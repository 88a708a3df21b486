"""One run of a peer's program: started, watched for a window, stopped with SIGTERM."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arithmetic import Lateness, lateness
from benchmarks.watching import Use, use

PEERS = Path(__file__).parent / "peers"
_RECORD = struct.Struct("<ddd")
# The space that a process reserves for its records.
_SIZE = 32 * 1024 * 1024
# Looked at so long before a second, in which nothing is due of aligned jobs.
_BEFORE = 0.3
_KILL_AFTER = 20.0
# So long after its first tick a peer may be ready: it is then begun anew with more time.
_TOO_LATE = 120.0


class PeerFailed(Exception):
    """One sentence that says what a peer did not do, with the end of its log."""


@dataclass(frozen=True)
class Window:
    """The observations of a peer over a window of that many ticks."""

    lateness: Lateness
    cpu_per_run: float
    runs: int
    memory: float
    ready: float
    drain: float


class Running:
    """A peer's processes and their folder."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, spawned: float) -> None:
        self.process, self.folder, self.spawned = process, folder, spawned

    def wait_ready(self, seconds: float) -> float:
        """Return the seconds from the start until it said that it was ready.

        Raises PeerFailed when it ended, or did not say so within `seconds`.
        """
        give_up = self.spawned + seconds
        while not (self.folder / "ready").exists():
            if self.process.poll() is not None:
                raise PeerFailed(f"ended with exit code {self.process.returncode}\n{self.log()}")
            if time.time() > give_up:
                raise PeerFailed(f"not ready after {seconds:.0f} s\n{self.log()}")
            time.sleep(0.002)
        return float((self.folder / "ready").read_text()) - self.spawned

    def use(self) -> Use:
        """Return what it has used so far."""
        return use(self.process.pid)

    def records(self) -> Iterator[tuple[float, float, float]]:
        """Give the number of the job, the instant and the tick (or 0) of each run."""
        for file in self.folder.glob("records-*"):
            for number, instant, tick in _RECORD.iter_unpack(
                file.read_bytes()[: _SIZE - _SIZE % _RECORD.size]
            ):
                if not instant:
                    break
                yield number, instant, tick

    def stop(self, patience: float = _KILL_AFTER) -> float:
        """Stop it with SIGTERM, or kill it after that many seconds; return how long it took (killed: inf)."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return math.inf
        finally:
            _kill_group(self.process)
        return time.monotonic() - begun

    def log(self) -> str:
        """Return the end of what it printed."""
        text = (self.folder / "log").read_text("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-12:])


@contextmanager
def started(
    command: Sequence[str],
    work: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    place: str = "",
    where: Path | None = None,
) -> Iterator[Running]:
    """Start a peer's program with some work; it and its folder are gone at the end.

    place: the address of its database, or `sqlite` for a file in the folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    url = f"sqlite:///{folder}/store.db" if place == "sqlite" else place
    try:
        (folder / "work.json").write_text(json.dumps({**work, "url": url}), "utf-8")
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SCHEDULER_", "LOG_", "PYTHON", "COLUMNS"))
        }
        variables |= {"BENCHMARK_FOLDER": str(folder), "SCHEDULER_DATABASE_URL": url, **environment}
        if where is None:
            variables["PYTHONPATH"] = str(PEERS)
        with (folder / "log").open("wb") as log:
            spawned = time.time()
            process = subprocess.Popen(
                command, cwd=where or folder, env=variables, stdout=log, stderr=log, start_new_session=True
            )
        running = Running(process, folder, spawned)
        try:
            yield running
        finally:
            _kill_group(process)
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def watch(running: Running, work: Mapping[str, Any], ticks: int, patience: float, warm: int = 1) -> Window:
    """Watch a peer that was started with this work over `ticks` ticks after the first."""
    ready = running.wait_ready(max(0.0, work["first"] - running.spawned) + _TOO_LATE)
    begin = work["first"] + warm - _BEFORE
    if time.time() > work["first"]:
        raise TooLate(ready)
    _sleep_until(begin)
    before = running.use()
    _sleep_until(begin + ticks)
    after = running.use()
    # Runs that are late by less than a second are waited for.
    _sleep_until(begin + ticks + 1.0)
    if running.process.poll() is not None:
        raise PeerFailed(f"ended by itself with exit code {running.process.returncode}\n{running.log()}")
    drain = running.stop(patience)
    starts = [
        work["first"] + (position / work["jobs"] if work["spread"] else 0.0)
        for position in range(work["jobs"])
    ]
    found = lateness(running.records(), starts, warm, ticks)
    runs = round(found.done * work["jobs"] * ticks)
    return Window(found, (after.cpu - before.cpu) / max(1, runs), runs, after.memory, ready, drain)


class TooLate(PeerFailed):
    """It was ready only after its first tick: to be given more time."""

    def __init__(self, ready: float) -> None:
        super().__init__(f"ready only after {ready:.1f} s, when its first tick was past")
        self.ready = ready


def _sleep_until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.time()))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
