"""When each process stopped or died, so that an outage has a beginning."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Of processes that ended before this there is no trace."""
    op.create_table(
        "scheduler_past_processes",
        sa.Column("process_id", sa.Text, primary_key=True),
        sa.Column("role", sa.Text),
        # A process that was declared dead and came back begins once more.
        sa.Column("started_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.Column("has_died", sa.Integer, nullable=False),
    )
    op.create_index("scheduler_past_processes_ended", "scheduler_past_processes", ["ended_us"])
