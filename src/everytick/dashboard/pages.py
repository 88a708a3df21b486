"""The pages. Each is made from the ledger as it is at that moment; open pages fetch themselves anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from everytick.model import ticks
from everytick.read.audit import audit_entries, who_added
from everytick.read.coming import due_between, left_out_between, next_ticks, soonest
from everytick.read.failing import failing_job
from everytick.read.in_the_way import runs_in_the_way_of
from everytick.read.job_list import JobFilter, list_jobs
from everytick.read.job_options import declared_job, job_options
from everytick.read.known_job import KnownJob, jobs_due, read_job, undeclared
from everytick.read.late import find_late
from everytick.read.paging import offset_of
from everytick.read.reports import reports_of
from everytick.read.resuming import preview_of
from everytick.read.run_columns import took
from everytick.read.run_pages import runs_of_job
from everytick.read.standings import ORDERS, STANDINGS
from everytick.read.trouble_counts import gravest_of_a_day
from everytick.read.trouble_words import in_short
from everytick.read.under_way import count_held
from everytick.read.waits import waits_of_jobs
from everytick.settings import settings
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from . import coming, drawing, explain, jobs, overview, runs
from .addresses import below_root, url
from .answers import ReadingRoute
from .forms import EMPTY, Form
from .problems import Problem
from .processes import reading, schedule_state
from .rendering import page
from .schemas import LARGEST

router = APIRouter(include_in_schema=False, route_class=ReadingRoute)

# How many of each a page shows.
_JOBS, _STRIP, _RUNS, _LANES, _AUDIT, _UPCOMING, _CHART = 20, 12, 25, 25, 40, 40, 50
# How many ticks of each job are listed among those that are due next.
_FEW = 3

Before = Annotated[int | None, Query(ge=1, le=LARGEST)]
Number = Annotated[int, Query(ge=1, le=100_000)]
Text = Annotated[str, Query(max_length=500)]


@router.get("/")
def show_overview(request: Request, q: Text = "", number: Number = 1) -> Response:
    """Whether all is well."""
    if q or number > 1:
        # The list of jobs was here; links to a part of it are kept.
        with below_root(request):
            return RedirectResponse(url("/jobs", q=q, number=number if number > 1 else None), 307)
    with reading(request.app.state.ledger) as connection:
        found = overview.current(request.app.state, connection)
    zone = settings().zone
    return page(
        request,
        "overview.html",
        found=found,
        chart=drawing.day_chart(found.day, zone),
        outages=[overview.told(outage, zone) for outage in found.gone_wrong.outages],
        gone_wrong=overview.gone_wrong(found, zone),
        address_of=overview.address_of,
        runs_that_ended=overview.runs_that_ended,
        all_that_ended=overview.all_that_ended,
        skipped_ticks=overview.skipped_ticks,
        title="Overview",
    )


@router.get("/jobs")
def show_jobs(
    request: Request, q: Text = "", state: Text = "", sort: Text = ORDERS[0], number: Number = 1
) -> HTMLResponse:
    """All jobs, when they are due, and what became of them lately; no job for a filter that means nothing."""
    wanted, wrong = JobFilter(q.strip()), ""
    try:
        wanted = jobs.job_filter(q, state, sort)
    except Problem as problem:
        wrong = problem.sentence
    with reading(request.app.state.ledger) as connection:
        found, due = list_jobs(connection, wanted, 0 if wrong else _JOBS, offset_of(number, _JOBS))
        busy, declared = count_held(connection).by_job(), undeclared(settings())
        waits = waits_of_jobs(connection, ticks.now())
        behind = find_late(connection, due, ticks.now())
        late, gravest = {one.job_id: one for one in behind}, gravest_of_a_day(connection)
        rows = []
        for job in found.rows:
            kept = jobs.record(connection, job.id)
            picture = drawing.strip(kept.newest[:_STRIP])
            ways = busy.get(job.id, {}), job.problem(declared), late.get(job.id), gravest.get(job.id)
            rows.append((job, kept, picture, *ways))
        head = schedule_state(connection)
    return page(
        request,
        "jobs.html",
        rows=rows,
        waits=waits,
        behind=behind,
        found=found,
        wanted=wanted,
        wrong=wrong,
        in_short=in_short,
        went_wrong=overview.runs_that_went_wrong,
        standings=STANDINGS,
        usual_order=ORDERS[0],
        doable=_doable(found.rows),
        strip=_STRIP * drawing.CELL,
        number=number,
        state_of_schedule=head,
        title="Jobs",
    )


def _doable(found: Iterable[KnownJob]) -> set[str]:
    """Return what can be asked of at least one of these jobs: of one that a setting disables nothing."""
    asked = [job for job in found if job.row.disabled_by is None]
    return {"resume" if job.paused else "pause" for job in asked} | ({"run-now"} if asked else set())


@router.get("/jobs/{job_id:path}")
def go_to_job(request: Request, job_id: str) -> RedirectResponse:
    """Where people look for a job, since the list is at /jobs."""
    with below_root(request):
        return RedirectResponse(url("/job", id=job_id), 307)


@router.get("/job")
def show_job(
    request: Request,
    id: Annotated[str, Query(max_length=1_000)],
    before: Before = None,
    tick: Annotated[str, Query(max_length=60)] = "",
    ask: Annotated[bool, Query()] = False,
    done: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """One job: its coming fires, its history, why it ran or not at a tick, and what may be done."""
    wrong: dict[str, str] = {}
    sentences: Sequence[str] = []
    if ask or tick:
        try:
            sentences = explain.why(request.app.state.ledger, id, tick or None).sentences
        except Problem as problem:
            if not problem.field:
                raise
            wrong = {"asked": problem.at_the_field}
    return _job_page(request, id, before, tick=tick, sentences=sentences, wrong=wrong, done=done)


def job_page_with(request: Request, form: Form, problem: Problem) -> HTMLResponse:
    """Return the page of a job from which a form came, with the problem beside its field."""
    wrong = {problem.field: problem.at_the_field}
    return _job_page(request, form.get("job_id"), None, problem.status, wrong=wrong, given=form)


def _job_page(
    request: Request,
    id: str,
    before: int | None,
    status: int = 200,
    *,
    wrong: Mapping[str, str],
    tick: str = "",
    sentences: Sequence[str] = (),
    given: Form = EMPTY,
    done: str = "",
) -> HTMLResponse:
    """Return the page of a job.

    Args:
        before: the history begins below the run of this number.
        wrong: by fields, the sentences about those that cannot be used; `asked` is that of `tick`.
        tick: the time that somebody asks about; `sentences` are the answer.
        given: the form that cannot be used, whose values stay.
        done: `added`, `changed` or `same`, just now.
    """
    with reading(request.app.state.ledger) as connection:
        job = read_job(connection, id)
        kept = jobs.record(connection, id)
        failing = failing_job(connection, id)
        late = find_late(connection, [job], ticks.now())
        charted, _more = runs_of_job(connection, id, _CHART)
        history, more = runs_of_job(connection, id, _RUNS, before)
        notes, said = jobs.odd_times(connection, history), reports_of(connection, history)
        behind = runs_in_the_way_of(connection, history)
        head = schedule_state(connection)
        added, changed = who_added(connection, id) if job.was_added else (None, None)
    declared = request.app.state.declared()
    found = declared_job(job, declared)
    return page(
        request,
        "job.html",
        status,
        wrong=wrong,
        given=given,
        tick=tick,
        sentences=sentences,
        done=done,
        added=added,
        changed=changed,
        offered=job.is_offered(declared),
        notes=notes,
        said=said,
        job=job,
        problem=job.problem(undeclared(settings())),
        late=late[0] if late else None,
        failing=failing,
        preview=preview_of(job),
        kept=kept,
        charts=[("Duration", drawing.durations(charted)), ("Lateness", drawing.lateness(charted))],
        where=None if found is None else found.where,
        options=None if found is None else job_options(found),
        history=history,
        behind=behind,
        more=more,
        before=before,
        fires=next_ticks(job, 10),
        possible=runs.possible,
        took=took,
        state_of_schedule=head,
        title=job.row.name,
    )


@router.get("/coming")
def show_coming(request: Request, number: Number = 1) -> HTMLResponse:
    """The coming 24 hours as a time line."""
    begin = ticks.now()
    end = begin + ticks.DAY
    zone = settings().zone
    with reading(request.app.state.ledger) as connection:
        known = jobs_due(connection)
        due = due_between(known, begin, end)
        found = coming.lanes(connection, due, begin, end, _LANES, offset_of(number, _LANES))
        head = schedule_state(connection)
    upcoming = soonest(due, end, _FEW, _UPCOMING)
    hours = [(drawing.place(at, begin, end), label) for at, label in coming.hours(begin, end, zone)]
    return page(
        request,
        "coming.html",
        lanes=[(lane, *drawing.marks(lane, begin, end)) for lane in found.rows],
        hours=hours,
        upcoming=upcoming,
        left_out=left_out_between(known, begin, end)[:_UPCOMING],
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
