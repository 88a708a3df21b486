"""For which tick a run was asked to end."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Null in what there is: no run was replaced."""
    op.add_column("scheduler_runs", sa.Column("replaced_by_us", sa.BigInteger))
