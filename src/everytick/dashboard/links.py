"""The link that signs in: where the dashboard is found on this machine, and whether the link works."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from pathlib import Path

from everytick.app import typed
from everytick.ledger import open_ledger
from loguru import logger

from .authentication import open_authenticator
from .settings import DashboardSettings

# How long a dashboard may take to answer. One on a busy machine takes a moment.
_PATIENCE_SECONDS = 3.0
# For how long the cookie holds with which it is asked.
_MOMENT_SECONDS = 10


@dataclass(frozen=True)
class SignInLink:
    """The address with the token, which signs in the browser that opens it.

    place: host and port. cookie: what shows for a moment that the token is known, without giving it away.
    """

    place: str
    token: str
    cookie: str

    def __str__(self) -> str:
        return f"http://{self.place}/login?token={self.token}"


def sign_in_link(chosen: DashboardSettings) -> SignInLink:
    """Return the link to the dashboard of this application. Serves nothing.

    Raises:
        LedgerError: the token cannot be kept beside the ledger.
    """
    folder = open_ledger().folder
    authenticator, token, _made = open_authenticator(chosen, folder)
    port, kept = chosen.scheduler_dashboard_port, kept_port(port_file(folder))
    if kept is not None and _is_listened_on(chosen.scheduler_dashboard_host, kept):
        port = kept
    place = local_address(chosen, port).removeprefix("http://")
    return SignInLink(place, token, f"scheduler_{port}={authenticator.session('all', '', _MOMENT_SECONDS)}")


class OtherTokenError(Exception):
    """The dashboard that a link leads to does not take its token. The message says why."""


def trouble_with(link: SignInLink) -> str | None:
    """Ask where a link leads, and return why it does not sign in now; None if it does.

    The token is not sent: another program may listen there.

    Raises:
        OtherTokenError: it never will: the dashboard there has another token.
    """
    connection = http.client.HTTPConnection(link.place, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/api/v1/audit?limit=1", headers={"Cookie": link.cookie})
        answer = connection.getresponse()
        status, said = answer.status, answer.read(65_536)
    except (OSError, http.client.HTTPException):
        status, said = 0, b""
    finally:
        connection.close()
    if (status == 200 and b'"entries"' in said) or (status == 503 and b'"error"' in said):
        # The latter of a ledger that does not answer: the token was looked at before.
        return None
    if status == 421:
        return (
            "the dashboard there answers to the names of SCHEDULER_DASHBOARD_NAMES alone:"
            f" use one instead of {link.place}"
        )
    if status == 401 and b"a token is needed" in said:
        raise OtherTokenError(
            f"the dashboard at http://{link.place} has another token: SCHEDULER_DASHBOARD_TOKEN is not the"
            " same here as where it runs, or it shows another ledger"
        )
    serving = f"{typed('run')} serves it, or {typed('dashboard')}"
    return f"no dashboard answers at http://{link.place} now: {serving}"


def port_file(folder: Path) -> Path:
    """Return where a port is kept that is not the one of the settings, for other processes."""
    return folder / "dashboard.port"


def keep_port(path: Path, port: int) -> None:
    """Write down a port; a warning if that cannot be done."""
    try:
        path.write_text(f"{port}\n", encoding="utf-8")
    except OSError as problem:
        logger.warning("dashboard: its port cannot be kept in {}: {}", path, problem.strerror)


def kept_port(path: Path) -> int | None:
    """Return the port that a dashboard of this ledger kept; None if there is none."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_listened_on(host: str, port: int) -> bool:
    """Return whether something listens there: a process that was killed leaves its port in the file."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except (OSError, OverflowError):
        return False
    return True


def local_address(chosen: DashboardSettings, port: int) -> str:
    """Return where a dashboard is, for a browser on this machine."""
    host = chosen.scheduler_dashboard_host
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"
