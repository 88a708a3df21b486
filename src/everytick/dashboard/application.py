"""Everything put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from everytick import app as which
from everytick.api.loading import own_routers
from everytick.log_rate import RateLimitedLog
from everytick.read.hourly import HourlyRuns
from everytick.read.known_job import Declared, undeclared
from everytick.settings import settings
from everytick.store.database import Ledger
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from . import actions, adding, answers, api, backfills, live, offer_api, pages, probes, run_pages
from .addresses import STATIC
from .authentication import Authenticator
from .connections import Connections, most_connections
from .guard import Guard
from .own_sign_in import SignIn
from .problems import Problem
from .rendering import problem_response
from .sessions import EndedSessions
from .wrong_json import sentence_of

_ABOUT = (
    "Shows the schedule and acts on it. Send `Authorization: Bearer TOKEN`, and `X-Scheduler-Who: NAME` so"
    " that the audit trail names you. Times are ISO 8601; those given are in UTC, those taken may have an"
    " offset or are in the scheduler's zone. An error is an object with one sentence in `error`."
)

# So FastAPI says that a body is text of another encoding.
_UNREADABLE = "There was an error parsing the body"


def create_app(
    ledger: Ledger,
    authenticator: Authenticator,
    names: frozenset[str],
    mark: int | str,
    declared: Callable[[], Declared] | None = None,
    *,
    sign_in: SignIn | None = None,
    stream_seconds: float | None = None,
) -> FastAPI:
    """Return the dashboard as an ASGI application.

    Args:
        names: those under which it may be asked for, empty for any.
        mark: its port, or what else tells it from others of its machine, which must not share its cookies.
        declared: the jobs of the user's code, where that is loaded: it knows options that the ledger lacks.
        sign_in: says who asks, instead of tokens.
        stream_seconds: how long a stream of events may last; None for ever.
    """
    application = which.current()
    name, version = application.name, application.version
    # Browsers do not tell cookies apart by port.
    cookie, authenticator = f"scheduler_{mark}", authenticator.marked(mark)
    app = FastAPI(
        title=f"{name}: the schedule",
        version=version,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    guards: list[Guard] = []

    def guard(inner: Any) -> Guard:
        ended = EndedSessions(ledger)
        guards.append(Guard(inner, authenticator, names, cookie, ended, connections, sign_in))
        return guards[-1]

    app.user_middleware.append(Middleware(guard))
    app.state.ledger, app.state.authenticator, app.state.cookie = ledger, authenticator, cookie
    connections = Connections(most_connections(), RateLimitedLog())
    app.state.connections = connections
    app.state.answers = answers.Answers()
    # The other connections are for requests.
    app.state.live = live.Live(ledger, app.state.answers, connections.most // 2, stream_seconds)
    app.state.declared = declared or (lambda: undeclared(settings()))
    app.state.hourly = HourlyRuns()
    app.state.guard = lambda: guards[-1]
    # The guard decides who may ask them. Its own routes are taken as they are: `include_router` would build
    # each of them a second time, and the first request would wait for that.
    watched = (probes.health, probes.metrics)
    for router in (
        pages.router,
        run_pages.router,
        actions.router,
        live.router,
        api.router,
        backfills.api_router,
        backfills.router,
        offer_api.router,
        adding.router,
        *watched,
    ):
        app.router.routes.extend(router.routes)
    for router in own_routers():
        app.include_router(router)
    app.mount("/static", _Static(directory=STATIC), name="static")
    if sign_in is None:
        _describe_the_token(app)
    _answer_in_sentences(app)
    return app


class _Static(StaticFiles):
    """Files whose address changes with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if answer.status_code == 200 and scope.get("query_string", b"").startswith(b"v="):
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def _describe_the_token(app: FastAPI) -> None:
    """Say in the description how to sign in: the guard stands before all routes, where it is not seen."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        described = describe()
        described.setdefault("components", {})["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"}
        }
        described["security"] = [{"token": []}]
        return described

    app.openapi = openapi  # type: ignore[method-assign]


def _answer_in_sentences(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(request: Request, found: Problem) -> Response:
        return problem_response(request, found)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, found: RequestValidationError) -> Response:
        body = getattr(request.scope.get("route"), "body_field", None)
        annotation = None if body is None else body.field_info.annotation
        return problem_response(request, Problem(422, sentence_of(list(found.errors()), annotation)))

    @app.exception_handler(HTTPException)
    async def http(request: Request, found: HTTPException) -> Response:
        if found.detail == _UNREADABLE:
            return problem_response(request, Problem(422, "the request is not JSON, which is UTF-8"))
        sentences = {404: "there is no such page", 405: "that cannot be done here"}
        sentence = sentences.get(found.status_code, str(found.detail))
        answer = problem_response(request, Problem(found.status_code, sentence))
        answer.headers.update(found.headers or {})
        return answer
