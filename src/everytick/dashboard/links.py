"""The link that signs in: where the dashboard of this machine is, and whether that proves to be it."""

from __future__ import annotations

import hmac
import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from everytick.app import typed
from everytick.ledger import open_ledger
from everytick.system import system
from loguru import logger

from .authentication import PROOF, Authenticator, listener, open_authenticator, token_file
from .settings import DashboardSettings

# How long a dashboard may take to answer. One on a busy machine takes a moment.
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class SignInLink:
    """The address with the token, which signs in the browser that opens it.

    place: host and port. names: those under which the dashboard may be asked for; empty: any.
    """

    place: str
    token: str
    authenticator: Authenticator
    names: frozenset[str]

    def __str__(self) -> str:
        return f"http://{self.place}/login?token={self.token}"


def sign_in_link(chosen: DashboardSettings) -> SignInLink:
    """Return the link to the dashboard of this application. Serves nothing.

    Makes no token: one that root made would not be the service's to read, and nobody would know it.

    Raises:
        LedgerError: the token beside the ledger cannot be read.
        NoProofError: there is none.
    """
    folder = open_ledger().folder
    if not chosen.scheduler_dashboard_token.get_secret_value() and not token_file(folder).exists():
        raise NoProofError(
            f"no dashboard of this ledger has made its token yet, so there is no link: {_serving()}"
        )
    authenticator, token, _made = open_authenticator(chosen, folder)
    port, kept = chosen.scheduler_dashboard_port, kept_port(port_file(folder))
    if kept is not None and _is_listened_on(chosen.scheduler_dashboard_host, kept):
        port = kept
    place = local_address(chosen, port).removeprefix("http://")
    return SignInLink(place, token, authenticator, chosen.names)


class NoProofError(Exception):
    """Where a link leads, nothing shows that it knows the token. The message says what to do."""


def trouble_with(link: SignInLink) -> str | None:
    """Have the dashboard prove that it knows the token; return why its link may yet not work, or None.

    Who listens there may be another program, of another user of the machine: it is sent neither the token
    nor anything else that signs in.

    Raises:
        NoProofError: nothing listens there, or what does proves nothing.
    """
    name = link.place.rpartition(":")[0]
    is_refused = bool(link.names) and name not in link.names
    connection = http.client.HTTPConnection(link.place, timeout=_PATIENCE_SECONDS)
    try:
        connection.connect()
    except OSError:
        raise NoProofError(
            f"no dashboard answers at http://{link.place} now, so there is no link: {_serving()}; the token:"
            f" {link.authenticator.where}"
        ) from None
    try:
        is_proven = _proves(link, connection, sorted(link.names)[0] if is_refused else link.place)
    except (OSError, http.client.HTTPException, ValueError):
        is_proven = False
    finally:
        connection.close()
    if not is_proven:
        raise NoProofError(
            f"what answers at http://{link.place} does not prove that it knows the token, so there is no"
            " link: it is another program, or a dashboard with another token (SCHEDULER_DASHBOARD_TOKEN is"
            " not the same here as where it runs, or it shows another ledger)"
        )
    if is_refused:
        return (
            "the dashboard there answers to the names of SCHEDULER_DASHBOARD_NAMES alone:"
            f" use one instead of {link.place}"
        )
    return None


def _serving() -> str:
    return f"{typed('run')} serves it, or {typed('dashboard')}"


def _proves(link: SignInLink, connection: http.client.HTTPConnection, host: str) -> bool:
    where, nonce = listener(*connection.sock.getpeername()[:2]), system.new_token(24)
    asked = urlencode({"nonce": nonce, "question": link.authenticator.question(where, nonce)})
    connection.request("GET", f"{PROOF}?{asked}", headers={"Host": host})
    answer = connection.getresponse()
    said = json.loads(answer.read(65_536))
    given = said.get("proof") if isinstance(said, dict) else None
    right = link.authenticator.proof(where, nonce)
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


def port_file(folder: Path) -> Path:
    """Return where a port is kept that is not the one of the settings, for other processes."""
    return folder / "dashboard.port"


def keep_port(path: Path, port: int) -> None:
    """Write down a port; a warning if that cannot be done."""
    try:
        # One that is there may be a link of somebody who may write here as well.
        path.unlink(missing_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(f"{port}\n")
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
