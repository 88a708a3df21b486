"""Which process does what, and which queue the runs of a job go to."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns: nothing in them means that a process does all, and the queue `default`."""
    op.add_column("scheduler_jobs", sa.Column("queue", sa.Text))
    op.add_column("scheduler_processes", sa.Column("role", sa.Text))
    op.add_column("scheduler_processes", sa.Column("queues", sa.Text))
