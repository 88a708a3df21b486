"""The ledger as one SQLite file: one machine, no server."""

from __future__ import annotations

import functools
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

from everytick.errors import FORKED, NO_FILE_HANDLES, ConfigurationError, LedgerError, LedgerUnavailable
from everytick.system import system
from everytick.system.machine import make_private_folder

from . import file_locks, file_owners, log_owner, unreadable
from .checkpoints import LAST_RESORT, Checkpoints
from .connections import Connection, one_line
from .database import VARIABLE, Ledger
from .log_owner import Log

if TYPE_CHECKING:
    import sqlalchemy

_BUSY_SECONDS = 5.0
# Up to this size a damaged page anywhere is found at the start, within some 10 ms.
_FULL_CHECK_BYTES = 8 * 1024 * 1024
# In bytes, on POSIX: SQLite appends `-journal`, up to the 255 of a file's name and its own 512 of a path.
_LONGEST_NAME, _LONGEST_PATH = 247, 504

T = TypeVar("T")


class SqliteLedger(Ledger):
    """A file. The newest commits are in the file beside it that ends in `-wal`."""

    def __init__(self, url: str, root: Path | None = None, application: str | None = None) -> None:
        super().__init__(url, root, application)
        self._path = _path(url, self.root)

    def __str__(self) -> str:
        return f"sqlite {self.shown(self.path)}"

    @property
    def path(self) -> Path:
        """The file, absolute."""
        return self._path

    @property
    def place(self) -> str:
        """The file."""
        return self.shown(self.path)

    @property
    def folder(self) -> Path:
        """Where the file is."""
        return self.path.parent

    def exists(self) -> bool:
        try:
            return self.path.exists() and self.path.stat().st_size > 0
        except OSError as problem:
            raise LedgerError(f"the ledger {self.place} cannot be read: {problem.strerror}") from None

    def connect(self, *, read_only: bool = False, resolving: bool = False) -> file_locks.TrackedConnection:
        """Open a connection in autocommit mode.

        With `read_only` nothing is ever written, not even an empty file where there was none.

        Raises:
            LedgerUnavailable: another file is in the ledger's place, or it is in use under another name.
            LedgerError: this process was forked while the file was open, or another user may have put it
                there.
        """
        file_owners.refuse_planted(self.path)
        file = self.file_identity()
        log, its_file = self._look_at_log()
        connection = self._open(self._reading_mode(log) if read_only else "rwc", file)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            # WAL: readers and the writer do not wait for each other. FULL: a power cut loses nothing.
            _use_wal(connection)
            connection.execute("PRAGMA synchronous=FULL")
            self._keep_log(connection, its_file if log is Log.OWN else None)
        if resolving:
            # Others put the log back for it: see `checkpoints`.
            connection.execute(f"PRAGMA wal_autocheckpoint={LAST_RESORT}")
        return connection

    def try_to_write(self, patience: float) -> None:
        """Begin to write, and undo it.

        patience: for how many seconds it waits for another program that writes.

        Raises:
            sqlite3.OperationalError: it cannot be written.
            LedgerUnavailable: another file is in the ledger's place.
        """
        with closing(self.connect(read_only=True)) as reader:
            # It holds the file, and by that decides at its end what becomes of the log.
            reader.execute("SELECT 1 FROM scheduler_ledger_version").fetchall()
            with closing(self._open("rw", reader.leads_to)) as connection:
                connection.execute(f"PRAGMA busy_timeout={int(patience * 1_000)}")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE scheduler_ledger_version SET version_num = version_num")
                connection.execute("ROLLBACK")

    def _open(self, mode: str, file: file_locks.Identity | None) -> file_locks.TrackedConnection:
        """Open it, if it is the file that was looked at before; None: there was none."""
        if file_locks.was_open_at_fork(file):
            raise LedgerError(FORKED)
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=file_locks.TrackedConnection,
            uri=True,
        )
        file_locks.track(connection, self.path)
        if file is not None and connection.leads_to != file:
            # Replaced at this moment. What was only opened leaves the log alone.
            connection.close()
            raise LedgerUnavailable(self._replaced())
        connection.text_factory = unreadable.as_text
        return connection

    def _look_at_log(self) -> tuple[Log, file_locks.Identity | None]:
        """Return whose the file ending in `-wal` is, and which one it is; refuse another ledger's.

        And refuse a ledger that is in use under another name, which has a file ending in `-wal` of its own.
        """
        log, its_file = log_owner.find(self._file)
        if log is Log.ANOTHERS:
            raise LedgerUnavailable(self._replaced())
        user = file_locks.user_by_other_name(self._file)
        if user is not None:
            raise LedgerUnavailable(self._has_other_name(user))
        return log, its_file

    def _reading_mode(self, log: Log) -> str:
        if log is Log.UNKNOWN:
            # The last one to close the file puts the log back into it, unless it may not write to it.
            return "ro"
        writable = os.access(self.path, os.W_OK) and os.access(self.folder, os.W_OK)
        # Without the right to write there can be no shared memory, which reading beside a writer needs.
        return "rw" if writable or log is Log.OWN else "ro&immutable=1"

    def _keep_log(self, connection: file_locks.TrackedConnection, noted: file_locks.Identity | None) -> None:
        """Note that the log belongs to the file of a connection, unless it is the one that is `noted`."""
        file = self._file
        connection.log = file_locks.identity(f"{file}-wal")
        connection.when_closed = functools.partial(log_owner.closed, file)
        if connection.log is not None and connection.log != noted:
            log_owner.note(file, connection.log)

    def copy_to(self, target: Path) -> None:
        """Copy it to a file by SQLite's online backup: consistent, while it is written to.

        As the ledger itself the copy, and a folder that is made for it, are for this user alone. A file that
        is there keeps its rights.
        """
        make_private_folder(target.parent)
        file_owners.refuse_planted(target)
        target.touch(mode=0o600)
        with closing(self.connect(read_only=True)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.connect())

    def engine(self, *, read_only: bool = True) -> sqlalchemy.Engine:
        import sqlalchemy

        connect = self._connect_to_show if read_only else self.connect
        engine = sqlalchemy.create_engine("sqlite://", creator=connect)
        if not read_only:
            sqlalchemy.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect_to_show()) as connection:
                yield connection
        except sqlite3.OperationalError as problem:
            raise LedgerUnavailable(f"the ledger does not answer: {one_line(problem)}") from None
        except sqlite3.DatabaseError as problem:
            raise LedgerError(self.damaged(one_line(problem))) from None

    def _connect_to_show(self) -> sqlite3.Connection:
        """Open a connection that only reads, and sees no row that cannot be read."""
        connection = self.connect(read_only=True)
        try:
            # Its views are in memory, and the ledger is not touched.
            connection.execute("PRAGMA query_only=OFF")
            unreadable.hide(connection)
            connection.execute("PRAGMA query_only=ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def file_identity(self) -> tuple[int, int] | None:
        return file_locks.identity(self.path)

    def log_identity(self) -> tuple[object, ...] | None:
        """The same for the files ending in `-wal`, of what was committed last, and `-shm`, of its locks."""
        beside = [file_locks.identity(f"{self.path}{end}") for end in file_locks.BESIDE]
        return None if None in beside else tuple(beside)

    def change_mark(self, connection: Connection) -> object:
        """Return a value that differs whenever another connection has written, or the file was replaced."""
        found = connection.execute("PRAGMA data_version", {})
        return found.fetchone()[0]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the file and, as `wal`, of what was committed last."""
        sizes = {}
        for name, path in (("ledger", self.path), ("wal", Path(f"{self._file}-wal"))):
            try:
                sizes[name] = path.stat().st_size
            except OSError:
                continue
        return sizes

    def unusable(self, problem: object) -> str:
        # SQLite opens the ledger and two files beside it, and does not say what it lacks.
        if not system.has_file_handles(4):
            return f"the ledger {self.place} cannot be used: {NO_FILE_HANDLES}"
        advice = f"see the file's permissions and the disk's space, or set {VARIABLE} to another place"
        if "locked" in str(problem):
            advice = "another program holds it: end that, then try again"
        return f"the ledger {self.place} cannot be used: {problem} ({advice})"

    def damaged(self, problem: object) -> str:
        return (
            f"the ledger {self.place} is damaged or not an SQLite file ({problem}); it was left as it is:"
            " move it away, together with the files ending in -wal and -shm, and put a backup in its place or"
            " begin with an empty ledger"
        )

    def is_damage(self, problem: BaseException) -> bool:
        """Return whether an error means that the file is damaged."""
        return type(problem) is sqlite3.DatabaseError

    @property
    def _file(self) -> str:
        """The path to the file itself, beside which SQLite has its other files."""
        return os.path.realpath(self.path) if os.path.islink(self.path) else os.path.abspath(self.path)

    def _replaced(self) -> str:
        name = os.path.basename(self._file)
        return (
            f"{name}-wal has the newest commits of another file than the ledger {self.place} that is there"
            f" now: put that very file back, or stop the application and move {name}-wal and {name}-shm away,"
            " to where that file is"
        )

    def _has_other_name(self, user: int) -> str:
        who = f"process {user}" if user else "a process of another container"
        return (
            f"the ledger {self.place} is in use by {who} under another name, such as a hard link, or a mount"
            " of the file alone: the newest commits are in a file that is named after it, so have one name"
            " for all, and mount the folder"
        )

    def _guard(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except sqlite3.OperationalError as problem:
            raise LedgerError(self.unusable(problem)) from None
        except sqlite3.DatabaseError as problem:
            raise LedgerError(self.damaged(problem)) from None
        except UnicodeDecodeError as problem:
            # Python cannot read what SQLite says of a damaged schema, of which it repeats a part.
            said = problem.object.decode(errors="backslashreplace")
            raise LedgerError(self.damaged(said)) from None

    def _is_held(self, problem: Exception) -> bool:
        return _is_locked(problem)

    def _why_held(self, problem: Exception) -> str:
        return "is held by another program"

    def remarks(self) -> list[str]:
        others = "; ".join(file_owners.who_else_writes(self.folder))
        found = [f"{others}: have the ledger in a folder of its user's own ({VARIABLE})"] if others else []
        return [*found, *([self.second_name] if self.second_name else [])]

    @property
    def second_name(self) -> str | None:
        """The trouble with a ledger whose file has another name, too; None if it has one alone."""
        with suppress(OSError):
            if os.stat(self.path).st_nlink > 1:
                return (
                    f"the file of the ledger {self.path} has another name, too (a hard link): that is no"
                    " copy of it, and to use it by that name loses its newest commits; remove the other"
                )
        return None

    def _make_place(self) -> None:
        file_owners.refuse_planted(self.path)
        # Before there is a file for it.
        self._look_at_log()
        what = f"the ledger's folder {self.folder} cannot be made"
        try:
            # For this user alone: who writes the ledger decides what runs. SQLite gives the files beside it
            # the same rights. A folder and a file that are there keep theirs.
            make_private_folder(self.folder)
            what = f"the ledger {self.path} {'is not writable' if self.path.exists() else 'cannot be made'}"
            self.path.touch(mode=0o600)
        except OSError as problem:
            raise LedgerError(f"{what}: {problem.strerror} (set {VARIABLE} to another place)") from None

    def _inspect(self) -> str | None:
        with closing(self.connect(read_only=True)) as connection:
            if self.path.stat().st_size <= _FULL_CHECK_BYTES:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise LedgerError(self.damaged(" ".join(found.split())))
            return self._revision(connection)

    def _has_tables(self, connection: Connection) -> bool:
        named = "SELECT 1 FROM sqlite_master WHERE name = 'scheduler_ledger_version'"
        if connection.execute(named, {}).fetchone():
            return True
        others = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'", {}).fetchone()
        if others:
            raise LedgerError(
                f"{self.place} is the database of something else (it has a table {others[0]!r});"
                f" it was left as it is: set {VARIABLE} to a file of its own"
            )
        return False


def _is_locked(problem: Exception) -> bool:
    return getattr(problem, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _use_wal(connection: sqlite3.Connection) -> None:
    give_up = system.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as problem:
            # SQLite does not wait here by itself, when two processes create one ledger together.
            if not _is_locked(problem) or system.monotonic() > give_up:
                raise
            system.sleep(0.02)


def _path(url: str, root: Path) -> Path:
    if not url.startswith("sqlite:///"):
        raise ConfigurationError(
            f"{VARIABLE} must be sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    name = unquote(url.removeprefix("sqlite:///"))
    if not name or name == ":memory:":
        raise ConfigurationError(
            f"{VARIABLE}: a ledger in memory would forget every tick at a restart; name a file"
        )
    _check_place(root / name)
    return root / name


def _check_place(path: Path) -> None:
    """Raise ConfigurationError for a name too long for SQLite, and for a device, a pipe or a socket."""
    file = Path(os.path.abspath(path))
    for what, found, most in (("name", file.name, _LONGEST_NAME), ("path", file, _LONGEST_PATH)):
        length = len(os.fsencode(found))
        if os.name == "posix" and length > most:
            raise ConfigurationError(
                f"{VARIABLE}: the {what} of the ledger has {length} bytes, and SQLite takes {most} at most,"
                f" for it has files beside it whose names are longer: name a file with a shorter {what}"
            )
    try:
        kind = file.stat().st_mode
    except (OSError, ValueError):
        # Not there yet; or the start says why it cannot be used.
        return
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise ConfigurationError(
            f"{VARIABLE}: {file} is no regular file, but a device, a pipe or a socket: name a file"
        )
