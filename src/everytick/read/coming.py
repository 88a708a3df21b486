"""The coming ticks of all jobs, and which of their runs may overlap, collide, or not happen at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.text.instants import iso

from . import plan
from .job_ids import no_such_job
from .jobs import Declared, job_rows, schedules
from .schemas import Fire, JobRow


@dataclass(frozen=True)
class Coming:
    """The ticks in [begin, end), in microseconds, and what they mean together.

    ticks: what `plan --json` lists; empty if they were not to be kept.
    number: how many ticks were looked at.
    looked_until: the findings are about the ticks before this instant: `end`, unless there were too many.
    gaps: the jobs without a tick in [begin, end), each with its next one.
    max_workers: how many runs a process may have under way at once.
    """

    begin: int
    end: int
    looked_until: int
    number: int
    ticks: list[Fire]
    findings: plan.Findings
    gaps: dict[str, int | None]
    max_workers: int

    @property
    def is_cut(self) -> bool:
        """Whether there were more ticks than could be looked at."""
        return self.looked_until < self.end

    def summary(self) -> dict[str, Any]:
        """Return the findings as plain data, times as ISO 8601 in UTC."""
        return {
            "from": iso(self.begin),
            "to": iso(self.end),
            "looked_until": iso(self.looked_until),
            "ticks": self.number,
            "max_workers": self.max_workers,
            "jobs": [
                {"job_id": load.job_id, "ticks": load.count, "first": iso(load.first), "last": iso(load.last)}
                for _job_id, load in sorted(self.findings.loads.items())
            ],
            "gaps": [
                {"job_id": job_id, "next_tick": iso(tick)} for job_id, tick in sorted(self.gaps.items())
            ],
            "overlaps": [
                {
                    "job_id": overlap.job_id,
                    "ticks": overlap.count,
                    "first": iso(overlap.first),
                    "p95": overlap.seconds,
                }
                for _job_id, overlap in sorted(self.findings.overlaps.items())
            ],
            "collisions": [
                {
                    "job_ids": list(collision.job_ids),
                    "number": len(collision.job_ids),
                    "times": collision.count,
                    "first": iso(collision.first),
                    "exceeds_max_workers": len(collision.job_ids) > self.max_workers,
                }
                for collision in self.findings.collisions()
            ],
            "notes": [
                {"job_id": odd.job_id, "tick": iso(odd.tick), "note": odd.note} for odd in self.findings.notes
            ],
        }


def coming(
    ledger: Ledger,
    declared: Declared,
    begin: int,
    end: int,
    limit: int,
    job_id: str | None = None,
    *,
    max_workers: int,
    keep: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Coming:
    """Return what is due in [begin, end), in microseconds: at most `limit` ticks are looked at.

    The pause of a job is taken to end when it is said to, or never.

    Args:
        max_workers: how many runs a process may have under way at once.
        keep: whether the ticks themselves are kept.
        progress: called now and then with the share that is done, up to 1.

    Raises:
        ConfigurationError: there is no such job.
        LedgerError: the ledger cannot be read.
    """
    run_statistics = {row["id"]: _run_statistics(row) for row in job_rows(ledger, declared)}
    # A job may come or go between the two reads: it is in both, or not looked at.
    found = schedules(ledger, declared.jobs)
    known = {each: schedule for each, schedule in found.items() if each in run_statistics}
    if job_id is not None:
        if job_id not in known:
            raise no_such_job(job_id, known)
        known = {job_id: known[job_id]}
    findings, kept = plan.Findings(run_statistics), []
    number, looked_until = 0, end
    for planned in plan.plan(known, begin, end):
        if number == limit:
            looked_until = planned.tick
            break
        number += 1
        findings.add(planned)
        if keep:
            kept.append(_row(planned, run_statistics[planned.job_id]))
        if progress is not None and number % 500 == 0:
            progress((planned.tick - begin) / (end - begin))
    findings.close()
    gaps = plan.gaps(known, begin, end)
    return Coming(begin, end, looked_until, number, kept, findings, gaps, max_workers)


def _run_statistics(row: JobRow) -> plan.RunStatistics:
    return plan.RunStatistics(row["p95"], row["max_instances"] or 1, _paused_until(row))


def _paused_until(row: JobRow) -> int | None:
    if not row["paused"]:
        return None
    until = row["paused_until"]
    return ticks.FOREVER if until is None else ticks.instant(datetime.fromisoformat(until))


def _row(planned: plan.Planned, run_statistics: plan.RunStatistics) -> Fire:
    paused = "paused" if run_statistics.is_paused(planned.tick) else ""
    return {
        "job_id": planned.job_id,
        "tick": iso(planned.tick),
        "note": "; ".join(filter(None, [paused, planned.note])),
    }
