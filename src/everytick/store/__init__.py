"""The ledger: what became of each tick.

- `schema`, `migrations`: the tables (SQLAlchemy, Alembic); loaded only to create, upgrade or show a ledger
- `database`: where the ledger is; opening, checking and upgrading it
- `statements`, `job_statements`: every SQL statement of the claim and finish path, for SQLite and PostgreSQL
- `bulk`: statements over many rows at once
- `records`: what goes in and out of the operations
- `claims`, `waiting`, `runs`: from a due tick to its outcome, each operation done inside of a transaction
- `definitions`, `members`, `joining`, `owner`: jobs, processes, and whose ledger it is
- `moving`, `copying`, `moved`: a whole ledger taken to another place, and the marks that close one meanwhile
- `writer`: the one thread that does it, many operations in one commit
"""
