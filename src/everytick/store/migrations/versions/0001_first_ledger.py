"""The first ledger: jobs, runs, attempts, processes."""

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
    _create_attempts()
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
        sa.Column("on_crash", sa.Text, nullable=False),
        sa.Column("grace_us", sa.BigInteger),
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
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("rerun_until_us", sa.BigInteger),
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
    op.create_index("scheduler_runs_finished", "scheduler_runs", ["finished_us"])
    for name, column, condition in (
        ("scheduler_runs_held", "job_id", "state IN ('claimed', 'running')"),
        ("scheduler_runs_waiting", "due_us", "state IN ('queued', 'retrying')"),
        ("scheduler_runs_cut", "rerun_until_us", "rerun_until_us IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "scheduler_runs", [column], sqlite_where=where, postgresql_where=where)


def _create_attempts() -> None:
    op.create_table(
        "scheduler_attempts",
        sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("process_id", sa.Text),
        sa.Column("started_us", sa.BigInteger),
        sa.Column("finished_us", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("traceback", sa.Text),
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
