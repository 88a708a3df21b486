"""What runs say of themselves: how far they are, and what their functions returned."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Nothing is known of runs that ended before."""
    op.create_table(
        "scheduler_reports",
        sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("share", sa.Integer),
        sa.Column("note", sa.Text),
        sa.Column("at_us", sa.BigInteger),
        sa.Column("result", sa.Text),
        sa.Column("is_json", sa.Integer, nullable=False),
    )
