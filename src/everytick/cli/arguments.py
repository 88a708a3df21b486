"""Arguments and options that several commands have: how they are read, explained and completed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Annotated, Any

import typer

from . import completion

# A longer number would not fit into the ledger.
_MOST_DIGITS = 18
MOST = 1_000_000


def run_number(text: str) -> int:
    """Return the number of a run.

    Raises:
        ConfigurationError: it is none.
    """
    from everytick.errors import ConfigurationError
    from everytick.text.wording import not_a_run

    if not is_run_number(text) or len(text) > _MOST_DIGITS:
        raise ConfigurationError(not_a_run(text))
    return int(text)


def is_run_number(text: str) -> bool:
    """Return whether a text stands for a run, rather than for a job: it has digits only."""
    return text.isascii() and text.isdigit()


Wide = Annotated[bool, typer.Option("--wide", help="All columns, with nothing shortened; long lines.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
JobId = Annotated[
    str, typer.Argument(help="The id of the job.", autocompletion=completion.job_ids, metavar="JOB")
]
Note = Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for others.")]
OfJob = Annotated[
    str | None,
    typer.Option(
        "--job",
        metavar="JOB",
        help="Only those of the job with this id.",
        autocompletion=completion.job_ids,
    ),
]
OfJobs = Annotated[
    list[str] | None,
    typer.Option(
        "--job",
        metavar="JOB",
        help="Only those of this job, or of those like 'sync_*' (repeatable).",
        autocompletion=completion.job_ids,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only those that ended then or later, before a retry too: 2h (ago), 05:39, yesterday.",
    ),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="First time: 2h (from now), 18:00, tomorrow, a date (now)."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only those that ended before.")]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Show those to come, as they end, until Ctrl+C.")
]


def number_from(option: str, least: int, most: int) -> Callable[[Any], int]:
    """Return the reader of an option that takes a whole number; it refuses others by ConfigurationError."""

    def read(given: Any) -> int:
        from everytick.errors import ConfigurationError

        # A default is a number already.
        text = str(given)
        if not text.strip().lstrip("+").isdecimal() or not least <= int(text[:_MOST_DIGITS]) <= most:
            # The end of all numbers, of what has a number in the ledger, says nothing.
            reach = f"from {least:,} to {most:,}" if most < 2**31 else f"of {least:,} or more"
            raise ConfigurationError(f"{option} takes a whole number {reach}, and not {text!r}")
        return int(text)

    return read


def limit_option(help: str) -> Any:
    """Return the option --limit with its help."""
    return typer.Option("--limit", "-n", parser=number_from("--limit", 1, MOST), metavar="N", help=help)


Limit = Annotated[int | None, limit_option("How many to show (default 20).")]


def instant(option: str, text: str, zone: tzinfo, *, ahead: bool = False) -> int:
    """Return the instant that an option names, in microseconds UTC; see `moment`."""
    from everytick.model import ticks

    return ticks.instant_in(moment(option, text, zone, ahead=ahead), zone)


def moment(option: str, text: str, zone: tzinfo, *, ahead: bool = False) -> datetime:
    """Return the time that an option names, as `read_time` does.

    Raises:
        ConfigurationError: it is none.
    """
    from everytick.errors import ConfigurationError
    from everytick.model import ticks
    from everytick.text.time_input import read_time

    try:
        return read_time(text, zone, ticks.now(), ahead=ahead)
    except ValueError as problem:
        raise ConfigurationError(f"{option} {problem}") from None


def span(since: str | None, until: str | None, zone: tzinfo) -> tuple[int | None, int | None]:
    """Return the instants that --since and --until name, as far as they are given.

    Raises:
        ConfigurationError: they are none, --since has not come yet, or no time lies between them.
    """
    from everytick.errors import ConfigurationError
    from everytick.model import ticks

    begin = None if since is None else instant("--since", since, zone)
    if begin is not None and begin > ticks.now():
        raise ConfigurationError(f"--since {since!r} lies ahead: nothing has happened since then")
    end = None if until is None else instant("--until", until, zone)
    if begin is not None and end is not None and end <= begin:
        raise ConfigurationError("--until must be later than --since")
    return begin, end
