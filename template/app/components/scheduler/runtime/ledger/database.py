"""Where the ledger is: opening, checking and upgrading it.

A ledger that cannot be used is a LedgerError with one sentence; a damaged file, or one that is something
else's, is never written to.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from loguru import logger

from ..errors import ConfigurationError, LedgerError
from ..settings import APP_ROOT

# The migration that this code is written for; a test holds it equal to Alembic's head.
REVISION = "0003"

_VARIABLE = "SCHEDULER_DATABASE_URL"
_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_SECONDS = 5.0
# Up to this size a damaged page anywhere is found at the start, within some 10 ms.
_FULL_CHECK_BYTES = 8 * 1024 * 1024

T = TypeVar("T")


class Ledger:
    """A ledger's place. Nothing is opened before it is asked for."""

    def __init__(self, url: str) -> None:
        self.path = _path(url)

    def __str__(self) -> str:
        return f"sqlite {_shown(self.path)}"

    def exists(self) -> bool:
        """Return whether a ledger was ever written here.

        Raises:
            LedgerError: this user may not look.
        """
        try:
            return self.path.exists() and self.path.stat().st_size > 0
        except OSError as problem:
            raise LedgerError(f"the ledger {_shown(self.path)} cannot be read: {problem.strerror}") from None

    def file_identity(self) -> tuple[int, int] | None:
        """Return what tells this file from another of the same name; None if there is none."""
        return _identity(self.path)

    def log_identity(self) -> tuple[int, int] | None:
        """The same for the file ending in `-wal`, which holds what was committed last."""
        return _identity(self.path.with_name(f"{self.path.name}-wal"))

    def prepare(self, patience: float = 0) -> None:
        """Create the ledger or bring it up to date; check that it can be written.

        For `patience` seconds it waits for another program that holds the ledger.

        Raises:
            LedgerError: it is damaged, newer than this code, or cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise LedgerError(
                f"the ledger's folder {self.path.parent} cannot be made: {problem.strerror}"
                f" (set {_VARIABLE} to another place)"
            ) from None
        self._guard(lambda: self._patiently(self._prepare, patience))

    def connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        """Open a connection in autocommit mode: the caller says BEGIN and COMMIT.

        With `read_only` nothing is ever written, not even an empty file where there was none.
        """
        mode = "rwc"
        if read_only:
            wal = self.path.with_name(self.path.name + "-wal")
            writable = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
            # Without the right to write there can be no shared memory, which reading beside a writer needs.
            mode = "rw" if writable or wal.exists() else "ro&immutable=1"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            # WAL: readers and the writer do not wait for each other. FULL: a power cut loses nothing.
            _use_wal(connection)
            connection.execute("PRAGMA synchronous=FULL")
        return connection

    def revision(self) -> str | None:
        """Return the version of the ledger that is there; None if the file is empty.

        Raises:
            LedgerError: it is damaged, newer than this code, or something else's.
        """
        return self._guard(self._inspect)

    def check_readable(self) -> None:
        """Raise LedgerError unless there is a ledger that this code can read as it is."""
        if not self.exists():
            raise LedgerError(f"there is no ledger at {_shown(self.path)} yet: start the application once")
        self._guard(self._check_readable)

    def _patiently(self, action: Callable[[], None], patience: float) -> None:
        give_up, told = time.monotonic() + patience, False
        while True:
            try:
                return action()
            except sqlite3.OperationalError as problem:
                if not _is_held(problem) or time.monotonic() >= give_up:
                    raise
            if not told:
                told = True
                logger.warning("{} is held by another program; waiting up to {:g} s", self, patience)

    def _prepare(self) -> None:
        revision = self._inspect() if self.exists() else None
        if revision != REVISION:
            upgrade(self)
        with closing(self.connect()) as connection, transaction(connection):
            connection.execute("UPDATE scheduler_ledger_version SET version_num = version_num")

    def _inspect(self) -> str | None:
        """Look for damage before anything is written; return the ledger's version."""
        with closing(self.connect(read_only=True)) as connection:
            if self.path.stat().st_size <= _FULL_CHECK_BYTES:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise LedgerError(self.damaged(" ".join(found.split())))
            return self._revision(connection)

    def _check_readable(self) -> None:
        with closing(self.connect(read_only=True)) as connection:
            revision = self._revision(connection)
        if revision != REVISION:
            raise LedgerError(
                f"{_shown(self.path)} is of an older version: start it, or run `python -m app migrate`"
            )

    def _revision(self, connection: sqlite3.Connection) -> str | None:
        """Return the ledger's version, None before the first; refuse one that is not known here."""
        named = "SELECT 1 FROM sqlite_master WHERE name = 'scheduler_ledger_version'"
        if not connection.execute(named).fetchone():
            others = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
            if others:
                raise LedgerError(
                    f"{_shown(self.path)} is the database of something else (it has a table {others[0]!r});"
                    f" it was left as it is: set {_VARIABLE} to a file of its own"
                )
            return None
        row = connection.execute("SELECT version_num FROM scheduler_ledger_version").fetchone()
        revision = str(row[0]) if row else None
        known = {file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py")}
        if revision is not None and revision not in known:
            raise LedgerError(
                f"{_shown(self.path)} was written by a newer version of the application (ledger {revision},"
                f" this code knows {REVISION}): deploy that version again, or set {_VARIABLE} to another"
            )
        return revision

    def _guard(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except sqlite3.OperationalError as problem:
            raise LedgerError(self.unusable(problem)) from None
        except sqlite3.DatabaseError as problem:
            raise LedgerError(self.damaged(problem)) from None

    def unusable(self, problem: object) -> str:
        """Return the sentence for a ledger that does not let itself be used."""
        advice = f"see the file's permissions and the disk's space, or set {_VARIABLE} to another place"
        if "locked" in str(problem):
            advice = "another program holds it: end that, then try again"
        return f"the ledger {_shown(self.path)} cannot be used: {problem} ({advice})"

    def damaged(self, problem: object) -> str:
        """Return the sentence for a file that cannot be read as a ledger."""
        return (
            f"the ledger {_shown(self.path)} is damaged or not an SQLite file ({problem}); it was left as it"
            " is: put a backup in its place, or move it away to begin with an empty ledger"
        )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block does, or undo all of it. No other writer comes in between."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def upgrade(ledger: Ledger) -> None:
    """Run the migrations that are missing, in one transaction, alone on the ledger."""
    # Loaded here, since an up-to-date ledger needs neither.
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    engine = sqlalchemy.create_engine("sqlite://", creator=ledger.connect)
    # IMMEDIATE: of two processes that start together the second waits, then finds nothing to do.
    sqlalchemy.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as problem:
        raise (problem.orig or problem) from None
    finally:
        engine.dispose()


def _is_held(problem: sqlite3.OperationalError) -> bool:
    return getattr(problem, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _use_wal(connection: sqlite3.Connection) -> None:
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as problem:
            # SQLite does not wait here by itself, when two processes create one ledger together.
            if not _is_held(problem) or time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _path(url: str) -> Path:
    scheme = url.partition(":")[0]
    if scheme.split("+")[0] in ("postgresql", "postgres"):
        raise ConfigurationError(
            f"{_VARIABLE}: this version keeps its ledger in SQLite; use sqlite:///path/to/ledger.db"
        )
    if not url.startswith("sqlite:///"):
        # The URL itself is not repeated: it may hold a password.
        raise ConfigurationError(
            f"{_VARIABLE} must be sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    name = unquote(url.removeprefix("sqlite:///"))
    if not name or name == ":memory:":
        raise ConfigurationError(
            f"{_VARIABLE}: a ledger in memory would forget every tick at a restart; name a file"
        )
    return APP_ROOT / name


def _shown(path: Path) -> str:
    return path.relative_to(APP_ROOT).as_posix() if path.is_relative_to(APP_ROOT) else str(path)
