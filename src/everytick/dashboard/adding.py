"""The pages on which people add, change and remove jobs: a form, a preview with the next fires, then the act.

They work without scripts. A preview has in hidden fields what it shows: just that is kept then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from everytick.api.drafts import Draft
from everytick.masking import is_secret_name
from everytick.model.offers import Offer
from everytick.read.job_options import job_options
from everytick.text.schedules import in_words
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from . import job_forms, option_fields
from .addresses import below_root, url
from .answers import ReadingRoute
from .forms import Form, read_form
from .job_forms import MOST_TEXT, fields_of, wanted
from .offered import (
    DAYS_IN_A_FIELD,
    FIRES,
    LEFT_OUT,
    NOT_LOADED,
    OfferActions,
    check_shown,
    default_of,
)
from .problems import Problem
from .processes import reading, schedule_state
from .rendering import page

router = APIRouter(include_in_schema=False, route_class=ReadingRoute)

# What comes in a form beside the job itself.
_NOT_THE_JOB = ("csrf_token", "save", "shown", "note")

Id = Annotated[str, Query(max_length=1_000)]


@dataclass
class _Shown:
    """The contents of the page: a form with its values, the sentences about wrong ones, or a preview.

    changes: the job that is changed, as it is. wrong: by fields, the sentences about them.
    """

    offer: Offer
    values: Mapping[str, str] = field(default_factory=dict)
    changes: Draft | None = None
    preview: Draft | None = None
    wrong: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    status: int = 200


@router.get("/add")
def show_form(request: Request, function: Annotated[str, Query(max_length=500)] = "") -> HTMLResponse:
    """A form for a job of a function that the code offers; first the choice of the function."""
    offers = request.app.state.declared().offers
    if offers and len(offers) == 1 and not function:
        [function] = offers
    if offers and function:
        return _page(request, _Shown(OfferActions(request).offer(function), {"trigger": "crontab"}))
    return _page(request, None)


@router.post("/add")
async def add(request: Request, function: Annotated[str, Query(max_length=500)] = "") -> Response:
    """Show a job as it would be or, from there, add it."""
    return await run_in_threadpool(_add, request, function, read_form(await request.body()))


@router.get("/change")
def show_change(request: Request, id: Id) -> HTMLResponse:
    """The form of a job that was added."""
    changes, offer = OfferActions(request).as_it_is(id)
    values = fields_of(changes, offer)
    if values is None:
        return _page(request, _Shown(offer, {}, changes, problem=_no_fields()))
    return _page(request, _Shown(offer, values, changes))


@router.post("/change")
async def change(request: Request, id: Id) -> Response:
    """Show a job as it would be after a change or, from there, change it."""
    return await run_in_threadpool(_change, request, id, read_form(await request.body()))


@router.post("/remove")
async def remove(request: Request) -> Response:
    """Remove a job."""
    form = read_form(await request.body())
    acts, job_id = OfferActions(request), form.get("job_id")
    await run_in_threadpool(acts.remove, job_id, form.get("note"))
    request.app.state.answers.note_action()
    return _to_job(request, job_id, "removed")


def _add(request: Request, function: str, form: Form) -> Response:
    acts = OfferActions(request, DAYS_IN_A_FIELD)
    offer = acts.offer(function)
    shown = _Shown(offer, _values(form))
    try:
        _check_length(shown.values)
        shown.preview = acts.draft(function, wanted(form, offer))
        if form.get("save"):
            return _kept(request, acts, shown, form, "added")
    except Problem as problem:
        return _page(request, _refused(shown, problem))
    return _page(request, shown)


def _change(request: Request, id: str, form: Form) -> Response:
    acts = OfferActions(request, DAYS_IN_A_FIELD)
    changes, offer = acts.as_it_is(id)
    shown = _Shown(offer, _values(form), changes)
    version = form.get("version")
    try:
        _check_length(shown.values)
        if not version.isascii() or not version.isdigit() or len(version) > 18:
            raise Problem(422, "version: which one did you see? Load the page again")
        shown.preview = acts.draft_change(id, wanted(form, offer, changes), int(version))
        if form.get("save"):
            return _kept(request, acts, shown, form, "changed")
    except Problem as problem:
        return _page(request, _refused(shown, problem))
    return _page(request, shown)


def _kept(request: Request, acts: OfferActions, shown: _Shown, form: Form, done: str) -> Response:
    """Keep the job of a preview, if that is the one which the person saw; else show it as it is now."""
    assert shown.preview is not None
    try:
        check_shown(shown.preview, form.get("shown"))
    except Problem as problem:
        shown.problem, shown.status = problem.sentence, problem.status
        return _page(request, shown)
    changed, _said = acts.keep(shown.preview, form.get("note"))
    return _to_job(request, shown.preview.job.id, done if changed else "same")


def _refused(shown: _Shown, problem: Problem) -> _Shown:
    shown.preview, shown.status = None, problem.status
    if problem.field:
        shown.wrong = {problem.field: problem.sentence.removeprefix(f"{problem.field.rpartition('.')[2]}: ")}
    else:
        shown.problem = problem.sentence
    return shown


def _values(form: Form) -> dict[str, str]:
    return {name: it for name, it in form.last().items() if name not in _NOT_THE_JOB and it}


def _check_length(values: Mapping[str, str]) -> None:
    if sum(map(len, values.values())) > MOST_TEXT:
        raise Problem(422, f"more than {MOST_TEXT:,} characters are for the API")


def _no_fields() -> str:
    return (
        "its arguments are more than fields hold (several for *args or **kwargs, control characters, or above"
        f" {MOST_TEXT:,} characters): the API changes it"
    )


def _to_job(request: Request, job_id: str, done: str) -> RedirectResponse:
    request.app.state.answers.note_action()
    with below_root(request):
        return RedirectResponse(url("/job", id=job_id, done=done), 303)


def _in_force(shown: _Shown | None) -> list[tuple[str, str, str]]:
    """Return the options of the job in a preview, each with what a change makes another of."""
    if shown is None or shown.preview is None:
        return []
    before = shown.changes.job.options if shown.changes else None
    return option_fields.options_in_force(shown.preview.job.options, before)


def _page(request: Request, shown: _Shown | None) -> HTMLResponse:
    offers = request.app.state.declared().offers
    with reading(request.app.state.ledger) as connection:
        head = schedule_state(connection)
    title = "Change a job" if shown and shown.changes else "Add a job"
    return page(
        request,
        "add.html",
        shown.status if shown else 200,
        shown=shown,
        not_loaded=NOT_LOADED if offers is None else "",
        offers=sorted((offers or {}).values(), key=lambda one: (one.name.lower(), one.reference)),
        triggers=job_forms.TRIGGERS,
        options=option_fields.OPTIONS,
        usual=option_fields.usual_options(OfferActions(request).usual) if shown else {},
        in_force=_in_force(shown),
        hides_days=bool(shown and shown.changes and job_forms.hides_days(shown.changes.job.schedule)),
        default_of=default_of,
        field_type=job_forms.field_type,
        is_secret=is_secret_name,
        as_value=lambda choice: json.dumps(choice),
        arguments_of=lambda draft: job_options(draft.job)["arguments"],
        in_words=in_words,
        fires=shown.preview.fires(FIRES) if shown and shown.preview else [],
        left_out=shown.preview.left_out(LEFT_OUT) if shown and shown.preview else [],
        state_of_schedule=head,
        title=title,
    )
