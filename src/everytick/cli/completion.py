"""What the shell completes: ids of jobs, numbers of runs, and the words that options take.

A completion that fails must not write into the line that is being typed: it has no answer then.

The shell may evaluate what it is answered (zsh does), and what it puts on the line runs at the Enter that
follows. People who add jobs choose their ids, and rows are data: so only words of characters that mean
nothing to a shell are offered. Any other id has to be typed, in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
Answers = list[tuple[str, str]]

# More are not read by anybody.
_MOST_RUNS = 50

# Letters and digits of any language. At the beginning `-` is an option, and to zsh `=` a program's path.
_HARMLESS = re.compile(r"\w[\w.:@/+,=-]*")
_NOT_FOR_A_HELP_TEXT = re.compile(r"[^\w.:@/+,= -]")


def job_ids(incomplete: str) -> list[str]:
    """Return the ids of jobs that begin so."""
    from everytick.ledger import open_ledger
    from everytick.read.job_ids import known_job_ids

    return _or_nothing(lambda: _beginning(incomplete, known_job_ids(open_ledger())))


def runs_or_jobs(incomplete: str) -> Answers:
    """Return the newest runs whose numbers begin so, and the ids of jobs."""
    return _runs(incomplete) + [(job_id, "a job") for job_id in job_ids(incomplete)]


def runs(incomplete: str) -> Answers:
    """Return the newest runs whose numbers begin so."""
    return _runs(incomplete)


def ended_runs(incomplete: str) -> Answers:
    """Return the newest runs that can be tried again."""
    from everytick.store.requests import ENDED

    return _runs(incomplete, ENDED)


def runs_under_way_or_jobs(incomplete: str) -> Answers:
    """Return the runs that can be cancelled, and the ids of jobs."""
    from everytick.read.run_filter import UNDER_WAY

    return _runs(incomplete, UNDER_WAY) + [(job_id, "a job") for job_id in job_ids(incomplete)]


def _runs(incomplete: str, states: Sequence[str] = ()) -> Answers:
    from everytick.ledger import open_ledger
    from everytick.read.run_filter import RunFilter
    from everytick.read.runs import run_rows

    if incomplete and not incomplete.isdigit():
        return []
    rows = _or_nothing(lambda: run_rows(open_ledger(), _MOST_RUNS, RunFilter(states=tuple(states))))
    return _numbered(incomplete, [(row["run_id"], f"{row['job_id']}, {row['state']}") for row in rows])


def backfills_that_go_on(incomplete: str) -> Answers:
    """Return the backfills that can be stopped."""
    return _backfills(incomplete, "running")


def stopped_backfills(incomplete: str) -> Answers:
    """Return the backfills that can be continued."""
    return _backfills(incomplete, "stopped")


def _backfills(incomplete: str, state: str) -> Answers:
    from everytick.ledger import open_ledger
    from everytick.read.backfills import backfill_rows

    rows = _or_nothing(lambda: backfill_rows(open_ledger(), _MOST_RUNS))
    found = [(row["backfill_id"], row["job_id"]) for row in rows if row["state"] == state]
    return _numbered(incomplete, found)


def states(incomplete: str) -> list[str]:
    """Return the states of runs that begin so."""
    from everytick.read.run_filter import STATES

    return _beginning(incomplete, STATES)


def states_under_way(incomplete: str) -> list[str]:
    """Return those of them in which a run can be cancelled."""
    from everytick.read.run_filter import UNDER_WAY

    return _beginning(incomplete, UNDER_WAY)


def reasons(incomplete: str) -> list[str]:
    """Return the reasons for which ticks are skipped that begin so."""
    from everytick.read.run_filter import REASONS

    return _beginning(incomplete, REASONS)


def orders(incomplete: str) -> list[str]:
    """Return the orders of jobs that begin so."""
    from everytick.read.standings import ORDERS

    return _beginning(incomplete, ORDERS)


def _numbered(incomplete: str, found: Iterable[tuple[int, str]]) -> Answers:
    """Return the numbers that begin so, each with a help text that means nothing to a shell."""
    texts = {str(number): _NOT_FOR_A_HELP_TEXT.sub("?", text) for number, text in found}
    return [(number, texts[number]) for number in _beginning(incomplete, texts)]


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete) and _HARMLESS.fullmatch(word)]


def _or_nothing(look_up: Callable[[], list[T]]) -> list[T]:
    try:
        return look_up()
    except Exception:
        return []
