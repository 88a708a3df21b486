"""Prints the result of a torture test for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torture.faults import Harm
from torture.history import History, Violation
from torture.jobs import SECOND

_MOST = 20
_NEAR = 15 * SECOND
_CALM = 3 * SECOND


def summary(history: History) -> Iterator[str]:
    """Yield the lines that tell what was done, and what became of it."""
    ticks = sum(row["tick_count"] or 1 for row in history.runs if row["tick_us"] is not None)
    outcomes = Counter(f"{row['state']} {row['reason'] or ''}".strip() for row in history.runs)
    attempts = Counter(attempt["state"] for attempt in history.attempts)
    faults = Counter(fault.kind for fault in history.faults)
    killed = sum(number for kind, number in faults.items() if kind.startswith("kill"))
    codes = Counter(life.code for life in history.lives)
    commands = Counter(f"{c.what}{'' if c.done else ' refused'}" for c in history.commands)
    harm = Harm(history)
    single = [row["tick_us"] for row in history.runs if row["tick_us"] and row["last_tick_us"] is None]
    calm = sum(any(harm.someone_fit(at, at + _CALM) for at in harm.instants(tick)) for tick in single)
    yield f"{ticks} ticks in {len(history.runs)} rows, {len(history.starts)} starts of a body"
    yield f"{calm} of {len(single)} single ticks fell due while a process was well for {_CALM // SECOND} s"
    yield f"{killed} kills; faults: {_listed(faults)}; commands: {_listed(commands)}"
    asked = Counter(f"{it.what} {it.answer}" for it in history.asked)
    fills = Counter("only missed" if it.only_missed else "by a rate" if it.rate else "as fast as it can"
                    for it in history.fills)  # fmt: skip
    yield f"asked of runs: {_listed(asked)}; backfills: {_listed(fills)}"
    acts = Counter(f"{it.what} {it.answer}" for it in history.acts)
    shares = sum(row["share"] is not None for row in history.reports)
    results = sum(row["result"] is not None for row in history.reports)
    yield f"jobs of functions on offer: {_listed(acts)}; {shares} attempts said how far, {results} results"
    yield f"{len(history.requested)} single runs were asked for, {len(history.refused)} more refused"
    partial = sum(bool(life.disabled) for life in history.lives)
    yield f"{len(history.lives)} processes, {partial} set not to run all; exit codes: {_listed(codes)}"
    yield f"outcomes: {_listed(outcomes)}"
    yield f"earlier attempts: {_listed(attempts)}"


def _listed(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.most_common()) or "none"


def explained(history: History, found: list[Violation]) -> Iterator[str]:
    """Yield each violation, and for the first ones what lies near it."""
    for number, violation in enumerate(found):
        yield f"VIOLATION {violation}"
        if number < _MOST:
            yield from _near(history, violation)


def _near(history: History, violation: Violation) -> Iterator[str]:
    job, tick = violation.job, violation.tick
    instants = history.clock.instants(tick) if tick else []
    pids = {violation.pid} - {0}
    if tick is not None:
        for row in history.rows_of(job):
            if row["tick_us"] is not None and abs(row["tick_us"] - tick) <= 3 * SECOND:
                known = {key: value for key, value in row.items() if value is not None and key != "traceback"}
                yield f"  row {known}"
        for start in history.starts:
            if start.job == job and start.tick == tick:
                yield f"  {start}"
                pids.add(start.pid)
                instants.append(start.at)
    for fault in history.faults:
        if any(fault.begin - _NEAR <= at <= fault.end + _NEAR for at in instants) or fault.pid in pids:
            yield f"  {fault}"
    for life in history.lives:
        if life.pid in pids:
            yield f"  process {life.pid}: {life.begin} ready {life.ready} end {life.end} exit {life.code}"
            yield from (f"    {line}" for line in life.log.splitlines()[-8:])
    if tick:
        yield f"  due, as faults and bodies count: {history.clock.instants(tick)}"
