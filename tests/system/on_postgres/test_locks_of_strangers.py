"""A session of somebody else that takes the ledger's locks is named, and its role kept from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from everytick import AsyncIOScheduler
from everytick.doctor.server import examine_server
from everytick.store import connections, locking
from everytick.store.connections import Contended, Scope, Unavailable, in_transaction
from everytick.store.opening import ledger_at

from servers import Server

pytestmark = pytest.mark.full


@pytest.fixture
def visitor(scheduler: AsyncIOScheduler, server: Server) -> Iterator[str]:
    """The address of the ledger for a role that has no right to anything in it."""
    scheduler.ledger.prepare()
    server.execute("CREATE ROLE visitor LOGIN")
    yield server.url(schema_of(scheduler), user="visitor")
    server.execute("DROP OWNED BY visitor")
    server.execute("DROP ROLE visitor")


def schema_of(scheduler: AsyncIOScheduler) -> str:
    return str(scheduler.settings.database_url).rpartition("%3D")[2]


@pytest.mark.parametrize(
    ("lock", "scope"),
    [(locking.WHOLE, Scope.ROWS), (locking.RARE, Scope.RARE), (locking.SHARED, Scope.WHOLE)],
)
def test_the_session_that_holds_up_a_transaction_is_named(
    scheduler: AsyncIOScheduler,
    server: Server,
    visitor: str,
    monkeypatch: pytest.MonkeyPatch,
    lock: str,
    scope: Scope,
) -> None:
    monkeypatch.setattr(connections, "_CONTENDED_SECONDS", 0.0)
    lock = lock.replace("current_schema()", f"'{schema_of(scheduler)}'")
    with (
        closing(psycopg.connect(visitor, application_name="a report")) as session,
        closing(scheduler.ledger.connect()) as connection,
    ):
        session.execute(f"SELECT {lock}".replace("_xact", ""))
        with pytest.raises(Contended) as refused:
            in_transaction(connection, lambda inside: inside.execute("SELECT 1", {}), scope=scope)
        pid = session.info.backend_pid
        assert f": session {pid} of the role visitor (a report) holds the ledger's lock" in str(refused.value)
        assert f"pg_terminate_backend({pid})" in str(refused.value)
        server.execute(f"SELECT pg_terminate_backend({pid})")
        in_transaction(connection, lambda inside: inside.execute("SELECT 1", {}), scope=scope)


def test_doctor_names_the_roles_that_could_stop_the_schedule(
    scheduler: AsyncIOScheduler, visitor: str
) -> None:
    _, found = examine_server(scheduler.ledger)
    [warned] = [it for it in found if "take locks that it needs" in it.what]
    assert warned.level == "warning"
    assert "visitor" in warned.what
    assert "roles.sql" in str(warned.right)


def test_a_role_without_the_right_to_locks_is_told_so_in_a_sentence(
    scheduler: AsyncIOScheduler, server: Server, visitor: str
) -> None:
    server.execute(f"GRANT USAGE ON SCHEMA {schema_of(scheduler)} TO visitor")
    server.execute(f"REVOKE EXECUTE ON FUNCTION {_SHARED} FROM PUBLIC")
    try:
        with closing(ledger_at(visitor).connect()) as connection, pytest.raises(Unavailable) as refused:
            in_transaction(connection, lambda inside: inside.execute("SELECT 1", {}))
    finally:
        server.execute(f"GRANT EXECUTE ON FUNCTION {_SHARED} TO PUBLIC")
    assert refused.value.refused
    assert "this role may not change the ledger" in str(refused.value)


_SHARED = "pg_advisory_xact_lock_shared(integer, integer)"
