"""The actions of the buttons on pages. Each answers with a sentence; then the page reloads itself."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

from everytick.model import ticks
from everytick.text.instants import iso
from everytick.text.wording import not_a_run
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from .addresses import own_address, root_of
from .authentication import LONGEST_NAME, SESSION_SECONDS
from .control import Actions
from .guard import LOGIN, LOGOUT, Guard
from .problems import Problem
from .rendering import page
from .schemas import LARGEST

router = APIRouter(include_in_schema=False)


@router.post("/do/{action}")
async def act(request: Request, action: str) -> Response:
    """Do what a button says."""
    form = await _form(request)
    actions = Actions(request.state.visitor, request.app.state.ledger)
    sentence = await run_in_threadpool(_do, actions, action, form)
    request.app.state.answers.note_action()
    answer = Markup('<p class="said good"><b aria-hidden="true">\u2713</b> {}</p>').format(sentence)
    return HTMLResponse(answer)


def _do(actions: Actions, action: str, form: dict[str, str]) -> str:
    note = form.get("note")
    if action == "run-now":
        return actions.run_now(_job(form), form.get("tick"), note)[1]
    if action == "pause":
        return actions.pause(_job(form), note, _end_of_pause(form))[1]
    if action == "resume":
        return actions.resume(_job(form))[1]
    if action == "cancel":
        return actions.cancel(_run(form), note)[1]
    if action == "retry":
        return actions.retry(_run(form), note)
    raise Problem(404, f"there is no action {action!r}")


def _end_of_pause(form: dict[str, str]) -> str | None:
    """Return when a pause ends: at a time that is given, or after some hours."""
    if form.get("until"):
        return form["until"]
    hours = form.get("hours", "")
    if not hours:
        return None
    if not hours.isascii() or not hours.isdigit() or not 0 < int(hours[:6]) <= 10_000:
        raise Problem(422, f"hours: {hours!r} is no number from 1 to 10000")
    now = ticks.now() // ticks.SECOND * ticks.SECOND
    return iso(now + int(timedelta(hours=int(hours[:6])).total_seconds()) * ticks.SECOND)


def _job(form: dict[str, str]) -> str:
    if "job_id" not in form:
        raise Problem(422, "job_id: which job is meant?")
    return form["job_id"]


def _run(form: dict[str, str]) -> int:
    given = form.get("run_id", "")
    if not given.isascii() or not given.isdigit() or not 0 < int(given[:20]) <= LARGEST:
        raise Problem(422, not_a_run(given))
    return int(given)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form. A field that is there twice counts once."""
    try:
        given = parse_qs((await request.body()).decode(), max_num_fields=20, keep_blank_values=True)
    except ValueError:
        raise Problem(422, "the form cannot be read") from None
    return {name: values[-1] for name, values in given.items()}


@router.get(LOGIN)
async def show_login(request: Request, token: str = "", next: str = "") -> Response:
    """Ask for the token, or take the one in the link."""
    if token:
        # The answer leads on at once, so that the token does not stay in the address.
        return await _sign_in(request, token, "", next)
    return page(request, "login.html", next=own_address(request, next), wrong="", longest=LONGEST_NAME)


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Exchange the token for a cookie."""
    form = await _form(request)
    return await _sign_in(request, form.get("token", "").strip(), form.get("name", ""), form.get("next", ""))


@router.post(LOGOUT)
async def sign_out(request: Request) -> Response:
    """End the session, for every process that serves the dashboard."""
    guard: Guard = request.app.state.guard()
    await guard.ended.end(request.state.visitor.session)
    answer = Response(status_code=204, headers={"HX-Redirect": f"{root_of(request)}{LOGIN}"})
    where = f"{root_of(request)}/"
    answer.delete_cookie(request.app.state.cookie, where, httponly=True, samesite="strict")
    return answer


async def _sign_in(request: Request, token: str, name: str, onward: str) -> Response:
    guard: Guard = request.app.state.guard()
    onward = own_address(request, onward)
    try:
        role = await guard.checked_role(token, request.client.host if request.client else "unknown")
    except Problem as problem:
        wrong = problem.sentence
        return page(request, "login.html", problem.status, next=onward, wrong=wrong, longest=LONGEST_NAME)
    answer = RedirectResponse(onward, status_code=303)
    answer.set_cookie(
        request.app.state.cookie,
        request.app.state.authenticator.session(role, name),
        max_age=SESSION_SECONDS,
        # Not for the application around, nor for another dashboard in it.
        path=f"{root_of(request)}/",
        httponly=True,
        samesite="strict",
        secure=request.headers.get("x-forwarded-proto", request.scope["scheme"]) == "https",
    )
    return answer
