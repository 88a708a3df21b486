"""An index of SQLite whose condition costs each write of a run next to nothing."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """SQLite makes a table of a list of more than two values, each time that it looks at the condition."""
    if op.get_bind().dialect.name != "sqlite":
        return
    pairs = sa.text(
        "(state IN ('failed', 'timed_out') OR state IN ('lost', 'interrupted')"
        " OR reason IN ('missed', 'outage') OR reason = 'overlap') AND attempt > COALESCE(told_attempt, -1)"
    )
    op.drop_index("scheduler_runs_untold", "scheduler_runs")
    op.create_index("scheduler_runs_untold", "scheduler_runs", ["finished_us"], sqlite_where=pairs)
