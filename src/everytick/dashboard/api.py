"""The same as the pages, for programs: JSON under /api/v1, described at /api/openapi.json."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from everytick.model import ticks
from everytick.read import job_list, known_job, run_pages
from everytick.read import runs as kept_runs
from everytick.read.audit import audit_entries, audit_row, who_added
from everytick.read.coming import left_out_between, next_ticks, ticks_between
from everytick.read.in_the_way import runs_in_the_way_of
from everytick.read.job_ids import check_job
from everytick.read.job_options import declared_job, job_options
from everytick.read.known_job import jobs_due
from everytick.read.processes import died
from everytick.read.reports import reports_of
from everytick.read.resuming import preview_of
from everytick.read.retried import outcomes_before
from everytick.read.run_counts import count_states
from everytick.read.run_details import details_of
from everytick.read.schemas import Why
from everytick.read.trouble_counts import LOOKED_AT
from everytick.read.trouble_schemas import Overview, Troubles
from everytick.read.troubles import troubles_of
from everytick.settings import settings
from everytick.text.instants import iso
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.convertors import Convertor, register_url_convertor

from . import explain, jobs, overview, runs, schemas
from .answers import ReadingRoute
from .control import Actions, instant
from .problems import Problem
from .processes import reading, schedule_state, shown


class _JobIdConvertor(Convertor[str]):
    """The id of a job in an address: with slashes and, unlike Starlette's `path`, with line ends."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": schemas.Error, "description": "The request cannot be read"},
    401: {"model": schemas.Error, "description": "No token, or a wrong one"},
    422: {"model": schemas.Error, "description": "A value is wrong"},
    429: {"model": schemas.Error, "description": "Too many wrong tokens"},
    503: {"model": schemas.Error, "description": "The ledger does not answer"},
}
NO_SUCH: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Error, "description": "There is none"}}
ACTS: dict[int | str, dict[str, Any]] = {
    **NO_SUCH,
    403: {"model": schemas.Error, "description": "This token may only read"},
    409: {"model": schemas.Error, "description": "The run is in no state for that"},
    413: {"model": schemas.Error, "description": "The request is too large"},
}

# Of one name for the whole process, also for an application around.
register_url_convertor("everytick_job_id", _JobIdConvertor())
router = APIRouter(route_class=ReadingRoute, prefix="/api/v1", responses=ERRORS)

JobId = Annotated[str, Path(max_length=1_000, description="the job's id")]
RunId = Annotated[int, Path(ge=1, le=schemas.LARGEST, description="the run's number")]
Limit = Annotated[int, Query(ge=1, le=500, description="at most this many")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="leave out this many at the beginning")]
Before = Annotated[
    int | None, Query(ge=1, le=schemas.LARGEST, description="only what is older than this number")
]
Moment = Annotated[
    str | None,
    Query(
        max_length=60,
        description="ISO 8601, `2h`, `yesterday 02:30`; without an offset the scheduler's zone",
    ),
]


@router.get("/overview")
def read_overview(request: Request) -> Overview:
    """Return whether all is well: what fails, is late, paused or runs long, slots, queues, the last day."""
    with reading(request.app.state.ledger) as connection:
        return overview.current(request.app.state, connection).as_json()


@router.get("/troubles", responses=NO_SUCH)
def read_troubles(
    request: Request,
    since: Annotated[Moment, Query(description="since when; by default within a day")] = None,
    job: Annotated[list[str] | None, Query(description="only of these jobs, by id or pattern")] = None,
    limit: Limit = 100,
) -> Troubles:
    """Say what went wrong, by job, and whether it is over, as the command `troubles` does.

    The newest 100,000 outcomes are looked at; where there were more, `since` is when the oldest of them was.
    """
    begin = ticks.now() - ticks.DAY if not since else instant("since", since)
    if begin > ticks.now():
        raise Problem(422, "since: lies ahead: nothing has happened since then")
    with reading(request.app.state.ledger) as connection:
        return troubles_of(connection, settings(), begin, limit, job or (), LOOKED_AT).as_json()


@router.get("/jobs")
def list_jobs(
    request: Request,
    q: Annotated[str, Query(max_length=500, description="part of an id or a name")] = "",
    state: Annotated[
        str,
        Query(max_length=20, description="cannot run, failing, late, missed, paused, running or troubled"),
    ] = "",
    sort: Annotated[
        str, Query(max_length=20, description="id, next or state; -id and so on: reversed")
    ] = "id",
    limit: Limit = 100,
    offset: Offset = 0,
) -> schemas.Jobs:
    """List the jobs of the schedule, by default in the order of their ids: `sync_2` before `sync_10`."""
    wanted, declared = jobs.job_filter(q, state, sort), request.app.state.declared()
    with reading(request.app.state.ledger) as connection:
        found, _due = job_list.list_jobs(connection, wanted, limit, offset)
        shown = [jobs.job_fields(connection, job, declared) for job in found.rows]
    return {"jobs": shown, "total": found.total}


# Before the job itself, whose id may have any characters.
@router.get("/jobs/{job_id:everytick_job_id}/why", responses=NO_SUCH)
def read_why(
    request: Request,
    job_id: JobId,
    tick: Annotated[Moment, Query(description="the time in question; by default the latest tick")] = None,
) -> Why:
    """Explain why a job ran at a time, or did not, as the command `why` does; from the ledger alone."""
    line_end = "\n" if request.scope["path"].endswith("\n") else ""
    if line_end or request.scope.get("raw_path", b"").lower().endswith(b"%2fwhy"):
        # An id may end so; then the slash in it is encoded. A line end behind it does not count in a pattern.
        return JSONResponse(read_job(request, f"{job_id}/why{line_end}"))  # type: ignore[return-value]
    return explain.why(request.app.state.ledger, job_id, tick).as_json()


@router.get("/jobs/{job_id:everytick_job_id}", responses=NO_SUCH)
def read_job(request: Request, job_id: JobId) -> schemas.JobDetail:
    """Return one job with its next ten ticks and, if it is paused, what resuming it would do."""
    declared = request.app.state.declared()
    with reading(request.app.state.ledger) as connection:
        job = known_job.read_job(connection, job_id)
        shown = jobs.job_fields(connection, job, declared)
        added, changed = who_added(connection, job_id) if job.was_added else (None, None)
    preview, found = preview_of(job), declared_job(job, declared)
    return {
        **shown,
        "options": None if found is None else job_options(found),
        "next_fires": [tick.as_json() for tick in next_ticks(job, 10)],
        "resume_preview": None
        if preview is None
        else {"skipped_ticks": preview.ticks, "next_run": iso(preview.next_tick)},
        "added": None if added is None else audit_row(added),
        "changed": None if changed is None else audit_row(changed),
        "offered": job.is_offered(declared),
        "version": job.row.serial if job.was_added else None,
    }


@router.get("/runs", responses=NO_SUCH)
def list_runs(
    request: Request,
    job: Annotated[str | None, Query(max_length=1_000, description="only those of this job")] = None,
    q: Annotated[str, Query(max_length=500, description="part of the job's id")] = "",
    state: Annotated[list[str] | None, Query(description="only those in one of these states")] = None,
    reason: Annotated[
        list[str] | None, Query(description="only ticks that were skipped for one of these reasons")
    ] = None,
    failed: Annotated[
        bool, Query(description="only failed, timed_out, lost and interrupted ones, beside `state`")
    ] = False,
    ended: Annotated[bool, Query(description="only runs that are over, without skipped ticks")] = False,
    since: Annotated[Moment, Query(description="only those that ended then or later, or have not")] = None,
    until: Annotated[Moment, Query(description="only those that ended before")] = None,
    error: Annotated[str, Query(max_length=500, description="text that is in the error")] = "",
    before: Before = None,
    limit: Limit = 100,
) -> schemas.Runs:
    """List what ran and what was skipped, newest first.

    Within `since` and `until` that is by their ends, what has not ended first. A run that was tried again is
    also found by how it ended before that, which it then has as `before_retry`. What no index finds (a state,
    part of an id, the text of an error) is looked for among 50,000 runs at a time: there may be fewer than
    `limit`, and more further on.
    """
    wanted = runs.asked_for(
        job, q, state or (), since, until, error, reason or (), failed=failed, ended=ended
    )
    with reading(request.app.state.ledger) as connection:
        if job is not None:
            check_job(connection, job)
        found, more = run_pages.list_runs(connection, wanted, limit, before)
        counts = count_states(connection, wanted)
        retried, dead = outcomes_before(connection, wanted, found), died(connection, found)
        said, behind = reports_of(connection, found), runs_in_the_way_of(connection, found)
    return {
        "runs": [
            runs.listed_fields(
                *(row, retried.get(row.run_id), dead, said.get(row.run_id), behind.get(row.run_id, ()))
            )
            for row in found
        ],
        "next_before": more,
        "counts": {
            "by_state": dict(counts.by_state),
            "skipped_ticks": counts.skipped_ticks,
            "complete": counts.complete,
        },
    }


@router.get("/runs/{run_id}", responses=NO_SUCH)
def read_run(request: Request, run_id: RunId) -> schemas.RunDetail:
    """Return one run with who asked for what about it, and its attempts: errors, tracebacks and logs."""
    with reading(request.app.state.ledger) as connection:
        row = kept_runs.read_run(connection, run_id)
        return {**runs.listed_fields(row), **details_of(connection, row)}


@router.get("/plan", responses=NO_SUCH)
def read_plan(
    request: Request,
    begin: Annotated[Moment, Query(alias="from")] = None,
    end: Annotated[Moment, Query(alias="to")] = None,
    job: Annotated[str | None, Query(max_length=1_000, description="only that of this job")] = None,
    limit: Limit = 100,
) -> schemas.Plan:
    """List what is due from one time to another, by default in the coming day."""
    first = ticks.now() if not begin else instant("from", begin, ahead=True)
    last = first + ticks.DAY if not end else instant("to", end, ahead=True)
    if last <= first:
        raise Problem(422, "to: must be later than from")
    with reading(request.app.state.ledger) as connection:
        asked = None if job is None else known_job.read_job(connection, job)
        there = [one for one in jobs_due(connection) if asked is None or one.id == asked.id]
    found = list(islice(ticks_between(there, first, last), limit + 1))
    is_complete = len(found) <= limit
    left_out = left_out_between(there, first, last if is_complete else found[limit].tick)
    return {
        "ticks": [tick.as_json() for tick in found[:limit]],
        "complete": is_complete,
        "left_out": [tick.as_json() for tick in left_out],
    }


@router.get("/processes")
def list_processes(request: Request) -> schemas.Processes:
    """List the processes that keep the schedule, with their heartbeats and leases."""
    with reading(request.app.state.ledger) as connection:
        return shown(schedule_state(connection))


@router.get("/audit")
def read_audit(request: Request, before: Before = None, limit: Limit = 100) -> schemas.Audit:
    """List who did what, newest first."""
    with reading(request.app.state.ledger) as connection:
        found, more = audit_entries(connection, limit, before)
    return {"entries": [audit_row(row) for row in found], "next_before": more}


@router.post("/jobs/{job_id:everytick_job_id}/run-now", responses=ACTS, status_code=202)
def run_now(request: Request, job_id: JobId, body: schemas.RunNow | None = None) -> schemas.Begun:
    """Run a job now, beside its schedule, also while it is paused; with `tick` in the place of that tick."""
    given = body or schemas.RunNow()
    done = actions_of(request).run_now(job_id, given.tick, given.note)
    assert done.run_id is not None
    return {"run_id": done.run_id, "said": done.sentence}


@router.post("/jobs/{job_id:everytick_job_id}/pause", responses=ACTS)
def pause(request: Request, job_id: JobId, body: schemas.Pause | None = None) -> schemas.Done:
    """Pause a job until it is resumed or, with `until`, until then; over restarts too."""
    given = body or schemas.Pause()
    done = actions_of(request).pause(job_id, given.note, given.until)
    return {"changed": done.changed, "said": done.sentence}


@router.post("/jobs/{job_id:everytick_job_id}/resume", responses=ACTS)
def resume(request: Request, job_id: JobId) -> schemas.Done:
    """Resume a paused job. Its ticks during the pause are recorded as skipped, and do not run later."""
    done = actions_of(request).resume(job_id)
    return {"changed": done.changed, "said": done.sentence}


@router.post("/runs/{run_id}/cancel", responses=ACTS)
def cancel(request: Request, run_id: RunId, body: schemas.Noted | None = None) -> schemas.Cancelled:
    """Cancel a run: one that waits at once, a coroutine within about a second; a plain function is told."""
    done = actions_of(request).cancel(run_id, body.note if body else None)
    return {"over": done.changed, "said": done.sentence}


@router.post("/runs/{run_id}/retry", responses=ACTS, status_code=202)
def retry(request: Request, run_id: RunId, body: schemas.Noted | None = None) -> schemas.Begun:
    """Give a run that failed, or was cut off, one more attempt."""
    done = actions_of(request).retry(run_id, body.note if body else None)
    return {"run_id": run_id, "said": done.sentence}


def actions_of(request: Request) -> Actions:
    """Return the actions of whom this request comes from."""
    return Actions(request.state.visitor, request.app.state.ledger)
