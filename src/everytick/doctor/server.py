"""The ledger on a server: whether it answers, is of this version, may be written, and has room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from everytick.app import typed
from everytick.errors import LedgerError
from everytick.store.connections import UNAVAILABLE, Connection
from everytick.store.database import REVISION, Ledger
from everytick.store.makers import makers
from everytick.text.sizes import GIGABYTE, size

from .finding import Finding, ok
from .storage import of_another_version, size_of

_OLDEST = 130_000
_LARGE = 20 * GIGABYTE
# A process of the scheduler, a dashboard's look and a command may want a connection at the same time.
_FREE_CONNECTIONS = 10

_STATE = """
SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS replica,
       current_setting('max_connections')::int AS most,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken,
       (SELECT bool_and(has_table_privilege('scheduler_runs', privilege))
        FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS privilege) AS may_write,
       COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted,
       inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr() AS is_local
"""
_NAMES = ("version", "replica", "most", "taken", "may_write", "encrypted", "is_local")

# Roles that may not write the ledger, and yet take the locks that each transaction of a scheduler needs: its
# own ones, or, by very many tables or large objects in one transaction, all that the server has.
_LOCKING = """
SELECT rolname FROM pg_roles AS role
WHERE rolcanlogin AND NOT rolsuper AND has_database_privilege(role.oid, current_database(), 'CONNECT')
  AND NOT has_table_privilege(role.oid, 'scheduler_runs', 'UPDATE')
  AND (
      (
          NOT EXISTS (
              SELECT FROM pg_database
              WHERE datname = current_database() AND pg_has_role(role.oid, datdba, 'USAGE')
          )
          AND (
              has_database_privilege(role.oid, current_database(), 'TEMPORARY')
              OR EXISTS (
                  SELECT FROM pg_namespace AS schema
                  WHERE has_schema_privilege(role.oid, schema.oid, 'CREATE')
              )
          )
      )
      OR EXISTS (
          SELECT FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
            AND proname ~ '^(pg_(try_)?advisory_(xact_)?lock.*|lo_.*|loread|lowrite)$'
            AND has_function_privilege(role.oid, pg_proc.oid, 'EXECUTE')
      )
  )
ORDER BY rolname
"""
_MOST_NAMED = 3


def examine_server(ledger: Ledger) -> tuple[bool, list[Finding]]:
    """Return whether a ledger on a server can be read, and findings on it."""
    place = ledger.place
    try:
        if not ledger.exists():
            what = "there is no ledger in this database yet: the first start makes one"
            return False, [Finding("note", "ledger", what, place, typed("run"))]
        revision = ledger.revision()
        with closing(ledger.connect(read_only=True)) as connection:
            found = list(_examine(connection, place))
        length = sum(ledger.sizes().values())
    except LedgerError as problem:
        return False, [Finding("error", "ledger", str(problem), place, None)]
    except UNAVAILABLE as problem:
        return False, [Finding("error", "ledger", ledger.unusable(problem), place, None)]
    found.append(size_of(f"the ledger's tables take {size(length)}", length, _LARGE, place))
    if revision != REVISION:
        return False, [*found, of_another_version(revision, place)]
    return True, [*found, ok("ledger", f"the ledger is there, of version {revision}", place)]


def _examine(connection: Connection, place: str) -> Iterator[Finding]:
    state: dict[str, Any] = dict(zip(_NAMES, connection.execute(_STATE).fetchone(), strict=True))
    if state["version"] < _OLDEST:
        what = f"the server is PostgreSQL {state['version'] // 10_000}; the ledger needs 13"
        yield Finding("error", "server", what, place, "a newer server")
    if state["replica"]:
        what = "the server is a standby: it can be read, and no scheduler can start on it"
        yield Finding("error", "server", what, place, "the address of the primary")
    elif not state["may_write"]:
        what = "this role may read the ledger and not write it: no scheduler of this role can start"
        yield Finding("note", "server", what, place, "the role that owns the tables, for schedulers")
    if roles := [name for (name,) in connection.execute(_LOCKING).fetchall()]:
        named = ", ".join(roles[:_MOST_NAMED]) + (" and others" if len(roles) > _MOST_NAMED else "")
        what = f"who may not write the ledger can take locks that it needs, and so stop the schedule: {named}"
        yield Finding("warning", "server", what, place, "deploy/postgresql/roles.sql, run by a superuser")
    for what, right in makers(connection):
        yield Finding("warning", "server", what, place, right)
    free = state["most"] - state["taken"]
    if free < _FREE_CONNECTIONS:
        what = f"of the server's {state['most']} connections {free} are free"
        yield Finding("warning", "server", what, place, "a larger max_connections, or PgBouncer")
    else:
        yield ok("server", f"{free} of {state['most']} connections are free", place)
    if not state["encrypted"] and not state["is_local"]:
        what = "the connection to the server is not encrypted"
        yield Finding("warning", "server", what, place, "sslmode=verify-full in the URL")
