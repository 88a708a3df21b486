"""What the declaration of a job says beside its ticks, so that `diff` can compare all of it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Null in what there is: the next start writes it down."""
    op.add_column("scheduler_jobs", sa.Column("options_data", sa.Text))
