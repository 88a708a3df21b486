"""PostgreSQL's roles: one runs the schedule, one only looks, and no other can harm it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from everytick.doctor.server import examine_server
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from application import Application
from rendering import rendered
from servers import Server
from traps import CAUGHT, set_traps


def roles() -> bytes:
    """Return the statements of the file, as it is rendered."""
    return (rendered() / "deploy/postgresql/roles.sql").read_bytes()


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The address of a database, without the role; an administrator who is no superuser made its roles."""
    server.execute("CREATE ROLE administrator LOGIN CREATEROLE")
    server.execute("CREATE DATABASE work OWNER administrator")
    address = f"127.0.0.1:{server.port}/work"
    try:
        # Twice: it may be run again.
        for _ in range(2):
            with psycopg.connect(f"postgresql://administrator@{address}") as connection:
                connection.execute(roles())
        yield address
    finally:
        server.drop("work")
        for role in ("scheduler", "scheduler_reader", "administrator"):
            server.execute(f"DROP ROLE IF EXISTS {role}")


@pytest.mark.full
def test_one_role_runs_the_schedule_and_the_other_only_looks(tmp_path: Path, database: str) -> None:
    app = Application(tmp_path)
    app.schedule('scheduler.add_job(print, "interval", seconds=1, id="often")')
    app.environment["SCHEDULER_DATABASE_URL"] = f"postgresql://scheduler@{database}"
    reader = f"postgresql://scheduler_reader@{database}"
    with app.running():
        app.records(1, "succeeded")
        app.environment["SCHEDULER_DATABASE_URL"] = reader
        assert [job["id"] for job in app.json("jobs")] == ["often"]
        assert app.json("health")["ready"]
        assert app.runs()[0]["job_id"] == "often"
        for command in (["why", "often"], ["show", "1"], ["audit"], ["metrics"], ["health", "--here"]):
            done = app.command(*command)
            assert done.returncode == 0, done.stderr
        done = app.command("run-now", "often")
        assert done.returncode == 1
        assert "cannot be used: cannot write in a read-only transaction" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    with psycopg.connect(reader, autocommit=True) as connection:
        tables = [name for (name,) in connection.execute(_TABLES).fetchall()]
        assert "scheduler_runs" in tables
        # It has no right, and not only no mind to.
        connection.execute("SET default_transaction_read_only = off")
        for table in tables:
            connection.execute(f"SELECT 1 FROM scheduler.{table}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM scheduler.{table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE scheduler.mine (number integer)")


@pytest.mark.full
def test_readers_leave_connections_to_the_schedulers(database: str) -> None:
    reader = f"postgresql://scheduler_reader@{database}"
    with ExitStack() as opened:
        for _ in range(20):
            opened.enter_context(psycopg.connect(reader))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(reader)
        psycopg.connect(f"postgresql://scheduler@{database}").close()


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'scheduler' AND tableowner = 'scheduler'"


# Each of them, often enough in one transaction, takes all places in the lock table of the server.
_USING_UP_LOCKS = ["SELECT lo_create(0)", "SELECT lo_unlink(1)", "CREATE TEMP TABLE mine (number integer)"]
_USING_UP_LOCKS += ["CREATE TABLE public.mine (number integer)"]


def _who_could_stop_it(ledger: Ledger) -> str:
    [found] = [it.what for it in examine_server(ledger)[1] if "stop the schedule" in it.what]
    return found


@pytest.mark.full
def test_a_role_that_does_not_run_the_schedule_cannot_take_its_locks(
    tmp_path: Path, database: str, server: Server
) -> None:
    """A superuser has to run the file for that; who runs a ledger there already goes on."""
    administrator = f"postgresql://postgres@{database}"
    server.execute("CREATE ROLE owner_before LOGIN")
    server.execute("CREATE ROLE visitor LOGIN")
    try:
        with psycopg.connect(administrator) as connection:
            connection.execute("CREATE SCHEMA before AUTHORIZATION owner_before")
            for table in ("runs", "jobs", "ledger_version"):
                connection.execute(f"CREATE TABLE before.scheduler_{table} (number bigint)".encode())
                connection.execute(f"ALTER TABLE before.scheduler_{table} OWNER TO owner_before".encode())
            connection.execute(roles())
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(f"postgresql://visitor@{database}")
        server.execute("GRANT CONNECT ON DATABASE work TO visitor")
        for role in ("scheduler_reader", "visitor"):
            for statement in _USING_UP_LOCKS:
                with psycopg.connect(f"postgresql://{role}@{database}", autocommit=True) as connection:
                    connection.execute("SET default_transaction_read_only = off")
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(statement)
        for role, allowed in {"scheduler": 1, "owner_before": 1, "scheduler_reader": 0, "visitor": 0}.items():
            for function in ("advisory_lock", "try_advisory_lock_shared", "advisory_xact_lock_shared"):
                with psycopg.connect(f"postgresql://{role}@{database}") as connection:
                    if allowed:
                        connection.execute(f"SELECT pg_{function}(1935892325, 1)".encode())
                        continue
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(f"SELECT pg_{function}(1935892325, 1)".encode())

        app = Application(tmp_path)
        app.schedule('scheduler.add_job(print, "interval", seconds=1, id="often")')
        app.environment["SCHEDULER_DATABASE_URL"] = f"postgresql://scheduler@{database}"
        with app.running():
            app.records(1, "succeeded")
            app.environment["SCHEDULER_DATABASE_URL"] = f"postgresql://scheduler_reader@{database}"
            assert app.runs()[0]["job_id"] == "often"
            done = app.command("run-now", "often")
            assert done.returncode == 1
            assert "cannot be used: this role may not change the ledger" in done.stderr
            assert len(done.stderr.splitlines()) == 1
        ledger = ledger_at(f"postgresql://scheduler@{database}")
        # The owner of another ledger has to take such locks.
        assert _who_could_stop_it(ledger).endswith("and so stop the schedule: owner_before")
        server.execute("GRANT TEMPORARY ON DATABASE work TO visitor")
        assert _who_could_stop_it(ledger).endswith("and so stop the schedule: owner_before, visitor")
    finally:
        server.drop("work")
        for role in ("owner_before", "visitor"):
            server.execute(f"DROP ROLE {role}")


@pytest.mark.full
@pytest.mark.parametrize("tables", [["runs"], ["runs", "jobs", "ledger_version"]])
def test_who_made_tables_of_those_names_beforehand_keeps_nothing_by_it(
    database: str, server: Server, tables: list[str]
) -> None:
    """In the schema `public`, where everybody may on PostgreSQL 13 and 14. Nor what an earlier file gave."""
    server.execute("CREATE ROLE stranger LOGIN")
    try:
        with psycopg.connect(f"postgresql://postgres@{database}") as connection:
            told: list[str] = []
            connection.add_notice_handler(lambda it: told.append(f"{it.severity}: {it.message_primary}"))
            for table in tables:
                connection.execute(f"CREATE TABLE public.scheduler_{table} (number bigint)".encode())
                connection.execute(f"ALTER TABLE public.scheduler_{table} OWNER TO stranger".encode())
            connection.execute("GRANT CONNECT ON DATABASE work TO stranger")
            connection.execute("GRANT EXECUTE ON FUNCTION pg_advisory_lock(integer, integer) TO stranger")
            connection.execute(roles())
            rights = connection.execute(
                "SELECT has_database_privilege('stranger', 'work', 'CONNECT'),"
                " has_function_privilege('stranger', 'pg_advisory_lock(integer, integer)', 'EXECUTE'),"
                " has_function_privilege('stranger', 'lo_create(oid)', 'EXECUTE')"
            ).fetchone()
        assert rights == (False, False, False)
        [warned] = [it for it in told if it.startswith("WARNING: ")]
        assert warned == (
            "WARNING: the role stranger has a table scheduler_runs in the schema public,"
            " and no ledger of its own there: it gets no rights"
        )
    finally:
        server.drop("work")
        server.execute("DROP ROLE stranger")


@pytest.mark.full
def test_who_makes_functions_in_the_database_has_none_of_them_called_by_an_administrator(
    database: str, server: Server
) -> None:
    """As the owner of the database may, and on PostgreSQL 13 and 14 everybody who connects to it."""
    server.execute("CREATE ROLE stranger LOGIN")
    try:
        with psycopg.connect(f"postgresql://postgres@{database}") as connection:
            connection.execute("GRANT CONNECT ON DATABASE work TO stranger")
            connection.execute("GRANT CREATE ON SCHEMA public TO stranger")
        set_traps(f"postgresql://stranger@{database}", "public")
        with psycopg.connect(f"postgresql://postgres@{database}") as connection:
            with pytest.raises(
                psycopg.errors.RaiseException, match=re.escape(f"{CAUGHT}: format(text, name)")
            ):
                connection.execute("SELECT format('%I', current_database())")
            connection.rollback()
            connection.execute(roles())
    finally:
        server.drop("work")
        server.execute("DROP ROLE stranger")


@pytest.mark.full
def test_a_role_that_the_server_does_not_know_is_said_in_a_sentence(tmp_path: Path, database: str) -> None:
    app = Application(tmp_path)
    app.environment["SCHEDULER_DATABASE_URL"] = f"postgresql://nobody@{database}"
    assert app.refused(code=1).endswith('role "nobody" does not exist')
