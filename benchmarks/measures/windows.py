"""A number of jobs with an interval of one second, observed for some ticks."""

from __future__ import annotations

import math
import time

from benchmarks.registry import Field, Peer
from benchmarks.running import TooLate, Window, watch

_TRIES = 3


def window(
    field: Field, peer: Peer, jobs: int, *, spread: bool = False, ticks: int = 3, patience: float = 5.0,
    lead: float | None = None, url: str | None = None,
) -> Window:  # fmt: skip
    """Return what was seen of a peer with that many jobs; it gets more time if it is ready too late.

    Raises PeerFailed when it does not run at all.
    """
    wait = lead or peer.lead + jobs * peer.adding
    for last in range(1, _TRIES + 1):
        work = {
            "jobs": jobs,
            "spread": spread,
            "ticks": ticks + 1,
            "first": float(math.ceil(time.time() + wait)),
        }
        with field.running(peer, work, url) as running:
            try:
                return watch(running, work, ticks, patience)
            except TooLate as problem:
                if last == _TRIES:
                    raise
                wait = problem.ready * 1.5 + 1.0
    raise AssertionError
