"""The pages. Each is made from the ledger as it is at that moment; open pages fetch themselves anew."""

from __future__ import annotations

from typing import Annotated

from everytick.explain import why_run
from everytick.model import ticks
from everytick.read.audit import audit_entries, requests_about
from everytick.read.coming import due_between, next_ticks, soonest
from everytick.read.job_list import STANDINGS, list_jobs
from everytick.read.job_options import declared_job, job_options
from everytick.read.known_job import jobs_due, read_job, undeclared
from everytick.read.overdue import jobs_behind, overdue
from everytick.read.paging import offset_of
from everytick.read.resuming import preview_of
from everytick.read.run_details import Attempt, alike, attempts_of
from everytick.read.run_pages import SEARCHED, list_runs, runs_of_job
from everytick.read.runs import STATES, read_run
from everytick.read.under_way import count_held, held_runs, waiting_runs
from everytick.settings import settings
from everytick.store.requests import ENDED
from everytick.text.wording import of_attempts
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from . import coming, drawing, explain, jobs, overview, runs
from .answers import ReadingRoute
from .processes import reading, schedule_state
from .rendering import page, url
from .schemas import LARGEST

router = APIRouter(include_in_schema=False, route_class=ReadingRoute)

# How many of each a page shows.
_JOBS, _STRIP, _RUNS, _LANES, _AUDIT, _UPCOMING, _CHART = 20, 14, 25, 25, 40, 40, 50
# How many ticks of each job are listed among those that are due next.
_FEW = 3
# The most that a page shows of tracebacks and logs; the rest is in the text file.
_TEXT = 12_000

RunId = Annotated[int, Path(ge=1, le=LARGEST)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST)]
Number = Annotated[int, Query(ge=1, le=100_000)]
Text = Annotated[str, Query(max_length=500)]


@router.get("/")
def show_overview(request: Request, q: Text = "", number: Number = 1) -> Response:
    """Whether all is well."""
    if q or number > 1:
        # The list of jobs was here; links to a part of it are kept.
        return RedirectResponse(url("/jobs", q=q, number=number if number > 1 else None), 307)
    with reading(request.app.state.ledger) as connection:
        found = overview.current(request.app.state, connection)
    return page(
        request,
        "overview.html",
        found=found,
        chart=drawing.day_chart(found.hours, settings().zone),
        hours=found.hours,
        title="Overview",
    )


@router.get("/jobs")
def show_jobs(
    request: Request, q: Text = "", state: Text = "", sort: Text = "id", number: Number = 1
) -> HTMLResponse:
    """All jobs, when they are due, and what became of them lately."""
    wanted = jobs.job_filter(q, state, sort)
    with reading(request.app.state.ledger) as connection:
        found, due = list_jobs(connection, wanted, _JOBS, offset_of(number, _JOBS))
        busy, declared = count_held(connection).by_job(), undeclared(settings())
        rows = []
        for job in found.rows:
            kept = jobs.record(connection, job.id)
            picture = drawing.strip(kept.newest[:_STRIP])
            rows.append((job, kept, picture, busy.get(job.id, {}), job.problem(declared), overdue(job)))
        head = schedule_state(connection)
    return page(
        request,
        "jobs.html",
        rows=rows,
        behind=jobs_behind(due),
        found=found,
        wanted=wanted,
        standings=STANDINGS,
        number=number,
        state_of_schedule=head,
        title="Jobs",
    )


@router.get("/job")
def show_job(
    request: Request,
    id: Annotated[str, Query(max_length=1_000)],
    before: Before = None,
    tick: Annotated[str, Query(max_length=60)] = "",
    ask: Annotated[bool, Query()] = False,
) -> HTMLResponse:
    """One job: its coming fires, its history, why it ran or not at a tick, and what may be done."""
    with reading(request.app.state.ledger) as connection:
        job = read_job(connection, id)
        kept = jobs.record(connection, id)
        charted, _more = runs_of_job(connection, id, _CHART)
        history, more = runs_of_job(connection, id, _RUNS, before)
        notes = jobs.odd_times(connection, history)
        head = schedule_state(connection)
    asked, found = ask or bool(tick), declared_job(job, request.app.state.declared())
    sentences = explain.why(request.app.state.ledger, id, tick or None).sentences if asked else []
    return page(
        request,
        "job.html",
        tick=tick,
        sentences=sentences,
        notes=notes,
        job=job,
        problem=job.problem(undeclared(settings())),
        late=overdue(job),
        preview=preview_of(job),
        kept=kept,
        charts=[("Duration", drawing.durations(charted)), ("Lateness", drawing.lateness(charted))],
        where=None if found is None else found.where,
        options=None if found is None else job_options(found),
        history=history,
        more=more,
        before=before,
        fires=next_ticks(job, 10),
        ENDED=ENDED,
        took=runs.took,
        state_of_schedule=head,
        title=job.row.name,
    )


@router.get("/runs")
def show_runs(request: Request, job: Text = "", state: Text = "", before: Before = None) -> HTMLResponse:
    """Runs and skipped ticks, newest first."""
    wanted = runs.check_state(state)
    with reading(request.app.state.ledger) as connection:
        found, more = list_runs(connection, job or None, _RUNS, before, wanted)
        notes = jobs.odd_times(connection, found)
        head = schedule_state(connection)
    return page(
        request,
        "runs.html",
        notes=notes,
        history=found,
        more=more,
        before=before,
        job_id=job,
        state=state,
        states=STATES,
        took=runs.took,
        searched=SEARCHED,
        state_of_schedule=head,
        title="Runs",
    )


@router.get("/run/{run_id}")
def show_run(request: Request, run_id: RunId) -> HTMLResponse:
    """One run: its attempts, its error, and what it logged."""
    with reading(request.app.state.ledger) as connection:
        row = read_run(connection, run_id)
        attempts = attempts_of(connection, row)
        asked = requests_about(connection, run_id)
        sentences = why_run(connection, row, settings())
        head = schedule_state(connection)
    return page(
        request,
        "run.html",
        run=row,
        attempts=attempts,
        groups=_alike(attempts),
        of_attempts=of_attempts,
        asked=asked,
        sentences=sentences,
        tail=_TEXT // max(1, len(attempts)),
        ENDED=ENDED,
        took=runs.took,
        state_of_schedule=head,
        title=f"Run {run_id}",
    )


@router.get("/run/{run_id}/text")
def show_run_as_text(request: Request, run_id: RunId) -> PlainTextResponse:
    """All that a run logged, and its tracebacks."""
    with reading(request.app.state.ledger) as connection:
        row = read_run(connection, run_id)
        parts = [_as_text(group) for group in _alike(attempts_of(connection, row))]
    return PlainTextResponse(f"run {run_id} of {row.job_id}\n\n" + "\n".join(parts))


def _alike(attempts: list[Attempt]) -> list[list[Attempt]]:
    """Return attempts with those together that ended in the same way."""
    return alike(attempts, lambda attempt: (attempt.state, attempt.error, attempt.traceback))


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
def show_running(request: Request) -> HTMLResponse:
    """Runs that are going on, claimed, or waiting."""
    with reading(request.app.state.ledger) as connection:
        held, waiting = held_runs(connection, 1_000), waiting_runs(connection, 100)
        head = schedule_state(connection)
    owners = {process.process_id: process for process in head.processes.found}
    return page(
        request,
        "running.html",
        held=held,
        waiting=waiting,
        owners=owners,
        state_of_schedule=head,
        title="Running now",
    )


@router.get("/coming")
def show_coming(request: Request, number: Number = 1) -> HTMLResponse:
    """The coming 24 hours as a time line."""
    begin = ticks.now()
    end = begin + ticks.DAY
    zone = settings().zone
    with reading(request.app.state.ledger) as connection:
        due = due_between(jobs_due(connection), begin, end)
        found = coming.lanes(connection, due, begin, end, _LANES, offset_of(number, _LANES))
        head = schedule_state(connection)
    upcoming = soonest(due, end, _FEW, _UPCOMING)
    hours = [(drawing.place(at, begin, end), label) for at, label in coming.hours(begin, end, zone)]
    return page(
        request,
        "coming.html",
        lanes=[(lane, drawing.marks(lane, begin, end)) for lane in found.rows],
        hours=hours,
        upcoming=upcoming,
        few=_FEW,
        found=found,
        width=drawing.DAY_WIDTH,
        state_of_schedule=head,
        title="The next 24 hours",
    )


@router.get("/audit")
def show_audit(request: Request, before: Before = None) -> HTMLResponse:
    """The audit trail."""
    with reading(request.app.state.ledger) as connection:
        found, more = audit_entries(connection, _AUDIT, before)
        head = schedule_state(connection)
    return page(
        request,
        "audit.html",
        entries=found,
        more=more,
        before=before,
        state_of_schedule=head,
        title="Audit trail",
    )
