"""What many machines on one server ask for: which schedule each process has, and leaner indexes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from everytick.store.index_building import AHEAD_OF_0007

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """A process of an older version leaves the digest null."""
    op.add_column("scheduler_processes", sa.Column("schedule_digest", sa.Text))
    op.create_table(
        "scheduler_schedule",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _replace_indexes_on_postgres()
        return
    # Here the starts keep their index over all runs: it is a part of the table, which would have to be
    # written anew. That of the ends stays whole too, and only takes the name that it has on a server.
    op.drop_index("scheduler_runs_finished", "scheduler_runs")
    op.create_index("scheduler_runs_ended", "scheduler_runs", ["finished_us"])


def _replace_indexes_on_postgres() -> None:
    for index in AHEAD_OF_0007:
        # There already, unless the ledger is a new one.
        op.execute(index.statement())
    op.execute("ALTER TABLE scheduler_runs DROP CONSTRAINT scheduler_runs_start")
    op.execute("DROP INDEX scheduler_runs_finished")
    # Rows that are written again and again leave room for it in their page: then no index changes with them.
    for table in ("scheduler_jobs", "scheduler_processes"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
