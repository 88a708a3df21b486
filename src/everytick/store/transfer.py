"""Moves a whole ledger to another place: from SQLite to PostgreSQL, back, or to another of the same kind.

No process may write to a ledger while it is copied, or the copy would lack that. So a move is refused while
a process is alive, and closes both ledgers with a mark before the first row (see `migration_fence`): the old
one stays closed, the new one is opened when all of it is there and was compared. The command may be stopped
anywhere, and given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from everytick.app import typed
from everytick.errors import ConfigurationError, LedgerError
from everytick.masking import masked
from everytick.system import system
from everytick.text.wording import counted

from . import copying, migration_fence, owner, querying, requests, schema, unreadable, workers
from . import process_statements as sql
from .connections import UNAVAILABLE, Connection, Scope, transaction
from .database import REVISION, VARIABLE, Ledger
from .migration_fence import ARRIVED, ARRIVING, LEAVING, LEFT, UNDONE, Mark
from .records import Identity
from .sqlite import SqliteLedger
from .workers import LEASE_SECONDS

_LOOK_SECONDS = 0.25
# The share of the time that the copying takes; the rest is for the comparison.
_COPYING = 0.9

# Identifies a server and a schema, by whichever names they are reached.
_SAME = "SELECT pg_postmaster_start_time()::text, current_database()::text, current_schema()::text"

_MARK = "SELECT at_us, who, action FROM scheduler_audit WHERE audit_id = :audit_id"
_OPEN_TARGET = "UPDATE scheduler_audit SET action = :action WHERE audit_id = :audit_id AND action = :before"

# New rows get numbers behind all that were ever mentioned.
_NUMBERED = {
    "scheduler_runs": ("run_id", ("runs", "attempts", "logs", "audit", "incidents")),
    "scheduler_audit": ("audit_id", ("audit",)),
    "scheduler_incidents": ("incident_id", ("incidents", "notices")),
    "scheduler_backfills": ("backfill_id", ("backfills", "runs")),
}


def move(
    source: Ledger, target: Ledger, who: str, told: Callable[[float], None]
) -> dict[str, copying.Measure]:
    """Move a ledger, or go on with a move that was interrupted; return what was compared, by table.

    `told` hears the share of 1 that is done. A process of the old ledger that shows no heartbeat is waited
    for as long as its lease lasts (15 s). Runs of dead processes are recorded as lost, and begin again as
    after any crash.

    Raises:
        ConfigurationError: both are the same ledger.
        LedgerError: a process uses the ledger, it was moved already, or the other one holds something; or one
            of them cannot be used.
    """
    _check_source(source)
    _check_target(source, target)
    dead = _watch(source)
    target.prepare()
    mark = _close_source(source, target, who, dead)
    if _is_complete(target, mark):
        measures = _measured(source)
    else:
        _close_target(source, target, mark)
        measures = _copy(source, target, mark, told)
    _finish(source, target, who, mark)
    return measures


def undo(ledger: Ledger, who: str) -> str:
    """Take a ledger back that was moved, or whose move was begun; return a sentence on the result.

    Raises:
        LedgerError: the ledger is one that was being written, or cannot be used.
    """
    ledger.check_readable()
    with _transaction(ledger) as connection:
        mark = migration_fence.newest(connection)
        if mark is None or mark.closed is None:
            return f"the ledger ({ledger}) was not moved: nothing was changed"
        if mark.action == ARRIVING:
            raise LedgerError(mark.closed)
        requests.note_down(connection, who, UNDONE, note=mark.note)
    if mark.action == LEAVING:
        return (
            f"the ledger ({ledger}) is in use again: the move {mark.note} is given up, and what was copied is"
            " of no use"
        )
    return (
        f"the ledger ({ledger}) is in use again, as it was when it was moved {mark.note}: see that nothing is"
        " started there any more"
    )


def _check_source(source: Ledger) -> None:
    if not source.exists():
        raise LedgerError(
            f"there is no ledger at {source.place}, so there is nothing to move: {VARIABLE} names the ledger"
            " that is to be moved, or the application was never started here"
        )
    source.check_readable()
    with _reading(source) as connection:
        mark = migration_fence.newest(connection)
        owner.refuse_another(connection, source.application)
    if mark is not None and mark.closed is not None and mark.action != LEAVING:
        raise LedgerError(mark.closed)
    with querying.connect(source) as reading:
        for row in unreadable.find(reading.plain, 1):
            raise LedgerError(f"nothing was moved: {row}; {unreadable.HOW_TO_MEND}")


def _check_target(source: Ledger, target: Ledger) -> None:
    if not target.exists():
        return
    if _are_same(source, target):
        raise ConfigurationError(f"--to names the ledger that is to be moved: {target}")
    revision = target.revision()
    if revision not in (None, REVISION):
        raise LedgerError(f"{target} holds a ledger of another version: name a place that is empty")
    if revision is None:
        return
    with _reading(source) as connection:
        begun = migration_fence.newest(connection)
    if begun is None or begun.action != LEAVING:
        _refuse_content(target)
    # Rows of a move under way are told apart after the old ledger is closed.


def _are_same(source: Ledger, target: Ledger) -> bool:
    if type(source) is not type(target):
        return False
    if isinstance(source, SqliteLedger):
        same = source.path.resolve() == target.path.resolve()
        return same or (target.path.exists() and source.path.samefile(target.path))
    with _reading(source) as one, _reading(target) as other:
        return bool(one.execute(_SAME).fetchone() == other.execute(_SAME).fetchone())


def _refuse_content(target: Ledger) -> None:
    with _reading(target) as connection:
        _refuse_part(target, migration_fence.newest(connection))
    with copying.reading(target) as reading:
        held = {table.name: copying.count(reading, table) for table in schema.metadata.sorted_tables}
    if any(held.values()):
        raise LedgerError(
            f"{target} holds a ledger already ({counted(held['scheduler_jobs'], 'job')},"
            f" {counted(held['scheduler_runs'], 'run')}): name a place that is empty"
        )


def _refuse_part(target: Ledger, found: Mark | None) -> None:
    if found is not None and found.action == ARRIVING:
        raise LedgerError(
            f"{target} holds a part of another move ({found.note}): empty it, or name another place"
        )


def _watch(source: Ledger) -> dict[str, int]:
    """Return the heartbeats of processes that are dead; refuse if one is alive.

    A process that is not provably dead (on another machine, in a container) is watched for a whole lease.
    """
    me, give_up = Identity.new(), system.monotonic() + LEASE_SECONDS
    watched: dict[str, int] | None = None
    while True:
        dead: dict[str, int] = {}
        doubtful: dict[str, int] = {}
        with _reading(source) as connection:
            for process_id, host, pid, beat, *_ in connection.execute(sql.LIST_PROCESSES).fetchall():
                sure = workers.is_provably_dead(me, process_id, host, pid)
                (dead if sure else doubtful)[process_id] = beat
                if not sure and watched is not None and watched.get(process_id) != beat:
                    raise _in_use(source, host, pid)
        if not doubtful or system.monotonic() >= give_up:
            return dead | doubtful
        watched = doubtful
        system.sleep(_LOOK_SECONDS)


def _in_use(source: Ledger, host: str, pid: int) -> LedgerError:
    machine = str(host).partition("/")[0]
    return LedgerError(
        f"process {pid} on {machine} uses the ledger ({source}): stop it, then move the ledger"
    )


def _close_source(source: Ledger, target: Ledger, who: str, dead: dict[str, int]) -> Mark:
    """Give back and end the runs of dead processes, and close the ledger for all writers; return the mark."""
    note = masked(f"from {source} to {target}")
    with _transaction(source) as connection:
        for process_id, host, pid, beat, beat_us, *_ in connection.execute(sql.LIST_PROCESSES).fetchall():
            if dead.get(process_id) != beat:
                raise _in_use(source, host, pid)
            workers.reap(connection, process_id, beat, beat_us)
        mark = migration_fence.newest(connection)
        if mark is not None and mark.closed is not None:
            if mark.action != LEAVING or mark.note != note:
                raise LedgerError(mark.closed)
            return mark
        requests.note_down(connection, who, LEAVING, note=note)
        mark = migration_fence.newest(connection)
    assert mark is not None
    return mark


def _is_complete(target: Ledger, mark: Mark) -> bool:
    """Return whether this very move was ended, and only the old ledger does not know it yet."""
    with _reading(target) as connection:
        row = connection.execute(_MARK, {"audit_id": mark.audit_id}).fetchone()
    return row is not None and tuple(row) == (mark.at, mark.who, LEAVING)


def _close_target(source: Ledger, target: Ledger, mark: Mark) -> None:
    """Close the ledger until it is complete; refuse one that holds anything else than this move."""
    with _reading(target) as connection:
        found = migration_fence.newest(connection)
    if found == mark._replace(action=ARRIVING):
        return
    _refuse_part(target, found)
    with copying.writing(target) as writing, writing.begin():
        if any(copying.count(writing, table) for table in schema.metadata.sorted_tables):
            raise LedgerError(
                f"{target} is used by another process: name a place that is empty; the old ledger stays"
                f" closed until then, or until `{typed('migrate-ledger --undo')}`"
            )
        copying.put_mark(writing, mark)


def _copy(
    source: Ledger, target: Ledger, mark: Mark, told: Callable[[float], None]
) -> dict[str, copying.Measure]:
    with copying.reading(source) as reading, copying.writing(target) as writing:
        total = sum(copying.count(reading, table) for table in copying.TABLES) or 1
        with writing.begin():
            done = sum(copying.count(writing, table) for table in copying.TABLES)

        def heard(number: int) -> None:
            nonlocal done
            done += number
            told(_COPYING * min(done / total, 1.0))

        for table in copying.TABLES:
            copying.copy(reading, writing, table, mark, heard)
    return _compared(source, target, told)


def _compared(source: Ledger, target: Ledger, told: Callable[[float], None]) -> dict[str, copying.Measure]:
    found = {}
    with copying.reading(source) as one, copying.reading(target) as other:
        for number, table in enumerate(copying.TABLES, start=1):
            here, there = copying.measure(one, table), copying.measure(other, table)
            if here != there:
                raise LedgerError(
                    f"the copy of {table.name} is not what it should be: {there} instead of {here}; it is not"
                    f" taken into use: empty the new place, give up with `{typed('migrate-ledger --undo')}`"
                    " and begin again"
                )
            found[table.name] = here
            told(_COPYING + (1 - _COPYING) * number / len(copying.TABLES))
    return found


def _measured(source: Ledger) -> dict[str, copying.Measure]:
    with copying.reading(source) as connection:
        return {table.name: copying.measure(connection, table) for table in copying.TABLES}


def _finish(source: Ledger, target: Ledger, who: str, mark: Mark) -> None:
    """Open the new ledger. A command that takes the old one back comes either before this, or after it."""
    with _transaction(source) as connection:
        if migration_fence.newest(connection) != mark:
            raise LedgerError(f"the move {mark.note} was ended or given up by another process meanwhile")
        with _transaction(target) as opened:
            _open(opened, who, mark, numbered_by_itself=isinstance(target, SqliteLedger))
        requests.note_down(connection, who, LEFT, note=mark.note)


def _open(target: Connection, who: str, mark: Mark, *, numbered_by_itself: bool) -> None:
    values = {"action": LEAVING, "audit_id": mark.audit_id, "before": ARRIVING}
    if target.execute(_OPEN_TARGET, values).rowcount != 1:
        return
    if not numbered_by_itself:
        _set_numbers(target)
    requests.note_down(target, who, ARRIVED, note=mark.note)


def _set_numbers(connection: Connection) -> None:
    for table, (column, mentioned) in _NUMBERED.items():
        tops = ", ".join(f"(SELECT max({column}) FROM scheduler_{name})" for name in mentioned)
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), COALESCE(top, 0) + 1, false)"
            f" FROM (SELECT GREATEST({tops}) AS top) AS tops"
        )


@contextmanager
def _reading(ledger: Ledger) -> Iterator[Connection]:
    try:
        with closing(ledger.connect(read_only=True)) as connection:
            yield connection
    except UNAVAILABLE as problem:
        raise LedgerError(ledger.unusable(problem)) from None


@contextmanager
def _transaction(ledger: Ledger) -> Iterator[Connection]:
    try:
        with closing(ledger.connect()) as connection, transaction(connection, scope=Scope.WHOLE):
            yield connection
    except UNAVAILABLE as problem:
        raise LedgerError(ledger.unusable(problem)) from None
