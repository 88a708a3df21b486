"""What runs in the process that `database.upgrade` starts: Alembic and SQLAlchemy stay in there."""

from __future__ import annotations

from pathlib import Path

from .database import migrate
from .opening import ledger_at


def run(url: str, root: str) -> None:
    """Run the migrations that the ledger at a URL lacks; `root`: what its path is relative to.

    Raises:
        LedgerError: the ledger cannot be used; and what the database raises.
    """
    migrate(ledger_at(url, root=Path(root)))
