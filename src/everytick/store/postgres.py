"""The ledger on PostgreSQL: many machines, one database.

Connections keep nothing between transactions (no session settings, no prepared statements), so that they also
work through PgBouncer in its transaction mode.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from everytick.errors import ConfigurationError, LedgerError, LedgerUnavailable, how_to_install
from everytick.model import ticks
from everytick.system import system

from . import locking
from .connections import FORBIDDEN, READ_ONLY, Connection, Unavailable, one_line
from .database import VARIABLE, Ledger, upgrade
from .index_building import built_ahead
from .makers import makers
from .notifications import CHANNEL, own_channel

try:
    import psycopg
except ImportError:
    raise ConfigurationError(
        f"{VARIABLE} names PostgreSQL, whose driver is not installed: {how_to_install('postgresql')}"
    ) from None

from .postgres_connection import CLOCK, CONNECT_SECONDS, READ_LIMITS, PostgresConnection, WiredConnection
from .postgres_url import parameters_of, wrong_option

if TYPE_CHECKING:
    import sqlalchemy

T = TypeVar("T")
K = TypeVar("K", bound="_Kept")

_DIALECT = "postgresql+psycopg://"
# Connections of each kind that a process keeps, and how many it has open for reading at most.
_KEPT, _MOST_READERS = 2, 8
# For how long a reader waits for one of these, in seconds.
_READER_SECONDS = 30.0
# By process, since one that was forked must not use what its parent has opened.
_readers: dict[tuple[int, str], _Readers] = {}
_writers: dict[tuple[int, str], _Kept] = {}
_kept_lock = threading.Lock()

# None where the session finds no ledger, as with a search path that was wrong when it began.
_SCHEMA = "SELECT current_schema()::text WHERE to_regclass('scheduler_runs') IS NOT NULL"
_LISTEN_SECONDS = 1.0
_LISTEN_AGAIN_SECONDS = 5.0

_SIZES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relname LIKE 'scheduler\\_%' AND pg_table_is_visible(oid)
"""

# Counts what was written. The server brings it up to date about once a second.
_WRITTEN = """
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_all_tables
WHERE relname LIKE 'scheduler\\_%' AND pg_table_is_visible(relid)
"""


_NO_TLS = re.compile("SSL was required|certificate verify failed|server certificate for")

# Errors that foreign tables of the same names raise.
_STRANGE = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DatatypeMismatch,
)


class _Kept:
    """Connections of a process that are kept: to open one takes longer than what it is opened for."""

    def __init__(self) -> None:
        self._kept: list[PostgresConnection] = []

    @contextmanager
    def connection(self, opening: Callable[[], PostgresConnection]) -> Iterator[PostgresConnection]:
        """Give a connection, kept afterwards unless the block fails."""
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = opening()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(self._kept) < _KEPT:
            self._kept.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close those that are kept."""
        while self._kept:
            self._kept.pop().close()


class _Readers(_Kept):
    """Those for reading a ledger: pages may want many at once."""

    def __init__(self) -> None:
        super().__init__()
        self._free = threading.BoundedSemaphore(_MOST_READERS)

    @contextmanager
    def connection(self, opening: Callable[[], PostgresConnection]) -> Iterator[PostgresConnection]:
        """As that of `_Kept`. Raises Unavailable if for a while all that there may be are in use."""
        if not self._free.acquire(timeout=_READER_SECONDS):
            raise Unavailable(f"all {_MOST_READERS} connections for reading are in use")
        try:
            with super().connection(opening) as connection:
                yield connection
        finally:
            self._free.release()


@atexit.register
def _close_kept() -> None:
    """Close the connections that this process keeps; in one that was forked not those of its parent."""
    for (process, _url), kept in [*_readers.items(), *_writers.items()]:
        if process == system.pid():
            kept.close()


class PostgresLedger(Ledger):
    """A database, or a schema of one that the URL's `search_path` names."""

    def __init__(self, url: str, root: Path | None = None, application: str | None = None) -> None:
        super().__init__(url, root, application)
        self._url, self._parameters = parameters_of(url)

    def __str__(self) -> str:
        return f"postgresql {self.place}"

    @property
    def place(self) -> str:
        """Server, port and database."""
        found = self._parameters
        host = found.get("host") or found.get("hostaddr") or "localhost"
        return f"{host}:{found.get('port') or 5432}/{found.get('dbname') or found.get('user') or ''}"

    @property
    def is_on_server(self) -> bool:
        return True

    @property
    def folder(self) -> Path:
        """Where this machine keeps files of its own."""
        return self.root / "data"

    def exists(self) -> bool:
        return self._guard(self._is_there)

    def is_gone(self) -> bool:
        """Return False: the server says itself that its tables are gone."""
        return False

    def check_readable(self) -> None:
        """Raise LedgerError unless there is a ledger that this code can read as it is. By one connection."""
        self._check_version(self.revision())

    def connect(self, *, read_only: bool = False, resolving: bool = False) -> PostgresConnection:
        """Open a connection. A lost one is opened anew at the next transaction."""
        connection = PostgresConnection(self.open, resolving=resolving)
        connection.open()
        return connection

    @contextmanager
    def writing(self) -> Iterator[PostgresConnection]:
        """Give a connection, kept afterwards."""
        with self._kept(_writers, _Kept).connection(self.connect) as connection:
            yield connection

    def _kept(self, of: dict[tuple[int, str], K], made: Callable[[], K]) -> K:
        """Return the connections that this process keeps to the server, of one kind."""
        key = (system.pid(), self._url)
        with _kept_lock:
            if key not in of:
                of[key] = made()
            return of[key]

    def open(self) -> WiredConnection:
        """Open one of the driver's own connections, and look at the server's clock.

        Raises:
            ConfigurationError: what the URL asks for makes no sense.
        """
        timeout = str(self._parameters.get("connect_timeout") or CONNECT_SECONDS)
        try:
            connection = WiredConnection.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,
                cursor_factory=psycopg.ClientCursor,
                connect_timeout=int(timeout),
                client_encoding="utf8",
                application_name=self._parameters.get("application_name") or "scheduler",
            )
        except psycopg.OperationalError as problem:
            if wrong := wrong_option(one_line(problem)):
                raise ConfigurationError(
                    f"{VARIABLE}, or a variable of PostgreSQL's such as PGSSLMODE: {wrong}"
                ) from None
            raise
        encoding = connection.info.parameter_status("server_encoding")
        if encoding not in (None, "UTF8"):
            connection.close()
            raise psycopg.errors.InvalidCatalogName(
                f"the database's encoding is {encoding}, in which not every text can be kept:"
                " create it with --encoding UTF8 --template template0"
            )
        row = connection.execute(CLOCK).fetchone()
        assert row is not None
        ticks.hear(row[0])
        return connection

    def engine(self, *, read_only: bool = True) -> sqlalchemy.Engine:
        import sqlalchemy

        def creator() -> psycopg.Connection[Any]:
            connection = self.open()
            if not read_only:
                # A migration of a long history takes its time.
                connection.patience = None
            connection.autocommit = False
            connection.cursor_factory = psycopg.Cursor
            if read_only:
                # All that one page or command shows is of one instant.
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return connection

        engine = sqlalchemy.create_engine(_DIALECT, creator=creator, poolclass=sqlalchemy.pool.NullPool)
        first = READ_LIMITS if read_only else f"SELECT {locking.WHOLE}"
        sqlalchemy.event.listen(engine, "begin", lambda c: c.exec_driver_sql(first))
        return engine

    @contextmanager
    def reading(self) -> Iterator[PostgresConnection]:
        readers = self._kept(_readers, _Readers)
        try:
            with readers.connection(self.connect) as connection, connection.snapshot():
                yield connection
        except Unavailable as problem:
            cause = problem.__context__
            raise self._unreadable(cause if isinstance(cause, psycopg.Error) else problem) from None
        except psycopg.Error as problem:
            raise self._unreadable(problem) from None

    def _unreadable(self, problem: Unavailable | psycopg.Error) -> LedgerError:
        said = one_line(problem)
        if isinstance(problem, Unavailable | psycopg.OperationalError):
            return LedgerUnavailable(f"the ledger does not answer: {said}")
        return LedgerError(self.unusable(said) if problem.sqlstate == FORBIDDEN else self.damaged(said))

    def change_mark(self, connection: Connection) -> object:
        """Return a value that differs at the latest a second after another connection has written."""
        return connection.execute(_WRITTEN).fetchone()[0]

    def listen(self, process_id: str, heard: Callable[[str], None], stop: threading.Event) -> None:
        own = own_channel(process_id)
        while not stop.is_set():
            try:
                with self.open() as connection:
                    rows = connection.execute(f"LISTEN {CHANNEL}; LISTEN {own}; {_SCHEMA}")
                    while rows.nextset():
                        pass
                    schema = rows.fetchone()
                    if schema is None:
                        raise psycopg.errors.UndefinedTable
                    while not stop.is_set():
                        for it in connection.notifies(timeout=_LISTEN_SECONDS):
                            if it.channel == own:
                                heard("self")
                            elif it.payload == schema[0]:
                                heard("others")
            except psycopg.Error:
                # The writer logs the problem with the server; here it is only tried again.
                heard("lost")
                stop.wait(_LISTEN_AGAIN_SECONDS)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each table, its indexes included.

        Raises:
            LedgerError: the server does not answer.
        """

        def ask() -> dict[str, int]:
            with closing(self.connect(read_only=True)) as connection:
                return {name: int(size) for name, size in connection.execute(_SIZES).fetchall()}

        return self._guard(ask)

    def remarks(self) -> list[str]:
        def ask() -> list[str]:
            with self.writing() as connection, connection.snapshot():
                return [f"{what}; right: {right}" for what, right in makers(connection)]

        return self._guard(ask)

    def unusable(self, problem: object) -> str:
        return f"the ledger on PostgreSQL, {self.place}, cannot be used: {problem}"

    def damaged(self, problem: object) -> str:
        return f"the ledger on PostgreSQL, {self.place}, is not as this version wrote it: {problem}"

    def is_damage(self, problem: BaseException) -> bool:
        """Return False: the server itself detects damage, and reports it."""
        return False

    def _guard(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except Unavailable as problem:
            raise LedgerError(self.unusable(problem)) from None
        except psycopg.Error as problem:
            sentence = one_line(problem)
            strange = isinstance(problem, _STRANGE)
            raise LedgerError(self.damaged(sentence) if strange else self.unusable(sentence)) from None

    def _is_held(self, problem: Exception) -> bool:
        if not isinstance(problem, Unavailable) or problem.refused or _NO_TLS.search(str(problem)):
            return False
        # A standby may be promoted in a moment; a role that may only read stays so.
        is_read_only = getattr(problem.__context__, "sqlstate", None) == READ_ONLY
        return not is_read_only or self._is_standby()

    def _is_standby(self) -> bool:
        try:
            with closing(self.connect(read_only=True)) as connection:
                return bool(connection.execute("SELECT pg_is_in_recovery()").fetchone()[0])
        except Unavailable:
            return True

    def _make_place(self) -> None:
        """A database is made by who runs the server."""

    def _is_there(self) -> bool:
        with self.writing() as connection, connection.snapshot():
            return self._has_tables(connection)

    def _inspect(self) -> str | None:
        with self.writing() as connection, connection.snapshot():
            return self._revision(connection)

    def _migrate(self) -> None:
        with built_ahead(self.open, str(self)):
            upgrade(self)

    def _has_tables(self, connection: Connection) -> bool:
        found = connection.execute("SELECT to_regclass('scheduler_ledger_version')::text").fetchone()
        return found[0] is not None
