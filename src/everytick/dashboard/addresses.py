"""Addresses of the dashboard, which may lie below a path of an application that it is mounted in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

from everytick.masking import is_secret_name
from starlette.requests import Request

STATIC = Path(__file__).parent / "static"

# The path below which the dashboard lies for who asks, without a slash at its end. Not an argument of `url`:
# macros of templates do not have the variables of the page that calls them.
_root: ContextVar[str] = ContextVar("dashboard_root", default="")


@contextmanager
def below_root(request: Request) -> Iterator[None]:
    """Let the addresses that are made in the block be those for who asks."""
    before = _root.set(root_of(request))
    try:
        yield
    finally:
        _root.reset(before)


def root_of(request: Request) -> str:
    """Return the path below which the dashboard lies, quoted; empty if it has a server of its own."""
    return quote(request.scope.get("root_path", "").rstrip("/"))


def path_of(request: Request) -> str:
    """Return the path that was asked for, below the root."""
    path: str = request.scope["path"]
    root: str = request.scope.get("root_path", "").rstrip("/")
    # Some servers leave the root out of the path.
    return path.removeprefix(root) or "/" if f"{path}/".startswith(f"{root}/") else path


def address_of(request: Request) -> str:
    """Return the path and query that were asked for, with the root."""
    query = request.scope["query_string"].decode("latin-1")
    return root_of(request) + quote(path_of(request)) + (f"?{query}" if query else "")


def without_secret_query(address: str) -> str:
    """Return an address without what its query has under the name of a secret, such as `token=...`."""
    path, found, query = address.partition("?")
    kept = [part for part in query.split("&") if not is_secret_name(unquote_plus(part.partition("=")[0]))]
    return f"{path}?{'&'.join(kept)}" if found and any(kept) else path


def without_secrets(query: bytes) -> bytes:
    """Return a query without what it has under the name of a secret."""
    return without_secret_query(f"?{query.decode('latin-1')}")[1:].encode("latin-1")


def own_address(request: Request, onward: str) -> str:
    """Return an address to go on to, if it is one of ours, else that of the first page."""
    first, parts = f"{root_of(request)}/", urlsplit(onward)
    ours = onward.startswith(first) and not parts.netloc and not onward.startswith(("//", "/\\"))
    return onward if ours and onward.isprintable() and onward.isascii() else first


def url(path: str, **query: object) -> str:
    """Return the address of a path of ours, with those parts of the query that are given."""
    given = {name: value for name, value in query.items() if value not in (None, "", [])}
    address = _root.get() + path
    return f"{address}?{urlencode(given, doseq=True)}" if given else address


def static(name: str) -> str:
    """Return the address of a file of ours; another content has another address."""
    return url(f"/static/{name}", v=_digest(name))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
