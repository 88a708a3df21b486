"""Which file the log beside a ledger belongs to: the file ending in `-wal`, with the newest commits.

SQLite knows it by its name alone. Whatever ledger lies there, it takes the log for the log of that one: it
shows both mixed, writes the pages of the log into it, and removes the log. If the ledger was replaced, the
newest commits of the one are lost, and the other is damaged. So each connection that writes leaves a note
beside the ledger, ending in `-wal-of`, with the inode numbers of both files, and no other file than that one
is opened with that log.

The note also has its own number: in a copy of the folder all files have other numbers, and there the note
means nothing. It is removed with the log. Without a note the ledger is opened nevertheless, to read it in
such a way that the log stays as it is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from enum import Enum

from . import file_locks
from .file_locks import Identity

_NOTE = "-wal-of"
_LONGEST = 200
# Another user, where others may write to the folder, may have put a link or a pipe there.
_WITHOUT_SURPRISES = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Log(Enum):
    """The log beside a ledger."""

    NONE = "none"
    OWN = "own"
    # There is no note about it, or the ledger was written to after it, as by a copy over it.
    UNKNOWN = "unknown"
    ANOTHERS = "another's"


def find(ledger: str) -> tuple[Log, Identity | None]:
    """Return whose log lies beside a ledger, and which file it is. The ledger need not be there.

    ledger: the path to the file itself: SQLite looks for the log where a link leads.
    """
    log, file = _look(f"{ledger}-wal"), _look(ledger)
    if log is None:
        # The next log may get the number of the last one.
        _forget(ledger)
        return Log.NONE, None
    number = (log.st_dev, log.st_ino)
    if file is None or not file.st_size:
        # SQLite would remove it.
        return (Log.ANOTHERS if log.st_size else Log.UNKNOWN), number
    known = file_locks.file_with_log(number)
    if known is not None:
        return (Log.OWN if known == (file.st_dev, file.st_ino) else Log.ANOTHERS), number
    noted = _read(ledger, log.st_ino)
    if noted is None:
        return Log.UNKNOWN, number
    if noted != file.st_ino:
        return Log.ANOTHERS, number
    return (Log.UNKNOWN if file.st_ctime_ns > log.st_mtime_ns else Log.OWN), number


def note(ledger: str, log: Identity) -> None:
    """Leave a note that this log belongs to this ledger, with the rights that SQLite gives the log."""
    name = f"{ledger}{_NOTE}"
    with suppress(OSError):
        file = os.stat(ledger)
        with suppress(FileNotFoundError):
            os.unlink(name)
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            text = f"inode numbers of the ledger, its -wal, this note: {file.st_ino} {log[1]}"
            os.write(handle, f"{text} {os.fstat(handle).st_ino}\n".encode())
            if os.name == "posix":
                os.fchmod(handle, file.st_mode & 0o666)
                # The superuser makes it for the ledger's user.
                os.fchown(handle, file.st_uid, file.st_gid)
        finally:
            os.close(handle)


def closed(ledger: str) -> None:
    """Remove the note, if the log was removed with the last connection."""
    if not os.path.exists(f"{ledger}-wal"):
        _forget(ledger)


def _read(ledger: str, log: int) -> int | None:
    """Return the number of the file that the note names for the log of that number, if it names one."""
    try:
        handle = os.open(f"{ledger}{_NOTE}", os.O_RDONLY | _WITHOUT_SURPRISES)
        try:
            said, own = os.read(handle, _LONGEST).split(), os.fstat(handle).st_ino
        finally:
            os.close(handle)
        file, of, itself = (int(number) for number in said[-3:])
    except (OSError, ValueError):
        return None
    return file if (of, itself) == (log, own) else None


def _forget(ledger: str) -> None:
    with suppress(OSError):
        os.unlink(f"{ledger}{_NOTE}")


def _look(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None
