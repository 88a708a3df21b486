"""For which tick a run was asked to end, and the groups of jobs whose runs share a limit."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Null in what there is: no run was replaced, no job is in a group."""
    op.add_column("scheduler_runs", sa.Column("replaced_by_us", sa.BigInteger))
    op.add_column("scheduler_jobs", sa.Column("group_name", sa.Text))
    op.add_column("scheduler_processes", sa.Column("group_limits", sa.Text))
    grouped = sa.text("group_name IS NOT NULL")
    op.create_index(
        "scheduler_jobs_group",
        "scheduler_jobs",
        ["group_name"],
        sqlite_where=grouped,
        postgresql_where=grouped,
    )
