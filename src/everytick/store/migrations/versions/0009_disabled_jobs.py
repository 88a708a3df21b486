"""Which jobs a process is set to run, and which jobs no process is set to run."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """A process of an older version leaves it null: it runs all jobs."""
    op.add_column("scheduler_jobs", sa.Column("disabled_by", sa.Text))
    op.add_column("scheduler_processes", sa.Column("job_filter", sa.Text))
