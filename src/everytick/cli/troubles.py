"""The command that answers what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from everytick.app import typed, typed_for
from everytick.text.wording import counted

from . import completion
from .arguments import AsJson, Wide, limit_option, span
from .colours import coloured
from .output import console, print_json, print_text, remark_on_ledger, room_of, visible
from .table import print_sentence, shortened

if TYPE_CHECKING:
    from datetime import tzinfo

    from everytick.read.troubles import Trouble, Troubles
    from rich.text import Text

commands = typer.Typer()

# Before each job stands how it stands.
_INDENT = 11
# An error for which there is less room is left out.
_READABLE = 24
# More outages are not read by anybody.
_MOST_OUTAGES = 3
# Those that are neither red nor yellow stand there like other text.
_STYLES = {"cannot run": "red", "failing": "red", "late": "yellow", "missed": "yellow", "long": "yellow"}


@commands.command()
def troubles(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB",
            help="Only of these, by id or pattern: 'sync_*'.",
            autocompletion=completion.job_ids,
        ),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Since then: 2h (ago), 18:00, yesterday (a day ago).")
    ] = "24h",
    limit: Annotated[int, limit_option("Of how many jobs.")] = 50,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Say what went wrong since a time, and whether it is over.

    What failed or was missed, and which run was in the way of skipped ticks; what goes on comes first.
    """
    from everytick.ledger import open_ledger
    from everytick.read.troubles import troubles_in
    from everytick.settings import settings

    from .progress import Progress

    zone = settings().zone
    begin, _now = span(since, None, zone)
    assert begin is not None
    # Not by way of the schedule: what happened can be read while that is broken.
    ledger = open_ledger()
    with Progress("looking through the ledger"):
        found = troubles_in(ledger, settings(), begin, limit, patterns or ())
    remark_on_ledger()
    if as_json:
        print_json(found.as_json())
    else:
        _print(found, zone, wide=wide)


def _print(found: Troubles, zone: tzinfo, *, wide: bool) -> None:
    from everytick.text.instants import dated

    if found.nobody_up:
        print_sentence(found.nobody_up)
    since = dated(found.since, zone).removesuffix(":00")
    if not found.is_any:
        print_sentence(f"nothing went wrong since {since} {zone}")
        return
    print_sentence(f"since {since}, times in {zone}: {_summary(found)}")
    for one in found.jobs.rows:
        _print_job(one, zone, found.now, wide=wide)
    if more := found.jobs.total - len(found.jobs.rows):
        _print_line("", f"and {counted(more, 'more job')} (-n {found.jobs.total})")
    for outage in found.outages[-_MOST_OUTAGES:]:
        _print_line("outage", outage.sentence(zone, found.now))
    if len(found.outages) > _MOST_OUTAGES:
        _print_line("", f"and {counted(len(found.outages) - _MOST_OUTAGES, 'outage')} before")
    if found.in_outages:
        _print_line("over", f"{counted(found.in_outages, 'other job')} missed ticks in an outage, ran since")
    _print_further(found, zone)


def _summary(found: Troubles) -> str:
    number = found.jobs.total
    if not number:
        return "no trouble but an outage"
    still = f", {found.still:,} still" if found.still else ""
    return f"{counted(number, 'job')} had trouble{still}"


def _print_job(trouble: Trouble, zone: tzinfo, now: int, *, wide: bool) -> None:
    """Print a job: what went wrong in one line, and the rest that the ledger knows of it in another."""
    from everytick.read.trouble_words import details, error, happened, label, since

    known = " ".join(filter(None, [trouble.job_id, since(trouble, zone, now)]))
    what = ": ".join(filter(None, [known, happened(trouble, zone, now)]))
    _print_line(label(trouble), what, trouble.job_id)
    facts = "; ".join(details(trouble, now))
    failed = f"run {trouble.failure.run_id}: {error(trouble)}" if trouble.failure else ""
    room = None if wide else room_of(console())
    if room is not None and facts and room - _INDENT - len(facts) < _READABLE:
        failed = ""
    text = coloured(visible("; ".join(filter(None, [facts, failed]))))
    if text.plain:
        print_text(_indented(text if room is None else shortened(text, room - _INDENT)))


def _indented(text: Text) -> Text:
    from rich.text import Text

    return Text(" " * _INDENT) + text


def _print_line(label: str, sentence: str, *job_ids: str) -> None:
    line, style = f"{label:<{_INDENT}}{sentence}", _STYLES.get(label, "")
    print_sentence(line, job_ids, label=_INDENT, style=style, indent=_INDENT)


def _print_further(found: Troubles, zone: tzinfo) -> None:
    """Print which commands tell all about the first of the troubles."""
    if not found.jobs.rows:
        for one in found.outages[-1:]:
            print_sentence(f"more: {typed(one.listing(zone))}")
        return
    first = found.jobs.rows[0]
    if first.run_id is None:
        print_sentence(f"more: {typed_for(first.job_id, 'why')}", [first.job_id])
    else:
        asked = typed_for(first.job_id, "why", f"--run {first.run_id}")
        print_sentence(f"more: {typed('show')} {first.run_id}, {asked}", [first.job_id])
