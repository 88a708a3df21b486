"""Rules for processes: exit codes, errors in their logs, and who was declared dead (R10 to R12)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torture.faults import DEADLY, ENDING, LEDGER, PARTED, Harm
from torture.history import History, Life, Violation
from torture.jobs import SECOND

_BLOCKED = "job hog blocks the event loop"
_GIVEN_UP = ("had lost its lease", "had been declared dead")
# No process is declared dead before a whole lease without a heartbeat, of which the last may have been six
# seconds before it was cut off; one that was cut off for less is not excused.
_LEAST_PARTED = 9 * SECOND


def oddities(history: History, harm: Harm) -> Iterator[Violation]:
    """Oddities that the nemesis recorded itself."""
    for sentence in history.oddities:
        yield Violation(sentence)


def exits(history: History, harm: Harm) -> Iterator[Violation]:
    """R11: a process that is stopped ends with 0, or with 1 if runs were cut; no other process ends."""
    for life in history.lives:
        sentence = _wrong_exit(life, harm)
        if sentence:
            yield Violation(f"process {life.pid} {sentence}", pid=life.pid)


def _wrong_exit(life: Life, harm: Harm) -> str:
    asked = harm.near(life.begin, life.end, ENDING, life.pid)
    if life.code == -9:
        return "" if harm.near(life.begin, life.end, DEADLY, life.pid) else "was killed by somebody else"
    if life.code not in (0, 1):
        return f"ended with exit code {life.code}"
    if asked:
        endings = ("had to be cut, or could not be recorded", "ended without waiting for runs")
        cut = any(words in life.log for words in endings)
        return "" if cut == bool(life.code) else f"ended with {life.code}, against what its log says"
    if life.ready is None and life.code == 1 and life.log.splitlines()[-1:]:
        # It could not use the ledger when it started: it says so in one line.
        troubled = harm.near(life.begin - SECOND, life.end, LEDGER)
        said = life.log.splitlines()[-1].startswith("error: the ledger ")
        return "" if troubled and said else "did not start"
    return f"ended by itself with exit code {life.code}"


def cuts(history: History, harm: Harm) -> Iterator[Violation]:
    """R11: a process that had to interrupt a run, or could not record one, says so with its exit code."""
    clean = {life.pid: life for life in history.lives if life.code == 0}
    cut = {(a["run_id"], a["attempt"]): a["state"] for a in [*history.runs, *history.attempts]}
    for start in history.starts:
        state = cut.get((start.run, start.attempt))
        if start.pid not in clean or state not in ("interrupted", "lost"):
            continue
        # One that was frozen, or whose ledger was away, may have lost a run to others long before.
        end, parted = clean[start.pid].end, (*PARTED, *LEDGER, "busy")
        if state == "interrupted" or not (
            harm.near(start.at - 30 * SECOND, end, parted, start.pid)
            or harm.near(start.at - 30 * SECOND, end, parted, 0)
        ):
            sentence = f"process {start.pid} cut off run {start.run} ({state}) and ended with exit code 0"
            yield Violation(sentence, start.job, start.tick, start.pid)


def errors(history: History, harm: Harm) -> Iterator[Violation]:
    """R12: no traceback in any log but those of planned failures."""
    for life in history.lives:
        lines = life.log.splitlines()
        for number, line in enumerate(lines):
            if line.lstrip().startswith("Traceback ") and not _planned(lines, number):
                shown = " / ".join(lines[max(0, number - 1) : number + 1])
                yield Violation(
                    f"process {life.pid} logs an error that nobody planned: {shown}", pid=life.pid
                )
                break


def _planned(lines: list[str], number: int) -> bool:
    """Return whether a traceback is that of a failure that the body meant; a killed one may lack its end."""
    rest = lines[number + 1 :]
    # Lines of a traceback are indented in the log, others begin with their time.
    length = next((n for n, line in enumerate(rest) if re.match(r"\d{4}-\d\d-\d\d ", line)), None)
    announced = number > 0 and "flaky failed" in lines[number - 1]
    return announced and (
        length is None or "RuntimeError: as planned" in [line.strip() for line in rest[:length]]
    )


def given_up_too_soon(history: History, harm: Harm) -> Iterator[Violation]:
    """R10, R12: only who was parted for most of a lease is declared dead, and loses what it ran."""
    for life in history.lives:
        parted = harm.longest_parted(life.pid)
        for line in life.log.splitlines():
            if parted < _LEAST_PARTED and any(words in line for words in _GIVEN_UP):
                yield Violation(f"process {life.pid} was given up without need: {line}", pid=life.pid)


def blocked_loops(history: History, harm: Harm) -> Iterator[Violation]:
    """R12: a coroutine that blocks the event loop is named in the log."""
    logs = {life.pid: life.log for life in history.lives}
    for start in history.starts:
        if start.job != "hog" or start.end is None or start.end - start.at < 2.5 * SECOND:
            continue
        if harm.harmed(start, start.end) or harm.near(start.at - 5 * SECOND, start.end, [*LEDGER, "busy"]):
            continue
        if _BLOCKED not in logs.get(start.pid, ""):
            sentence = f"process {start.pid} does not say that hog blocked its loop"
            yield Violation(sentence, start.job, start.tick, start.pid)
