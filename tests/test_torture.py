"""The torture test in its short form, and the proof that its checker would notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from torture.__main__ import torture
from torture.checker import Evidence, Start, violations
from torture.nemesis import Fault
from torture.world import SECOND, JobSpec

JOB = JobSpec("job", SECOND, "quick")


def row(run_id: int, tick: int, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    started = None if state == "skipped" else tick * SECOND + 5
    return {
        "run_id": run_id, "job_id": "job", "kind": "scheduled", "tick_us": tick * SECOND,
        "last_tick_us": None, "tick_count": None, "state": state, "attempt": int(state != "skipped"),
        "due_us": tick * SECOND, "started_us": started, **more,
    }  # fmt: skip


def start(tick: int, attempt: int = 1, pid: int = 1, at: int = 0, lasting: int | None = 10) -> Start:
    begin = at or tick * SECOND
    return Start("job", tick * SECOND, attempt, pid, begin, None if lasting is None else begin + lasting)


def good() -> Evidence:
    """Ten ticks: two skipped in a range, one lost with its process and run again."""
    fault = Fault("kill", 1, 5 * SECOND, 5 * SECOND + 100)
    starts = [start(n, pid=1 if n <= 5 else 2) for n in (1, 2, 5, 6, 7, 8, 9)]
    starts[2] = start(5, lasting=None)
    starts.append(start(5, attempt=2, pid=2, at=5 * SECOND + 200))
    runs = [row(n, n) for n in (1, 2, 6, 7, 8, 9)]
    runs.append(row(3, 3, "skipped", last_tick_us=4 * SECOND, tick_count=2))
    runs.append(row(5, 5, attempt=2))
    jobs = {"job": {"changed_us": 0}}
    return Evidence([JOB], [fault], starts, runs, [], jobs, 13 * SECOND)


def without(evidence: Evidence, tick: int) -> Evidence:
    return replace(evidence, runs=[r for r in evidence.runs if r["tick_us"] != tick * SECOND])


def changed(evidence: Evidence, tick: int, **values: Any) -> Evidence:
    runs = [{**r, **values} if r["tick_us"] == tick * SECOND else r for r in evidence.runs]
    return replace(evidence, runs=runs)


def test_the_checker_accepts_what_is_right() -> None:
    assert list(violations(good())) == []


@pytest.mark.parametrize(
    ("breach", "sentence"),
    [
        (lambda e: without(e, 7), "tick 7000000 has no outcome"),
        (lambda e: changed(e, 3, last_tick_us=3 * SECOND, tick_count=1), "tick 4000000 has no outcome"),
        (lambda e: changed(e, 3, tick_count=3), "counts 3 ticks instead of 2"),
        (lambda e: changed(e, 7, tick_us=7 * SECOND + 1), "is no tick of the schedule"),
        (lambda e: changed(e, 7, started_us=7 * SECOND - 1), "started before it was due"),
        (lambda e: replace(e, runs=[*e.runs, row(99, 7)]), "tick 7000000 is accounted for twice"),
        (lambda e: replace(e, runs=[*e.runs, row(99, 4)]), "tick 4000000 is accounted for twice"),
        (lambda e: replace(e, faults=[]), "began again in 2 though nobody harmed 1"),
        (lambda e: replace(e, starts=[*e.starts, start(7, pid=3)]), "began attempt 1 twice"),
        (lambda e: replace(e, schedule=[replace(JOB, reruns=False)]), "though on_crash is skip"),
        (lambda e: changed(e, 7, state="skipped", attempt=0), "recorded as skipped, but it ran"),
        (lambda e: changed(e, 5, attempt=1), "ran attempt 2 that the ledger does not know"),
        (lambda e: changed(e, 5, attempt=3), "attempt 3 did not end"),
        (lambda e: changed(e, 7, state="failed"), "recorded as failed, but it never fails"),
        (lambda e: replace(e, starts=[s for s in e.starts if s.tick != 7 * SECOND]), "did not end"),
        (
            lambda e: replace(e, starts=[replace(s, end=8 * SECOND + 5) if s.tick == 7 * SECOND else s
                                         for s in e.starts]),
            "began while 1 others were under way",
        ),
        (
            lambda e: replace(changed(e, 1, state="running"), until=60 * SECOND),
            "tick 1000000 is still running",
        ),
    ],
)  # fmt: skip
def test_the_checker_notices(breach: Callable[[Evidence], Evidence], sentence: str) -> None:
    assert any(sentence in found for found in violations(breach(good())))


@pytest.mark.full
def test_a_minute_of_torture_breaks_no_promise(tmp_path: Path) -> None:
    evidence = torture(tmp_path, 40, seed=7)
    assert len(evidence.starts) > 100
    assert {fault.kind for fault in evidence.faults} >= {"kill", "lock"}
    assert list(violations(evidence)) == []
