"""The sessions of the dashboard that were ended before their time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Of a session its digest is kept, which is of no use to who reads the ledger."""
    op.create_table(
        "scheduler_sign_outs",
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    op.create_index("scheduler_sign_outs_at", "scheduler_sign_outs", ["at_us"])
