"""The first ledger: jobs, runs, processes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables."""
    _create_jobs()
    _create_runs()
    _create_processes()


def _create_jobs() -> None:
    op.create_table(
        "scheduler_jobs",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("function", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("registered_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("watermark_us", sa.BigInteger, nullable=False),
        sa.Column("paused_us", sa.BigInteger),
        sa.Column("pause_note", sa.Text),
        sa.Column("removed_us", sa.BigInteger),
    )


def _create_runs() -> None:
    run_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "scheduler_runs",
        sa.Column("run_id", run_id, sa.Identity(), primary_key=True),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tick_us", sa.BigInteger),
        sa.Column("last_tick_us", sa.BigInteger),
        sa.Column("tick_count", sa.BigInteger),
        sa.Column("start_number", sa.BigInteger),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("process_id", sa.Text),
        sa.Column("claimed_us", sa.BigInteger),
        sa.Column("started_us", sa.BigInteger),
        sa.Column("finished_us", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("traceback", sa.Text),
        sa.UniqueConstraint("job_id", "tick_us", name="scheduler_runs_tick"),
        sa.UniqueConstraint("job_id", "start_number", name="scheduler_runs_start"),
    )
    held = sa.text("state IN ('claimed', 'running')")
    queued = sa.text("state = 'queued'")
    op.create_index(
        "scheduler_runs_held",
        "scheduler_runs",
        ["job_id"],
        sqlite_where=held,
        postgresql_where=held,
    )
    op.create_index(
        "scheduler_runs_queued",
        "scheduler_runs",
        ["due_us"],
        sqlite_where=queued,
        postgresql_where=queued,
    )


def _create_processes() -> None:
    op.create_table(
        "scheduler_processes",
        sa.Column("process_id", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
        sa.Column("beat_us", sa.BigInteger, nullable=False),
        sa.Column("start_number", sa.BigInteger, nullable=False),
    )
