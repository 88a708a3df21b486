"""What people ask of runs, who asked, and what runs logged."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns and tables; nothing that is there changes."""
    op.add_column("scheduler_runs", sa.Column("for_tick_us", sa.BigInteger))
    op.add_column("scheduler_runs", sa.Column("cancel_us", sa.BigInteger))
    op.add_column("scheduler_processes", sa.Column("pass_us", sa.BigInteger))
    asked = sa.text("cancel_us IS NOT NULL")
    op.create_index(
        "scheduler_runs_cancel",
        "scheduler_runs",
        ["process_id"],
        sqlite_where=asked,
        postgresql_where=asked,
    )
    op.create_table(
        "scheduler_logs",
        sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    audit_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "scheduler_audit",
        sa.Column("audit_id", audit_id, sa.Identity(), primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text),
        sa.Column("run_id", sa.BigInteger),
        sa.Column("note", sa.Text),
    )
    op.create_index("scheduler_audit_at", "scheduler_audit", ["at_us"])
