"""Runs the ledger's migrations on the connection that `database.upgrade` hands over."""

from alembic import context
from everytick.store import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    version_table=schema.VERSION_TABLE,
    transactional_ddl=True,
    # SQLite cannot alter most of a table in place: Alembic then copies it.
    render_as_batch=True,
)
context.run_migrations()
