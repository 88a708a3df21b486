"""Actions on several jobs or runs at once: a preview, a question, and then one request for each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from . import cells
from .colours import ID, TIME
from .output import console, print_aside, print_json, print_text, room_of
from .table import Column, print_table

if TYPE_CHECKING:
    from datetime import tzinfo

    from everytick.api.client import SchedulerClient
    from everytick.read.known_job import KnownJob
    from everytick.read.schemas import RunOutline
    from rich.text import Text

# A preview fits on a screen.
_MOST_SHOWN = 15
# The most jobs of which it is looked up what their runs wait for.
_MOST_JOBS = 100
# More at once are most likely not meant.
MOST = 10_000
_NOT_TRIED = "not tried"


@dataclass(frozen=True)
class _One:
    """One of the jobs or runs that are acted on.

    name: how a refusal names it. keys: what names it in JSON. act: asks for it; returns what became of it.
    """

    name: str
    keys: dict[str, Any]
    act: Callable[[], str]


@dataclass(frozen=True)
class How:
    """How a person wants it: with which note, asked or not, told in text or in JSON."""

    note: str | None
    yes: bool
    as_json: bool


def pause_jobs(client: SchedulerClient, patterns: Sequence[str], until: datetime | None, how: How) -> None:
    """Pause the jobs that patterns mean; those that are paused already if they get a note or an end."""
    from everytick.model import ticks
    from everytick.text.instants import from_now

    now = ticks.now()
    became = f"paused{upto(until, client.timezone)}"
    jobs = _chosen_jobs(client, patterns)
    others = jobs if until or how.note else [job for job in jobs if not job.paused]

    def act(job_id: str) -> str:
        changed = client.pause_job(job_id, note=how.note, until=until)
        return became if changed else "paused already"

    _preview(
        [
            Column("job", is_id=True),
            Column("next run", is_whole=True, style=TIME),
            Column("schedule", least=20),
        ],
        [
            [
                job.id,
                "paused" if job.paused else "-" if job.next_tick is None else from_now(job.next_tick, now),
                job.words,
            ]
            for job in others
        ],
        "job",
        "to be paused",
    )
    _of_jobs("Pause", others, "paused already", act, how)


def upto(end: datetime | None, zone: tzinfo) -> str:
    """Return until when a pause lasts, to stand behind `paused`; nothing if it has no end."""
    from everytick.model import ticks
    from everytick.text.instants import at

    return "" if end is None else f" until {at(ticks.instant_in(end, zone), zone)}"


def resume_jobs(client: SchedulerClient, patterns: Sequence[str], how: How) -> None:
    """Resume those of the jobs that patterns mean which are paused."""
    from everytick.read.resuming import preview_of
    from everytick.text.instants import dated

    zone = client.timezone
    paused = [job for job in _chosen_jobs(client, patterns) if job.paused]
    shown = [(job, preview_of(job)) for job in paused]

    def act(job_id: str) -> str:
        return "resumed" if client.resume_job(job_id, note=how.note) else "not paused any more"

    _preview(
        [
            Column("job", is_id=True),
            Column("paused since", is_whole=True, style=TIME),
            Column("ticks to skip", is_whole=True),
            Column("next tick", is_whole=True, style=TIME),
            Column("note", least=10),
        ],
        [
            [
                job.id,
                dated(job.row.paused_us, zone),
                "-" if found is None else "many" if found.ticks is None else f"{found.ticks:,}",
                "-" if found is None else dated(found.next_tick, zone),
                job.row.pause_note or "",
            ]
            for job, found in shown
        ],
        "job",
        f"to be resumed, times in {zone}",
    )
    # Where no tick is skipped nothing is lost that somebody could want to keep.
    is_harmless = all(found is None or found.ticks == 0 for _job, found in shown)
    _of_jobs("Resume", paused, "not paused", act, replace(how, yes=how.yes or is_harmless))


def retry_runs(client: SchedulerClient, rows: Sequence[RunOutline], how: How) -> None:
    """Give each of some runs one more attempt, but for those that may have run to their end."""
    from everytick.read.chosen import may_have_ended

    chosen = _at_most(rows)
    left_out = may_have_ended(client.ledger, chosen)
    rows = [row for row in chosen if row["run_id"] not in left_out]

    def act(run_id: int) -> str:
        client.retry_run(run_id, note=how.note)
        return "to be tried again"

    _preview_runs(rows, client.timezone, "to be tried again")
    if left_out:
        print_aside("left out, as they may have run to their end, and retried only by number:")
    for row in chosen:
        if row["run_id"] in left_out:
            print_aside(f"  run {row['run_id']} of {row['job_id']}, which was lost")
    idle = "nothing to do: there is no such run"
    _of_runs("Try", rows, " again", act, how, idle, lambda: _remark_on_waiting(client, rows))


def _remark_on_waiting(client: SchedulerClient, rows: Sequence[RunOutline]) -> None:
    """Say of runs that were asked for what somebody has to do before they can begin; job by job."""
    from everytick.read.processes import processes_in
    from everytick.read.prospects import prospect_in
    from everytick.settings import settings

    processes = processes_in(client.ledger)
    if not processes.up:
        print_aside(f"{processes.nobody_up(client.timezone)}: the runs wait for one")
        return
    of_jobs: dict[str, list[int]] = {}
    for row in rows:
        of_jobs.setdefault(row["job_id"], []).append(row["run_id"])
    for job_id, [run_id, *others] in list(of_jobs.items())[:_MOST_JOBS]:
        found = prospect_in(client.ledger, run_id, settings())
        which = f"the runs of {job_id} ({len(others) + 1}): each" if others else f"run {run_id} of {job_id}"
        if found.is_held:
            print_aside(f"{which} {found.sentence}")


def cancel_runs(client: SchedulerClient, rows: Sequence[RunOutline], how: How, idle: str) -> None:
    """Cancel each of some runs; without any it says `idle`."""
    from everytick.read.runs import run_row
    from everytick.text.wording import PLAIN_GOES_ON

    rows, asked = _at_most(rows), []

    def act(run_id: int) -> str:
        if not client.cancel_run(run_id, note=how.note):
            asked.append(run_id)
            return "asked to end"
        state = run_row(client.ledger, run_id)["state"]
        # One that waited for a retry.
        return state if state == "cancelled" else f"{state} as before"

    _preview_runs(rows, client.timezone, "to be cancelled")

    def remark() -> None:
        if asked:
            print_aside(PLAIN_GOES_ON)

    _of_runs("Cancel", rows, "", act, how, idle, remark)


def _chosen_jobs(client: SchedulerClient, patterns: Sequence[str]) -> list[KnownJob]:
    """Return the jobs that patterns mean, without those of which nothing can be asked: these are told of."""
    from everytick.read.chosen import chosen_jobs
    from everytick.text.wording import is_storable, not_for_requests

    jobs = chosen_jobs(client.ledger, patterns)
    for job in jobs:
        if not is_storable(job.id):
            print_aside(f"left out: {not_for_requests(job.id)}")
        elif job.row.disabled_by is not None:
            print_aside(f"left out: job {job.id} is disabled by {job.row.disabled_by}")
    return [job for job in jobs if is_storable(job.id) and job.row.disabled_by is None]


def _at_most(rows: Sequence[RunOutline]) -> Sequence[RunOutline]:
    if len(rows) > MOST:
        print_aside(f"only the first {MOST:,} are meant: narrow the rest by --since, --job or --state")
    return rows[:MOST]


def _of_jobs(verb: str, jobs: Sequence[Any], idle: str, act: Callable[[str], str], how: How) -> None:
    items = [_One(job.id, {"job_id": job.id}, partial(act, job.id)) for job in jobs]
    _carry_out(items, verb, "job", "", f"nothing to do: all of these jobs are {idle}", how)


def _of_runs(
    verb: str,
    rows: Sequence[RunOutline],
    ending: str,
    act: Callable[[int], str],
    how: How,
    idle: str,
    remark: Callable[[], None] = lambda: None,
) -> None:
    items = [
        _One(
            f"run {row['run_id']} of {row['job_id']}",
            {"run_id": row["run_id"], "job_id": row["job_id"]},
            partial(act, row["run_id"]),
        )
        for row in rows
    ]
    _carry_out(items, verb, "run", ending, idle, how, remark)


# --- what will be done


def _preview_runs(rows: Sequence[RunOutline], zone: tzinfo, what: str) -> None:
    from everytick.model import ticks

    today = None if room_of(console(aside=True)) is None else ticks.now()
    _preview(
        [
            Column("run", is_whole=True, style=ID),
            Column("job", is_id=True),
            Column("tick", is_whole=True, style=TIME),
            Column("outcome", is_whole=True),
            Column("error", least=10),
        ],
        [
            [
                str(row["run_id"]),
                row["job_id"],
                cells.tick(row, zone, today),
                cells.coloured_outcome(row),
                row["error"] or "",
            ]
            for row in rows
        ],
        "run",
        f"{what}, times in {zone}",
    )


def _preview(columns: list[Column], rows: list[list[str | Text]], unit: str, what: str) -> None:
    """Print what will be done to standard error: the answer is what became of it."""
    from everytick.text.wording import counted

    if rows:
        print_table(f"{counted(len(rows), unit)} {what}", columns, rows[:_MOST_SHOWN], aside=True)
    if len(rows) > _MOST_SHOWN:
        print_aside(f"and {len(rows) - _MOST_SHOWN:,} more\n")


def is_at_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def is_wanted(question: str, yes: bool) -> bool:
    """Ask at a terminal, unless somebody said --yes; return whether the answer is yes.

    Raises:
        ConfigurationError: there is no terminal.
    """
    from everytick.errors import ConfigurationError

    if yes:
        return True
    if not is_at_terminal():
        raise ConfigurationError(f"{question} There is no terminal to answer at: add --yes")
    return typer.confirm(question, err=True)


# --- doing it


def _carry_out(
    items: Sequence[_One],
    verb: str,
    unit: str,
    ending: str,
    idle: str,
    how: How,
    remark: Callable[[], None] = lambda: None,
) -> None:
    """Ask, act on one after another, and say what became of them; exit with 1 if not all was done.

    `remark`: called when something was done, for what else is to be said.
    """
    from everytick.text.wording import counted, of_each

    if items and not is_wanted(f"{verb} {counted(len(items), unit)}{ending}?", how.yes):
        print_text("nothing was changed")
        raise typer.Exit(1)
    answers = _act_on(items)
    rest = items[len(answers) :]
    if how.as_json:
        told = [*answers, *(_Answer(one, None, _NOT_TRIED) for one in rest)]
        print_json([{**it.one.keys, "became": it.became, "refused": it.refused} for it in told])
    else:
        outcomes = [it.became or "refused" for it in answers]
        print_text(of_each([*outcomes, *(_NOT_TRIED for _one in rest)], unit) or idle)
    refused = [it for it in answers if it.refused is not None]
    if len(refused) < len(answers):
        remark()
    for it in refused:
        print_aside(f"error: {it.one.name}: {it.refused}")
    if rest:
        print_aside(f"error: {_NOT_TRIED}: {counted(len(rest), unit)}, for the ledger cannot be used now")
    if refused:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Answer:
    """What became of one, or the sentence that says why it was refused."""

    one: _One
    became: str | None
    refused: str | None


def _act_on(items: Sequence[_One]) -> list[_Answer]:
    """Return the answers, up to the first that the ledger cannot be used."""
    from everytick.errors import ConfigurationError, LedgerError

    answers: list[_Answer] = []
    for one in items:
        try:
            answers.append(_Answer(one, one.act(), None))
        except ConfigurationError as problem:
            # The others do not depend on it.
            answers.append(_Answer(one, None, str(problem)))
        except LedgerError as problem:
            # The others would get the same answer, each after seconds of waiting.
            answers.append(_Answer(one, None, str(problem)))
            break
    return answers
