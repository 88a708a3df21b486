"""Where the ledger is: opening, checking and upgrading it.

A ledger that cannot be used is a LedgerError with one sentence; one that is damaged, or something else's, is
never written to. The code that differs between databases is in `sqlite` and `postgres`.
"""

from __future__ import annotations

import functools
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from everytick.app import typed
from everytick.errors import LedgerError
from everytick.system import system
from everytick.text.durations import duration_of_seconds, exact_seconds
from loguru import logger

from . import new_ledger
from .connections import UNAVAILABLE, Connection, Scope, transaction

if TYPE_CHECKING:
    import sqlalchemy

    from .checkpoints import Checkpoints

# The migration that this code is written for; a test holds it equal to Alembic's head.
REVISION = "0015"
VARIABLE = "SCHEDULER_DATABASE_URL"

_MIGRATIONS = Path(__file__).parent / "migrations"

_AGAIN_SECONDS = 0.2
# A ledger on a server has no file that could be replaced.
_NO_FILE = (0, 0)

T = TypeVar("T")


class Ledger(ABC):
    """A ledger's place. Nothing is opened before it is asked for. `opening.ledger_at(url)` gives one.

    Args:
        url: where it is.
        root: the application's folder, to which paths are relative; by default the working directory.
        application: the name of the application that uses it; None for one that takes any ledger.
    """

    def __init__(self, url: str, root: Path | None = None, application: str | None = None) -> None:
        # With its password.
        self.url = url
        self.root = Path.cwd() if root is None else root
        self.application = application

    def shown(self, path: Path) -> str:
        """Return a path as people are told it: within the application relative to its root."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, as people are told: a file, or a server and a database, without the password."""

    @property
    def full_place(self) -> str:
        """Where it is, for programs: as `place`, but the whole path of a file."""
        return self.place if self.is_on_server else os.path.realpath(self.path)

    @property
    def is_on_server(self) -> bool:
        """Whether a server keeps it, and no file here."""
        return False

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where files go that belong to it."""

    @property
    def path(self) -> Path:
        """The file that it is.

        Raises:
            LedgerError: it is on a server.
        """
        raise LedgerError(f"the ledger ({self}) is on a server: it is no file here")

    @abstractmethod
    def exists(self) -> bool:
        """Return whether a ledger was ever written here.

        Raises:
            LedgerError: it cannot be looked at: no right to do so, or a server that is away.
        """

    def is_gone(self) -> bool:
        """Return whether a ledger that was there is not any more."""
        return not self.exists()

    @abstractmethod
    def connect(self, *, read_only: bool = False, resolving: bool = False) -> Connection:
        """Open a connection; transactions are begun by `connections.transaction`.

        resolving: for a process that acts on what it has committed.
        """

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection that writes, for a while."""
        with closing(self.connect()) as connection:
            yield connection

    @abstractmethod
    def engine(self, *, read_only: bool = True) -> sqlalchemy.Engine:
        """Return an SQLAlchemy engine, which the caller disposes of.

        One that writes has the ledger for itself in each transaction.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection that only reads, for a while, and sees no row that cannot be read.

        Raises:
            LedgerUnavailable: the ledger does not answer.
            LedgerError: it is damaged, or may not be read.
        """

    def file_identity(self) -> tuple[int, int] | None:
        """Return an identity that differs for another file of the same name; None if the file is gone."""
        return _NO_FILE

    def log_identity(self) -> tuple[object, ...] | None:
        """The same for the files of what was committed last."""
        return _NO_FILE

    @abstractmethod
    def change_mark(self, connection: Connection) -> object:
        """Return a value that differs whenever another connection has written to the ledger."""

    def checkpoints(self) -> Checkpoints | None:
        """Return the object that runs checkpoints beside the writer; None where the server does that."""
        return None

    def listen(  # noqa: B027 (without a server no process can be notified)
        self, process_id: str, heard: Callable[[str], None], stop: threading.Event
    ) -> None:
        """Hand over each notification until `stop` is set. Needs its own thread.

        heard: takes `self` for one to this process alone, `others` for one to all, and `lost` when nothing is
            heard any more for a while.
        """

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Return the bytes that its parts take on the disk, by name."""

    def remarks(self) -> list[str]:
        """Return sentences on faults of the place of the ledger, for a start to warn of.

        Raises:
            LedgerError: it does not answer.
        """
        return []

    @abstractmethod
    def unusable(self, problem: object) -> str:
        """Return the sentence for a ledger that does not let itself be used."""

    @abstractmethod
    def damaged(self, problem: object) -> str:
        """Return the sentence for a file or database that cannot be read as a ledger."""

    def prepare(self, patience: float = 0) -> None:
        """Create the ledger or bring it up to date; check that it can be written.

        For `patience` seconds it waits for another program that holds the ledger.

        Raises:
            LedgerError: it is damaged, newer than this code, or cannot be written.
        """
        self._make_place()
        self._guard(lambda: self._patiently(self._prepare, patience))

    def revision(self) -> str | None:
        """Return the version of the ledger that is there; None before the first.

        Raises:
            LedgerError: it is damaged, newer than this code, or something else's.
        """
        return self._guard(self._inspect)

    def check_readable(self) -> None:
        """Raise LedgerError unless there is a ledger that this code can read as it is."""
        self._check_version(self._guard(self._read_revision) if self.exists() else None)

    def _patiently(self, action: Callable[[], None], patience: float) -> None:
        give_up, told = system.monotonic() + patience, False
        while True:
            try:
                return action()
            except UNAVAILABLE as problem:
                if not self._is_held(problem) or system.monotonic() >= give_up:
                    raise
                if not told:
                    told = True
                    longest = exact_seconds(patience)
                    logger.warning("{} {}; waiting up to {}", self, self._why_held(problem), longest)
                system.sleep(_AGAIN_SECONDS)

    def _prepare(self) -> None:
        revision = self._inspect() if self._is_there() else None
        if revision is None:
            if self._make_tables():
                return
            revision = self._inspect()
        if revision != REVISION:
            self._upgrade(revision)
        with closing(self.connect()) as connection, transaction(connection):
            connection.execute("UPDATE scheduler_ledger_version SET version_num = version_num")

    def _make_tables(self) -> bool:
        """Make a new ledger; False if another process was faster."""
        with closing(self.connect()) as connection, transaction(connection, scope=Scope.WHOLE):
            # Of two that start together the second waits here, then finds it made.
            if self._has_tables(connection):
                return False
            new_ledger.make(connection, "postgresql" if self.is_on_server else "sqlite")
            return True

    def _upgrade(self, revision: str | None) -> None:
        """Run the migrations that are missing; `revision` is the ledger's version, None for a new one."""
        if revision is None:
            upgrade(self)
            return
        with closing(self.connect(read_only=True)) as connection:
            newest = connection.execute("SELECT max(run_id) FROM scheduler_runs").fetchone()[0] or 0
        logger.info("{}: upgrading from {} to {}, up to {:,} runs", self, revision, REVISION, newest)
        begun = system.monotonic()
        self._migrate()
        logger.info("{}: upgraded in {}", self, duration_of_seconds(system.monotonic() - begun))

    def _migrate(self) -> None:
        upgrade(self)

    def _read_revision(self) -> str:
        with closing(self.connect(read_only=True)) as connection:
            return self._revision(connection) or ""

    def _check_version(self, revision: str | None) -> None:
        if revision is None:
            raise LedgerError(f"there is no ledger at {self.place} yet: start the application once")
        if revision != REVISION:
            raise LedgerError(f"{self.place} is of an older version: start it, or run `{typed('migrate')}`")

    def _revision(self, connection: Connection) -> str | None:
        """Return the ledger's version, None before the first; refuse one that is not known here."""
        if not self._has_tables(connection):
            return None
        row = connection.execute("SELECT version_num FROM scheduler_ledger_version").fetchone()
        revision = str(row[0]) if row else None
        if revision is not None and revision not in _known_revisions():
            raise LedgerError(
                f"{self.place} was written by a newer version of the application (ledger {revision},"
                f" this code knows {REVISION}): deploy that version again, or set {VARIABLE} to another"
            )
        return revision

    @abstractmethod
    def is_damage(self, problem: BaseException) -> bool:
        """Return whether an error means that the ledger is damaged."""

    @abstractmethod
    def _guard(self, action: Callable[[], T]) -> T:
        """Turn what the database raises into a LedgerError."""

    @abstractmethod
    def _is_held(self, problem: Exception) -> bool:
        """Return whether another process holds the ledger, or the ledger is away for a moment."""

    def _why_held(self, problem: Exception) -> str:
        """Return the reason why the start waits."""
        return f"does not answer ({problem})"

    @abstractmethod
    def _make_place(self) -> None:
        """Make what must be there before a connection can be opened."""

    def _is_there(self) -> bool:
        """Return whether a ledger was ever written here; raises the database's own errors."""
        return self.exists()

    @abstractmethod
    def _inspect(self) -> str | None:
        """Look for damage before anything is written; return the ledger's version."""

    @abstractmethod
    def _has_tables(self, connection: Connection) -> bool:
        """Return whether the ledger's tables are there."""


@functools.cache
def _known_revisions() -> frozenset[str]:
    return frozenset(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def upgrade(ledger: Ledger) -> None:
    """Run the migrations that are missing, in one transaction, alone on the ledger.

    In a process of its own: what they load takes as much memory as all the rest of this one.
    """
    from everytick import own_process

    try:
        own_process.call("everytick.store.migration_process:run", ledger.url, str(ledger.root))
    except own_process.NoOwnProcess as problem:
        # It may have been done there nevertheless: then there is nothing left to do here.
        logger.debug("{}: upgrading in this process: {}", ledger, problem)
        migrate(ledger)


def migrate(ledger: Ledger) -> None:
    """The same, in this process."""
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = ledger.engine(read_only=False)
    try:
        # Two processes start together: the second waits here, then finds nothing to do.
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as problem:
        raise (problem.orig or problem) from None
    finally:
        engine.dispose()
