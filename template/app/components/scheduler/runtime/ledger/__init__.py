"""The ledger: what became of each tick.

- `schema`, `migrations`: the tables (SQLAlchemy, Alembic); loaded only to create, upgrade or show a ledger
- `database`: where the ledger is; opening, checking and upgrading it
- `statements`: every SQL statement of the claim and finish path, for SQLite and PostgreSQL
- `records`: what goes in and out of the operations
- `runs`, `definitions`, `members`, `joining`: the operations, each done inside of a transaction
- `moving`, `copying`, `moved`: a whole ledger taken to another place, and the marks that close one meanwhile
- `writer`: the one thread that does it, many operations in one commit
"""
