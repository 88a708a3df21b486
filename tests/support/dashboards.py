"""The dashboard inside of the test's own process, for what can be told without a server."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.store.database import Ledger
from fastapi import FastAPI

_TOKEN = "all-all-all-all-all-all"


def api(ledger: Ledger, path: str, **query: Any) -> Any:
    """Return what the API of a dashboard on this ledger gives; `path` is below /api/v1."""
    return _found(look(ledger, f"/api/v1/{quote(path)}", **query)).json()


def refused(ledger: Ledger, path: str, **query: Any) -> str:
    """Return the sentence with which the API says that there is no such thing."""
    return str(_found(look(ledger, f"/api/v1/{quote(path)}", **query), 404).json()["error"])


def page(ledger: Ledger, path: str, **query: Any) -> str:
    """Return a page of a dashboard on this ledger."""
    return _found(look(ledger, path, **query)).text


def act(ledger: Ledger, path: str, **body: Any) -> Any:
    """Return what the API of a dashboard on this ledger gives to who has something done there."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(asyncio.run, _send(ledger, f"/api/v1/{quote(path)}", body)).result(20)
    return answer.json()


def look(ledger: Ledger, path: str, **query: Any) -> httpx.Response:
    """Return what a dashboard on this ledger answers to somebody who may do all."""
    # On a thread: the test may have an event loop of its own, which a schedule needs meanwhile.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _ask(ledger, path, query)).result(20)


def _found(answer: httpx.Response, status: int = 200) -> httpx.Response:
    assert answer.status_code == status, answer.text
    return answer


@functools.lru_cache(1)
def _app(ledger: Ledger) -> FastAPI:
    """Make the dashboard once for each ledger: its routes take longer to build than a page."""
    return create_app(ledger, Authenticator(_TOKEN), frozenset(), 0)


async def _ask(ledger: Ledger, path: str, query: dict[str, Any]) -> httpx.Response:
    async with _client(ledger) as client:
        return await client.get(path, params=query or None)


async def _send(ledger: Ledger, path: str, body: dict[str, Any]) -> httpx.Response:
    async with _client(ledger) as client:
        return await client.post(path, json=body)


def _client(ledger: Ledger) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(_app(ledger))
    headers = {"Authorization": f"Bearer {_TOKEN}"}
    return httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers)
