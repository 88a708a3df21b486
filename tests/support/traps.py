"""Functions and operators that somebody made in a schema so that they are taken for those of PostgreSQL.

PostgreSQL looks in its own schema first, but takes the one whose types fit best from any schema of the search
path. Each trap raises an error that names it, where one of an attacker would act with the caller's rights.
"""

from __future__ import annotations

from itertools import product

import psycopg

CAUGHT = "caught by a trap"
_TYPES = ("text", "name", "character varying", "integer", "bigint", "numeric", "double precision", "boolean")
_MORE_TYPES = ("oid", '"char"', "text[]", "name[]", "regclass", "xid8", "timestamp with time zone")
_FUNCTIONS = (
    *("format", "pg_has_role", "aclexplode", "set_config", "hashtext", "pg_notify", "to_regclass"),
    *("pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_try_advisory_xact_lock", "pg_xact_status"),
    *("pg_try_advisory_xact_lock_shared", "date_part", "extract", "current_setting"),
)
_OPERATORS = {
    **dict.fromkeys(("=", "<>", "<", ">", "<=", ">=", "~", "~~"), "boolean"),
    "||": "text",
    "*": "numeric",
    "+": "numeric",
    "-": "numeric",
    "&": "bigint",
}


def set_traps(address: str, schema: str) -> None:
    """Make the traps in a schema, as the role that the address names."""
    types = (*_TYPES, *_MORE_TYPES)
    lists = [(one,) for one in types] + list(product(types, repeat=2))
    statements = []
    for name in _FUNCTIONS:
        statements += [_function(schema, name, taken, "text") for taken in lists]
    for number, (sign, result) in enumerate(_OPERATORS.items()):
        for taken in product(types, repeat=2):
            name = f"trap_{number}"
            statements.append(_function(schema, name, taken, result, sign))
            statements.append(
                f"CREATE OPERATOR {schema}.{sign}"
                f" (FUNCTION = {schema}.{name}, LEFTARG = {taken[0]}, RIGHTARG = {taken[1]})"
            )
    with psycopg.connect(address, options="-c search_path=pg_catalog") as connection:
        connection.execute(";".join(statements).encode())


def _function(schema: str, name: str, taken: tuple[str, ...], result: str, sign: str = "") -> str:
    what = f"{sign or name}({', '.join(taken)})"
    return (
        f"CREATE FUNCTION {schema}.{name}({', '.join(taken)}) RETURNS {result} LANGUAGE plpgsql AS"
        f" $trap$ BEGIN RAISE EXCEPTION '{CAUGHT}: {what}'; END $trap$"
    )
