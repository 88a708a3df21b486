"""How one run is shown to people."""

from __future__ import annotations

from typing import Any

from everytick.read.schemas import Attempt, Request, RunDetails
from everytick.text.instants import local

from . import cells
from .output import print_table, print_text


def print_run(run: RunDetails, zone: Any) -> None:
    """Print a run as `run_details` returns it; instants in `zone`, its tick in the job's zone and in UTC."""
    width = max(len(name) for name, _value in _facts(run, zone))
    for name, value in _facts(run, zone):
        print_text(f"{name:<{width}}  {value}".replace("\n", "\n" + " " * (width + 2)))
    if run["attempts"]:
        _print_attempts(run["attempts"], zone)
    for attempt in run["attempts"]:
        for name, text in (("traceback", attempt["traceback"]), ("log", attempt["log"])):
            if text:
                print_text(f"\n{name} of attempt {attempt['attempt']}:\n{text.rstrip()}")


def _facts(run: RunDetails, zone: Any) -> list[tuple[str, str]]:
    name, function = run["job_name"], run["function"]
    facts = [
        ("run", str(run["run_id"])),
        ("job", run["job_id"] + (f" ({name})" if name and name != run["job_id"] else "")),
        ("function", function),
        ("kind", run["kind"]),
        ("tick", run["tick"] and cells.in_zones(run["tick"], run["timezone"], zone)),
        ("last tick", "last_tick" in run and cells.in_zones(run["last_tick"], run["timezone"], zone)),
        ("ticks", "last_tick" in run and ("not counted yet" if run["count"] is None else str(run["count"]))),
        ("stands in for", run["for_tick"] and cells.in_zones(run["for_tick"], run["timezone"], zone)),
        ("outcome", cells.outcome(run)),
        ("due", _when(run["due_at"], zone)),
        ("started", _when(run["started_at"], zone)),
        ("ended", _when(run["finished_at"], zone)),
        ("seconds", run["duration"] is not None and cells.seconds(run["duration"])),
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


def _print_attempts(attempts: list[Attempt], zone: Any) -> None:
    print_text("")
    print_table(
        f"{len(attempts)} attempt(s), times in {zone}",
        ["attempt", "outcome", "started", "ended", "seconds", "process", "error"],
        [
            [
                str(attempt["attempt"]),
                attempt["state"],
                local(attempt["started_at"], zone),
                local(attempt["finished_at"], zone),
                cells.seconds(attempt["duration"]),
                _process(attempt),
                attempt["error"] or "",
            ]
            for attempt in attempts
        ],
    )


def _process(attempt: Attempt) -> str:
    if attempt["process_id"] is None:
        return "-"
    place = f"{attempt['host']}, pid {attempt['pid']}" if attempt["host"] else "gone"
    return f"{attempt['process_id'][:8]} ({place})"
