"""Pauses: what falls into one does not run, and nothing is entered in one (R8)."""

from __future__ import annotations

from collections.abc import Iterator

from torture.faults import Harm, name
from torture.history import Command, History, Violation
from torture.jobs import SECOND, JobSpec

# A run is claimed a moment before it is due; a pause that comes after that holds from the next tick on.
AHEAD = SECOND // 2
# The time that may pass between a task's look at its clock and its first line.
ENTERING = 1.5 * SECOND


def pauses(history: History, harm: Harm) -> Iterator[Violation]:
    """R8: what falls into a pause does not run, and only that is excused by it."""
    of_all = spells(history.commands)
    for row in history.runs:
        job, tick = row["job_id"], row["tick_us"]
        if tick is None:
            continue
        known = [(a, z) for a, z in of_all if a.job == job]
        instants, last = harm.instants(tick), harm.instants(row["last_tick_us"] or tick)
        # When it could be claimed: the clock may be set back between that and the tick.
        first = min(harm.instants(tick - AHEAD), default=0)
        if row["reason"] == "paused":
            if row["last_tick_us"] is None:
                # One that was late, and could have begun when its job was paused.
                instants = last = harm.instants(row["finished_us"])
            if not any(
                _within(instants, a.begin - SECOND, z) and _within(last, a.begin, z) for a, z in known
            ):
                yield Violation(f"{name(row)} was skipped as paused, though nobody paused it", job, tick)
        elif row["attempt"] > 1:
            # It had begun before the pause, and was looked at then: a further attempt waits for the resume.
            continue
        elif instants and any(all(at < z.begin for at in instants) and a.end < first for a, z in known):
            yield Violation(f"{name(row)} is {row['state']}, though its job was paused", job, tick)


def entered_in_pauses(history: History, harm: Harm) -> Iterator[Violation]:
    """R8: no run of the schedule is entered in a pause, also none that was due before, or was cut off."""
    known = spells(history.commands)
    for start in history.starts:
        if start.kind != "scheduled" or harm.disturbed(start.pid, start.at - 2 * SECOND, start.at):
            continue
        if any(a.job == start.job and a.end + ENTERING < start.at < z.begin for a, z in known):
            sentence = f"attempt {start.attempt} of tick {start.tick} began in a pause"
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)


def _within(instants: list[int], begin: int, resume: Command) -> bool:
    return any(begin <= at <= resume.end for at in instants)


def spells(commands: list[Command]) -> list[tuple[Command, Command]]:
    """Return each pause with the resume that ended it."""
    found: list[tuple[Command, Command]] = []
    open_pauses: dict[str, Command] = {}
    for command in (command for command in commands if command.done):
        if command.what == "pause":
            # Of two people who pause it, and resume it, the first ones did.
            open_pauses.setdefault(command.job, command)
        elif command.job in open_pauses:
            found.append((open_pauses.pop(command.job), command))
    return found


def paused_between(history: History, spec: JobSpec, begin: int, end: int) -> bool:
    return any(a.job == spec.id and a.begin <= end and z.end >= begin for a, z in spells(history.commands))
