"""New ledgers in files, as copies of one that was made: making one takes longer than many a test."""

from __future__ import annotations

import threading
from functools import cache

from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.sqlite import SqliteLedger

from temporary import fresh_folder

_make = SqliteLedger._make_tables
_one_at_a_time = threading.Lock()


def copy_new_ledgers() -> None:
    """Let this process make one ledger from its script, and each further one from that."""
    SqliteLedger._make_tables = _copy  # type: ignore[assignment, method-assign]


def _copy(ledger: Ledger) -> bool:
    # That of a simulated world is in memory.
    if type(ledger) is not SqliteLedger:
        return _make(ledger)
    with _one_at_a_time:
        # What holds anything, or did, is looked at as ever: it may be the database of something else.
        if ledger.path.stat().st_size or ledger.path.with_name(f"{ledger.path.name}-wal").exists():
            return _make(ledger)
        ledger.path.write_bytes(_made())
        return True


@cache
def _made() -> bytes:
    path = fresh_folder("made-ledger") / "ledger.db"
    path.touch()
    assert _make(ledger_at(f"sqlite:///{path}"))
    return path.read_bytes()
