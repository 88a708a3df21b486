"""How one run is shown to people: the facts, its attempts, their tracebacks and logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from everytick.app import typed
from everytick.read.run_details import equal_in_a_row, without_times
from everytick.read.run_filter import FAILED
from everytick.text.durations import plain_seconds
from everytick.text.instants import local
from everytick.text.wording import counted, of_attempts

from . import cells
from .colours import ID, STATES, TIME
from .output import print_text, visible
from .table import Column, print_sentence, print_table

if TYPE_CHECKING:
    from everytick.read.following_logs import LogPart
    from everytick.read.schemas import Attempt, Request, RunDetails, SuccessBefore
    from rich.text import Text

# The lines that are shown of a longer traceback or log: a run with both is about one screen.
_MOST_LINES = 16


def print_run(run: RunDetails, zone: Any, *, wide: bool) -> None:
    """Print a run as `run_details` returns it, with all instants in `zone`.

    `wide`: with the whole traceback and log of each attempt; or else what several have in common once.
    """
    facts = _facts(run, zone)
    width = max(len(name) for name, _value in facts)
    for name, value in facts:
        for title, line in zip([name, *[""] * value.count("\n")], value.split("\n"), strict=True):
            print_sentence(f"{title:<{width}}  {line}", [run["job_id"]], label=width + 2, indent=width + 2)
    attempts = run["attempts"]
    if not attempts:
        return
    print_text("")
    _print_attempts(attempts, zone, run["error"], wide=wide)
    whole = f"{typed('show')} {run['run_id']} --wide"
    _print_tracebacks(attempts, None if wide else whole)

    def said(attempt: Attempt) -> object:
        return attempt["attempt"] if wide else without_times(attempt["log"])

    for group in equal_in_a_row(attempts, said):
        if log := group[-1]["log"]:
            same = f" (times of attempt {group[-1]['attempt']})" if len(group) > 1 else ""
            _print_block(f"log of {_names(group)}{same}", log, None if wide else whole)


def print_log(run: RunDetails, zone: Any, *, wide: bool) -> None:
    """Print what the attempts of a run logged, below a line that names it; of one that failed its error last.

    `wide`: with the tracebacks.
    """
    print_text(f"{_named(run, zone)}: {cells.outcome(run)}", [run["job_id"]])
    for attempt in run["attempts"]:
        if len(run["attempts"]) > 1:
            print_text(f"attempt {attempt['attempt']}: {attempt['state']}")
        _print_plain((attempt["log"] or "it logged nothing").rstrip())
    if run["state"] not in FAILED or not run["error"]:
        return
    if wide:
        _print_tracebacks(run["attempts"], None)
    command = f" (its traceback: {typed('logs')} {run['run_id']} --wide)"
    print_sentence(_ended(run) + (command if run["traceback"] and not wide else ""), [run["job_id"]])


def print_part(part: LogPart, zone: Any, *, is_other: bool) -> None:
    """Print what a run logged since the last part, below a line that names it if that was about another."""
    run = part.run
    if part.has_ended:
        print_text(_ended(run))
        return
    if is_other:
        attempt = f", attempt {part.attempt}" if part.attempt > 1 else ""
        print_text(f"{_named(run, zone)}{attempt}:", [run["job_id"]])
    _print_plain(part.text.rstrip())


def _ended(run: RunDetails) -> str:
    error = f": {' '.join(run['error'].split())}" if run["error"] else ""
    return f"run {run['run_id']} {cells.outcome(run)}{error}"


def _print_tracebacks(attempts: Sequence[Attempt], whole: str | None) -> None:
    """Print the tracebacks of attempts, equal ones once; cut if `whole` is the command that prints all."""
    for group in equal_in_a_row(attempts, lambda attempt: attempt["traceback"]):
        if trace := group[0]["traceback"]:
            _print_block(f"traceback of {_names(group)}", trace, whole)


def _named(run: RunDetails, zone: Any) -> str:
    tick = f", tick {cells.tick(run, zone)}" if run["tick"] else ""
    return f"run {run['run_id']} of {run['job_id']}{tick}"


def _names(group: Sequence[Attempt]) -> str:
    return of_attempts(group[0]["attempt"], group[-1]["attempt"])


def _print_block(title: str, text: str, whole: str | None) -> None:
    """Print a traceback or a log; only its end, and of a traceback its beginning, if `whole` prints all."""
    lines = text.rstrip().splitlines()
    if whole is not None and len(lines) > _MOST_LINES:
        left_out = len(lines) - _MOST_LINES
        begin = 5 if lines[0].startswith("Traceback") else 0
        lines[begin : begin + left_out] = [f"... {left_out} lines: {whole}"]
    print_text(f"{title}:")
    _print_plain("\n".join([*lines, ""]))


def _print_plain(text: str) -> None:
    """Print what a job wrote: words in it that look like states are none."""
    from rich.text import Text

    print_text(Text(visible(text)))


def _facts(run: RunDetails, zone: Any) -> list[tuple[str, str]]:
    name, function = run["job_name"], run["function"]
    facts = [
        ("run", str(run["run_id"])),
        ("job", run["job_id"] + (f" ({name})" if name and name != run["job_id"] else "")),
        ("function", function),
        ("added while running", "\n".join(_request(request, zone) for request in run["added"])),
        ("zone of the job", run["timezone"] != str(zone) and run["timezone"]),
        ("kind", run["kind"] + (f" {run['backfill_id']}" if "backfill_id" in run else "")),
        ("tick", run["tick"] and _when(run["tick"], zone)),
        ("last tick", "last_tick" in run and _when(run["last_tick"], zone)),
        ("ticks", "last_tick" in run and ("not counted yet" if run["count"] is None else str(run["count"]))),
        ("stands in for", _when(run["for_tick"], zone)),
        ("outcome", cells.outcome(run)),
        ("due", _when(run["due_at"], zone)),
        ("started", _when(run["started_at"], zone)),
        ("ended", _when(run["finished_at"], zone)),
        ("seconds", run["duration"] is not None and plain_seconds(run["duration"])),
        ("progress", _progress(run, zone)),
        ("result", json.dumps(run["result"], ensure_ascii=False) if "result" in run else ""),
        ("result", run.get("result_described")),
        ("asked to cancel", _when(run["cancel_asked_at"], zone)),
        ("may begin anew until", _when(run["rerun_until"], zone)),
        ("behind", " and ".join(f"run {number}, which was under way" for number in run["behind"])),
        ("overlap", run["ticks_behind"] and f"{counted(run['ticks_behind'], 'tick')} skipped because of it"),
        ("error", run["error"]),
        ("good run", _good(run["last_success"], zone)),
        ("asked for", "\n".join(_request(request, zone) for request in run["asked"])),
    ]
    return [(fact, str(value)) for fact, value in facts if value]


def _good(success: SuccessBefore | None, zone: Any) -> str:
    return (
        ""
        if success is None
        else f"{success['run_id']}, the last one, ended {_when(success['finished_at'], zone)}"
    )


def _progress(run: RunDetails, zone: Any) -> str:
    """Return how far a run said that it is; nothing of one that is done."""
    if "progress" not in run or run["state"] == "succeeded":
        return ""
    said = run["progress"]
    return f"{': '.join(filter(None, (cells.percent(run), said['note'])))} ({_when(said['at'], zone)})"


def _when(instant: str | None, zone: Any) -> str | None:
    return instant and cells.in_zone(instant, zone)


def _request(request: Request, zone: Any) -> str:
    note = f": {request['note']}" if request["note"] else ""
    return f"{request['action']} by {request['who']}, {_when(request['at'], zone)}{note}"


def _print_attempts(attempts: Sequence[Attempt], zone: Any, told: str | None, *, wide: bool) -> None:
    """Print the attempts in a table; an error that the run has too, or the attempt before, is told once.

    `told`: the error that stands among the facts of the run.
    """
    errors = [attempt["error"] for attempt in attempts]
    print_table(
        f"{counted(len(attempts), 'attempt')}, times in {zone}",
        [
            Column("attempt", is_whole=True, style=ID),
            Column("outcome", is_whole=True),
            Column("started", is_whole=True, style=TIME),
            Column("ended", is_whole=True, left_out=2, style=TIME),
            Column("seconds", is_whole=True),
            Column("process", is_whole=True, left_out=1),
            Column("error", least=12),
        ],
        [
            [
                str(attempt["attempt"]),
                _state(attempt),
                local(attempt["started_at"], zone),
                local(attempt["finished_at"], zone),
                plain_seconds(attempt["duration"]),
                _process(attempt),
                _error(error, told, before),
            ]
            for attempt, error, before in zip(attempts, errors, [None, *errors], strict=False)
        ],
        wide=wide,
    )


def _state(attempt: Attempt) -> Text:
    from rich.text import Text

    return Text(attempt["state"], STATES.get(attempt["state"], ""))


def _error(error: str | None, told: str | None, before: str | None) -> str:
    if not error:
        return ""
    if error == before:
        return "same error"
    return "as above" if error == told else error


def _process(attempt: Attempt) -> str:
    if attempt["process_id"] is None:
        return ""
    return f"{attempt['host']}, pid {attempt['pid']}" if attempt["host"] else "gone"
