"""The queue: runs that a process has to take: queued, given back, due for a retry, or cut off.

Each function is called inside of a transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.misfire import AHEAD

from . import claims, limits, locking, pauses, requests, workers
from . import statements as sql
from .connections import Connection, Statement, together
from .records import TOO_MANY, Claim, Identity, JobState, Room

_PAGE = 500
# Of a page, at least as many runs are looked at together, and their jobs locked.
_LEAST = 50


class _Run(NamedTuple):
    run_id: int
    job_id: str
    kind: str
    tick: int | None
    attempt: int
    crashes: int
    due: int
    # When it was claimed before, with others that are to run one after another; None if it is alone.
    together: int | None

    def why_odd(self, by: int) -> str | None:
        """Return why nobody can take it, though it waits; None if that is not so.

        A file takes anything in any column, and a server any number. by: until when it is due.
        """
        if tuple(map(type, self)) not in _SOUND:
            wrong = zip(self._fields, self, _KINDS, strict=True)
            name = next(name for name, value, kinds in wrong if type(value) not in kinds)
            return f"its {name} is of no kind that it may be"
        if not 0 <= self.attempt < TOO_MANY:
            return f"its attempt is {self.attempt}"
        if not 0 <= self.crashes < TOO_MANY:
            return f"its crashes is {self.crashes}"
        return None if 0 <= self.due <= by else f"its due is {self.due}"


_NUMBER, _TEXT, _NUMBER_OR_NONE = (int,), (str,), (int, type(None))
# Of the fields of a run, in their order.
_KINDS = (_NUMBER, _TEXT, _TEXT, _NUMBER_OR_NONE, _NUMBER, _NUMBER, _NUMBER, _NUMBER_OR_NONE)
# All that the types of its fields may be together: each run that waits is looked at, each second.
_SOUND = frozenset(product(*_KINDS))


@dataclass
class Found:
    """Jobs whose runs wait, and were not taken.

    left: to others, and why. at_limit: for one of their own to end. busy: another process changes them.
    missed: ticks that waited for that, or for a place in their group, beyond their grace time, which was
    recorded; each with its job.
    odd: single runs that nobody can take, and why.
    """

    left: dict[str, str] = field(default_factory=dict)
    at_limit: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    missed: list[tuple[str, int]] = field(default_factory=list)
    odd: dict[Any, str] = field(default_factory=dict)


def is_any(connection: Connection, me: Identity) -> bool:
    """Return whether there is a run that this process might take."""
    return connection.execute(sql.FIND_WAITING, _wanted(me)).fetchone() is not None


class News(NamedTuple):
    """What there may be for one process.

    waiting: a run that it might take. next_due: when the next is due that waits for its instant. to_cancel: a
    run of its own. serial: the last of the jobs that were added. next_backfill: when a backfill may make its
    next run.
    """

    waiting: bool
    next_due: int | None
    to_cancel: bool
    serial: int
    next_backfill: int | None


def news(connection: Connection, me: Identity) -> News:
    """Return all that a process looks for, by one statement."""
    values = {**_wanted(me), "process_id": me.process_id}
    return News(*connection.execute(sql.LOOK, values).fetchone())


def take(
    connection: Connection,
    me: Identity,
    jobs: Mapping[str, Job],
    room: Room,
    found: Found | None = None,
) -> list[Claim]:
    """Take as many runs that wait as there is `room` for, which is used up; those first that were due first.

    Only those of known jobs whose definition is in force, within their `max_instances`, and of queues that
    this process serves. What was not taken goes into `found`.
    """
    shown, cut_off, page = together(
        connection, workers.showing_life(me), (sql.LIST_CUT, _wanted(me)), _page_after(None, me)
    )
    workers.ensure(connection, me, shown)
    taker = _Taker(me, jobs, room, Found() if found is None else found)
    taker.keep_cut_off(cut_off)
    while page and taker.room.is_any:
        following = _page_after(page, me)
        taker.take(connection, page, is_last=following is None)
        [page] = together(connection, following)
    taker.take(connection, [], is_last=True)
    taker.take_followers(connection)
    return taker.taken


class _Taker:
    """Takes what may be taken, page by page."""

    def __init__(self, me: Identity, jobs: Mapping[str, Job], room: Room, found: Found) -> None:
        self.room = room
        self.taken: list[Claim] = []
        self._me, self._jobs, self._found = me, jobs, found
        self._now = ticks.now()
        self._states: dict[str, JobState] = {}
        self._held: Counter[str] = Counter()
        self._looked: set[str] = set()
        # By the names of the groups how many slots their runs hold; without those that others look at.
        self._in_groups: Counter[str] = Counter()
        self._groups_looked: set[str] = set()
        # Runs that waited for too long, each with when it was due, and what for.
        self._late: list[tuple[int, int, str]] = []
        # By job the newest tick that is to replace a run, and its own run.
        self._replacing: dict[str, tuple[int, int]] = {}
        # Of runs that were claimed together the instant at which the first of them was taken, and its tick.
        self._first: dict[tuple[str, int], tuple[int, int]] = {}
        # Runs that were cut off and not looked at yet, in the order in which they were due.
        self._cut_off: list[_Run] = []
        # The numbers of all that were.
        self._cut: set[int] = set()

    def keep_cut_off(self, rows: Iterable[Sequence[Any]]) -> None:
        """Keep those that were cut off, to be taken between those that wait: they begin another attempt."""
        # One that was cut off was due when it began: the clock may have been set back since.
        self._cut_off = self._sound(rows, self._now + ticks.DAY)
        self._cut = {run.run_id for run in self._cut_off}

    def take(self, connection: Connection, rows: Iterable[Sequence[Any]], *, is_last: bool) -> None:
        """Take runs of a page, and those that were cut off and were due before its end; or all that are left.

        is_last: whether no page is behind this one.
        """
        page = self._sound(rows, self._now + ticks.DAY)
        if is_last:
            cut_off, self._cut_off = self._cut_off, []
        else:
            number = bisect_right(self._cut_off, max(map(_place, page), default=(0, 0)), key=_place)
            cut_off, self._cut_off = self._cut_off[:number], self._cut_off[number:]
        page = sorted([*cut_off, *page], key=_place)
        while page and self.room.is_any:
            number = max(_LEAST, self.room.number)
            self._take_some(connection, page[:number])
            page = page[number:]

    def _sound(self, rows: Iterable[Sequence[Any]], by: int) -> list[_Run]:
        """Return the runs that can be taken, if they are due by an instant."""
        found = list(map(_Run._make, rows))
        odd = {run.run_id: why for run in found if (why := run.why_odd(by))}
        self._found.odd |= odd
        return [run for run in found if run.run_id not in odd] if odd else found

    def _take_some(self, connection: Connection, page: list[_Run]) -> None:
        self._look(connection, {run.job_id for run in page})
        rows: list[tuple[Any, ...]] = []
        claimed: dict[int, Claim] = {}
        for run in page:
            if not self.room.is_any:
                break
            job = self._jobs.get(run.job_id)
            if (run.job_id, run.together) in self._first:
                continue
            if not self._may_be_taken(connection, run) or job is None:
                continue
            # Each at an instant of its own: runs that are claimed at the same instant run one after another.
            instant = self._now + len(self.taken) + len(rows)
            if run.together is not None and run.tick is not None:
                self._first[run.job_id, run.together] = (instant, run.tick)
            if run.run_id in self._cut:
                self._take_cut(connection, run, job, instant)
                continue
            begins = claims.may_begin(job, run.due, self._now) and self.room.enter(job)
            if not begins:
                self.room.reserve()
            claimed[run.run_id] = Claim(*run[:4], run.due, instant, run.attempt, run.crashes, started=begins)
            begun = max(self._now, run.due) if begins else None
            state = "running" if begins else "claimed"
            rows.append((run.run_id, run.attempt, run.due, state, instant, begun))
            self._count(run, job)
        self._take_these(connection, claimed, rows)
        self._found.missed += limits.skip_late(connection, self._late, self._now)
        limits.make_way(connection, self._me, self._replacing, self._now)
        self._late.clear()
        self._replacing.clear()

    def take_followers(self, connection: Connection) -> None:
        """Take those that run in the slot of one that was taken: they need no other place."""
        found = self._sound(sql.LIST_FOLLOWERS.execute(connection, list(self._first)), ticks.FOREVER)
        claimed: dict[int, Claim] = {}
        for run in found:
            assert run.together is not None
            instant, first = self._first[run.job_id, run.together]
            if run.tick is None or run.tick <= first:
                continue
            claimed[run.run_id] = Claim(*run[:4], run.due, instant, run.attempt, run.crashes)
        rows = [
            (claim.run_id, claim.attempt, claim.due, "claimed", claim.claimed, None)
            for claim in claimed.values()
        ]
        self._take_these(connection, claimed, rows)

    def _take_these(
        self, connection: Connection, claimed: dict[int, Claim], rows: list[tuple[Any, ...]]
    ) -> None:
        values = {"process_id": self._me.process_id}
        taken = {run_id for (run_id,) in sql.TAKE_WAITING.execute(connection, rows, **values)}
        self._found.busy |= {claim.job_id for run_id, claim in claimed.items() if run_id not in taken}
        self.taken += [claim for run_id, claim in claimed.items() if run_id in taken]

    def _look(self, connection: Connection, job_ids: set[str]) -> None:
        """Learn what the ledger knows of jobs that were not looked at yet."""
        unknown = sorted(job_ids - self._looked)
        by = dict.fromkeys(unknown, self._now)
        self._looked |= job_ids
        locked, rows, counted = together(
            connection,
            locking.locking_jobs(connection, unknown),
            pauses.reading(connection, unknown),
            limits.count_held(connection, by),
        )
        states = pauses.states(rows)
        busy = locking.held_by_others(connection, states, locked)
        self._found.busy |= busy
        self._states |= {job_id: state for job_id, state in states.items() if job_id not in busy}
        for job_id, of_job in limits.added_up(counted, by).items():
            self._held[job_id] += of_job.held
        options = (job.options for job in map(self._jobs.get, unknown) if job is not None)
        groups = {it.group for it in options if it.group is not None} & self._me.group_limits.keys()
        groups -= self._groups_looked
        if groups:
            self._groups_looked |= groups
            self._in_groups.update(limits.look_at_groups(connection, groups))

    def _may_be_taken(self, connection: Connection, run: _Run) -> bool:
        job, state = self._jobs.get(run.job_id), self._states.get(run.job_id)
        if state is None or run.run_id in self.room.under_way:
            return False
        if state.removed is not None:
            # Given back, or failed, in a process of an older version that still knew the job.
            requests.cancel_waiting(connection, [run.job_id], self._now)
            return False
        # A run that a person asked for begins in a pause too.
        if run.kind != "manual" and state.is_paused(self._now):
            return False
        if job is None or state.definition != job.definition:
            why = "does not have it" if job is None else "has another schedule for it"
            self._found.left[run.job_id] = why
            return False
        # How many runs of a backfill there are at once was decided when they were made.
        is_at_limit = run.kind != "backfill" and self._held[run.job_id] >= job.options.max_instances
        if not is_at_limit and self._has_place_in_group(job):
            return True
        if is_at_limit:
            self._found.at_limit.add(run.job_id)
        is_first_attempt = run.attempt == 1 and run.run_id not in self._cut
        if run.kind == "scheduled" and is_first_attempt and run.tick is not None:
            if job.too_late(run.due, self._now):
                what = "an earlier run" if is_at_limit else f"a place in the group {job.options.group}"
                self._late.append((run.run_id, run.due, f"it waited for {what}"))
            elif is_at_limit and job.options.overlap == "replace":
                self._replacing[run.job_id] = run.tick, run.run_id
        return False

    def _has_place_in_group(self, job: Job) -> bool:
        group = job.options.group
        if group is None or group not in self._me.group_limits:
            return True
        if group not in self._in_groups:
            self._found.busy.add(job.id)
            return False
        return self._in_groups[group] < self._me.group_limits[group]

    def _count(self, run: _Run, job: Job) -> None:
        if run.kind != "backfill":
            self._held[job.id] += 1
        if job.options.group is not None and job.options.group in self._in_groups:
            self._in_groups[job.options.group] += 1

    def _take_cut(self, connection: Connection, run: _Run, job: Job, instant: int) -> None:
        if not locking.lock_runs(connection, [run.run_id]):
            self._found.busy.add(run.job_id)
            return
        values = {
            "run_id": run.run_id,
            "attempt": run.attempt,
            "process_id": self._me.process_id,
            "now": instant,
        }
        connection.execute(sql.ARCHIVE_CUT, values)
        if connection.execute(sql.TAKE_CUT, values).rowcount == 1:
            held = Claim(*run[:4], run.due, instant, run.attempt + 1, run.crashes + 1)
            self.taken.append(held)
            self._count(run, job)
            self.room.reserve()


def _place(run: _Run) -> tuple[int, int]:
    """Return by what runs that wait are put in order."""
    return run.due, run.run_id


def _page_after(page: Sequence[Sequence[Any]] | None, me: Identity) -> Statement | None:
    """Return the statement that lists the runs behind a page, or the first ones; None behind the last."""
    last = _Run(-1, "", "", None, 0, 0, -1, None)
    if page is not None:
        if len(page) < _PAGE:
            return None
        last = _Run._make(page[-1])
    values = {**_wanted(me), "after_due": last.due, "after_run": last.run_id, "page": _PAGE}
    return sql.LIST_WAITING, values


def _wanted(me: Identity) -> dict[str, Any]:
    """A moment before they are due, as with a claim: then the commit is over when they are."""
    now, queues = ticks.now(), me.role.queues
    return {"now": now, "by": now + AHEAD, "queues": f",{','.join(queues)}," if queues else ""}
