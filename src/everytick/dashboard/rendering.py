"""Pages from templates. Everything that is put into one is escaped."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from everytick import app
from everytick.model import ticks
from everytick.read.signs import SIGNS
from everytick.settings import settings
from everytick.text.durations import duration, duration_of_seconds
from everytick.text.instants import dated, from_now, iso, on_weekday, short, time_of_day
from everytick.text.wording import without_control
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from .addresses import address_of, below_root, own_address, path_of, static, url
from .forms import CSRF_HEADER
from .problems import Problem

if TYPE_CHECKING:
    import jinja2

_HERE = Path(__file__).parent

REASONS = {
    "missed": "its time had passed when a scheduler was free to start it",
    "coalesced": "a later tick ran in its place",
    "overlap": "the run before it was not over yet",
    "paused": "the job was paused",
    "disabled": "a setting disabled the job",
    "outage": "no scheduler was up",
}

# What would steer a display: controls but for white space, and what turns the direction of what follows.
_STEERING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# The longest id that is never broken, and what of a longer one stays on one line.
_WHOLE_ID = 30
_PIECES_OF_ID = re.compile(r"[^_.-]{1,24}[_.-]*|[_.-]+")


def page(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page made from a template."""
    return HTMLResponse(_rendered(request, name, **_shared(request), **values), status)


def _shared(request: Request) -> dict[str, Any]:
    """Return what all pages are made from."""
    state = request.scope.get("state", {})
    visitor = state.get("visitor")
    may_act = visitor is not None and visitor.may_act
    if "x-live" in request.headers:
        # Others get the same answer: see `answers`.
        visitor = None
    return {
        "application": app.current().name,
        "visitor": visitor,
        "may_act": may_act,
        "csrf_token": request.app.state.authenticator.csrf_token(visitor)
        if visitor and visitor.session
        else "",
        "here": address_of(request),
        "back": way_back(request),
        "path": path_of(request),
        "now": ticks.now(),
    }


def problem_response(request: Request, problem: Problem) -> Response:
    """Return a problem in the form that was asked for: JSON, a sentence, or a page."""
    extra = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    if problem.status == 429:
        extra["Retry-After"] = "60"
    if path_of(request).startswith("/api"):
        return JSONResponse({"error": problem.sentence}, problem.status, headers=extra)
    if is_for_programs(request):
        return PlainTextResponse(f"{problem.sentence}\n", problem.status, headers=extra)
    if "hx-request" in request.headers or "x-live" in request.headers:
        message = Markup('<p class="said bad">{}</p>').format(problem.sentence)
        return HTMLResponse(message, problem.status, headers=extra)
    text = _rendered(request, "problem.html", **_shared(request), problem=problem)
    return HTMLResponse(text, problem.status, headers=extra)


def is_for_programs(request: Request) -> bool:
    """Return whether a program asks, not a browser: the answer is no page, and redirects to none."""
    path = path_of(request)
    return path == "/live" or path.startswith(("/api", "/metrics"))


def is_by_script(request: Request) -> bool:
    """Return whether a script sent a request and takes a part of a page; else a browser shows the answer."""
    return "hx-request" in request.headers or CSRF_HEADER in request.headers


def way_back(request: Request) -> str:
    """Return the page from which a form was sent, the first page if that is not known."""
    parts = urlsplit(request.headers.get("referer", ""))
    known = parts.netloc == request.headers.get("host")
    return own_address(request, parts.path + (f"?{parts.query}" if parts.query else "") if known else "")


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


def since(instant: int) -> Markup:
    """Return how long ago an instant is; the page counts on by itself."""
    shown = duration(max(0, ticks.now() - instant) // ticks.SECOND * ticks.SECOND)
    return Markup('<span class="rel" data-since="{}">{}</span>').format(instant // 1000, shown)


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


def breakable(text: str) -> Markup:
    """Return a reference or a call, which may be long, with places at which a line may end."""
    return Markup(re.sub(r"([:/,]|(?<=.)(?=\())", r"\1<wbr>", str(escape(text))))


def job_id(text: str) -> Markup:
    """Return the id of a job; a long one with places at which a line may end, a short one stays whole."""
    shown = cut(text, 60)
    pieces = _PIECES_OF_ID.findall(shown) if len(shown) > _WHOLE_ID else [shown]
    return Markup("<wbr>").join(pieces)


def state_mark(state: str) -> Markup:
    """Return a state with its sign."""
    return Markup('<span class="state s-{0}"><b aria-hidden="true">{1}</b> {2}</span>').format(
        escape(state), SIGNS.get(state, ("?", "?"))[0], state.replace("_", " ")
    )


def _rendered(request: Request, name: str, **values: Any) -> str:
    with below_root(request):
        made = _environment().get_template(name).render(**values)
    return _STEERING.sub(lambda found: _written_out(made, found), made)


def _written_out(page: str, found: re.Match[str]) -> str:
    """Return a character as people can see it; in a tag or a field, whose values are data, as it is."""
    tag = page.rfind("<", 0, found.start())
    is_in_tag = page.rfind(">", 0, found.start()) < tag
    return found[0] if is_in_tag or page.startswith("<textarea", tag) else without_control(found[0])


@cache
def _environment() -> jinja2.Environment:
    # Loaded with the first page: where only probes ask, nobody needs it.
    import jinja2

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
        "since": since,
        "duration": lasted,
        "seconds": seconds,
        "cut": cut,
        "breakable": breakable,
        "job_id": job_id,
        "state": state_mark,
        "iso": iso,
        "read": lambda text: ticks.instant(datetime.fromisoformat(text)),
        "time_of_day": lambda instant: time_of_day(instant, settings().zone),
    }
    return made
