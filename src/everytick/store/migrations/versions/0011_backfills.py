"""Backfills, and which run belongs to which."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from everytick.store.index_building import AHEAD_OF_0011

revision: str = "0011"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Runs by hand that stand in for a tick are indexed by it too."""
    op.add_column("scheduler_runs", sa.Column("backfill_id", sa.BigInteger))
    for index in AHEAD_OF_0011:
        # There already on PostgreSQL, unless the ledger is a new one.
        op.execute(index.statement())
    op.create_table(
        "scheduler_backfills",
        sa.Column(
            "backfill_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            sa.Identity(),
            primary_key=True,
        ),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("asked_us", sa.BigInteger, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("schedule_data", sa.Text, nullable=False),
        sa.Column("from_us", sa.BigInteger, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("only_missed", sa.Integer, nullable=False),
        sa.Column("tick_count", sa.BigInteger, nullable=False),
        sa.Column("rate", sa.Integer),
        sa.Column("max_instances", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("why", sa.Text),
        sa.Column("upto_us", sa.BigInteger, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("next_us", sa.BigInteger, nullable=False),
    )
