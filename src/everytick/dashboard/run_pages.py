"""The pages about runs: the list with its filters, one run, and what runs now. See `pages`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from everytick.explain import why_run
from everytick.model import ticks
from everytick.read.audit import requests_about
from everytick.read.in_the_way import runs_in_the_way, runs_in_the_way_of, ticks_behind
from everytick.read.known_job import jobs_due
from everytick.read.last_runs import succeeded_before
from everytick.read.late import list_not_begun
from everytick.read.long_runs import long_runs
from everytick.read.processes import Process
from everytick.read.reports import report_of, reports_of
from everytick.read.retried import outcomes_before
from everytick.read.run_columns import took
from everytick.read.run_counts import COUNTED, StateCounts, count_states
from everytick.read.run_details import Attempt, attempts_of, equal_in_a_row, without_times
from everytick.read.run_filter import FAILING, STATES
from everytick.read.run_pages import SEARCHED, list_runs
from everytick.read.runs import read_run
from everytick.read.runs_of_job import beside
from everytick.read.under_way import held_runs, waiting_runs
from everytick.read.waits import waits_of_jobs
from everytick.settings import settings
from everytick.store.querying import Reader
from everytick.text.wording import of_attempts
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from . import jobs, runs
from .addresses import below_root, url
from .answers import ReadingRoute
from .problems import Problem
from .processes import ScheduleState, reading, schedule_state
from .rendering import page
from .schemas import LARGEST

router = APIRouter(include_in_schema=False, route_class=ReadingRoute)

_RUNS = 25
# The most runs that are read for the page of what runs.
_HELD, _WAITING = 1_000, 100
# How many of those that are held it shows.
_SHOWN = 60
# The most that a page shows of tracebacks and logs; the rest is in the text file.
_TEXT = 12_000

RunId = Annotated[int, Path(ge=1, le=LARGEST)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST)]
Text = Annotated[str, Query(max_length=500)]


@router.get("/runs")
def show_runs(
    request: Request,
    q: Text = "",
    job: Text = "",
    state: Annotated[list[str] | None, Query(max_length=20)] = None,
    reason: Annotated[list[str] | None, Query(max_length=20)] = None,
    failed: bool = False,
    ended: bool = False,
    since: Text = "",
    until: Text = "",
    error: Text = "",
    before: Before = None,
) -> HTMLResponse:
    """Runs and skipped ticks, newest first. A filter that means nothing is a sentence and an empty list."""
    found: list[Any] = []
    more, wrong, wrong_field = None, "", ""
    counts = StateCounts({}, complete=True)
    retried: dict[int, Any] = {}
    with reading(request.app.state.ledger) as connection:
        try:
            wanted = runs.asked_for(
                job, q, state or (), since, until, error, reason or (), failed=failed, ended=ended
            )
        except Problem as problem:
            wrong, wrong_field = problem.sentence, problem.field
        else:
            found, more = list_runs(connection, wanted, _RUNS, before)
            if wanted.is_by_time():
                # Found by their ends, which are not shown; listed newest first, as the command `runs` does.
                found.sort(key=lambda row: row.run_id, reverse=True)
            counts = count_states(connection, wanted)
            retried = outcomes_before(connection, wanted, found)
        notes, said = jobs.odd_times(connection, found), reports_of(connection, found)
        behind = runs_in_the_way_of(connection, found)
        head = schedule_state(connection)
    asked = {"q": q, "job": job, "reason": reason or [], "since": since, "until": until, "error": error}
    return page(
        request,
        "runs.html",
        asked=asked,
        is_filtered=any([*asked.values(), state, failed, ended, before]),
        chosen=list(state or ()),
        failed=failed,
        wrong=wrong,
        wrong_field=wrong_field,
        counts=counts,
        counted=COUNTED,
        number_listed=_number_listed(counts, state or (), failed=failed, ended=ended),
        ended=ended,
        notes=notes,
        history=found,
        retried=retried,
        said=said,
        behind=behind,
        more=more,
        before=before,
        states=STATES,
        possible=runs.possible,
        doable={runs.possible(row) for row in found},
        took=took,
        lateness=runs.lateness,
        searched=SEARCHED,
        state_of_schedule=head,
        title="Runs",
    )


def _number_listed(counts: StateCounts, states: Sequence[str], *, failed: bool, ended: bool) -> int | None:
    """Return how many runs the list has on all its pages; None if not all were counted."""
    if not counts.complete:
        return None
    if failed or ended:
        return counts.failed if failed else counts.ended
    return sum(counts.by_state.get(state, 0) for state in states) if states else counts.total


@router.get("/run/{run_id}")
def show_run(request: Request, run_id: RunId) -> HTMLResponse:
    """One run: its attempts, its error, and what it logged."""
    with reading(request.app.state.ledger) as connection:
        row = read_run(connection, run_id)
        attempts = attempts_of(connection, row)
        asked = requests_about(connection, run_id)
        in_code = request.app.state.declared().in_code.get(row.job_id)
        sentences, said = why_run(connection, row, settings(), in_code), report_of(connection, row)
        good = succeeded_before(connection, row) if row.state in FAILING else None
        behind, held_up = runs_in_the_way(connection, row), ticks_behind(connection, row)
        older, newer = beside(connection, row)
        head = schedule_state(connection)
    return page(
        request,
        "run.html",
        run=row,
        said=said,
        attempts=attempts,
        groups=_equal(attempts),
        equal_logs=lambda group: equal_in_a_row(group, lambda attempt: without_times(attempt.log)),
        of_attempts=of_attempts,
        asked=asked,
        older=older,
        newer=newer,
        owner=_owners(head).get(row.process_id),
        good=good,
        behind=[hold.row.run_id for hold in behind],
        held_up=held_up,
        lateness=runs.lateness,
        sentences=sentences,
        tail=_TEXT // max(1, len(attempts)),
        possible=runs.possible,
        took=took,
        state_of_schedule=head,
        title=f"Run {run_id}",
    )


@router.get("/runs/{run_id:int}")
def go_to_run(request: Request, run_id: int) -> RedirectResponse:
    """Where people look for a run, since the list is at /runs."""
    with below_root(request):
        return RedirectResponse(url(f"/run/{run_id}"), 307)


@router.get("/run/{run_id}/text")
def show_run_as_text(request: Request, run_id: RunId) -> PlainTextResponse:
    """All that a run logged, and its tracebacks."""
    with reading(request.app.state.ledger) as connection:
        row = read_run(connection, run_id)
        parts = [_as_text(group) for group in _equal(attempts_of(connection, row))]
    return PlainTextResponse(f"run {run_id} of {row.job_id}\n\n" + "\n".join(parts))


def _equal(attempts: list[Attempt]) -> list[list[Attempt]]:
    """Return attempts with those together that ended in the same way."""
    return equal_in_a_row(attempts, lambda attempt: (attempt.state, attempt.error, attempt.traceback))


def _as_text(group: list[Attempt]) -> str:
    first, which = group[0], of_attempts(group[0].attempt, group[-1].attempt)
    logs: list[str | None] = [
        f"--- log of attempt {attempt.attempt}\n{attempt.log}"
        for attempt in group
        if attempt.log and len(group) > 1
    ]
    parts = [first.error, first.traceback, *(logs or [first.log])]
    return "\n".join([f"--- {which}: {first.state}", *filter(None, parts), ""])


@router.get("/running")
def show_running(request: Request, only: Literal["", "long", "due"] = "", queue: Text = "") -> HTMLResponse:
    """Runs that are going on, claimed, or waiting.

    `only`: `long`: those that go on for long; `due`: those that are due and have not begun, of one queue.
    """
    number = None
    with reading(request.app.state.ledger) as connection:
        if only == "due":
            found = list_not_begun(connection, jobs_due(connection), ticks.now(), queue, _WAITING)
            held, waiting, number = [], found.rows, found.total
        elif only == "long":
            held, waiting = _long(request, connection), []
        else:
            held, waiting = held_runs(connection, _HELD), list(waiting_runs(connection, _WAITING))
        said = reports_of(connection, held[:_SHOWN])
        head = schedule_state(connection)
        waits = waits_of_jobs(connection, ticks.now())
    return page(
        request,
        "running.html",
        only=only,
        waits=waits,
        present=ticks.now(),
        queue=queue,
        held=held,
        said=said,
        shown=_SHOWN,
        waiting=waiting,
        groups=_alike(waiting, waits),
        due=sum(row.due_us <= ticks.now() for row in waiting),
        number=number,
        owners=_owners(head),
        possible=runs.possible,
        lateness=runs.lateness,
        state_of_schedule=head,
        title="Running now",
    )


def _alike(waiting: Sequence[Any], waits: Mapping[str, str]) -> list[list[Any]]:
    """Return runs that wait with those of a job together that wait for the same, where the first stands."""
    found: dict[object, list[Any]] = {}
    for row in waiting:
        is_one_of_many = row.job_id in waits and row.due_us <= ticks.now() and not row.error
        of_job = (row.job_id, row.state, row.kind == "backfill")
        found.setdefault(of_job if is_one_of_many else row.run_id, []).append(row)
    return list(found.values())


def _long(request: Request, connection: Reader) -> list[Any]:
    long = long_runs(connection, request.app.state.declared(), ticks.now())
    numbers = {run.run_id for run in long}
    return [run for run in held_runs(connection, _HELD) if run.run_id in numbers]


def _owners(head: ScheduleState) -> dict[str | None, Process]:
    """Return the processes that may hold runs, by their ids."""
    return {process.process_id: process for process in head.processes.found}
