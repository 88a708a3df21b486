"""Reads the URL of a ledger on PostgreSQL.

No value of it is shown by an error: where a sign was not percent-encoded, or the host left out, a part of the
password stands in the place of the host, the port, the database or an option.
"""

from __future__ import annotations

import os
import re
from typing import Any

from everytick.errors import ConfigurationError
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from .database import VARIABLE

# Variables by which PostgreSQL's library finds a server that the URL does not name.
_PLACES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
_WHERE = ("host", "hostaddr", "service", "dbname")
# Messages of the library about options, before any server is asked.
_WRONG = re.compile(r'(invalid (?:port number|\w+ value)):? ".*|definition of service "[^"]*" not found')
_OF_OPTION = re.compile(r' for connection option "\w+"')


def parameters_of(url: str) -> tuple[str, dict[str, Any]]:
    """Return the URL as PostgreSQL's library takes it, and what it says, by the names of its options.

    Raises:
        ConfigurationError: it makes no sense.
    """
    scheme, found, rest = url.partition("://")
    if not found or scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise ConfigurationError(f"{VARIABLE} must begin with postgresql://")
    if _has_bare_signs(rest):
        raise _not_read()
    # SQLAlchemy's spelling, postgresql+psycopg, is accepted too.
    url = f"postgresql://{rest}"
    try:
        parameters = conninfo_to_dict(url)
    except ProgrammingError as problem:
        unknown = re.search(r'invalid URI query parameter: "(\w+)"', str(problem))
        # Behind a password with a `?` that name is a part of it.
        if unknown and "@" not in rest.rpartition("?")[2]:
            raise ConfigurationError(f"{VARIABLE}: PostgreSQL knows no option {unknown[1]}") from None
        raise _not_read() from None
    _check(parameters)
    return url, parameters


def wrong_option(said: str) -> str | None:
    """Return which option the library says is wrong, without its value; None if it says something else."""
    if not (wrong := _WRONG.search(said)):
        return None
    option = _OF_OPTION.search(said)
    return f"{wrong[1]}{option[0] if option else ''}" if wrong[1] else wrong[0]


def _has_bare_signs(rest: str) -> bool:
    """Return whether a sign was not percent-encoded that lets the library take parts for others."""
    credentials, found, place = rest.partition("@")
    has_them = found and "/" not in credentials
    servers, _, database = (place if has_them else rest).partition("?")[0].partition("/")
    if "@" in (place if has_them else servers) or re.search("[/:@]", database):
        return True
    return bool(has_them and re.search(r"\?\w+=", credentials))


def _not_read() -> ConfigurationError:
    return ConfigurationError(
        f"{VARIABLE} cannot be read: write postgresql://user:password@host:5432/database"
        " (a /, @, : or % in the password as %2F, %40, %3A, %25)"
    )


def _check(found: dict[str, Any]) -> None:
    for port in str(found.get("port") or "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ConfigurationError(f"{VARIABLE}: its port is not a number from 1 to 65535, such as 5432")
    timeout = str(found.get("connect_timeout") or 0).removeprefix("-")
    if not (timeout.isascii() and timeout.isdigit() and len(timeout) < 10):
        raise ConfigurationError(f"{VARIABLE}: its connect_timeout is not a number of seconds")
    if not any(found.get(name) for name in _WHERE) and not any(map(os.environ.get, _PLACES)):
        raise ConfigurationError(
            f"{VARIABLE} names neither a server nor a database: postgresql://user:password@host/database"
        )
