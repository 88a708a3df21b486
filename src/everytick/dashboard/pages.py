"""The pages. Each is made from the ledger as it is at that moment; open pages fetch themselves anew."""

from __future__ import annotations

from typing import Annotated

from everytick.explain import why_run
from everytick.model import ticks
from everytick.read.audit import requests_about
from everytick.read.run_details import Attempt, attempts_of
from everytick.settings import settings
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from . import coming, drawing, explain, jobs, runs
from .paging import number_of_pages
from .processes import reading, schedule_state
from .rendering import page
from .schemas import LARGEST

router = APIRouter(include_in_schema=False)

# How many of each a page shows.
_JOBS, _RUNS, _LANES, _AUDIT, _UPCOMING, _CHART = 20, 25, 25, 40, 40, 60
# The most that a page shows of tracebacks and logs; the rest is in the text file.
_TEXT = 12_000

RunId = Annotated[int, Path(ge=1, le=LARGEST)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST)]
Number = Annotated[int, Query(ge=1, le=100_000)]
Text = Annotated[str, Query(max_length=500)]


@router.get("/")
def show_jobs(request: Request, q: Text = "", number: Number = 1) -> HTMLResponse:
    """All jobs, when they are due, and what became of them lately."""
    with reading(request.app.state.ledger) as connection:
        found, total = jobs.listed(connection, q.strip(), _JOBS, (number - 1) * _JOBS)
        busy = jobs.held_by_job(connection)
        rows = []
        for job in found:
            kept = jobs.record(connection, job.id)
            rows.append((job, kept, drawing.strip(kept.newest), busy.get(job.id, {})))
        behind = jobs.behind(connection)
        head = schedule_state(connection)
    return page(
        request,
        "jobs.html",
        rows=rows,
        behind=behind,
        total=total,
        q=q,
        number=number,
        pages=number_of_pages(total, _JOBS),
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
        job = jobs.one(connection, id)
        kept = jobs.record(connection, id)
        charted, _more = runs.of_job(connection, id, _CHART)
        history, more = runs.of_job(connection, id, _RUNS, before)
        notes = jobs.odd_times(connection, history)
        head = schedule_state(connection)
    asked = ask or bool(tick)
    sentences = explain.why(request.app.state.ledger, id, tick or None).sentences if asked else []
    return page(
        request,
        "job.html",
        tick=tick,
        sentences=sentences,
        notes=notes,
        job=job,
        kept=kept,
        chart=drawing.chart(charted),
        history=history,
        more=more,
        before=before,
        fires=coming.next_fires(job, 10),
        ENDED=runs.ENDED,
        took=runs.took,
        state_of_schedule=head,
        title=job.row.name,
    )


@router.get("/runs")
def show_runs(request: Request, job: Text = "", state: Text = "", before: Before = None) -> HTMLResponse:
    """Runs and skipped ticks, newest first."""
    wanted = runs.check_state(state)
    with reading(request.app.state.ledger) as connection:
        if job:
            jobs.one(connection, job)
            found, more = runs.of_job(connection, job, _RUNS, before, wanted)
        else:
            found, more = runs.newest(connection, _RUNS, before, wanted)
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
        states=runs.STATES,
        took=runs.took,
        searched=runs.SEARCHED,
        state_of_schedule=head,
        title="Runs",
    )


@router.get("/run/{run_id}")
def show_run(request: Request, run_id: RunId) -> HTMLResponse:
    """One run: its attempts, its error, and what it logged."""
    with reading(request.app.state.ledger) as connection:
        row = runs.one(connection, run_id)
        attempts = attempts_of(connection, row)
        asked = requests_about(connection, run_id)
        sentences = why_run(connection, row, settings())
        head = schedule_state(connection)
    return page(
        request,
        "run.html",
        run=row,
        attempts=attempts,
        asked=asked,
        sentences=sentences,
        tail=_TEXT // max(1, len(attempts)),
        ENDED=runs.ENDED,
        took=runs.took,
        state_of_schedule=head,
        title=f"Run {run_id}",
    )


@router.get("/run/{run_id}/text")
def show_run_as_text(request: Request, run_id: RunId) -> PlainTextResponse:
    """All that a run logged, and its tracebacks."""
    with reading(request.app.state.ledger) as connection:
        row = runs.one(connection, run_id)
        parts = [_attempt_as_text(attempt) for attempt in attempts_of(connection, row)]
    return PlainTextResponse(f"run {run_id} of {row.job_id}\n\n" + "\n".join(parts))


def _attempt_as_text(attempt: Attempt) -> str:
    said = (attempt.error, attempt.traceback, attempt.log)
    return "\n".join([f"--- attempt {attempt.attempt}: {attempt.state}", *filter(None, said), ""])


@router.get("/running")
def show_running(request: Request) -> HTMLResponse:
    """Runs that are going on, claimed, or waiting."""
    with reading(request.app.state.ledger) as connection:
        held, waiting = runs.held(connection), runs.waiting(connection)
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
        lanes, total = coming.lanes(connection, begin, end, _LANES, (number - 1) * _LANES)
        upcoming = coming.soonest(connection, begin, end, _UPCOMING)
        head = schedule_state(connection)
    hours = [(drawing.place(at, begin, end), label) for at, label in coming.hours(begin, end, zone)]
    return page(
        request,
        "coming.html",
        lanes=[(lane, drawing.marks(lane, begin, end)) for lane in lanes],
        hours=hours,
        upcoming=upcoming,
        few=coming.FEW,
        total=total,
        number=number,
        pages=number_of_pages(total, _LANES),
        width=drawing.DAY_WIDTH,
        state_of_schedule=head,
        title="The next 24 hours",
    )


@router.get("/audit")
def show_audit(request: Request, before: Before = None) -> HTMLResponse:
    """The audit trail."""
    with reading(request.app.state.ledger) as connection:
        found, more = jobs.audit(connection, _AUDIT, before)
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
