"""How the difference between a schedule and the one in force is shown to people."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from everytick.dryrun.diff import Difference, JobChange, Start
from everytick.text.instants import local_with_zone
from everytick.text.wording import cut_list, skipped


def lines(found: Difference, zone: tzinfo) -> list[str]:
    """Return the lines that say what a start would change, and what it would run at once."""
    return [
        *(line for change in found.jobs for line in _change_lines(change, zone)),
        *([] if found.jobs else ["the schedule is the one in force"]),
        *_start_lines(found, zone),
    ]


def job_ids(found: Difference) -> set[str]:
    """Return the ids of the jobs that are named in these lines."""
    starts = (run.job_id for run in [*found.runs, *found.waiting])
    skipped = (skip["job_id"] for skip in found.skipped)
    return {*(change.job_id for change in found.jobs), *starts, *skipped, *found.cannot_run, *found.disabled}


def _change_lines(change: JobChange, zone: tzinfo) -> list[str]:
    lines = [f"{change.what:8} {change.job_id}" + (" (paused)" if change.paused else "")]
    sides = (("before", change.old), ("after", change.new))
    for word, side in sides if change.what != "altered" else ():
        if side is not None:
            shown = (
                "not known" if side.next is None else ", ".join(local_with_zone(t, zone) for t in side.next)
            )
            lines.append(f"  {word:7} {side.trigger} in {side.timezone}; next: {shown or 'never'}")
    lines += [f"  {name}: {_value(old)} -> {_value(new)}" for name, (old, new) in change.details.items()]
    former = change.perhaps_renamed_from
    if former is not None:
        lines.append(
            f"  is this {former}? Then add renamed_from={former!r}, and its history and pause go along"
        )
    return lines


def _value(value: Any) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)


def _start_lines(found: Difference, zone: tzinfo) -> list[str]:
    """Return what a start would do at once, and what it would find."""
    lines = ["a start now would run at once:" if found.runs else "a start now would run nothing at once"]
    lines += _run_lines(found.runs, zone)
    if found.waiting:
        lines.append("it would run later:")
        lines += _run_lines(found.waiting, zone)
    if found.skipped:
        lines.append("it would not run:")
        lines += _skip_lines(found.skipped, zone)
    if found.cannot_run:
        lines.append("these cannot run:")
        lines += [f"  {job_id}: {why}" for job_id, why in found.cannot_run.items()]
    by: dict[str, list[str]] = {}
    for job_id, setting in found.disabled.items():
        by.setdefault(setting, []).append(job_id)
    lines += [f"disabled by {setting}: {cut_list(job_ids)}" for setting, job_ids in by.items()]
    if found.alive:
        lines.append(f"it would join a running schedule ({', '.join(found.alive)}): no runs of a start")
    if found.stale:
        lines.append(
            f"runs of a start and of {', '.join(found.stale)} follow when that is given up, after 15 s"
        )
    return lines


def _run_lines(runs: list[Start], zone: tzinfo) -> list[str]:
    """Return a line for the runs of each job that begin for the same reason."""
    alike: dict[tuple[str, str], list[Start]] = {}
    for run in runs:
        alike.setdefault((run.job_id, run.why), []).append(run)
    return [f"  {job_id} ({why}) {_of_runs(some, zone)}" for (job_id, why), some in alike.items()]


def _of_runs(runs: list[Start], zone: tzinfo) -> str:
    if len(runs) == 1:
        return _of(runs[0], zone)
    word = "for" if all(run.tick for run in runs) else "due"
    # All are in UTC, so that the texts are in order of time.
    instants = sorted(run.tick if word == "for" and run.tick else run.at or "" for run in runs)
    first, last = (local_with_zone(instant, zone) for instant in (instants[0], instants[-1]))
    return f"{len(runs):,} runs, {word} {first} to {last}"


def _skip_lines(skips: list[dict[str, Any]], zone: tzinfo) -> list[str]:
    """Return a line for each job: how many of its ticks and waiting runs would not run, and why."""
    of_each: dict[str, list[dict[str, Any]]] = {}
    for skip in skips:
        of_each.setdefault(skip["job_id"], []).append(skip)
    return [f"  {job_id}: {_of_skips(some, zone)}" for job_id, some in of_each.items()]


def _of_skips(skips: list[dict[str, Any]], zone: tzinfo) -> str:
    unit = "tick" if all(skip["tick"] for skip in skips) else "run"
    number = skipped(((skip["reason"], skip["count"]) for skip in skips), unit)
    # All times are in UTC, so that the texts are in order of time; a run by hand has no tick.
    ends = [end for skip in skips for end in (skip["tick"], skip["last_tick"]) if end]
    if not ends:
        return number
    first, last = (local_with_zone(end, zone) for end in (min(ends), max(ends)))
    return f"{number}, {first}" + ("" if first == last else f" to {last}")


def _of(run: Start, zone: tzinfo) -> str:
    return f"for {local_with_zone(run.tick, zone)}" if run.tick else f"due {local_with_zone(run.at, zone)}"
