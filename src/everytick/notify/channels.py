"""Where alerts go, by Apprise: mail, chats, and some hundred services, each one address.

An address holds secrets: neither log lines nor errors show any of it but its scheme.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from everytick.engine.capture import one_line, without_secrets
from everytick.errors import ConfigurationError
from everytick.masking import STARS, hide
from everytick.settings import SchedulerSettings, alerts_not_installed

from . import bounded_answers, sender
from .messages import Message

_VARIABLE = "SCHEDULER_ALERT_URLS"
# Between two addresses: commas and blanks, but only where the next one begins.
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9]*://)")
_REASON_LENGTH = 300
# The parts of an address that are long enough to be hidden wherever a service's answer repeats them.
_PART = re.compile(r"[^/:@?&=,#\s]{4,}")
# Their log lines may hold an address, or a part of it.
_LOGGERS = ("apprise", "urllib3.connectionpool", "requests_oauthlib.oauth2_session")

# Apprise's log lines while this context sends; None while it does not send.
_said: ContextVar[list[str] | None] = ContextVar("scheduler_alert_said", default=None)


class Channel:
    """One address. `key` is what the ledger knows it by, `name` what people are shown."""

    def __init__(self, address: str, number: int, of: int, apprise: Any, application: str) -> None:
        self.key = hashlib.sha256(address.encode(errors="replace")).hexdigest()[:16]
        scheme = _scheme(address)
        self.name = f"{scheme or 'unknown'} (address {number} of {of})"
        self._apprise = apprise
        asset = apprise.AppriseAsset(
            app_id=application,
            app_desc=application,
            async_mode=False,
            storage_mode="memory",
            # To another host it would send the message, and the secret of the address with it.
            http_redirects=False,
            **_without_threads(apprise),
        )
        self._to = apprise.Apprise(asset=asset)
        self._parts = sorted({unquote(part) for part in _PART.findall(address)}, key=len, reverse=True)
        self._parts += [part for part in _PART.findall(address) if part not in self._parts]
        warned: list[str] = []
        token = _said.set(warned)
        try:
            is_known = self._to.add(address)
        except Exception:
            is_known = False
        finally:
            _said.reset(token)
        if not is_known:
            # Nothing else of it is shown: where it is malformed, anything may be a secret.
            begin = f", which begins with {scheme}://," if scheme in _schemes() else ""
            raise ConfigurationError(
                f"{_VARIABLE}: address {number} of {of}{begin} is not one that"
                " Apprise understands: see https://appriseit.com for how each service's is written"
            )

    def send(self, message: Message) -> str | None:
        """Send a message; return None if it was taken, else why not.

        Blocks until the service has answered, for `sender.ALERT_DEADLINE` seconds at most.
        """
        try:
            return sender.within(sender.ALERT_DEADLINE, partial(self._sent, message), sender.cut)
        except sender.NotTaken as problem:
            return str(problem)

    def _sent(self, message: Message) -> str | None:
        warned: list[str] = []
        token = _said.set(warned)
        try:
            with bounded_answers.bounded():
                taken = self._to.notify(
                    body=message.body,
                    title=message.title,
                    notify_type=message.tone,
                    body_format="text",
                )
        except Exception as problem:
            return self._hidden(one_line(problem))
        finally:
            _said.reset(token)
        return None if taken else self._hidden("; ".join(warned) or "the service gave no reason")

    def _hidden(self, reason: str) -> str:
        """Return a reason in one line, without anything of the address."""
        scheme = self.name.split()[0]
        text = without_secrets(reason)
        for part in self._parts:
            if part.lower() != scheme:
                text = text.replace(part, STARS)
        return " ".join(text.split())[:_REASON_LENGTH]


def load(settings: SchedulerSettings, application: str) -> list[Channel]:
    """Return the channels of SCHEDULER_ALERT_URLS; none if it is empty.

    Raises:
        ConfigurationError: Apprise is missing, or does not understand an address.
    """
    addresses = split(settings.scheduler_alert_urls.get_secret_value())
    if not addresses:
        return []
    if problem := alerts_not_installed(settings):
        raise ConfigurationError(problem)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _overhear not in logger.filters:
            logger.addFilter(_overhear)
    # By name, since the application's types must hold without it too.
    apprise = import_module("apprise")
    unique = list(dict.fromkeys(addresses))
    for address in unique:
        hide(address)
    return [Channel(url, number, len(unique), apprise, application) for number, url in enumerate(unique, 1)]


def split(text: str) -> list[str]:
    """Return the addresses in a text. A comma inside of an address is a part of it."""
    return [part for part in _BETWEEN.split(text.strip(" \t\r\n,")) if part]


def _scheme(address: str) -> str:
    found = re.match(r"([A-Za-z][A-Za-z0-9]*)://", address)
    return found[1].lower() if found else ""


def _schemes() -> Collection[str]:
    """Return what the addresses that Apprise knows begin with."""
    return frozenset(import_module("apprise.manager_plugins").NotificationManager().schemas())


def _without_threads(apprise: Any) -> dict[str, Any]:
    """Return what lets Apprise call a service on the thread that asks.

    Its own threads, which newer versions use for a time limit, would hold up the end of the process.
    """
    return {"service_timeout": 0} if hasattr(apprise.AppriseAsset, "_service_timeout") else {}


def _overhear(record: logging.LogRecord) -> bool:
    """Keep the lines of Apprise and its libraries out of the log while it sends: they may hold an address."""
    warned = _said.get()
    if warned is None:
        return True
    if record.levelno >= logging.WARNING:
        warned.append(record.getMessage())
    return False
