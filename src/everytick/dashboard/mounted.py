"""The dashboard as a part of somebody's web application, below a path and with a sign-in of its own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

from everytick.api.loading import declared
from everytick.api.scheduler import AsyncIOScheduler
from everytick.errors import ConfigurationError, LedgerError
from everytick.log_rate import RateLimitedLog
from everytick.read.known_job import Declared
from everytick.store.database import Ledger
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .application import create_app
from .authentication import open_authenticator
from .guard import SECURITY_HEADERS
from .own_sign_in import SignIn
from .settings import dashboard_settings

# A server that is asked to stop waits for open streams, and these do not learn of it. So each ends after that
# many seconds, and its page opens the next one.
_STREAM_SECONDS = 5.0
_UNUSABLE = "the dashboard cannot be used now: the log of the application says why\n"


class HasLedger(Protocol):
    """A scheduler, or a client of one."""

    @property
    def ledger(self) -> Ledger:
        """Where the ledger is."""


class Mounted:
    """The dashboard, made at the first request: when the module is imported, settings may not be complete."""

    def __init__(self, scheduler: HasLedger, sign_in: SignIn | None) -> None:
        self._scheduler, self._sign_in = scheduler, sign_in
        self._lock = threading.Lock()
        self._app: ASGIApp | None = None
        self._place = ""
        self._log = RateLimitedLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        try:
            app = self._made()
        except (ConfigurationError, LedgerError) as problem:
            # Nobody has signed in yet, and the sentence may name a file or a server.
            self._log.warning("unusable", "dashboard: {}", problem)
            app = PlainTextResponse(_UNUSABLE, 503, headers=SECURITY_HEADERS)
        await app(scope, receive, send)

    def _made(self) -> ASGIApp:
        ledger = self._scheduler.ledger
        with self._lock:
            # In tests each one has a ledger of its own.
            if self._app is None or ledger.full_place != self._place:
                self._app, self._place = self._make(ledger), ledger.full_place
            return self._app

    def _declared(self) -> Callable[[], Declared] | None:
        # A client knows no job that stands in the code.
        return partial(declared, self._scheduler) if isinstance(self._scheduler, AsyncIOScheduler) else None

    def _make(self, ledger: Ledger) -> ASGIApp:
        chosen = dashboard_settings()
        authenticator, _token, _made = open_authenticator(chosen, ledger.folder)
        # So that two on one host do not share their cookies, and all workers of one do.
        mark = hashlib.sha256(ledger.full_place.encode()).hexdigest()[:8]
        return create_app(
            ledger,
            authenticator,
            chosen.given_names,
            mark,
            self._declared(),
            sign_in=self._sign_in,
            stream_seconds=_STREAM_SECONDS,
        )
