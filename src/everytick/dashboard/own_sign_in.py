"""The sign-in of an application that the dashboard is a part of: it says who asks."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from everytick.errors import ConfigurationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from .addresses import path_of
from .authentication import Visitor, visible_name

# `("Ann", "all")` may act, `("Bob", "read")` may look, None is let in nowhere.
Known = tuple[str, str] | None
SignIn = Callable[[Request], Known] | Callable[[Request], Awaitable[Known]]


async def known_visitor(sign_in: SignIn, request: Request, address: str) -> Visitor | None:
    """Return who asks, as the application says; None if it does not know.

    Raises:
        ConfigurationError: it returned neither None nor a name with 'all' or 'read'.
    """
    if inspect.iscoroutinefunction(sign_in):
        found = await sign_in(request)
    else:
        found = await run_in_threadpool(sign_in, request)
        if inspect.isawaitable(found):
            found = await found
    if found is None:
        return None
    if not _is_answer(found):
        right = "a name and 'all' or 'read', such as ('Ann', 'all'), or None"
        raise ConfigurationError(f"sign_in returned {found!r:.200}: it must return {right}")
    name = visible_name(str(found[0]))
    session = "" if _is_program(request) else f"{found[1]}:{name}"
    return Visitor(name, address, found[1] == "all", session, is_known=True)


def _is_answer(found: object) -> bool:
    """Return whether it is a name and a role: `(None, "all")` names nobody, and lets nobody in."""
    if not isinstance(found, tuple) or len(found) != 2:
        return False
    name, role = found
    return isinstance(name, str) and bool(name.strip()) and role in ("all", "read")


def _is_program(request: Request) -> bool:
    """Return whether a program asks the API, with a bearer token and no cookie; it needs no CSRF token.

    A page of another site can make a browser send the cookie, but not this header. If both come, the
    application may know who asks by the cookie, so the CSRF token is needed.
    """
    has_token = request.headers.get("authorization", "").lower().startswith("bearer ")
    return has_token and "cookie" not in request.headers and path_of(request).startswith("/api/")
