"""Which kind of ledger a URL names."""

from __future__ import annotations

from pathlib import Path

from everytick.errors import ConfigurationError

from .database import VARIABLE, Ledger


def ledger_at(url: str, *, root: Path | None = None, application: str | None = None) -> Ledger:
    """Return the ledger at a URL; nothing of it is opened yet.

    Args:
        url: `sqlite:///relative/path.db`, `sqlite:////absolute/path.db` or `postgresql://...`.
        root: the application's folder, to which paths are relative; by default the working directory.
        application: the name of the application that uses it; None for one that takes any ledger.

    Raises:
        ConfigurationError: the URL is none that this version can use, or its driver is missing.
    """
    return _kind(url)(url, root, application)


def _kind(url: str) -> type[Ledger]:
    scheme = url.partition(":")[0]
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        from .postgres import PostgresLedger

        return PostgresLedger
    if scheme == "sqlite":
        from .sqlite import SqliteLedger

        return SqliteLedger
    # The URL itself is not repeated: it may hold a password.
    raise ConfigurationError(
        f"{VARIABLE} must be sqlite:///relative/path.db, sqlite:////absolute/path.db or"
        " postgresql://user:password@host/database"
    )
