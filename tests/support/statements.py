"""Notes the statements that commands and pages read the ledger with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from everytick.model import ticks
from everytick.store.querying import Reader


class Statement(NamedTuple):
    """A statement, and the values of its parameters."""

    sql: str
    values: Mapping[str, Any]

    def plan(self, connection: Any) -> list[str]:
        """Return the lines of its plan, by a connection to a file."""
        return [
            row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {self.sql}", self.values).fetchall()
        ]


def walks_runs(step: str) -> bool:
    """Return whether a line of a plan is about the runs, by whichever name a statement has them."""
    return re.match(r"(SCAN|SEARCH) (main\.)?(scheduler_)?runs\b", step) is not None


@contextmanager
def statements() -> Iterator[list[Statement]]:
    """Give a list of the statements that any reader runs in the block."""
    noted: list[Statement] = []
    run = Reader._execute

    def note(reader: Reader, sql: str, values: Mapping[str, Any] | None) -> Any:
        given = {"at_present": ticks.now(), **(values or {})}
        noted.append(Statement(sql, given))
        return run(reader, sql, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "_execute", note)
        yield noted
