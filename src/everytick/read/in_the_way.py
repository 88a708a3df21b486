"""The runs that held a place of their job at an instant, so that a tick was skipped as overlap; and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from everytick.store.querying import Condition, Reader

from . import runs_of_job
from .retried import attempts_before

# How many runs before a skipped tick are looked at for the one that was in its way.
_NEARBY = 100
# How many times a list looks for them.
_MOST_LOOKED_FOR = 100
# The most rows of skipped ticks that are looked at behind a run.
_MOST_BEHIND = 10_000


@dataclass(frozen=True)
class Hold:
    """A run that held a place of its job at an instant; microseconds since 1970 UTC.

    begun, ended: of the attempt that held it; `begun` is None if that had not begun by then, `ended` if it is
    not over. reserved: since when a process had it, None if it waited for one.
    """

    row: Any
    begun: int | None
    ended: int | None
    reserved: int | None = None

    def lasted_at(self, instant: int) -> bool:
        """Whether it had begun by an instant, and was not over."""
        return self.begun is not None and self.begun <= instant <= (self.ended or instant)


def in_the_way(connection: Reader, job_id: str, instant: int, tick: int, but: int) -> list[Hold]:
    """Return the runs that held a place of a job at an instant, near a tick; run `but` is left out."""
    near = runs_of_job.nearby(connection, job_id, tick, _NEARBY)
    # A tick that was skipped before it was claimed or queued has no attempt, and held no slot.
    others = [row for row in near if row.run_id != but and (row.state != "skipped" or row.attempt)]
    # Those of a backfill have places of their own.
    others = [row for row in others if row.kind != "backfill"]
    held = [hold for row in others if (hold := _hold(connection, row, instant)) is not None]
    return held or [hold for row in others if (hold := _waiting(row, instant)) is not None]


def runs_in_the_way(connection: Reader, row: Any) -> list[Hold]:
    """Return the runs because of which a tick was skipped as overlap; of any other row none."""
    if row.state != "skipped" or row.reason != "overlap" or row.tick_us is None:
        return []
    return in_the_way(connection, row.job_id, row.finished_us, row.tick_us, row.run_id)


def runs_in_the_way_of(connection: Reader, rows: Iterable[Any]) -> dict[int, list[int]]:
    """Return, by the numbers of those rows of a list that `runs_in_the_way` is about, the numbers it returns.

    Mostly many ticks in a row were skipped behind one run, which is looked for once. Of a list with very many
    such runs the last rows are left out.
    """
    found: dict[int, list[int]] = {}
    before: dict[str, list[Hold]] = {}
    looked = 0
    for row in rows:
        if row.state != "skipped" or row.reason != "overlap" or row.tick_us is None:
            continue
        holds = before.get(row.job_id, [])
        if not holds or not all(hold.lasted_at(row.finished_us) for hold in holds):
            if looked == _MOST_LOOKED_FOR:
                break
            looked += 1
            holds = before[row.job_id] = runs_in_the_way(connection, row)
        if holds:
            found[row.run_id] = [hold.row.run_id for hold in holds]
    return found


def ticks_behind(connection: Reader, row: Any) -> int:
    """Return how many ticks of its job were skipped as overlap while a run went on."""
    attempts = attempts_before(connection, [row]).get(row.run_id, [])
    begun = [one.started_us for one in attempts] + [row.started_us]
    known = [instant for instant in begun if instant is not None]
    if not known or row.state == "skipped" or row.kind == "backfill":
        return 0
    those = Condition("reason = 'overlap' AND tick_us >= :begun", {"begun": min(known)})
    if row.tick_us is not None:
        those &= Condition("tick_us > :tick", {"tick": row.tick_us})
    if row.finished_us is not None:
        those &= Condition("tick_us <= :ended", {"ended": row.finished_us})
    walk = runs_of_job.with_tick(row.job_id).and_only(those)
    found = walk.rows(connection, "COALESCE(tick_count, 1) AS number", _MOST_BEHIND)
    return sum(one.number for one in found)


def _hold(connection: Reader, row: Any, instant: int) -> Hold | None:
    """Return how a run held a place at an instant: by an earlier attempt, or by its latest."""
    earlier = attempts_before(connection, [row]).get(row.run_id, []) if row.attempt > 1 else []
    for attempt in earlier:
        began, ended = attempt.started_us, attempt.finished_us
        if began is not None and began <= instant and (ended is None or instant <= ended):
            return Hold(row, began, ended)
    return _held_by_latest(row, instant)


def _held_by_latest(row: Any, instant: int) -> Hold | None:
    """Return how the latest attempt of a run held a place at an instant: since it was reserved, or begun."""
    if row.state in ("queued", "retrying") or row.claimed_us is None:
        return None
    # A run that is claimed for a further attempt still has the beginning of the one before.
    began = None if row.state == "claimed" else row.started_us
    # A run that is reserved early, for its jitter, blocks no other run until it is due.
    since = max(row.claimed_us, row.due_us)
    if began is not None:
        since = min(since, began)
    if instant < since or (row.finished_us is not None and instant > row.finished_us):
        return None
    # A run that was given up held its slot until then, and not at the instant itself.
    if row.state == "skipped" and instant == row.finished_us:
        return None
    has_begun = began is not None and began <= instant
    return Hold(row, began if has_begun else None, row.finished_us, row.claimed_us)


def _waiting(row: Any, instant: int) -> Hold | None:
    """Return a run of a tick that waited in the queue for its first attempt at an instant."""
    if row.kind != "scheduled" or row.attempt != 1 or row.due_us > instant:
        return None
    if row.finished_us is not None and row.finished_us <= instant:
        return None
    return Hold(row, None, row.finished_us)
