"""One connection to PostgreSQL, in the form that the ledger's operations use.

A transaction of the ledger holds the locks of its scope, see `locking`; they are given up with it, however
that ends. A process that is stopped or cut off in the middle is thrown out by the server after some seconds.
Whether a COMMIT took place whose answer was lost is asked of the server, by the transaction's number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import psycopg
from everytick.model import ticks
from everytick.model.backoff import Backoff
from everytick.system import system
from everytick.text.durations import exact_seconds
from loguru import logger

from . import locking, notifications
from .connections import (
    FORBIDDEN,
    READ_ONLY,
    SERVERS_NOW,
    CommitUnknown,
    Contended,
    Cursor,
    Scope,
    Statement,
    Unavailable,
    Unheard,
    one_line,
    without_nul,
)

CONNECT_SECONDS = 5
# Limits: how long a transaction may wait for others, how long a statement may take, of readers too, and how
# long a transaction may leave the server without one.
_LOCK_SECONDS = 5
_STATEMENT_SECONDS = 30
_IDLE_SECONDS = 10
# A server that is away is tried again after a while that grows up to this.
_RECONNECTING = Backoff(first=0.5, longest=5.0)
# How long a connection that is not `resolving` asks what became of a COMMIT, in seconds.
_UNKNOWN_SECONDS = 60.0

# Each of our statements has its index. Of tables that have grown a lot lately the server thinks that they are
# small, and would read the whole of them. A small table that is read as a whole all the same counts as very
# costly then, for which the server would compile the statement, some tenths of a second long.
_BY_INDEX = """
       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)"""


def _beginning(locks: str, lock_seconds: int, idle_seconds: int) -> str:
    # READ COMMITTED: a statement sees what was committed before it, so also what was before its locks. The
    # settings and the locks are one statement, whose parts are done in their order: each further one costs.
    return f"""
BEGIN ISOLATION LEVEL read committed;
SELECT set_config('lock_timeout', '{lock_seconds}s', true),
       set_config('statement_timeout', '{_STATEMENT_SECONDS}s', true),
       set_config('idle_in_transaction_session_timeout', '{idle_seconds}s', true),
       set_config('synchronous_commit', 'on', true), {_BY_INDEX}, {locks};
SELECT pg_current_xact_id()::text, {SERVERS_NOW},
       to_regclass('scheduler_runs')::oid, current_setting('transaction_read_only') = 'off'
"""


_BEGIN = {
    # A process that is stopped in the middle of a claim holds up the jobs of that until it is thrown out.
    Scope.ROWS: _beginning(locking.SHARED, 1, 3),
    Scope.RARE: _beginning(f"{locking.SHARED}, {locking.RARE}", _LOCK_SECONDS, _IDLE_SECONDS),
    Scope.WHOLE: _beginning(locking.WHOLE, _LOCK_SECONDS, _IDLE_SECONDS),
}
# The server ends a reader that is slow or idle: an open snapshot blocks VACUUM.
READ_LIMITS = f"""
SET LOCAL statement_timeout = '{_STATEMENT_SECONDS}s'; SET LOCAL idle_in_transaction_session_timeout = '60s'
"""
# All that one page or command shows is of one instant. A standby can be read: no number of a transaction is
# asked for.
_BEGIN_READING = f"""
BEGIN ISOLATION LEVEL repeatable read READ ONLY; {READ_LIMITS};
SELECT '', {SERVERS_NOW}, to_regclass('scheduler_runs')::oid, true
"""
CLOCK = f"SELECT {SERVERS_NOW}"

# How many statements are kept in the form of the server. Those with lists have as many texts as lengths.
_STATEMENTS = 1_000

# Transactions that met: a deadlock, a row that another one was faster to change, a lock not had in time.
_CONTENDED = ("40P01", "40001", "55P03")

# The server has no room for a notification. Its words are those of its language, but for this one.
_NO_ROOM, _OF_NOTIFICATIONS = "54000", "NOTIFY"

# Errors of the statement itself: trying again would not help.
_OUR_FAULT = (psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError)

# Classes of refusals that last until a person changes something: maybe a setting of the role or the database
# (its search path, its rights, whether it may write), which a session keeps from its begin.
_REFUSED = ("28", "3D", "3F", "42")

# The same of a connection that was not made: it has no error code, only words.
_REFUSALS = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "not permitted to log in",
)


class WiredConnection(psycopg.Connection[Any]):
    """One of the driver's own, which gives up a server that says nothing: packets may get lost silently."""

    # Seconds without an answer; None waits for ever. Longer than the server lets a statement take: then it
    # says itself what was wrong.
    patience: float | None = _STATEMENT_SECONDS + 5.0

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for an answer. Raises OperationalError when patience ends; the connection is broken then."""
        if self.patience is not None:
            gen = self._within(gen, self.patience)
        return super().wait(gen, *arguments, **options)

    def _within(self, gen: Generator[Any, Any, Any], patience: float) -> Generator[Any, Any, Any]:
        give_up = system.monotonic() + patience
        try:
            wanted = gen.send(None)
            while True:
                ready = yield wanted
                if not ready and system.monotonic() > give_up:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(
                        f"the server has not answered for {exact_seconds(patience)}"
                    )
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


class PostgresConnection:
    """See the module. Raises `Unavailable` when the server does not answer, or does not let itself be used.

    resolving: for a process that acts on what it has committed. It asks what became of a COMMIT until it
        knows, since a claim that it took for undone would stand in the way of all later ones. And it does not
        go on with tables that took the place of those it began with: a restored ledger knows nothing of them.
    """

    # Told apart by it: SQLite's own connections are used as they are.
    on_server = True

    def __init__(self, opening: Callable[[], psycopg.Connection[Any]], *, resolving: bool = False) -> None:
        self._opening = opening
        self._resolving, self._tables = resolving, 0
        self._raw: psycopg.Connection[Any] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._inside = False
        # The statements that begin the transaction, until the first one of its own goes along with them.
        self._beginning = ""
        # The server's number of the transaction; empty as long as it has none.
        self._number = ""

    def open(self) -> psycopg.Connection[Any]:
        """Return the driver's connection, opened anew if it was lost."""
        if self._raw is not None and not self._raw.closed:
            return self._raw
        if system.monotonic() < self._not_before:
            raise Unavailable("the server could not be reached a moment ago")
        try:
            self._raw = self._opening()
        except psycopg.Error as problem:
            self._failures += 1
            pause = _RECONNECTING.pause(self._failures) * system.uniform(0.5, 1.0)
            self._not_before = system.monotonic() + pause
            raise _trouble(problem) from None
        self._failures, self._not_before = 0, 0.0
        return self._raw

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None, /) -> Cursor:
        """Run one statement; its parameters are `:name`."""
        if parameters is None:
            return self._ask(_for_server(sql))
        return self._ask(_translated(sql), _without_nul(parameters))

    def execute_all(self, statements: Iterable[Statement], /) -> list[list[Any]]:
        """Run statements that return rows by one trip, one after another; return the rows of each."""
        binding = psycopg.ClientCursor(self._usable())
        texts = [binding.mogrify(_translated(sql), _without_nul(given)) for sql, given in statements]
        if not texts:
            return []
        cursor = self._ask(";".join(texts))
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        return found

    def load(self, copy: str, rows: Iterable[Sequence[Any]]) -> None:
        """Hand over many rows to a COPY statement, inside of a transaction."""
        assert self._inside
        if self._beginning:
            self._ask("")
        assert self._raw is not None
        try:
            with self._raw.cursor() as cursor, cursor.copy(copy) as target:
                for row in rows:
                    target.write_row([without_nul(value) for value in row])
        except _OUR_FAULT:
            raise
        except psycopg.Error as problem:
            raise self._failed(problem) from None

    @contextmanager
    def transaction(self, scope: Scope = Scope.ROWS) -> Iterator[None]:
        """Commit what the block does, or undo all of it. What others may do meanwhile, `scope` says.

        Raises:
            Unavailable: it was not done.
        """
        self._beginning, self._number, self._inside = _BEGIN[scope], "", True
        try:
            if scope is not Scope.ROWS:
                # What it decides is decided after it has waited for the others.
                self._ask("")
            yield
        except BaseException:
            self._inside = False
            self._roll_back()
            raise
        self._inside = False
        self._commit()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let the block see one instant of the ledger, and write nothing.

        Raises:
            Unavailable: the server does not answer.
        """
        self._beginning, self._inside = _BEGIN_READING, True
        try:
            self._ask("")
            yield
        finally:
            self._inside = False
            self._roll_back()

    def close(self) -> None:
        """Let go of the connection."""
        if self._raw is not None:
            self._raw.close()

    def _usable(self) -> psycopg.Connection[Any]:
        # Inside of a transaction a new connection would be outside of it.
        is_under_way = self._inside and not self._beginning
        return self._raw if is_under_way and self._raw is not None else self.open()

    def _ask(self, text: str, values: Mapping[str, Any] | None = None) -> psycopg.Cursor[Any]:
        """Run a text; the first one of a transaction by the same trip as the beginning of that."""
        begin, self._beginning = self._beginning, ""
        try:
            return self._begin(begin, text, values) if begin else self._usable().execute(text, values)
        except _OUR_FAULT:
            raise
        except psycopg.Error as problem:
            if not self._inside:
                self._drop_if_broken()
            raise self._failed(problem) from None

    def _begin(self, begin: str, text: str, values: Mapping[str, Any] | None) -> psycopg.Cursor[Any]:
        both = f"{begin};{text}"
        try:
            cursor = self.open().execute(both, values)
        except psycopg.errors.LockNotAvailable as problem:
            raise Contended(f"{one_line(problem)}{self._held_by()}") from None
        except psycopg.Error:
            if self._raw is not None and not self._raw.broken:
                raise
            # The connection was cut while nothing was under way: a new one does.
            self._drop_if_broken()
            cursor = self.open().execute(both, values)
        # The last one of the beginning says the number of the transaction.
        for _statement in range(begin.count(";")):
            cursor.nextset()
        row = cursor.fetchone()
        assert row is not None
        ticks.hear(row[1])
        self._check_tables(row[2])
        if not row[3]:
            # At once, and not at its first write: one without any would show a ledger that takes some.
            raise psycopg.errors.ReadOnlySqlTransaction(
                "cannot write in a read-only transaction: default_transaction_read_only is set"
            )
        self._number = str(row[0])
        cursor.nextset()
        return cursor

    def _held_by(self) -> str:
        self._roll_back()
        try:
            return locking.held_by(self.open().execute(locking.HOLDER).fetchone())
        except (psycopg.Error, Unavailable):
            return ""

    def _check_tables(self, found: int | None) -> None:
        if not self._resolving or found is None:
            return
        self._tables = self._tables or found
        if found != self._tables:
            self.close()
            raise Unavailable("the ledger's tables were replaced: stop and start the application")

    def _commit(self) -> None:
        if self._beginning:
            # Nothing was asked, so it did not begin.
            self._beginning = ""
            return
        assert self._raw is not None
        try:
            # A transaction in which anything failed answers ROLLBACK, without an error.
            done = self._raw.execute("COMMIT").statusmessage == "COMMIT"
        except psycopg.Error as problem:
            lost = self._raw.broken or self._raw.closed
            self._roll_back()
            if not lost:
                raise self._failed(problem) from None
            done = self._was_committed(self._number)
        if not done:
            raise Unavailable("the transaction was undone by the server")

    def _was_committed(self, number: str) -> bool:
        """Ask what became of a transaction whose end was not heard."""
        logger.warning("the connection to the ledger was lost in a commit; asking what became of it")
        give_up = system.monotonic() + _UNKNOWN_SECONDS
        while self._resolving or system.monotonic() < give_up:
            try:
                row = self.open().execute(f"SELECT pg_xact_status('{number}'::xid8)").fetchone()
            except psycopg.DataError:
                # The server has not reached that transaction number: it fell back to an older state.
                return False
            except (psycopg.Error, Unavailable):
                self._drop_if_broken()
            else:
                if row is not None and row[0] != "in progress":
                    return bool(row[0] == "committed")
            system.sleep(0.1)
        raise CommitUnknown(
            "it is not known whether this was done, since the server went away in the middle of it"
        )

    def _roll_back(self) -> None:
        began, self._beginning = not self._beginning, ""
        if began and self._raw is not None and not self._raw.closed:
            with suppress(psycopg.Error):
                self._raw.execute("ROLLBACK")
        self._drop_if_broken()

    def _failed(self, problem: psycopg.Error) -> Unavailable:
        """Return the exception for an error, and let go of a session with which each try ends like this."""
        code = problem.sqlstate or ""
        if code == READ_ONLY or code.startswith(_REFUSED):
            self.close()
        return _trouble(problem)

    def _drop_if_broken(self) -> None:
        if self._raw is not None and (self._raw.broken or self._raw.closed):
            with suppress(psycopg.Error):
                self._raw.close()
            self._raw = None


def _trouble(problem: psycopg.Error) -> Unavailable:
    if problem.sqlstate in _CONTENDED:
        return Contended(one_line(problem))
    if problem.sqlstate == _NO_ROOM and _OF_NOTIFICATIONS in str(problem):
        notifications.leave_out()
        return Unheard(one_line(problem))
    # The start does not wait for these.
    refused = (problem.sqlstate or "").startswith(_REFUSED)
    said = one_line(problem)
    if problem.sqlstate == FORBIDDEN and "advisory" in said:
        said = f"this role may not change the ledger, see deploy/postgresql/roles.sql ({said})"
    return Unavailable(said, refused=refused or any(words in said for words in _REFUSALS))


def _without_nul(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: without_nul(value) for name, value in parameters.items()}


@lru_cache(_STATEMENTS)
def _translated(sql: str) -> str:
    """Return a statement with its parameters in the driver's form."""
    return re.sub(r"(?<!:):([a-z_][a-z_0-9]*)\b", r"%(\1)s", _for_server(sql).replace("%", "%%"))


@lru_cache(_STATEMENTS)
def _for_server(sql: str) -> str:
    """Return a statement with the parts that are a comment for SQLite, see `locking`.

    And without the name that SQLite has for the tables themselves, see `unreadable`.
    """
    sql = sql.replace("main.scheduler_", "scheduler_")
    return re.sub(r"/\* on a server: (.*?) \*/", r"\1", sql, flags=re.DOTALL)
