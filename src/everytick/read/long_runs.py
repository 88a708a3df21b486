"""The runs that go on for long: longer than most of their job did, or for most of their timeout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from everytick.model import ticks
from everytick.store.querying import Reader
from everytick.text.instants import iso

from .known_job import Declared, jobs_named
from .last_runs import durations, percentile
from .under_way import held_runs

if TYPE_CHECKING:
    from . import trouble_schemas

# The most runs that are looked at of those that go on.
_MOST_RUNNING = 200
# A run is long when it takes this many times as long as most, provided that enough were measured, or when
# this share of its timeout is over.
_TIMES, _ENOUGH, _SHARE = 2, 5, 0.8
# No run is long within so short a time.
_SHORT = 10 * ticks.SECOND


@dataclass(frozen=True)
class LongRun:
    """A run that goes on for long. Instants are microseconds UTC, lengths microseconds.

    usual: how long 95 of 100 runs took at most; None if too few were measured. timeout: None if it has none,
    or if that is not known here.
    """

    run_id: int
    job_id: str
    started: int
    usual: int | None
    timeout: int | None

    def as_json(self) -> trouble_schemas.LongRun:
        """Return it for programs."""
        return {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "started_at": iso(self.started),
            "usual": _seconds(self.usual),
            "timeout": _seconds(self.timeout),
        }


def long_runs(connection: Reader, declared: Declared, now: int) -> list[LongRun]:
    """Return the runs that go on for long, those first that began first.

    `declared`: what the user's code says, or `undeclared`: then timeouts of its jobs are not known.
    """
    running = [run for run in held_runs(connection, _MOST_RUNNING) if run.state == "running"]
    running = [run for run in running if now - run.started_us > _SHORT]
    limits = _limits(connection, {run.job_id for run in running}, declared)
    found = []
    for run in running:
        usual, timeout = limits.get(run.job_id, (None, None))
        took = now - run.started_us
        if (usual is not None and took > _TIMES * usual) or (timeout is not None and took > _SHARE * timeout):
            found.append(LongRun(run.run_id, run.job_id, run.started_us, usual, timeout))
    return sorted(found, key=lambda run: run.started)


def _limits(
    connection: Reader, job_ids: set[str], declared: Declared
) -> dict[str, tuple[int | None, int | None]]:
    """Return, by job, how long its runs take at most as a rule, and its timeout."""
    found = {}
    for job_id, job in jobs_named(connection, job_ids).items():
        lengths = durations(connection, job_id)
        usual = percentile(lengths, 0.95) if len(lengths) >= _ENOUGH else None
        options = job.options(declared)
        timeout = None if options is None else options.timeout
        found[job_id] = (_microseconds(usual), _microseconds(timeout))
    return found


def _seconds(length: int | None) -> float | None:
    return None if length is None else length / ticks.SECOND


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * ticks.SECOND)
