"""What people ask of runs, who asked, what runs logged, and what people were alerted to."""

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
    _create_alerts()


def _create_alerts() -> None:
    op.add_column("scheduler_runs", sa.Column("told_attempt", sa.Integer))
    untold = sa.text(
        "(state IN ('failed', 'timed_out', 'lost', 'interrupted')"
        " OR reason IN ('missed', 'outage', 'overlap')) AND attempt > COALESCE(told_attempt, -1)"
    )
    for name, table, where in (
        ("scheduler_runs_untold", "scheduler_runs", untold),
        ("scheduler_attempts_lost", "scheduler_attempts", sa.text("state = 'lost'")),
    ):
        op.create_index(name, table, ["finished_us"], sqlite_where=where, postgresql_where=where)
    _create_incidents()
    op.create_table(
        "scheduler_notices",
        sa.Column("incident_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("told_count", sa.BigInteger, nullable=False),
        sa.Column("told_us", sa.BigInteger, nullable=False),
        sa.Column("told_over_us", sa.BigInteger),
    )
    op.create_index("scheduler_notices_told", "scheduler_notices", ["channel", "told_us"])
    op.create_table(
        "scheduler_channels",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("process_id", sa.Text),
        sa.Column("held_until_us", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("try_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "scheduler_alerting",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
    )


def _create_incidents() -> None:
    incident_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "scheduler_incidents",
        sa.Column("incident_id", incident_id, sa.Identity(), primary_key=True),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("run_id", sa.BigInteger),
        sa.Column("mark_us", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("over_us", sa.BigInteger),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
    )
    op.create_index("scheduler_incidents_job", "scheduler_incidents", ["job_id", "kind"])
    op.create_index("scheduler_incidents_changed", "scheduler_incidents", ["changed_us"])
    still = sa.text("over_us IS NULL")
    op.create_index(
        "scheduler_incidents_open",
        "scheduler_incidents",
        ["kind"],
        sqlite_where=still,
        postgresql_where=still,
    )
