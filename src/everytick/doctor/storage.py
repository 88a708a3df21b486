"""The ledger as a file: whether it is there, sound, writable, in a good place, and of a bearable size."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from everytick.app import typed
from everytick.errors import LedgerError
from everytick.store import unreadable
from everytick.store.database import REVISION, VARIABLE
from everytick.store.file_locks import BESIDE
from everytick.store.file_owners import who_else_writes
from everytick.store.querying import Reader
from everytick.store.sqlite import SqliteLedger
from everytick.system import system
from everytick.text.durations import exact_seconds
from everytick.text.sizes import GIGABYTE, MEGABYTE, size
from everytick.text.wording import counted, listed

from .finding import Finding, ok

_LARGE = 2 * GIGABYTE
_LARGE_LOG = 64 * MEGABYTE
_LITTLE_SPACE = 200 * MEGABYTE
_NO_SPACE = 10 * MEGABYTE
# The whole file is looked through for as long as this.
_CHECK_SECONDS = 20.0
_CHECK_STEPS = 100_000
# For how long rows that cannot be read are looked for.
_ROW_SECONDS = 5.0
# At most this number of rows of a table is named.
_MOST_ROWS = 5
# Tables in which SQLite itself numbers the rows. Nobody reaches such numbers by counting.
_NUMBERED = {
    "scheduler_runs": "run_id",
    "scheduler_audit": "audit_id",
    "scheduler_backfills": "backfill_id",
    "scheduler_incidents": "incident_id",
}
_LAST_NUMBERS = 2**62
# A scheduler holds the ledger for a few milliseconds at a time.
_WRITE_SECONDS = 2.0
_REMOTE = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ceph|glusterfs|lustre|beegfs|9p|fuse\.(sshfs|glusterfs|s3fs|rclone)"
)


def examine_file(ledger: SqliteLedger) -> tuple[bool, list[Finding]]:
    """Return whether a ledger in a file can be read, and findings on it."""
    place = str(ledger.path)
    found = [*_place(ledger.path), *_folder(ledger.path)]
    try:
        if not ledger.exists():
            what = "there is no ledger yet: the first start makes one"
            return False, [*found, Finding("note", "ledger", what, place, typed("run"))]
        revision = ledger.revision()
    except LedgerError as problem:
        return False, [*found, Finding("error", "ledger", str(problem), place, None)]
    found += _writable(ledger.path)
    found += _rights(ledger.path)
    for end in BESIDE:
        # SQLite gives them the rights of the ledger.
        found += _rights(Path(f"{ledger.path}{end}"), ledger.path.stat().st_mode)
    if ledger.second_name:
        found.append(
            Finding("warning", "ledger", ledger.second_name, place, "a copy by the task or by a backup")
        )
    found += _size(ledger.path)
    if revision != REVISION:
        return False, [*found, of_another_version(revision, place)]
    try:
        damage = _look_through(ledger)
    except sqlite3.DatabaseError as problem:
        damage = str(problem)
    if damage is None:
        return True, [*found, ok("ledger", f"the ledger is there, of version {revision}, and sound", place)]
    if damage == "":
        what = f"the ledger is large: not all of it was looked through within {exact_seconds(_CHECK_SECONDS)}"
        return True, [*found, Finding("note", "ledger", what, place, None)]
    return False, [*found, Finding("error", "ledger", ledger.damaged(damage), place, "a backup in its place")]


def of_another_version(revision: str | None, place: str) -> Finding:
    """Return the finding on a ledger that is not of this code's version."""
    what = f"the ledger is of version {revision}, this code of {REVISION}"
    return Finding("warning", "ledger", what, place, f"{typed('migrate')}, or a start")


def size_of(what: str, length: int, largest: int, place: str) -> Finding:
    """Return the finding `what` on a ledger's size in bytes, with advice if it is large."""
    if length > largest:
        return Finding("note", "size", what, place, "a smaller SCHEDULER_HISTORY_DAYS")
    return ok("size", what, place)


def examine_writing(ledger: SqliteLedger) -> Finding | None:
    """Try to write, changing nothing; return what there is to say if another program holds the ledger."""
    if not os.access(ledger.path, os.W_OK) or not os.access(ledger.folder, os.W_OK):
        # examine_file has reported that already.
        return None
    try:
        ledger.try_to_write(_WRITE_SECONDS)
    except sqlite3.OperationalError as problem:
        return Finding(
            "error", "ledger", ledger.unusable(problem), str(ledger.path), "the end of what holds it"
        )
    return None


def examine_rows(connection: Reader, place: str) -> list[Finding]:
    """Return the rows that cannot be read, which no list shows."""
    search = unreadable.search(connection.plain, _MOST_ROWS, _ROW_SECONDS)
    found = [Finding("error", "row", str(row), place, unreadable.HOW_TO_MEND) for row in search.rows]
    if search.unfinished:
        looked = listed(
            [f"{counted(number, 'row')} of {table}" for table, number in search.unfinished.items()]
        )
        what = f"only the newest {looked} were looked at within {exact_seconds(_ROW_SECONDS)}"
        found.append(Finding("note", "row", what, place, None))
    return found


def examine_numbers(connection: Reader, place: str) -> list[Finding]:
    """Return the numbers of rows behind which SQLite does not count on: it draws later ones by lot."""
    if connection.is_on_server:
        return []
    found: list[Finding] = []
    for table, column in _NUMBERED.items():
        [row] = connection.rows(f"SELECT max({column}) AS number FROM main.{table}")
        if type(row.number) is int and row.number >= _LAST_NUMBERS:
            what = (
                f"{table} has a row with {column} {row.number}, near the end of all numbers: at that end"
                " SQLite draws the numbers of new rows by lot, and no list is in order any more"
            )
            found.append(Finding("error", "row", what, place, unreadable.HOW_TO_MEND))
    return found


def _look_through(ledger: SqliteLedger) -> str | None:
    """Return SQLite's report of damage, None without damage, an empty text if the check took too long."""
    give_up = system.monotonic() + _CHECK_SECONDS
    with closing(ledger.connect(read_only=True)) as connection:
        connection.set_progress_handler(lambda: system.monotonic() > give_up, _CHECK_STEPS)
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as problem:
            if "interrupted" in str(problem):
                return ""
            raise
    return None if found == "ok" else " ".join(str(found).split())


def _writable(path: Path) -> Iterator[Finding]:
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            what = f"{place} cannot be written by this user: no scheduler of this user can start"
            yield Finding("error", "ledger", what, str(place), "the right to write, for the scheduler's user")


def _rights(path: Path, told: int = 0) -> Iterator[Finding]:
    """Tell of a file that others may read or write: an older version made it so, or somebody did.

    told: rights that were told of already.
    """
    try:
        rights, folder = (place.stat().st_mode for place in (path, path.parent))
    except FileNotFoundError:
        # Those beside the ledger go with the last process that has it open.
        return
    rights &= ~told
    # Who may not pass through the folder gets to no file in it.
    others = [who for who, passes in ((0o070, 0o010), (0o007, 0o001)) if rights & who and folder & passes]
    if os.name != "posix" or not others:
        return
    writable = any(rights & who & 0o022 for who in others)
    who = "everybody on this machine" if 0o007 in others else "its group"
    why = "who writes the ledger decides what runs" if writable else "it has arguments and errors of jobs"
    what = f"{path} can be {'written' if writable else 'read'} by {who}: {why}"
    right = f"chmod go= {shlex.quote(str(path))}, if nobody else is meant to"
    yield Finding("warning" if writable else "note", "rights", what, str(path), right)


def _folder(path: Path) -> Iterator[Finding]:
    """Tell of others who may put files in the place of the ledger, or beside it."""
    # Root looks after the ledger of another user, whose folder it should be.
    user = path.stat().st_uid if os.name == "posix" and os.geteuid() == 0 and path.exists() else None
    for what in who_else_writes(path.parent, user):
        right = f"a folder of the user's own, by {VARIABLE}, or fewer rights (chmod go-w)"
        yield Finding("warning", "rights", what, str(path.parent), right)


def _size(path: Path) -> Iterator[Finding]:
    length = path.stat().st_size
    log = path.with_name(f"{path.name}-wal")
    waiting = log.stat().st_size if log.exists() else 0
    yield size_of(f"the ledger takes {size(length)}, its log {size(waiting)}", length, _LARGE, str(path))
    if waiting > _LARGE_LOG:
        what = f"{log.name} takes {size(waiting)}: while a process reads without an end it cannot shrink"
        yield Finding("warning", "size", what, str(log), "end whatever keeps the ledger open for reading")


def _place(path: Path) -> Iterator[Finding]:
    folder = next((place for place in path.parents if place.exists()), Path("/"))
    free = shutil.disk_usage(folder).free
    if free < _LITTLE_SPACE:
        level = "error" if free < _NO_SPACE else "warning"
        what = f"the disk of the ledger has {size(free)} left: when it is full nothing is started"
        yield Finding(level, "disk", what, str(folder), "room on the disk")
    else:
        yield ok("disk", f"the disk of the ledger, {folder}, has {size(free)} left", str(folder))
    kind = file_system(folder)
    if kind is not None and _REMOTE.fullmatch(kind):
        what = f"the ledger lies on a network share ({kind}), on which SQLite's locks are not to be relied on"
        yield Finding("error", "disk", what, str(folder), "a local disk, by SCHEDULER_DATABASE_URL")


def file_system(folder: Path, table: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the kind of file system on which a folder lies; None where this cannot be told."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    place, best, kind = folder.resolve(), -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = Path(before.split()[4].replace(r"\040", " "))
        # Two file systems may be mounted at one point: the later one covers the earlier.
        if place.is_relative_to(mounted) and len(mounted.parts) >= best:
            best, kind = len(mounted.parts), after.split()[0]
    return kind
