"""The jobs that a process cannot run, which only it can tell: nobody else loads them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """A process of an older version leaves it null."""
    op.add_column("scheduler_processes", sa.Column("cannot_run", sa.Text))
