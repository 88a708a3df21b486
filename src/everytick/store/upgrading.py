"""Upgrades the ledger to the present schema without a start, for updates and deploys."""

from __future__ import annotations

from contextlib import closing

from everytick.errors import LedgerError
from everytick.model import ticks

from . import migration_fence, owner, workers
from . import process_statements as sql
from .connections import UNAVAILABLE, Connection, Scope, transaction
from .database import REVISION, Ledger
from .records import Identity
from .sqlite import SqliteLedger
from .workers import LEASE_SECONDS


def migrate(ledger: Ledger) -> str:
    """Upgrade the ledger unless a process uses it; return a sentence that says what was done.

    The ledger as it was is kept beside it, since older code refuses the new one. Under a process that runs an
    older version nothing is changed: the next start upgrades it.

    Raises:
        LedgerError: it is damaged, newer than this code, or cannot be written.
    """
    if not ledger.exists():
        return f"there is no ledger yet ({ledger}): the first start makes one"
    before = ledger.revision()
    if before is None or before == REVISION:
        ledger.prepare()
        return f"the ledger ({ledger}) is up to date: {REVISION}"
    if user := _process_that_uses(ledger):
        return f"the ledger ({ledger}) stays at {before}: {user} uses it; the next start upgrades it"
    if not isinstance(ledger, SqliteLedger):
        ledger.prepare()
        return f"the ledger ({ledger}) was upgraded from {before} to {REVISION}; the way back is a backup"
    kept = ledger.path.with_name(f"{ledger.path.name}.{before}")
    ledger.copy_to(kept)
    ledger.prepare()
    return f"the ledger ({ledger}) was upgraded from {before} to {REVISION}; as it was it is {kept.name}"


def adopt(ledger: Ledger, who: str) -> str:
    """Make the ledger this application's, which has another name than before; return what was done.

    Raises:
        LedgerError: a process uses it, or it cannot be used.
    """
    done = migrate(ledger)
    if not ledger.exists():
        return done
    if ledger.revision() != REVISION:
        raise LedgerError(done)
    try:
        with closing(ledger.connect()) as connection, transaction(connection, scope=Scope.WHOLE):
            migration_fence.refuse_if_closed(connection)
            if owner.why_not_ours(connection, ledger.application) is not None:
                _refuse_living(connection)
            before = owner.adopt(connection, ledger.application, who)
    except UNAVAILABLE as problem:
        raise LedgerError(ledger.unusable(problem)) from None
    if before is None:
        return f"the ledger ({ledger}) is this application's already: nothing was changed"
    return f"the ledger ({ledger}) was that of {before}, and is this application's now"


def _refuse_living(connection: Connection) -> None:
    me, since = Identity.new(), ticks.now() - int(LEASE_SECONDS * ticks.SECOND)
    for process_id, host, pid, _beat, beat_us, *_ in connection.execute(sql.LIST_PROCESSES).fetchall():
        # A file takes any type in any column: a text in the place of an instant shows no heartbeat.
        is_late = not isinstance(beat_us, int) or beat_us < since
        if not is_late and not workers.is_provably_dead(me, process_id, host, pid):
            name = str(host).partition("/")[0]
            raise LedgerError(f"process {pid} on {name} uses the ledger: stop it, then take the ledger over")


def _process_that_uses(ledger: Ledger) -> str | None:
    me = Identity.new()
    with closing(ledger.connect(read_only=True)) as connection:
        for process_id, host, pid in connection.execute(sql.LIST_PIDS).fetchall():
            if not workers.is_provably_dead(me, process_id, host, pid):
                return f"process {pid} on {host}"
    return None
