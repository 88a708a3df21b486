"""Checks every request for a token, and adds the security headers to every answer.

It stands before every route, also those that are added later: a route that is not named here as open needs a
token.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .addresses import STATIC, address_of, path_of, root_of, without_secret_query, without_secrets
from .authentication import PROOF, Authenticator, Failures, Visitor, visible_name
from .connections import Connections
from .forms import CSRF_FIELD, CSRF_HEADER, read_form
from .own_sign_in import SignIn, known_visitor
from .problems import Problem
from .rendering import is_for_programs, problem_response
from .sessions import EndedSessions

MOST_BODY_BYTES = 65_536
LOGIN = "/login"
LOGOUT = "/logout"
NAME_HEADER = "x-scheduler-who"

# The dashboard's own, one by one: a route of the user's below `/health/` or `/static/` is none of them.
_FILES = (file.relative_to(STATIC).as_posix() for file in STATIC.rglob("*") if file.is_file())
_OPEN = frozenset([LOGIN, PROOF, *(f"/static/{name}" for name in _FILES)])
# A supervisor asks them by any address, such as that of a pod, and without a Host header. They tell of
# nothing but health, so nothing is checked before them: neither the name nor who asks.
_PROBES = frozenset(["/health/live", "/health/ready"])
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_SAFE = ("GET", "HEAD", "OPTIONS")

# Scripts, styles and pictures are files of ours: what a job's name or error says is never one of them.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

_TOO_MANY = Problem(429, "too many wrong tokens from your address: wait a minute")


class Guard:
    """The middleware that checks requests. `names`: those under which it may be asked for; empty: any."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        names: frozenset[str],
        cookie: str,
        ended: EndedSessions,
        connections: Connections,
        sign_in: SignIn | None = None,
    ) -> None:
        """Check requests; `sign_in` says who asks, instead of tokens and cookies."""
        self._sign_in = sign_in
        self._app, self._authenticator, self._names, self._cookie = app, authenticator, names, cookie
        self.ended, self.failures, self._log = ended, Failures(), connections.log
        # How many tokens wait for their turn, from all addresses: each has a connection.
        self._waiting, self._most_waiting = 0, connections.most // 4

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Date", formatdate(usegmt=True))
            await send(message)

        asked = dict(scope)
        # A server that the dashboard is a part of logs what stands in its own scope.
        scope["query_string"] = without_secrets(scope["query_string"])
        await self._answer(Request(asked, receive), receive, send_safely)

    async def _checked(self, request: Request, receive: Receive, send: Send) -> None:
        """Let the application answer a request, or refuse it."""
        refusal: Response | None = None
        try:
            if path_of(request) not in _PROBES or request.method not in _SAFE:
                self._check_host(request.headers)
                body = b""
                if request.method not in _SAFE:
                    body = await _whole_body(request)
                    receive = _receiving(body, receive)
                refusal = await self._let_in(request, body)
        except Problem as problem:
            refusal = problem_response(request, problem)
        except HTTPException as found:
            refusal = _of_the_sign_in(request, found)
        except ClientDisconnect:
            # The body was broken off: nobody waits for an answer.
            return
        await (refusal or self._app)(request.scope, receive, send)

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        """Answer a request, also if the application fails, or the sign-in that it brings."""
        begun = False

        async def note_the_beginning(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._checked(request, receive, note_the_beginning)
        except Exception as failure:
            # Of each kind of error once: a page that fails does so for all who have it open.
            kind = f"failed with {type(failure).__name__}"
            self._log.error(kind, failure, "dashboard: {} {} failed", request.method, path_of(request))
            if not begun:
                problem = Problem(500, "the dashboard failed: the log says why")
                await problem_response(request, problem)(request.scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        """Refuse a name that is not ours: a foreign page may have let its own name point here."""
        if self._names and _host(headers.get("host", "")) not in self._names:
            raise Problem(421, "this address is not one of the dashboard's: see SCHEDULER_DASHBOARD_NAMES")

    async def _let_in(self, request: Request, body: bytes) -> Response | None:
        visitor = await self._visitor(request)
        request.scope.setdefault("state", {})["visitor"] = visitor
        if request.method not in _SAFE:
            _check_origin(request.headers)
        if self._sign_in is not None and path_of(request) in (LOGIN, LOGOUT, PROOF):
            raise Problem(404, "there is no such page")
        if path_of(request) in _OPEN:
            return None
        if visitor is None and self._sign_in is not None:
            raise Problem(403, "the application that this is a part of does not let you in: sign in there")
        if visitor is None:
            return _ask_to_sign_in(request)
        if request.method not in _SAFE:
            self._check_act(request, visitor, body)
        return None

    async def _visitor(self, request: Request) -> Visitor | None:
        address = request.client.host if request.client else "unknown"
        if self._sign_in is not None:
            return await known_visitor(self._sign_in, request, address)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            visitor = self._authenticator.visitor(request.cookies.get(self._cookie, ""), address)
            return None if visitor is None or await self.ended.has(visitor.session) else visitor
        role = await self.checked_role(token.strip(), address)
        name = visible_name(request.headers.get(NAME_HEADER, ""))
        return Visitor(name, address, role == "all")

    async def checked_role(self, token: str, address: str) -> str:
        """Return the role of a token. After too many wrong ones from an address the next wait their turn.

        Raises:
            Problem: it is wrong, or too many from that address wait already.
        """
        return await self._looked_at(lambda: self._authenticator.role(token), address)

    async def check_question(self, listener: str, nonce: str, question: str, address: str) -> None:
        """Refuse a question of who does not know the token; a wrong one counts as a wrong token."""
        await self._looked_at(lambda: self._authenticator.asks(listener, nonce, question), address)

    async def _looked_at(self, find: Callable[[], str | None], address: str) -> str:
        slowed_down = self.failures.too_many(address)
        if slowed_down:
            # The right one waits too: who guesses would otherwise know it by the quick answer.
            await self._wait(self.failures.turn(address))
        role = find()
        if role is None and slowed_down:
            raise _TOO_MANY
        if role is None:
            self.failures.add(address)
            self._log.warning("wrong token", "dashboard: a wrong token from {}", address)
            raise Problem(401, f"that is not the token: {self._authenticator.where}")
        self.failures.welcome(address)
        return role

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None or self._waiting >= self._most_waiting:
            raise _TOO_MANY
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

    def _check_act(self, request: Request, visitor: Visitor, body: bytes) -> None:
        if visitor.session and not self._authenticator.proves(visitor, _csrf_token(request, body)):
            how = "load the page again"
            if visitor.is_known and is_for_programs(request):
                how = "a program sends `Authorization: Bearer ...` and no cookie"
            raise Problem(403, f"this did not come from a page of the dashboard: {how}")
        if not visitor.may_act and path_of(request) != LOGOUT:
            how = "that takes another role" if visitor.is_known else "that takes the other token"
            raise Problem(403, f"you may look but not act: {how}")


def _check_origin(headers: Headers) -> None:
    """Refuse what another site's page sends, also one on another port of this machine."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    foreign = site is not None and site not in ("same-origin", "none")
    own = headers.get("host", "").lower()
    if foreign or (origin is not None and origin.lower() not in (f"http://{own}", f"https://{own}")):
        raise Problem(403, "this came from a page of another site")


def _host(value: str) -> str:
    """Return the name in a Host header, without the port; nothing if it is more than a name and a port."""
    found = _HOST.fullmatch(value.strip().lower())
    return found[1] if found else ""


def _ask_to_sign_in(request: Request) -> Response:
    if is_for_programs(request) or "x-live" in request.headers:
        raise Problem(401, "a token is needed: send `Authorization: Bearer ...`")
    root = root_of(request)
    login = f"{root}{LOGIN}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": login})
    there = without_secret_query(address_of(request))
    return RedirectResponse(f"{login}?next={quote(there)}" if there != f"{root}/" else login, status_code=303)


def _of_the_sign_in(request: Request, found: HTTPException) -> Response:
    """Return the answer that the application's own sign-in asks for: it leads to its page, or refuses."""
    if found.status_code < 400:
        return Response(status_code=found.status_code, headers=found.headers)
    # FastAPI takes any value as the detail.
    detail: object = found.detail
    sentence = detail if isinstance(detail, str) else "the application does not let you in"
    answer = problem_response(request, Problem(found.status_code, sentence))
    answer.headers.update(found.headers or {})
    return answer


def _csrf_token(request: Request, body: bytes) -> str:
    """Return the CSRF token that came along: in a header from a script, else in a field of a form."""
    if CSRF_HEADER in request.headers:
        return request.headers[CSRF_HEADER]
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return read_form(body).get(CSRF_FIELD) if kind == "application/x-www-form-urlencoded" else ""


async def _whole_body(request: Request) -> bytes:
    """Return the body of a request, which has a limit."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise Problem(413, f"that is too much: at most {MOST_BODY_BYTES} bytes are taken")
    return body


def _receiving(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body, which was read already, to the application."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
