"""The dashboard's server: on a thread beside the schedule, with an event loop of its own, or alone."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from everytick.app import typed
from everytick.errors import (
    NO_FILE_HANDLES,
    ConfigurationError,
    LedgerError,
    how_to_install,
    lacks_file_handles,
)
from everytick.ledger import open_ledger
from everytick.system import check_handles_of_a_loop, system
from everytick.text.durations import duration_of_seconds
from loguru import logger

from .authentication import open_authenticator, token_file
from .links import keep_port, kept_port, local_address, port_file
from .settings import DashboardSettings, dashboard_settings

if TYPE_CHECKING:
    from everytick.read.known_job import Declared

_STOP_SECONDS = 3.0
# How long a port that is in use is left alone: the process before this one may still let its runs end.
_RETRY_SECONDS = 5.0
# How many ports are tried where no setting names one.
_PORTS = 20


class Dashboard:
    """A server that listens but does not answer yet.

    declared: what the user's code says: the ledger does not know all of it.

    Raises:
        ConfigurationError: what it needs is not installed.
        LedgerError: the address is in use or not ours, or the token cannot be kept.
    """

    def __init__(self, chosen: DashboardSettings, declared: Callable[[], Declared] | None = None) -> None:
        try:
            from .application import create_app
            from .server import make_server
        except ImportError as problem:
            what = f"the dashboard needs what is not installed: {problem}; {how_to_install('dashboard')}"
            raise ConfigurationError(what) from None
        ledger = open_ledger()
        self._chosen = chosen
        self._socket = _listen_as(chosen)
        try:
            authenticator, self._token, self._is_new = open_authenticator(chosen, ledger.folder)
        except BaseException:
            self._socket.close()
            raise
        self._token_file = token_file(ledger.folder)
        self.port = int(self._socket.getsockname()[1])
        self.app = create_app(ledger, authenticator, chosen.names, self.port, declared)
        self._server = make_server(self.app)
        self._port_file = port_file(ledger.folder)
        if self.port != chosen.scheduler_dashboard_port:
            keep_port(self._port_file, self.port)

    def announce(self) -> None:
        """Say where it is, and where its token is; a link with a token made just now, on a terminal alone."""
        address = local_address(self._chosen, self.port)
        if self._is_new and sys.stderr is not None and sys.stderr.isatty():
            # Not through the log, which others may read and keep.
            print(f"dashboard: {address}/login?token={self._token} (shown once)", file=sys.stderr)
        if self._is_new:
            logger.info("dashboard: its new token is in {}", self._token_file)
        wanted = self._chosen.scheduler_dashboard_port
        taken = f", since port {wanted} is in use" if wanted not in (0, self.port) else ""
        command = typed("dashboard --link")
        logger.info("dashboard: {}{} ({} prints it with the token)", address, taken, command)

    def serve(self) -> None:
        """Answer until `stop` is called or, on the main thread, until SIGTERM or SIGINT."""
        try:
            check_handles_of_a_loop()
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            if kept_port(self._port_file) == self.port:
                self._port_file.unlink(missing_ok=True)

    def stop(self) -> None:
        """Let it end, from any thread: streams first."""
        self._server.stop()


@contextmanager
def beside(declared: Callable[[], Declared]) -> Iterator[None]:
    """Serve the dashboard while the block runs, if SCHEDULER_DASHBOARD says so; `declared`: see `Dashboard`.

    Whatever goes wrong with it is one warning: the schedule is kept without it.

    Raises:
        ConfigurationError: a setting of the dashboard is wrong.
    """
    chosen = dashboard_settings()
    if not chosen.scheduler_dashboard:
        yield
        return
    beside_it = _Beside(chosen, declared)
    try:
        yield
    finally:
        beside_it.stop()


class _Beside:
    """The dashboard on a thread of its own, which imports it too: neither holds up the schedule."""

    def __init__(self, chosen: DashboardSettings, declared: Callable[[], Declared]) -> None:
        self._chosen, self._declared = chosen, declared
        self._dashboard: Dashboard | None = None
        self._unwanted = system.event()
        self._thread = system.start_thread(self._serve, name="dashboard")

    def _serve(self) -> None:
        try:
            self._dashboard = self._once_its_port_is_free()
            if self._dashboard is not None and not self._unwanted.is_set():
                self._dashboard.announce()
                self._dashboard.serve()
        except (ConfigurationError, LedgerError) as problem:
            logger.warning("no dashboard: {}", problem)
        except (Exception, SystemExit) as problem:
            if lacks_file_handles(problem):
                logger.warning("no dashboard: {}", NO_FILE_HANDLES)
                return
            logger.opt(exception=problem).warning("no dashboard: {}", problem)

    def _once_its_port_is_free(self) -> Dashboard | None:
        """Return the dashboard as soon as it can listen; None if it is unwanted before."""
        is_told = False
        while not self._unwanted.is_set():
            try:
                return Dashboard(self._chosen, self._declared)
            except _InUse as problem:
                if not is_told:
                    every = duration_of_seconds(_RETRY_SECONDS)
                    logger.warning("no dashboard: {}; it is tried again every {}", problem, every)
                    is_told = True
            self._unwanted.wait(_RETRY_SECONDS)
        return None

    def stop(self) -> None:
        """Let it end, and wait a moment for that."""
        self._unwanted.set()
        if self._dashboard is not None:
            self._dashboard.stop()
            self._thread.join(_STOP_SECONDS)


class _InUse(LedgerError):
    """Another program listens there."""


def _listen_as(chosen: DashboardSettings) -> socket.socket:
    """Return a socket that listens where the settings say; on the next free port if they name none.

    Raises:
        LedgerError: nothing can listen there.
    """
    host, first = chosen.scheduler_dashboard_host, chosen.scheduler_dashboard_port
    try:
        return _listen(host, first)
    except _InUse:
        if chosen.has_port:
            raise
        for port in range(first + 1, first + _PORTS):
            with suppress(_InUse):
                return _listen(host, port)
        raise


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        LedgerError: nothing can listen there.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        # Named as TCP: only then asyncio sends small answers at once.
        listening = socket.socket(found[0][0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                # Also while connections of the process before this one are being closed.
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(found[0][4])
            listening.listen(128)
        except BaseException:
            listening.close()
            raise
    except (OSError, UnicodeError) as problem:
        # The latter of a name that no host can have.
        reason = getattr(problem, "strerror", None) or problem
        instead = "give this process another SCHEDULER_DASHBOARD_PORT, or SCHEDULER_DASHBOARD_HOST"
        kind = _InUse if getattr(problem, "errno", None) == errno.EADDRINUSE else LedgerError
        raise kind(f"{host}:{port} cannot be listened on: {reason} ({instead})") from None
    return listening
