"""From the start of a process to a running schedule, and what it then uses while nothing is due."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.registry import Field, Peer

_PATIENCE = 600.0
_FAR = 86_400.0


@dataclass(frozen=True)
class Idle:
    """Of a minute in which nothing is due: seconds of processor time, wake-ups, and megabytes as in `Use`."""

    cpu: float
    wakes: float
    memory: float
    resident: float


def cold_start(
    field: Field,
    peer: Peer,
    jobs: int = 1,
    url: str | None = None,
    first: float = 0.0,
    settings: Mapping[str, str] | None = None,
    *,
    cron: bool = False,
) -> float:
    """Return the seconds from the start of the process until it says that the schedule runs.

    first: the first tick of all jobs, in seconds since 1970; 0 for tomorrow. settings: variables for it.
    cron: the jobs have cron triggers, each at another second of the day, and not intervals.
    """
    work = {
        "jobs": jobs,
        "spread": False,
        "cron": cron,
        "first": first or time.time() // _FAR * _FAR + _FAR * 2,
    }
    with field.running(peer, work, url, settings) as running:
        return running.wait_ready(_PATIENCE)


def idle(
    field: Field,
    peer: Peer,
    seconds: float,
    settle: float = 3.0,
    settings: Mapping[str, str] | None = None,
    url: str | None = None,
) -> Idle:
    """Return what a peer with one job uses while it is not due. settings: variables for it."""
    work = {"jobs": 1, "spread": False, "first": time.time() + _FAR}
    with field.running(peer, work, url, settings) as running:
        running.wait_ready(_PATIENCE)
        time.sleep(settle)
        before = running.use()
        time.sleep(seconds)
        after = running.use()
    minutes = seconds / 60
    return Idle(
        (after.cpu - before.cpu) / minutes,
        (after.switches - before.switches) / minutes,
        after.memory,
        after.resident,
    )
