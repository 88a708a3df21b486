"""Shared by the programs of all peers: the work, and a record of each run.

A record is the number of the job, the instant at which its body ran (seconds since 1970 by time.time())
and, where the scheduler tells it, the tick that it ran for (else 0). It goes into memory that a file stands
behind, so that it is there even after a process was killed.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["BENCHMARK_FOLDER"])
RECORD = struct.Struct("<ddd")
_SIZE = 32 * 1024 * 1024


def work() -> dict[str, Any]:
    """Return the work: `jobs`, `first` (the first tick), `spread`, `ticks`, `url` and `cron`."""
    found: dict[str, Any] = json.loads((FOLDER / "work.json").read_text("utf-8"))
    return found


def starts(given: dict[str, Any]) -> list[float]:
    """Return the first tick of each job: all at once, or spread evenly over the second."""
    number, first = given["jobs"], given["first"]
    return [first + (position / number if given["spread"] else 0.0) for position in range(number)]


def cron_fields(number: int) -> dict[str, int]:
    """Return when a job is due each day that has a cron trigger: 86,400 jobs have each another second."""
    return {"hour": number % 24, "minute": number // 24 % 60, "second": number // 1_440 % 60}


def ready(part: str = "", parts: int = 1) -> None:
    """Say that the schedule is running; of several processes the last one says so for all."""
    if parts > 1:
        (FOLDER / f"ready-{part}").touch()
        if len(list(FOLDER.glob("ready-*"))) < parts:
            return
    (FOLDER / "ready.new").write_text(repr(time.time()), "utf-8")
    (FOLDER / "ready.new").rename(FOLDER / "ready")


class _Records:
    """The records of one process, begun with its first run: a process may have been forked before."""

    def __init__(self) -> None:
        self.process = os.getpid()
        with (FOLDER / f"records-{self.process}").open("w+b") as file:
            file.truncate(_SIZE)
            self.memory = mmap.mmap(file.fileno(), _SIZE)
        self.end = 0


_records: _Records | None = None


def record(number: int, tick: float = 0.0) -> None:
    """Record that the body of a job runs now."""
    now = time.time()
    global _records
    if _records is None or _records.process != os.getpid():
        _records = _Records()
    RECORD.pack_into(_records.memory, _records.end, number, now, tick)
    _records.end += 24


async def coroutine(number: int) -> None:
    """The body of each job."""
    record(number)
