"""Pages from templates. Everything that is put into one is escaped."""

from __future__ import annotations

import hashlib
from datetime import tzinfo
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jinja2
from everytick import app
from everytick.model import ticks
from everytick.read.signs import SIGNS
from everytick.settings import settings
from everytick.text.durations import duration, duration_of_seconds
from everytick.text.instants import dated, from_now, iso, on_weekday, short, time_of_day
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from .forms import CSRF_HEADER
from .problems import Problem

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

REASONS = {
    "missed": "its time had passed when a scheduler was free to start it",
    "coalesced": "a later tick ran in its place",
    "overlap": "the run before it was not over yet",
    "paused": "the job was paused",
    "outage": "no scheduler was up",
}


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page made from a template."""
    state = request.scope.get("state", {})
    visitor = state.get("visitor")
    may_act = visitor is not None and visitor.may_act
    if "x-live" in request.headers:
        # Others get the same answer: see `answers`.
        visitor = None
    shared = {
        "application": app.current().name,
        "command": app.current().command,
        "visitor": visitor,
        "may_act": may_act,
        "csrf_token": request.app.state.authenticator.csrf_token(visitor)
        if visitor and visitor.session
        else "",
        "here": address_of(request),
        "back": way_back(request),
        "path": request.scope["path"],
        "now": ticks.now(),
    }
    return HTMLResponse(_environment().get_template(name).render(**shared, **values), status)


def problem_response(request: Request, problem: Problem) -> Response:
    """Return a problem in the form that was asked for: JSON, a sentence, or a page."""
    extra = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    if problem.status == 429:
        extra["Retry-After"] = "60"
    if request.scope["path"].startswith("/api"):
        return JSONResponse({"error": problem.sentence}, problem.status, headers=extra)
    if is_for_programs(request):
        return PlainTextResponse(f"{problem.sentence}\n", problem.status, headers=extra)
    if "hx-request" in request.headers or "x-live" in request.headers:
        message = Markup('<p class="said bad">{}</p>').format(problem.sentence)
        return HTMLResponse(message, problem.status, headers=extra)
    text = (
        _environment()
        .get_template("problem.html")
        .render(
            application=app.current().name,
            problem=problem,
            visitor=None,
            csrf_token="",
            path="",
            here="/",
            back=way_back(request),
        )
    )
    return HTMLResponse(text, problem.status, headers=extra)


def is_for_programs(request: Request) -> bool:
    """Return whether a program asks, not a browser: the answer is no page, and redirects to none."""
    path = str(request.scope["path"])
    return path == "/live" or path.startswith(("/api", "/metrics"))


def address_of(request: Request) -> str:
    """Return the path and query that were asked for."""
    query = request.scope["query_string"].decode("latin-1")
    return quote(request.scope["path"]) + (f"?{query}" if query else "")


def is_by_script(request: Request) -> bool:
    """Return whether a script sent a request and takes a part of a page; else a browser shows the answer."""
    return "hx-request" in request.headers or CSRF_HEADER in request.headers


def way_back(request: Request) -> str:
    """Return the page from which a form was sent, the first page if that is not known."""
    parts = urlsplit(request.headers.get("referer", ""))
    if parts.netloc != request.headers.get("host"):
        return "/"
    return own_address(parts.path + (f"?{parts.query}" if parts.query else ""))


def own_address(onward: str) -> str:
    """Return an address to go on to, if it is one of ours, else the first page."""
    parts = urlsplit(onward)
    ours = onward.startswith("/") and not parts.netloc and not onward.startswith(("//", "/\\"))
    return onward if ours and onward.isprintable() and onward.isascii() else "/"


def url(path: str, **query: object) -> str:
    """Return an address with those parts of the query that are given."""
    given = {name: value for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


def static(name: str) -> str:
    """Return the address of a file of ours; another content has another address."""
    return f"/static/{name}?v={_digest(name)}"


def when(instant: int | None, zone: tzinfo | None = None, *, exact: bool = False) -> Markup:
    """Return an instant as it reads in the scheduler's zone, with its date unless that is today."""
    if instant is None:
        return Markup('<span class="none">\u2013</span>')
    there = zone or settings().zone
    shown = dated(instant, there) if exact else short(instant, there, ticks.now())
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        iso(instant), on_weekday(instant, there), shown
    )


def relative(instant: int | None) -> Markup:
    """Return how far an instant is from now; the page counts on by itself."""
    if instant is None:
        return Markup("")
    away = from_now(instant, ticks.now())
    return Markup('<span class="rel" data-rel="{}">{}</span>').format(instant // 1000, away)


def lasted(length: int | None) -> str:
    """Return a length of time in microseconds, a dash for none."""
    return "\u2013" if length is None else duration(length)


def seconds(length: float | None) -> str:
    """Return the same for a length in seconds."""
    return "\u2013" if length is None else duration_of_seconds(length)


def cut(text: str | None, length: int) -> str:
    """Return the beginning of a text."""
    text = text or ""
    return text if len(text) <= length else f"{text[:length]}\u2026"


def state_mark(state: str) -> Markup:
    """Return a state with its sign."""
    return Markup('<span class="state s-{0}"><b aria-hidden="true">{1}</b> {2}</span>').format(
        escape(state), SIGNS.get(state, ("?", "?"))[0], state.replace("_", " ")
    )


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.globals |= {
        "url": url,
        "static": static,
        "REASONS": REASONS,
        "zone": settings().zone,
    }
    made.filters |= {
        "when": when,
        "relative": relative,
        "duration": lasted,
        "seconds": seconds,
        "cut": cut,
        "state": state_mark,
        "iso": iso,
        "time_of_day": lambda instant: time_of_day(instant, settings().zone),
    }
    return made
