"""Reads the resource use of a peer's processes from Linux's /proc, without disturbing them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

# The clock of the processor time of another process, in nanoseconds and with all of its threads.
_SCHEDULED = 2


@dataclass(frozen=True)
class Use:
    """Seconds of processor time, voluntary switches of all threads and megabytes, by now.

    memory: of pages that processes share, each has its part. resident: each has the whole.
    """

    cpu: float
    switches: int
    memory: float
    resident: float


def family(process: int) -> list[int]:
    """Return a process and all that came from it."""
    found = [process]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def use(process: int) -> Use:
    """Return what a process and all that came from it have used."""
    cpu, switches, memory, resident = 0.0, 0, 0.0, 0.0
    for member in family(process):
        try:
            cpu += time.clock_gettime((~member << 3) | _SCHEDULED)
            switches += sum(_number(status, "voluntary_ctxt_switches") for status in _threads(member))
            maps = Path(f"/proc/{member}/smaps_rollup")
            memory += _number(maps, "Pss") / 1024
            resident += _number(maps, "Rss") / 1024
        except OSError:
            # It ended between two looks.
            continue
    return Use(cpu, switches, memory, resident)


def _threads(process: int) -> list[Path]:
    return [thread / "status" for thread in Path(f"/proc/{process}/task").iterdir()]


def _number(file: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", file.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
