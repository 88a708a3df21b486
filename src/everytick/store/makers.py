"""Who may make functions where the ledger's statements look for those of PostgreSQL.

A statement names functions and operators without a schema. PostgreSQL looks for them in its own and in those
of the search path, and calls the one whose types fit best, with the rights of who asks. So a role that may
make one in such a schema acts as the role of the schedulers. On PostgreSQL 13 and 14, and in databases that
are as old, everybody may in the schema `public`.
"""

from __future__ import annotations

from typing import NamedTuple

from everytick.text.wording import cut_list

from .connections import Connection

# Who owns the schema, the database or the ledger could do so by other ways. Here each function and operator
# has its schema: none of those that it looks for must be called.
_MAKERS = """
SELECT schema.nspname::text, role.rolname::text
FROM pg_catalog.pg_namespace AS schema CROSS JOIN pg_catalog.pg_roles AS role
    JOIN pg_catalog.pg_database AS here ON here.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
    LEFT JOIN pg_catalog.pg_class AS runs
        ON runs.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('scheduler_runs')::oid
WHERE schema.nspname OPERATOR(pg_catalog.=) ANY (pg_catalog.current_schemas(false))
  AND role.rolcanlogin AND NOT role.rolsuper
  AND pg_catalog.has_database_privilege(role.oid, here.oid, 'CONNECT'::text)
  AND pg_catalog.has_schema_privilege(role.oid, schema.oid, 'CREATE'::text)
  AND NOT pg_catalog.pg_has_role(role.oid, schema.nspowner, 'USAGE'::text)
  AND NOT pg_catalog.pg_has_role(role.oid, here.datdba, 'USAGE'::text)
  AND NOT COALESCE(pg_catalog.pg_has_role(role.oid, runs.relowner, 'USAGE'::text), false)
ORDER BY 1, 2
"""
_MOST_NAMED = 3


class Makers(NamedTuple):
    """A schema in which others may make functions, and what would be right: sentences."""

    what: str
    right: str


def makers(connection: Connection) -> list[Makers]:
    """Return the schemas of the search path in which other roles than the owners may make functions.

    `connection`: one to a server.
    """
    roles: dict[str, list[str]] = {}
    for schema, role in connection.execute(_MAKERS).fetchall():
        roles.setdefault(schema, []).append(role)
    return [
        Makers(
            f"who may make functions in the schema {schema} can have the schedulers call them, and so do all"
            f" that these may: {cut_list(names, _MOST_NAMED)}",
            f'REVOKE CREATE ON SCHEMA "{schema}" FROM PUBLIC, and from these roles,'
            " or deploy/postgresql/roles.sql",
        )
        for schema, names in roles.items()
    ]
