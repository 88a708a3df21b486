"""Keeps SQLite's locks on the files of a ledger from being lost.

POSIX knows such locks by process: to close any handle to a file takes away all locks that the process has on
it, SQLite's too, and SQLite does not notice. From then on processes write at the same time, and the next one
that closes the ledger takes the file with the newest commits for nobody's, and deletes it. So in a
process that has a ledger open nothing else may open its files by Python, such as a job that copies the
folder: it is refused with a sentence. Another process may read them, and so may a child.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

# The device and the number of a file.
Identity = tuple[int, int]

# The files beside a ledger that SQLite opens, by the end of their names; the second one has its locks.
BESIDE = ("-wal", "-shm")

# A fork copies what SQLite keeps in memory of its locks, though the child has none of them: a connection that
# the child opens to such a file could take away what its parent is about to write.
_open: WeakSet[TrackedConnection] = WeakSet()
_open_at_fork: set[Identity] = set()
# All files that this process ever had open as a ledger: a look at it costs next to nothing.
_ever_open: set[Identity] = set()
_is_watching = False


class TrackedConnection(sqlite3.Connection):
    """One of which is known to which file it leads, and until when."""

    # Asked with each statement: to find nothing takes longer.
    on_server = False
    leads_to: Identity | None = None
    # The file with its newest commits, of one that writes.
    log: Identity | None = None
    when_closed: Callable[[], None] | None = None

    def close(self) -> None:
        super().close()
        _open.discard(self)
        if self.when_closed is not None:
            self.when_closed()


class LedgerInUse(OSError):
    """A file of a ledger was to be opened, by something else than SQLite, while this process has it open."""


def track(connection: TrackedConnection, path: Path) -> None:
    """Take note of a connection that was opened just now, and to which file."""
    connection.leads_to = identity(path)
    _open.add(connection)
    if connection.leads_to is not None:
        _ever_open.add(connection.leads_to)
        _watch()


def identity(path: Path | str) -> Identity | None:
    """Return what tells a file from others, whatever its name; None if it is not there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def file_with_log(log: Identity) -> Identity | None:
    """Return the ledger to which a log belongs that this process has open; None for any other log."""
    while True:
        try:
            return next((connection.leads_to for connection in _open if connection.log == log), None)
        except RuntimeError:
            # As in `_is_open`.
            continue


def was_open_at_fork(file: Identity | None) -> bool:
    """Return whether this process was forked while that file was open."""
    return file in _open_at_fork


def _watch() -> None:
    """Hear of all that Python opens, from now on. There is no way to stop that again."""
    global _is_watching
    # Windows knows locks by handle.
    if os.name == "posix" and not _is_watching:
        _is_watching = True
        sys.addaudithook(_refuse)


def _refuse(event: str, given: tuple[object, ...]) -> None:
    """Refuse to open a file of a ledger that this process has open. Called at each event of any kind."""
    if event != "open" or not isinstance(given[0], str | bytes):
        return
    name = os.fsdecode(given[0])
    file = identity(_ledger_of(name))
    if file in _ever_open and file not in _open_at_fork and _is_open(file):
        raise LedgerInUse(
            errno.EBUSY,
            "this process keeps its ledger there, and opening the file beside SQLite would undo SQLite's"
            " locks: copy the ledger by LedgerReader().backup(...), or files in a process of its own",
            name,
        )


def _ledger_of(name: str) -> str:
    """Return the ledger that a file belongs to by its name: the file itself, if it is none beside one."""
    end = name[-4:]
    return os.path.realpath(name)[:-4] if end in BESIDE else name


def _is_open(file: Identity | None) -> bool:
    while True:
        try:
            return any(connection.leads_to == file for connection in _open)
        except RuntimeError:
            # Another thread has opened or closed one meanwhile.
            continue


def _remember_what_was_open() -> None:
    _open_at_fork.update(connection.leads_to for connection in _open if connection.leads_to)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_what_was_open)
