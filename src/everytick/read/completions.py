"""The attempts that ended since the last look into the ledger, each once, whichever process ran it.

A look is cheap, however many runs the ledger holds. It finds the rows that may have ended in four ways, each
by an index: those that are new (primary key), those that were open at the last look and are not any more
(primary key), those that ended later than what was told, or shortly before (scheduler_runs_ended), and
those that are open now (the partial indexes on held, waiting and cut runs). Neither the run's number nor its
end alone would do: an outcome may be written long after it happened, and a run that ended may be tried again.

`metrics` counts what this feed tells, `following` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from everytick.model import ticks
from everytick.store.querying import Reader, among, pieces

from .run_columns import STATE_NOW
from .run_filter import HELD, WAITING

_PAGE = 5_000
# A run may end, be tried again and end anew between two looks, by the clock of a process that is late.
_LOOK_BACK = 5 * ticks.SECOND
# The columns that counting needs: no errors, no tracebacks.
COUNTED = f"""
run_id, job_id, {STATE_NOW} AS state, reason, attempt, due_us, started_us, finished_us, tick_count
"""
_ATTEMPTS = "SELECT run_id, attempt, state, started_us, finished_us FROM scheduler_attempts"
# Both are read from the end of an index. The condition is that of the index.
_NEWEST_NUMBER = "SELECT max(run_id) FROM scheduler_runs"
_NEWEST_END = "SELECT max(finished_us) FROM scheduler_runs WHERE finished_us IS NOT NULL"
_LATELY = """
SELECT run_id, attempt, finished_us FROM scheduler_runs
WHERE finished_us >= :since AND finished_us <= :until
"""
# An index on part of a table is used only if the condition is literally the same.
_OPEN = (HELD, WAITING, "rerun_until_us >= :at_present")


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of an attempt, or skipped ticks. Instants are microseconds since 1970-01-01 UTC.

    followed: there is a further attempt of the same run.
    number: 1; of skipped ticks how many, as far as that is known.
    due: when it was to start; None if that is not on record.
    row: the run's row with the columns that were asked for; None of an attempt that is followed.
    """

    job_id: str
    outcome: str
    reason: str
    finished: int
    started: int | None
    due: int | None
    number: int = 1
    followed: bool = False
    row: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The yielded part of a run: its attempts up to `archived`, and the end of attempt `ended`, if any."""

    archived: int
    # Ticks that were skipped have no attempt: their rows say 0.
    ended: int = -1


class CompletionFeed:
    """Tells what has ended from look to look. Not to be used by two threads at once.

    Args:
        since: the first look tells what ended at this instant or later, in microseconds UTC; with 0 all that
            the ledger holds, which takes ten seconds or more with a million runs; with None nothing.
        columns: the columns to read of each run, `COUNTED` at least.
    """

    def __init__(self, since: int | None = None, columns: str = COUNTED) -> None:
        self._since, self._columns = since, columns
        self._file: object = None
        self._last_id = self._last_finished = 0
        self._open: dict[int, _Seen] = {}
        # The attempt of runs that ended last before the last look, and its end.
        self._told: dict[int, tuple[int, int]] = {}
        # The rows that are open, as of the last look: waiting, held, or cut off and perhaps to go on.
        self.open_rows: Sequence[Any] = ()

    def look(self, connection: Reader, file: object) -> Iterator[Completion]:
        """Yield the runs that ended since the last look; it must be iterated over to its end.

        `connection` reads one state of the ledger for all of this. `file` is the ledger's file identity: the
        runs in another file are not news, but history.
        """
        newest_id, newest_end = self._newest(connection)
        self.open_rows = self._rows_that_are_open(connection)
        if file != self._file:
            self._begin(connection, newest_id, newest_end)
        told = dict(self._told)
        for page in self._pages(connection):
            yield from self._endings(connection, page)
            told |= {
                row.run_id: (row.attempt, row.finished_us)
                for row in page.values()
                if row.finished_us is not None
            }
        # Nothing is taken note of before all is read, which may fail.
        self._open = {row.run_id: _standing(row) for row in self.open_rows}
        self._last_id, self._last_finished = newest_id, max(self._last_finished, newest_end)
        lately = self._last_finished - _LOOK_BACK
        self._told = {run_id: known for run_id, known in told.items() if known[1] >= lately}
        self._file = file

    def _begin(self, connection: Reader, newest_id: int, newest_end: int) -> None:
        """Take all runs in the ledger as known, except those that ended later than `since`."""
        self._open, self._told = {}, {}
        since = self._since if self._file is None else None
        if since == 0:
            self._last_id = self._last_finished = 0
            return
        self._last_id = newest_id
        # The first look yields the runs that ended later than this.
        self._last_finished = newest_end if since is None else since - 1
        is_other_file = self._file is not None
        for row in self.open_rows:
            if is_other_file or (row.finished_us is not None and row.finished_us <= self._last_finished):
                self._open[row.run_id] = _standing(row)
        lately = {"since": self._last_finished - _LOOK_BACK, "until": self._last_finished}
        found = connection.rows(_LATELY, lately)
        self._told = {row.run_id: (row.attempt, row.finished_us) for row in found}

    @staticmethod
    def _newest(connection: Reader) -> tuple[int, int]:
        return connection.value(_NEWEST_NUMBER) or 0, connection.value(_NEWEST_END) or 0

    def _rows_that_are_open(self, connection: Reader) -> list[Any]:
        return [row for where in _OPEN for row in connection.rows(self._query(where))]

    def _query(self, where: str) -> str:
        return f"SELECT {self._columns} FROM scheduler_runs WHERE {where}"

    def _pages(self, connection: Reader) -> Iterator[dict[int, Any]]:
        """Give all rows that may hold something new, none of them twice."""
        earlier = {row.run_id: row for row in self.open_rows if row.run_id <= self._last_id}
        gone = [run_id for run_id in self._open if run_id not in earlier]
        for some in pieces(gone):
            those = among("run_id", some, "run")
            found = connection.rows(self._query(those.text), those.values)
            earlier |= {row.run_id: row for row in found}
        again = self._query("finished_us > :since AND run_id <= :last")
        known = {"since": self._last_finished - _LOOK_BACK, "last": self._last_id}
        yield earlier | {row.run_id: row for row in connection.rows(again, known)}
        after = self._last_id
        query = self._query("run_id > :after ORDER BY run_id LIMIT :page")
        while True:
            page = {row.run_id: row for row in connection.rows(query, {"after": after, "page": _PAGE})}
            yield page
            if len(page) < _PAGE:
                return
            after = max(page)

    def _endings(self, connection: Reader, page: dict[int, Any]) -> Iterator[Completion]:
        seen = {run_id: self._seen(row) for run_id, row in page.items()}
        behind = [run_id for run_id, row in page.items() if row.attempt - 1 > seen[run_id].archived]
        for some in pieces(behind):
            those = among("run_id", some, "run")
            query = f"{_ATTEMPTS} WHERE {those.text} ORDER BY finished_us"
            for old in connection.rows(query, those.values):
                if old.attempt > seen[old.run_id].archived and old.finished_us is not None:
                    job_id = page[old.run_id].job_id
                    yield Completion(
                        job_id, old.state, "", old.finished_us, old.started_us, None, followed=True
                    )
        for run_id, row in page.items():
            if row.finished_us is not None and row.attempt != seen[run_id].ended:
                yield Completion(
                    row.job_id,
                    row.state,
                    row.reason or "",
                    row.finished_us,
                    row.started_us,
                    row.due_us,
                    1 if row.tick_count is None else row.tick_count,
                    row=row,
                )

    def _seen(self, row: Any) -> _Seen:
        if row.run_id in self._open:
            return self._open[row.run_id]
        if self._told.get(row.run_id) == (row.attempt, row.finished_us):
            return _Seen(row.attempt, row.attempt)
        # A new one, or one whose end was told already and which was tried again since.
        return _Seen(0) if row.run_id > self._last_id else _Seen(max(0, row.attempt - 2))


def _standing(row: Any) -> _Seen:
    return _Seen(row.attempt - 1) if row.finished_us is None else _Seen(row.attempt - 1, row.attempt)
