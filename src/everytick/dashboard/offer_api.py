"""Jobs of offered functions, for programs: the offers, a preview, and then to add, change and remove."""

from __future__ import annotations

from typing import Annotated

from everytick.api.drafts import Draft, Wanted
from fastapi import APIRouter, Query, Request

from . import schemas
from .answers import ReadingRoute
from .api import ACTS, ERRORS, JobId
from .offer_schemas import JobChange, JobKept, JobPreview, JobWanted, OfferedOptions, Offers, Schedule
from .offered import OfferActions, change_of, check_shown, offered_function, preview_of

router = APIRouter(route_class=ReadingRoute, prefix="/api/v1", responses=ERRORS)


@router.get("/offers")
def list_offers(request: Request) -> Offers:
    """List the functions for which jobs can be added here: those that the schedule's code offers."""
    found = request.app.state.declared().offers
    return {
        "offers": [offered_function(offer) for offer in (found or {}).values()],
        "code_is_loaded": found is not None,
    }


@router.post("/jobs/preview", responses=ACTS)
def preview_addition(request: Request, body: JobWanted) -> JobPreview:
    """Return a new job as it would be, and when it would be due. Nothing is written."""
    return preview_of(OfferActions(request).draft(body.function, _wanted(body, body.id)))


@router.post("/jobs", responses=ACTS, status_code=201)
def add(request: Request, body: JobWanted) -> JobKept:
    """Add a job that calls a function that the code offers; the schedule takes it up within a second."""
    acts = OfferActions(request)
    draft = acts.draft(body.function, _wanted(body, body.id))
    _check_shown(draft, body.shown)
    changed, said = acts.keep(draft, body.note)
    return {"job_id": draft.job.id, "changed": changed, "said": said}


@router.post("/jobs/{job_id:everytick_job_id}/preview", responses=ACTS)
def preview_change(request: Request, job_id: JobId, body: JobChange) -> JobPreview:
    """Return a job as it would be after a change. Nothing is written."""
    return preview_of(OfferActions(request).draft_change(job_id, _wanted(body), body.version))


@router.patch("/jobs/{job_id:everytick_job_id}", responses=ACTS)
def change(request: Request, job_id: JobId, body: JobChange) -> JobKept:
    """Change a job that was added. With another schedule nothing is made up for from the time before."""
    acts = OfferActions(request)
    draft = acts.draft_change(job_id, _wanted(body), body.version)
    _check_shown(draft, body.shown)
    changed, said = acts.keep(draft, body.note)
    return {"job_id": job_id, "changed": changed, "said": said}


@router.delete("/jobs/{job_id:everytick_job_id}", responses=ACTS)
def remove(
    request: Request,
    job_id: JobId,
    note: Annotated[str | None, Query(max_length=500, description="why, for the audit trail")] = None,
) -> schemas.Done:
    """Remove a job that was added: it never runs again. Its history stays."""
    said = OfferActions(request).remove(job_id, note)
    return {"changed": True, "said": said}


def _check_shown(draft: Draft, shown: str | None) -> None:
    if shown is not None:
        check_shown(draft, shown)


def _wanted(body: JobWanted | JobChange, job_id: str | None = None) -> Wanted:
    def given(model: Schedule | OfferedOptions) -> dict[str, object]:
        return model.model_dump(exclude_unset=True)

    schedule = None if body.schedule is None else change_of(given(body.schedule))
    return Wanted(schedule, body.arguments, job_id, body.name, given(body.options))
