"""Which process does what, which queue the runs of a job go to, and whose ledger it is."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Nothing in the columns means that a process does all, and the queue `default`."""
    op.add_column("scheduler_jobs", sa.Column("queue", sa.Text))
    op.add_column("scheduler_processes", sa.Column("role", sa.Text))
    op.add_column("scheduler_processes", sa.Column("queues", sa.Text))
    op.create_table(
        "scheduler_application",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
    )
