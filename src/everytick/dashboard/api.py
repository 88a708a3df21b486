"""The same as the pages, for programs: JSON under /api/v1, described at /api/openapi.json."""

from __future__ import annotations

from typing import Annotated, Any

from everytick.model import ticks
from everytick.read import audit_row, details_of
from everytick.text.instants import iso
from fastapi import APIRouter, Path, Query, Request

from . import coming, explain, jobs, runs, schemas
from .control import Actions, instant
from .problems import Problem
from .processes import keepers, reading, shown

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": schemas.Error, "description": "The request cannot be read"},
    401: {"model": schemas.Error, "description": "No token, or a wrong one"},
    422: {"model": schemas.Error, "description": "A value is wrong"},
    429: {"model": schemas.Error, "description": "Too many wrong tokens"},
    503: {"model": schemas.Error, "description": "The ledger does not answer"},
}
_NO_SUCH: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Error, "description": "There is none"}}
_ACTS: dict[int | str, dict[str, Any]] = {
    **_NO_SUCH,
    403: {"model": schemas.Error, "description": "This token may only read"},
    409: {"model": schemas.Error, "description": "The run is in no state for that"},
    413: {"model": schemas.Error, "description": "The request is too large"},
}

router = APIRouter(prefix="/api/v1", responses=_ERRORS)

JobId = Annotated[str, Path(max_length=1_000, description="the job's id")]
RunId = Annotated[int, Path(ge=1, le=schemas.LARGEST, description="the run's number")]
Limit = Annotated[int, Query(ge=1, le=500, description="at most so many")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="leave out so many")]
Before = Annotated[
    int | None, Query(ge=1, le=schemas.LARGEST, description="only what is older than this number")
]
Moment = Annotated[
    str | None, Query(max_length=60, description="ISO 8601; without an offset the scheduler's zone")
]


@router.get("/jobs", response_model=schemas.Jobs)
def list_jobs(
    request: Request,
    q: Annotated[str, Query(max_length=500, description="part of an id or a name")] = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> dict[str, Any]:
    """List the jobs of the schedule, in the order of their ids."""
    with reading(request.app.state.ledger) as connection:
        found, total = jobs.listed(connection, q, limit, offset)
        shown = [jobs.job_fields(connection, job) for job in found]
    return {"jobs": shown, "total": total}


# Before the job itself, whose id may have any characters.
@router.get("/jobs/{job_id:path}/why", response_model=schemas.Why, responses=_NO_SUCH)
def read_why(
    request: Request,
    job_id: JobId,
    tick: Annotated[Moment, Query(description="the time in question; by default the latest tick")] = None,
) -> dict[str, Any]:
    """Explain why a job ran at a time, or did not, as the command `why` does; from the ledger alone."""
    return explain.why(request.app.state.ledger, job_id, tick).as_json()


@router.get("/jobs/{job_id:path}", response_model=schemas.JobDetail, responses=_NO_SUCH)
def read_job(request: Request, job_id: JobId) -> dict[str, Any]:
    """Return one job with its next ten ticks and, if it is paused, what resuming it would do."""
    with reading(request.app.state.ledger) as connection:
        job = jobs.one(connection, job_id)
        shown = jobs.job_fields(connection, job)
    preview = job.resumed
    return {
        **shown,
        "next_fires": [_fire(fire) for fire in coming.next_fires(job, 10)],
        "resume_preview": preview and {"skipped_ticks": preview.ticks, "next_run": iso(preview.next_tick)},
    }


@router.get("/runs", response_model=schemas.Runs, responses=_NO_SUCH)
def list_runs(
    request: Request,
    job: Annotated[str | None, Query(max_length=1_000, description="only those of this job")] = None,
    state: Annotated[str | None, Query(max_length=20, description="only those in this state")] = None,
    before: Before = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """List what ran and what was skipped, newest first.

    A search for a state looks at 50,000 runs at a time: it may give fewer than `limit`, and more further on.
    """
    wanted = runs.check_state(state)
    with reading(request.app.state.ledger) as connection:
        if job is not None:
            jobs.one(connection, job)
            found, more = runs.of_job(connection, job, limit, before, wanted)
        else:
            found, more = runs.newest(connection, limit, before, wanted)
    return {"runs": [runs.listed_fields(row) for row in found], "next_before": more}


@router.get("/runs/{run_id}", response_model=schemas.RunDetail, responses=_NO_SUCH)
def read_run(request: Request, run_id: RunId) -> dict[str, Any]:
    """Return one run with who asked for what about it, and its attempts: errors, tracebacks and logs."""
    with reading(request.app.state.ledger) as connection:
        row = runs.one(connection, run_id)
        return {**runs.listed_fields(row), **details_of(connection, row)}


@router.get("/plan", response_model=schemas.Plan, responses=_NO_SUCH)
def read_plan(
    request: Request,
    begin: Annotated[Moment, Query(alias="from")] = None,
    end: Annotated[Moment, Query(alias="to")] = None,
    job: Annotated[str | None, Query(max_length=1_000, description="only that of this job")] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """List what is due from one time to another, by default in the coming day."""
    first = ticks.now() if not begin else instant("from", begin)
    last = first + ticks.DAY if not end else instant("to", end)
    if last <= first:
        raise Problem(422, "to: must be later than from")
    with reading(request.app.state.ledger) as connection:
        found = coming.planned(connection, first, last, limit + 1, job)
    return {"ticks": [_fire(fire) for fire in found[:limit]], "complete": len(found) <= limit}


@router.get("/processes", response_model=schemas.Processes)
def list_processes(request: Request) -> schemas.Processes:
    """List the processes that keep the schedule, with their heartbeats and leases."""
    with reading(request.app.state.ledger) as connection:
        return shown(keepers(connection))


@router.get("/audit", response_model=schemas.Audit)
def read_audit(request: Request, before: Before = None, limit: Limit = 100) -> dict[str, Any]:
    """List who did what, newest first."""
    with reading(request.app.state.ledger) as connection:
        found = jobs.audit(connection, limit + 1, before)
    entries = [audit_row(row) for row in found[:limit]]
    return {"entries": entries, "next_before": found[limit - 1].audit_id if len(found) > limit else None}


@router.post("/jobs/{job_id:path}/run-now", response_model=schemas.Begun, responses=_ACTS, status_code=202)
def run_now(request: Request, job_id: JobId, body: schemas.RunNow | None = None) -> dict[str, Any]:
    """Run a job now, beside its schedule, also while it is paused; with `tick` in the place of that tick."""
    given = body or schemas.RunNow()
    run_id, said = _actions(request).run_now(job_id, given.tick, given.note)
    return {"run_id": run_id, "said": said}


@router.post("/jobs/{job_id:path}/pause", response_model=schemas.Done, responses=_ACTS)
def pause(request: Request, job_id: JobId, body: schemas.Pause | None = None) -> dict[str, Any]:
    """Pause a job until it is resumed or, with `until`, until then; over restarts too."""
    given = body or schemas.Pause()
    changed, said = _actions(request).pause(job_id, given.note, given.until)
    return {"changed": changed, "said": said}


@router.post("/jobs/{job_id:path}/resume", response_model=schemas.Done, responses=_ACTS)
def resume(request: Request, job_id: JobId) -> dict[str, Any]:
    """Resume a paused job. What fell into the pause is recorded and not caught up."""
    changed, said = _actions(request).resume(job_id)
    return {"changed": changed, "said": said}


@router.post("/runs/{run_id}/cancel", response_model=schemas.Cancelled, responses=_ACTS)
def cancel(request: Request, run_id: RunId, body: schemas.Noted | None = None) -> dict[str, Any]:
    """Cancel a run: one that waits at once, a coroutine within about a second; a plain function is told."""
    over, said = _actions(request).cancel(run_id, body.note if body else None)
    return {"over": over, "said": said}


@router.post("/runs/{run_id}/retry", response_model=schemas.Begun, responses=_ACTS, status_code=202)
def retry(request: Request, run_id: RunId, body: schemas.Noted | None = None) -> dict[str, Any]:
    """Give a run that failed, or was cut off, one more attempt."""
    return {"run_id": run_id, "said": _actions(request).retry(run_id, body.note if body else None)}


def _actions(request: Request) -> Actions:
    return Actions(request.state.visitor, request.app.state.ledger)


def _fire(fire: coming.Fire) -> dict[str, Any]:
    notes = ["paused" if fire.paused else "", fire.note]
    return {"job_id": fire.job_id, "tick": iso(fire.tick), "note": "; ".join(filter(None, notes))}
