"""Who may make functions and operators in the ledger's schema, and what becomes of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from everytick import AsyncIOScheduler
from everytick.doctor.server import examine_server
from everytick.store import locking, notifications
from everytick.store.connections import Scope, in_transaction
from everytick.store.postgres_connection import CLOCK

from inside import log as log
from servers import Server
from traps import CAUGHT, set_traps


def schema_of(scheduler: AsyncIOScheduler) -> str:
    return str(scheduler.settings.database_url).rpartition("%3D")[2]


def test_what_each_transaction_calls_is_of_postgresql_itself(scheduler: AsyncIOScheduler) -> None:
    scheduler.ledger.prepare()
    address = str(scheduler.settings.database_url)
    set_traps(address, schema_of(scheduler))
    with closing(scheduler.ledger.connect(resolving=True)) as connection:
        with pytest.raises(Exception, match=CAUGHT):
            connection.execute("SELECT hashtext(current_schema())")
        for scope in (Scope.ROWS, Scope.RARE, Scope.WHOLE):
            in_transaction(connection, notifications.tell, scope=scope)
        notifications.probe(connection, "me")
        for statement in (CLOCK, locking.HOLDER, locking.TRY_SHARED, locking.TRY_UPGRADE):
            connection.execute(statement)
    with scheduler.ledger.reading() as reading:
        assert reading.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture
def stranger(scheduler: AsyncIOScheduler, server: Server) -> Iterator[str]:
    """A role that may make functions in the schema of a ledger, as everybody in `public` on PostgreSQL 14."""
    scheduler.ledger.prepare()
    server.execute("CREATE ROLE stranger LOGIN")
    server.execute(f"GRANT CREATE ON SCHEMA {schema_of(scheduler)} TO stranger")
    yield "stranger"
    server.execute("DROP OWNED BY stranger")
    server.execute("DROP ROLE stranger")


async def test_who_may_make_functions_there_is_named_at_the_start_and_by_doctor(
    scheduler: AsyncIOScheduler, server: Server, stranger: str, log: list[str]
) -> None:
    schema = schema_of(scheduler)
    expected = (
        f"who may make functions in the schema {schema} can have the schedulers call them, and so do all that"
        f" these may: {stranger}"
    )
    [warned] = [it for it in examine_server(scheduler.ledger)[1] if it.what == expected]
    assert warned.level == "warning"
    assert f'REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC' in str(warned.right)
    scheduler.start()
    scheduler.shutdown()
    assert [it for it in log if expected in it]
    server.execute(f"REVOKE CREATE ON SCHEMA {schema} FROM stranger")
    assert scheduler.ledger.remarks() == []


def test_traps_do_not_hide_who_set_them(scheduler: AsyncIOScheduler, stranger: str) -> None:
    address = str(scheduler.settings.database_url)
    set_traps(address, schema_of(scheduler))
    assert stranger in scheduler.ledger.remarks()[0]
