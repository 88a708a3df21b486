"""Shared by all commands: how they read times, and how they print results."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from everytick.masking import masked

if TYPE_CHECKING:
    from datetime import datetime

    from everytick.api.scheduler import AsyncIOScheduler
    from everytick.read.known_job import Declared
    from rich.console import Console
    from rich.text import Text

# A longer number would not fit into the ledger.
_MOST_DIGITS = 18

Wide = Annotated[bool, typer.Option("--wide", help="All columns, with nothing shortened; long lines.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def job_ids(incomplete: str) -> list[str]:
    """Return the ids of jobs that begin so, for the shell's completion; none if they cannot be had."""
    from everytick.ledger import open_ledger
    from everytick.read.job_ids import known_job_ids

    try:
        return [job_id for job_id in known_job_ids(open_ledger()) if job_id.startswith(incomplete)]
    except Exception:
        # A completion that fails must not write into the line that is being typed.
        return []


def remark_on_ledger() -> None:
    """Warn on standard error if the ledger that is shown was moved, or is another application's."""
    from everytick.ledger import open_ledger
    from everytick.store.querying import remark

    if (sentence := remark(open_ledger())) is not None:
        print_aside(f"remark: {sentence}")


def declared(scheduler: AsyncIOScheduler) -> Declared:
    """Return a schedule's declarations, for modules that must not load the schedule themselves."""
    from everytick.read.known_job import Declared

    return Declared(scheduler.get_jobs(), scheduler.defaults, scheduler.settings.allowed_functions)


def run_number(text: str) -> int:
    """Return the number of a run.

    Raises:
        ConfigurationError: it is none.
    """
    from everytick.errors import ConfigurationError
    from everytick.text.wording import not_a_run

    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise ConfigurationError(not_a_run(text))
    return int(text)


RunId = Annotated[int, typer.Argument(help="The number of the run.", parser=run_number, metavar="RUN")]
JobId = Annotated[str, typer.Argument(help="The id of the job.", autocompletion=job_ids, metavar="JOB")]
Note = Annotated[str | None, typer.Option(help="Why, for others.")]
OfJob = Annotated[
    str | None,
    typer.Option("--job", help="Only those of the job with this id.", autocompletion=job_ids),
]


def parse(option: str, text: str, zone: Any) -> int:
    """Return the instant that an option names; without an offset it is in the zone."""
    from everytick.model import ticks

    return ticks.instant_in(moment(option, text), zone)


def moment(option: str, text: str) -> datetime:
    """Return the time that an option names.

    Raises:
        ConfigurationError: it is none.
    """
    from everytick.errors import ConfigurationError
    from everytick.text.instants import parse_in_reach

    try:
        return parse_in_reach(text)
    except ValueError as problem:
        raise ConfigurationError(f"{option} {problem}") from None


def print_json(rows: Any) -> None:
    """Print rows for programs."""
    print(json.dumps(rows, indent=2))


def print_text(text: str | Text) -> None:
    """Print text for people as it is, without markup and without a bend where the terminal ends."""
    from rich.text import Text

    console().print(Text(visible(text)) if isinstance(text, str) else text, soft_wrap=True)


def print_aside(sentence: str) -> None:
    """Print a sentence to standard error, without secrets. That it cannot be written keeps no answer back."""
    try:
        print(masked(sentence), file=sys.stderr)
    except OSError:
        discard(sys.stderr)


def discard(stream: Any) -> None:
    """Leave out what a stream cannot write, now and when Python flushes it at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def visible(text: str) -> str:
    """Return text without what would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def can_show(characters: str) -> bool:
    """Return whether the terminal can show characters that are none of ASCII."""
    if os.environ.get("TERM") in ("dumb", "linux"):
        return False
    try:
        characters.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console() -> Console:
    """Return a console that never fails on a character."""
    from rich.console import Console

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console()
