"""How one run is shown to people."""

from __future__ import annotations

from typing import Any

from everytick.read.run_details import alike
from everytick.read.schemas import Attempt, Request, RunDetails
from everytick.text.durations import plain_seconds
from everytick.text.instants import local
from everytick.text.wording import of_attempts

from . import cells
from .output import print_text
from .table import print_table


def print_run(run: RunDetails, zone: Any) -> None:
    """Print a run as `run_details` returns it, with all instants in `zone`."""
    width = max(len(name) for name, _value in _facts(run, zone))
    for name, value in _facts(run, zone):
        print_text(f"{name:<{width}}  {value}".replace("\n", "\n" + " " * (width + 2)))
    groups = alike(run["attempts"], lambda attempt: (attempt["error"], attempt["traceback"]))
    if groups:
        _print_attempts(groups, zone, run["error"])
    for group in groups:
        if trace := group[0]["traceback"]:
            _print_block(f"traceback of {of_attempts(group[0]['attempt'], group[-1]['attempt'])}", trace)
        for attempt in group:
            if log := attempt["log"]:
                _print_block(f"log of {of_attempts(attempt['attempt'], attempt['attempt'])}", log)


def _print_block(title: str, text: str) -> None:
    print_text(f"\n{title}:\n{text.rstrip()}")


def _facts(run: RunDetails, zone: Any) -> list[tuple[str, str]]:
    name, function = run["job_name"], run["function"]
    facts = [
        ("run", str(run["run_id"])),
        ("job", run["job_id"] + (f" ({name})" if name and name != run["job_id"] else "")),
        ("function", function),
        ("zone of the job", run["timezone"] != str(zone) and run["timezone"]),
        ("kind", run["kind"]),
        ("tick", run["tick"] and _when(run["tick"], zone)),
        ("last tick", "last_tick" in run and _when(run["last_tick"], zone)),
        ("ticks", "last_tick" in run and ("not counted yet" if run["count"] is None else str(run["count"]))),
        ("stands in for", _when(run["for_tick"], zone)),
        ("outcome", cells.outcome(run)),
        ("due", _when(run["due_at"], zone)),
        ("started", _when(run["started_at"], zone)),
        ("ended", _when(run["finished_at"], zone)),
        ("seconds", run["duration"] is not None and plain_seconds(run["duration"])),
        ("asked to cancel", _when(run["cancel_asked_at"], zone)),
        ("may begin anew until", _when(run["rerun_until"], zone)),
        ("error", run["error"]),
        ("asked for", "\n".join(_request(request, zone) for request in run["asked"])),
    ]
    return [(fact, str(value)) for fact, value in facts if value]


def _when(instant: str | None, zone: Any) -> str | None:
    return instant and cells.in_zone(instant, zone)


def _request(request: Request, zone: Any) -> str:
    note = f": {request['note']}" if request["note"] else ""
    return f"{request['action']} by {request['who']}, {_when(request['at'], zone)}{note}"


def _print_attempts(groups: list[list[Attempt]], zone: Any, told: str | None) -> None:
    """Print the attempts, those together that ended with the same error, which is told once.

    Args:
        groups: the attempts that ended alike.
        zone: in which instants are shown.
        told: the error that stands among the facts of the run.
    """
    print_text("")
    print_table(
        f"{sum(map(len, groups))} attempt(s), times in {zone}",
        ["attempt", "outcome", "started", "ended", "seconds", "process", "error"],
        [
            [
                str(attempt["attempt"]),
                attempt["state"],
                local(attempt["started_at"], zone),
                local(attempt["finished_at"], zone),
                plain_seconds(attempt["duration"]),
                _process(attempt),
                _error(attempt, told, is_first=place == 0),
            ]
            for group in groups
            for place, attempt in enumerate(group)
        ],
    )


def _error(attempt: Attempt, told: str | None, *, is_first: bool) -> str:
    if not attempt["error"]:
        return ""
    if not is_first:
        return "same error"
    return "as above" if attempt["error"] == told else attempt["error"]


def _process(attempt: Attempt) -> str:
    if attempt["process_id"] is None:
        return "-"
    place = f"{attempt['host']}, pid {attempt['pid']}" if attempt["host"] else "gone"
    return f"{attempt['process_id'][:8]} ({place})"
