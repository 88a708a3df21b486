"""Jobs added while running, the data of every schedule, pauses that end by themselves, and open counts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns. A job that is known already gets its data at the next start."""
    op.add_column("scheduler_jobs", sa.Column("paused_until_us", sa.BigInteger))
    op.add_column("scheduler_jobs", sa.Column("schedule_data", sa.Text))
    op.add_column("scheduler_jobs", sa.Column("call_data", sa.Text))
    op.add_column("scheduler_jobs", sa.Column("serial", sa.BigInteger))
    op.add_column("scheduler_jobs", sa.Column("exhausted_us", sa.BigInteger))
    op.create_index("scheduler_jobs_serial", "scheduler_jobs", ["serial"])
    uncounted = sa.text("last_tick_us IS NOT NULL AND tick_count IS NULL")
    op.create_index(
        "scheduler_runs_uncounted",
        "scheduler_runs",
        ["job_id"],
        sqlite_where=uncounted,
        postgresql_where=uncounted,
    )
