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
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from weakref import WeakSet

from everytick.system import system

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
# Held while a file of a ledger is looked at by a handle of our own: closing that takes away the locks that
# this process has on the file, so no connection may begin meanwhile.
_looking = Lock()

# The bytes of a ledger of which each connection has one locked, and the byte of the file ending in `-shm`
# that each holds; and where a ledger says, by two bytes, that it is used with these files. As SQLite's format
# has it.
_CONNECTIONS, _OF_THE_LOG = (0x40000002, 510), (128, 1)
_KIND, _WITH_LOG = 18, b"\x02\x02"
# For how long one may have locked the first and not yet, or no longer, the second.
_BETWEEN = 1.0


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
    with _looking:
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
    return next((connection.leads_to for connection in _connections() if connection.log == log), None)


def was_open_at_fork(file: Identity | None) -> bool:
    """Return whether this process was forked while that file was open."""
    return file in _open_at_fork


def user_by_other_name(ledger: str) -> int | None:
    """Return the number of a process that uses a ledger by another name, 0 for one of another container.

    SQLite names the files beside a ledger, which have the newest commits and its locks, after the name by
    which it was opened. By another name of the same file, such as a hard link, it has others. Waits up to a
    second where a process begins or ends to use it. None if there is none, and where the system does not
    tell.
    """
    give_up = system.monotonic() + _BETWEEN
    while True:
        found = _user_by_other_name(ledger)
        if found is None or system.monotonic() > give_up:
            return found
        system.sleep(0.05)


def _user_by_other_name(ledger: str) -> int | None:
    file = identity(ledger)
    if _GET_LOCK is None or file is None:
        return None
    with _looking:
        if _is_open(file):
            # It was looked at before.
            return None
        user = _holder(ledger, *_CONNECTIONS, only_with_log=True)
        return user if user is None or _holder(f"{ledger}-shm", *_OF_THE_LOG) is None else None


def _holder(path: str, start: int, length: int, *, only_with_log: bool = False) -> int | None:
    """Return which other process has locked one of some bytes of a file; None for none."""
    import fcntl

    assert _GET_LOCK is not None
    layout, order = _GET_LOCK
    asked = {"type": fcntl.F_WRLCK, "whence": os.SEEK_SET, "start": start, "length": length, "pid": 0}
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if only_with_log and os.pread(handle, 2, _KIND) != _WITH_LOG:
            return None
        told = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(layout, *(asked[name] for name in order)))
    except OSError:
        return None
    finally:
        os.close(handle)
    found = dict(zip(order, struct.unpack(layout, told), strict=True))
    return None if found["type"] == fcntl.F_UNLCK else max(found["pid"], 0)


# How the two systems that tell of locks have them in memory.
_GET_LOCK = {
    "linux": ("@hhqqi4x", ("type", "whence", "start", "length", "pid")),
    "darwin": ("@qqihh", ("start", "length", "pid", "type", "whence")),
}.get(sys.platform if sys.maxsize > 2**32 else "")


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
    return any(connection.leads_to == file for connection in _connections())


def _connections() -> list[TrackedConnection]:
    while True:
        try:
            return list(_open)
        except RuntimeError:
            # Another thread has opened or closed one meanwhile.
            continue


def _remember_what_was_open() -> None:
    global _looking
    # Another thread of the parent may have held it.
    _looking = Lock()
    _open_at_fork.update(connection.leads_to for connection in _open if connection.leads_to)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_what_was_open)
