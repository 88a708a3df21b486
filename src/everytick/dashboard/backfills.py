"""Backfills: the page with a preview and how far each is, and the same for programs."""

from __future__ import annotations

from typing import Annotated

from everytick.api.backfills import MOST_INSTANCES, MOST_RATE, BackfillPreview
from everytick.model import ticks
from everytick.read.backfills import list_backfills, obstacle, read_backfill
from everytick.read.known_job import find_job
from everytick.read.schemas import Backfill
from everytick.text.durations import duration_of_seconds
from everytick.text.instants import iso
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from . import schemas
from .answers import PreviewRoute
from .api import ACTS, ERRORS, NO_SUCH, Limit, Moment, actions_of
from .control import pace_of
from .problems import Problem
from .processes import reading, schedule_state
from .rendering import page

router = APIRouter(include_in_schema=False, route_class=PreviewRoute)
api_router = APIRouter(route_class=PreviewRoute, prefix="/api/v1", responses=ERRORS)

_LISTED = 40

Text = Annotated[str, Query(max_length=500)]
Number = Annotated[int, Path(ge=1, le=schemas.LARGEST, description="the backfill's number")]
Job = Annotated[str, Query(max_length=1_000, description="the job's id")]


@router.get("/backfills")
def show_backfills(
    request: Request,
    job: Text = "",
    start: Annotated[str, Query(alias="from", max_length=60)] = "",
    to: Annotated[str, Query(max_length=60)] = "",
    only_missed: Annotated[str, Query(max_length=10)] = "",
    rate: Annotated[str, Query(max_length=10)] = "",
    max_instances: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """All backfills, and a preview of the one that a person asks about."""
    preview: BackfillPreview | None = None
    wrong = takes = ""
    at_once = 1
    # A page that is open fetches itself anew, without this part.
    if job and start and "x-live" not in request.headers:
        try:
            in_a_minute, at_once = pace_of(rate, max_instances)
            preview = actions_of(request).preview_backfill(job, start, to, only_missed=bool(only_missed))
            if in_a_minute is not None:
                takes = duration_of_seconds((preview.count - 1) * 60 / in_a_minute)
        except Problem as problem:
            wrong = problem.sentence
    with reading(request.app.state.ledger) as connection:
        found = list_backfills(connection, _LISTED, job if job and find_job(connection, job) else None)
        head = schedule_state(connection)
    asked = {"job": job, "from": start, "to": to, "rate": rate, "max_instances": max_instances}
    return page(
        request,
        "backfills.html",
        asked=asked,
        # The form begins the backfill that the page shows, however long that was open.
        wanted={**asked, **_span(preview), "schedule": preview.schedule} if preview else {},
        only_missed=bool(only_missed),
        preview=preview,
        at_once=at_once,
        takes=takes,
        wrong=wrong,
        backfills=found,
        most={"rate": MOST_RATE, "max_instances": MOST_INSTANCES},
        instant=ticks.instant,
        obstacle=obstacle,
        state_of_schedule=head,
        title="Backfills",
    )


@api_router.get("/backfills", responses=NO_SUCH)
def list_all(
    request: Request,
    job: Annotated[str | None, Query(max_length=1_000, description="only those of this job")] = None,
    limit: Limit = 100,
) -> schemas.Backfills:
    """List the backfills, newest first, and how far each is."""
    with reading(request.app.state.ledger) as connection:
        return {"backfills": list_backfills(connection, limit, job)}


# Before the one of a number.
@api_router.get("/backfills/preview", responses=NO_SUCH)
def preview(
    request: Request,
    job: Job,
    start: Annotated[str, Query(alias="from", max_length=60, description="the first time")],
    to: Moment = None,
    only_missed: bool = False,
) -> schemas.BackfillPreview:
    """Return what a backfill would do: how many ticks get a run, and the first and last of them."""
    found = actions_of(request).preview_backfill(job, start, to, only_missed=only_missed)
    first, last = (None if it is None else iso(ticks.instant(it)) for it in (found.first, found.last))
    return {
        "job_id": found.job_id,
        "count": found.count,
        "first": first,
        "last": last,
        "schedule": found.schedule,
        **_span(found),
    }


def _span(preview: BackfillPreview) -> schemas.Span:
    """Return the times between which the ticks of a preview lie, as a request for these takes them."""
    return {"from": iso(ticks.instant(preview.start)), "to": iso(ticks.instant(preview.end))}


@api_router.get("/backfills/{number}", responses=NO_SUCH)
def read_one(request: Request, number: Number) -> Backfill:
    """Return one backfill, and how far it is."""
    with reading(request.app.state.ledger) as connection:
        return read_backfill(connection, number)


@api_router.post("/backfills", responses=ACTS, status_code=202)
def begin(request: Request, body: schemas.BackfillWanted) -> schemas.BackfillBegun:
    """Run a job for its past ticks, each once, beside its schedule."""
    number, said = actions_of(request).backfill(
        body.job,
        body.start,
        body.to,
        only_missed=body.only_missed,
        rate=body.rate,
        max_instances=body.max_instances,
        schedule=body.schedule,
        note=body.note,
    )
    return {"backfill_id": number, "said": said}


@api_router.post("/backfills/{number}/stop", responses=ACTS)
def stop(request: Request, number: Number, body: schemas.Noted | None = None) -> schemas.Done:
    """Let a backfill make no more runs; those that are under way go on."""
    done = actions_of(request).stop_backfill(number, body.note if body else None)
    return {"changed": done.changed, "said": done.sentence}


@api_router.post("/backfills/{number}/continue", responses=ACTS)
def go_on(request: Request, number: Number, body: schemas.Noted | None = None) -> schemas.Done:
    """Let a backfill that was stopped go on where it was."""
    done = actions_of(request).continue_backfill(number, body.note if body else None)
    return {"changed": done.changed, "said": done.sentence}
