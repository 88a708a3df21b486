"""The actions of the buttons on pages. Each answers with a sentence; then the page reloads itself.

Without JavaScript the answer is a page with that sentence and the way back.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PureWindowsPath
from typing import TypeVar

from everytick import app
from everytick.model import ticks
from everytick.text.instants import iso
from everytick.text.wording import not_a_run
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup, escape

from .addresses import below_root, own_address, root_of, url
from .authentication import LONGEST_NAME, PROOF, SESSION_SECONDS, listener
from .control import Actions, Did, Done, pace_of
from .forms import Form, read_form
from .guard import LOGIN, LOGOUT, Guard
from .pages import job_page_with
from .problems import UNAVAILABLE, Problem
from .rendering import is_by_script, page
from .schemas import LARGEST

_Chosen = TypeVar("_Chosen", str, int)

router = APIRouter(include_in_schema=False)


# How many of those for which an action was refused are named.
_NAMED = 3


@router.post("/do/{action}")
async def act(request: Request, action: str) -> Response:
    """Do what a button says, for one job or run or for several of them."""
    form = read_form(await request.body())
    actions = Actions(request.state.visitor, request.app.state.ledger)
    try:
        with below_root(request):
            said = await run_in_threadpool(_do, actions, action, form)
    except Problem as problem:
        # Only the page of one job has fields beside its buttons.
        if not problem.field or is_by_script(request) or len(form.all("job_id")) != 1:
            raise
        return await run_in_threadpool(job_page_with, request, form, problem)
    finally:
        request.app.state.answers.note_action()
    answer = said.paragraph()
    return HTMLResponse(answer) if is_by_script(request) else page(request, "done.html", said=answer)


@dataclass(frozen=True)
class _Said:
    """The answer to an action.

    left: the jobs or runs for which it was refused or not tried. They stay selected.
    """

    sentence: Markup
    left: Sequence[str | int]

    def paragraph(self) -> Markup:
        """Return it as pages show it: with a tick if it was done for all."""
        if not self.left:
            whole = '<p class="said good"><b aria-hidden="true">\u2713</b> {}</p>'
            return Markup(whole).format(self.sentence)
        # As the values of check boxes, with which `page.js` compares them.
        left = json.dumps([str(one) for one in self.left])
        part = '<p class="said partly" data-left="{}"><b aria-hidden="true">\u25b2</b> {}</p>'
        return Markup(part).format(left, self.sentence)


def _do(actions: Actions, action: str, form: Form) -> _Said:
    note = form.get("note")
    if action == "run-now" and form.get("run_id"):
        return _for_each(_runs(form), lambda run_id: actions.run_skipped(run_id, note))
    if action == "run-now":
        return _for_each(_jobs(form), lambda job_id: actions.run_now(job_id, form.get("tick"), note))
    if action == "pause":
        end = _end_of_pause(form)
        return _for_each(_jobs(form), lambda job_id: actions.pause(job_id, note, end))
    if action == "resume":
        return _for_each(_jobs(form), actions.resume)
    if action == "cancel":
        return _for_each(_runs(form), lambda run_id: actions.cancel(run_id, note))
    if action == "retry":
        return _for_each(_runs(form), lambda run_id: actions.retry(run_id, note))
    if action == "backfill":
        return _Said(escape(_backfill(actions, form)), ())
    if action == "stop-backfill":
        return _for_each(_backfills(form), lambda number: actions.stop_backfill(number, note))
    if action == "continue-backfill":
        return _for_each(_backfills(form), lambda number: actions.continue_backfill(number, note))
    raise Problem(404, f"there is no action {action!r}")


def _backfill(actions: Actions, form: Form) -> str:
    rate, max_instances = pace_of(form.get("rate"), form.get("max_instances"))
    return actions.backfill(
        form.get("job"),
        form.get("from"),
        form.get("to"),
        only_missed=bool(form.get("only_missed")),
        rate=rate,
        max_instances=max_instances,
        schedule=form.get("schedule") or None,
        note=form.get("note"),
    )[1]


def _for_each(chosen: Sequence[_Chosen], act: Callable[[_Chosen], Done]) -> _Said:
    """Do an action for all that were chosen, until the ledger does not answer; return the answer.

    Raises:
        Problem: it was done for none of them.
    """
    done: dict[Did, list[Done]] = {}
    refused: list[tuple[_Chosen, Problem]] = []
    rest: Sequence[_Chosen] = ()
    for number, one in enumerate(chosen, 1):
        try:
            found = act(one)
        except Problem as problem:
            refused.append((one, problem))
            if problem.status == UNAVAILABLE:
                # The others would get the same answer, each after seconds of waiting.
                rest = chosen[number:]
                break
        else:
            done.setdefault(found.did, []).append(found)
    if not done:
        # The last one says that the ledger does not answer, if it does not.
        last = refused[-1][1]
        raise last if len(chosen) == 1 else Problem(last.status, _refusals(refused, len(rest)))
    told: list[Markup] = [
        _told(alike) for alike in sorted(done.values(), key=lambda alike: not alike[0].changed)
    ]
    if refused:
        told.append(escape(_refusals(refused, len(rest))))
    return _Said(Markup(" ").join(told), [*(one for one, _problem in refused), *rest])


def _told(alike: list[Done]) -> Markup:
    """Return the sentence about those of whom the same is said, with links to their runs."""
    first, runs = alike[0], [done.run_id for done in alike if done.run_id is not None]
    if len(alike) == 1:
        if first.run_id is None:
            return escape(first.sentence)
        # The subject begins with the run.
        name = f"Run {first.run_id}"
        return _link(first.run_id, name) + first.sentence.removeprefix(name)
    if not runs:
        return escape(f"{len(alike)} jobs {first.did.many}.")
    links = Markup(", ").join(_link(run_id, str(run_id)) for run_id in runs)
    return escape(f"{len(alike)} runs {first.did.many}: ") + links + "."


def _link(run_id: int, name: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url(f"/run/{run_id}"), name)


def _refusals(refused: Sequence[tuple[object, Problem]], not_tried: int) -> str:
    shown = "; ".join(f"{one}: {problem.sentence}" for one, problem in refused[:_NAMED])
    rest = len(refused) - _NAMED
    said = f"Refused for {len(refused)}: {shown}{f'; and {rest} more' if rest > 0 else ''}."
    return f"{said} Not tried: {not_tried}." if not_tried else said


def _end_of_pause(form: Form) -> str | None:
    """Return when a pause ends: at a time that is given, or after some hours."""
    if form.get("until"):
        return form.get("until")
    hours = form.get("hours")
    if not hours:
        return None
    if not hours.isascii() or not hours.isdigit() or not 0 < int(hours[:6]) <= 10_000:
        raise Problem(422, f"hours: {hours!r} is no number from 1 to 10000")
    now = ticks.now() // ticks.SECOND * ticks.SECOND
    return iso(now + int(timedelta(hours=int(hours[:6])).total_seconds()) * ticks.SECOND)


def _jobs(form: Form) -> list[str]:
    chosen = form.all("job_id")
    if not chosen:
        raise Problem(422, "job_id: which job is meant? Select at least one")
    return chosen


def _runs(form: Form) -> list[int]:
    chosen = form.all("run_id")
    if not chosen:
        raise Problem(422, "run_id: which run is meant? Select at least one")
    return [_run(given) for given in chosen]


def _backfills(form: Form) -> list[int]:
    chosen = form.all("backfill_id")
    if not chosen or not all(one.isascii() and one.isdigit() and int(one[:20]) > 0 for one in chosen):
        raise Problem(422, "backfill_id: which backfill is meant?")
    return [min(int(one[:20]), LARGEST) for one in chosen]


def _run(given: str) -> int:
    if not given.isascii() or not given.isdigit() or not 0 < int(given[:20]) <= LARGEST:
        raise Problem(422, not_a_run(given))
    return int(given)


@router.get(LOGIN)
async def show_login(request: Request, token: str = "", next: str = "") -> Response:
    """Ask for the token, or take the one in the link."""
    if token:
        # The answer leads on at once, so that the token does not stay in the address.
        return await _sign_in(request, token, "", next)
    return _sign_in_page(request, own_address(request, next))


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """Exchange the token for a cookie."""
    form = read_form(await request.body())
    return await _sign_in(request, form.get("token").strip(), form.get("name"), form.get("next"))


@router.get(PROOF, include_in_schema=False)
async def prove(request: Request, nonce: str, question: str) -> dict[str, str]:
    """Prove to who knows the token that this dashboard does, so that a link to it can be trusted."""
    guard: Guard = request.app.state.guard()
    here = listener(*request.scope["server"])
    await guard.check_question(here, nonce, question, request.client.host if request.client else "unknown")
    return {"proof": request.app.state.authenticator.proof(here, nonce)}


@router.post(LOGOUT)
async def sign_out(request: Request) -> Response:
    """End the session, for every process that serves the dashboard."""
    guard: Guard = request.app.state.guard()
    await guard.ended.end(request.state.visitor.session)
    answer: Response
    login = f"{root_of(request)}{LOGIN}"
    if is_by_script(request):
        answer = Response(status_code=204, headers={"HX-Redirect": login})
    else:
        answer = RedirectResponse(login, status_code=303)
    where = f"{root_of(request)}/"
    answer.delete_cookie(request.app.state.cookie, where, httponly=True, samesite="strict")
    return answer


async def _sign_in(request: Request, token: str, name: str, onward: str) -> Response:
    guard: Guard = request.app.state.guard()
    onward = own_address(request, onward)
    try:
        role = await guard.checked_role(token, request.client.host if request.client else "unknown")
    except Problem as problem:
        return _sign_in_page(request, onward, problem.sentence, problem.status)
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


def _sign_in_page(request: Request, onward: str, wrong: str = "", status: int = 200) -> Response:
    is_set = request.app.state.authenticator.is_set
    return page(
        request,
        "login.html",
        status,
        next=onward,
        wrong=wrong,
        longest=LONGEST_NAME,
        token_is_set=is_set,
        command=_without_folder(app.current().command),
    )


def _without_folder(command: str) -> str:
    """Return a command without where its program is: who has not signed in learns no path of the machine."""
    program, *words = shlex.split(command, posix=os.name == "posix")
    return shlex.join([PureWindowsPath(program.strip('"')).name, *words])
