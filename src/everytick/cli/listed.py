"""How jobs and runs are listed for people: each in one line, as far as the terminal is wide enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo

from everytick.model import ticks
from everytick.read.schemas import JobRow
from everytick.text.durations import plain_seconds

from . import cells
from .output import console, print_text
from .table import Column, print_table


def print_jobs(rows: Sequence[JobRow], zone: tzinfo, *, wide: bool) -> None:
    """Print jobs as `job_rows` returns them; a zone that is not named is `zone`."""
    now = ticks.now()
    columns = [
        Column("job", is_id=True),
        Column("next run", least=15),
        Column("due", is_whole=True, left_out=1),
        Column("due in UTC", is_whole=True, left_out=4),
        Column("outcomes", is_whole=True),
        Column("p50 (s)", is_whole=True, left_out=2),
        Column("p95 (s)", is_whole=True, left_out=2),
        Column("schedule", least=18),
        Column("expression", is_whole=True, left_out=3),
        Column("name", is_whole=True, left_out=3),
    ]
    print_table(
        f"{len(rows)} job(s), times in {zone} where no zone is named",
        columns,
        [
            [
                row["id"],
                cells.coming(row, zone, now),
                cells.due(row, zone),
                cells.due(row, UTC, own_zone=False),
                cells.outcomes(row["last_outcomes"]),
                plain_seconds(row["p50"]),
                plain_seconds(row["p95"]),
                row["schedule_in_words"],
                "" if row["trigger"] == row["schedule_in_words"] else row["trigger"],
                "" if row["name"] == row["id"] else row["name"],
            ]
            for row in rows
        ],
        wide=wide,
    )
    seen = {state for row in rows for state in row["last_outcomes"]}
    for line in cells.legend(seen, console().width):
        print_text(line)
