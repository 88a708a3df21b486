"""The heartbeat of this process, and the runs of processes whose heartbeat has stopped.

A process is declared dead when it is provably gone (same host, no such pid) or when its heartbeat has not
moved for a whole lease, as timed by the observer's own monotonic clock: two machines' wall clocks are never
compared (R10). On a server only those are observed whose heartbeat is old by its clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from everytick.errors import LedgerError, LedgerUnavailable
from everytick.model import ticks
from everytick.model.job import Job
from everytick.store import claims, disabled, joining, locking, pruning, queue, renaming, workers
from everytick.store.connections import Connection, Scope, in_transaction, is_on_server
from everytick.store.database import Ledger
from everytick.store.records import Claim, Identity, Registration, Room
from everytick.store.writer import Writer
from everytick.system import system
from everytick.text.durations import exact_seconds
from everytick.text.wording import counted
from loguru import logger

from .admission import BUSY, MISSED
from .claimers import Claimers
from .gap_counting import GapCounting
from .parts import Parts
from .registry import Registry

BEAT_SECONDS = 5.0
LEASE_SECONDS = workers.LEASE_SECONDS
_PRUNE_SECONDS = 60.0
# How often a process that runs all jobs looks whether one of them is disabled by others.
_SETTLE_SECONDS = 60.0
_PRUNE_PIECE = 500
# The log names no more runs that nobody can take; doctor has them all.
_MOST_ODD = 20
# How long it may take to join those who use the ledger, in seconds.
JOIN_SECONDS = 60.0


class Heartbeats:
    """The pulse of one process, called about once a second by the ledger's writer thread.

    `take` receives runs that were taken over; `room` tells how many could begin; `answers` whether the event
    loop does; `again` lets the pulse come once more after some seconds; `parts` does its parts; `missed`
    hears of ticks that waited beyond their grace time, each with its job.
    """

    def __init__(
        self,
        me: Identity,
        registry: Registry,
        history_days: float,
        take: Callable[[list[Claim]], None],
        room: Callable[[], Room],
        answers: Callable[[], bool],
        again: Callable[[float], None],
        parts: Parts,
        missed: Callable[[str, int], None],
    ) -> None:
        self.claimers = Claimers(me.process_id)
        self._claimers_mark: str | None = None
        self._me, self._take, self._room, self._answers, self._again = me, take, room, answers, again
        self._registry, self._jobs, self._parts = registry, registry.enabled, parts
        self._missed = missed
        self._counting = GapCounting(registry.jobs)
        self._history = int(history_days * ticks.DAY)
        # Heartbeats of others as last seen, and since when they are the same.
        self._watched: dict[str, tuple[int, float]] = {}
        # Those found at the start, with the last heartbeat of each; the same as long as none of them has sent
        # another one; and those of them that are not written down any more.
        self._found: dict[str, object] = {}
        self._doubtful: set[str] = set()
        self._vanished: set[str] = set()
        # The jobs that cannot run here, as the ledger was told last.
        self._reported: str | None = None
        self._start_number = 0
        self._has_joined = False
        # Jobs whose runs are left to others, and why.
        self._left: dict[str, str] = {}
        # Runs that nobody can take.
        self._odd: set[int] = set()
        self._last_beat = self._last_prune = system.monotonic()
        self._next_claimers = self._next_settling = 0.0
        # When the first of those is dead that are silent, if they stay so.
        self._reap_at = math.inf
        # The former id of each job that was renamed, as long as a part of its history is to be moved.
        self.moving: dict[str, str] = {}
        # Set while runs can be taken over: not before the start, not in a drain.
        self.taking = False
        # Whether more runs may wait than there was room for, and the jobs whose runs wait for another one.
        self.may_have_left = False
        self.at_limit: set[str] = set()
        # Whether the last look found any, or nobody looked.
        self.runs_wait = False

    def joined(self, registration: Registration) -> None:
        """Remember who was there at the start: if none of them moves again, this was a new start."""
        self._found, self._doubtful = registration.peers, set(registration.peers)
        self._start_number = registration.start_number
        self.moving |= registration.moving
        self._has_joined = True

    @property
    def sees_others(self) -> bool:
        """Whether there are other processes, as of the last heartbeat."""
        return bool(self._watched) or self.claimers.knows_others

    def may_free(self, job_id: str) -> bool:
        """Return whether others may wait for the end of a run of this job: of its own, or of its group."""
        if job_id in self.at_limit:
            return True
        job = self._jobs.get(job_id) if self._me.group_limits else None
        return job is not None and job.options.group in self._me.group_limits

    def pulse(self, connection: Connection, *, looks: bool = True) -> bool:
        """Beat, look after the others, prune, and count, when it is time; return whether it beat.

        looks: whether to take over waiting runs before that.
        """
        if not self._has_joined:
            # Do not beat before registering: we would find our own row, and take ourselves for a process that
            # was there already.
            return False
        now, do = system.monotonic(), self._parts.do
        if looks and self._me.role.runs:
            room = self._room() if self.taking else Room(0)
            do("the look for runs that wait", self._look_for_waiting, connection, room)
        # With a beat the others learn which jobs cannot run here; people who ask for a run look at that.
        is_news = self._registry.cannot_run() != self._reported
        beats = is_news or now >= min(self._last_beat + BEAT_SECONDS, self._reap_at)
        if beats:
            do("the heartbeat", self._show_life, connection)
            self._last_beat = now
        if now >= self._next_claimers and self._me.role.claims and is_on_server(connection):
            self._next_claimers = now + BEAT_SECONDS
            do("the look for others that claim", self._look_who_claims, connection)
        if now >= self._next_settling and self._me.role.claims and self.taking:
            self._next_settling = now + (BEAT_SECONDS if self._me.job_filter else _SETTLE_SECONDS)
            do("the look for disabled jobs", self._settle_disabled, connection)
        if now >= self._last_prune + _PRUNE_SECONDS:
            self._last_prune = now
            do("the look for single runs that are over", self._registry.forget_what_is_over, connection)
            do("the removal of old rows", self._prune_if_any, connection)
        if self.moving:
            do("the move of a history", self._move, connection)
        do("the counting of a gap", self._counting.go_on, connection)
        return beats

    def _look_for_waiting(self, connection: Connection, room: Room) -> None:
        # Where nobody looks there may be some by the time that a slot is free. And a run that ends while this
        # looks may have been in the way of another: then it looks once more.
        self.may_have_left = self.runs_wait = True
        if not room.is_any:
            return
        is_any, found = queue.is_any(connection, self._me), queue.Found()
        if is_any:
            self._in_transaction(
                connection, lambda inside: queue.take(inside, self._me, self._jobs, room, found)
            )
            self._tell_of(found.left)
            for job_id, tick in found.missed:
                logger.bind(job=job_id).warning(MISSED)
                self._missed(job_id, tick)
            self._tell_of_odd(found.odd)
        self.at_limit, self.runs_wait = found.at_limit, is_any
        self.may_have_left = is_any and not room.is_any
        if found.busy:
            self._again(BUSY / ticks.SECOND)

    def _tell_of(self, left: dict[str, str]) -> None:
        """Say once of each job that its runs wait for a process with other code, as in a rolling deploy."""
        for job_id, why in left.items():
            if self._left.get(job_id) != why:
                log = logger.bind(job=job_id)
                if setting := self._me.job_filter.why_disabled(job_id):
                    log.warning(
                        "job {}: its runs wait for a process that is set to run it ({})", job_id, setting
                    )
                elif problem := self._registry.problem_of(job_id):
                    log.warning("job {}: its runs wait, since it cannot run here: {}", job_id, problem)
                else:
                    log.warning(
                        "job {}: its runs wait for a process of another version, since the code here {}",
                        job_id,
                        why,
                    )
        self._left |= left

    def _tell_of_odd(self, odd: dict[int, str]) -> None:
        """Say once of each run that nobody can take it: in a ledger that somebody wrote to by hand."""
        for run_id, why in odd.items():
            if run_id not in self._odd and len(self._odd) < _MOST_ODD:
                self._odd.add(run_id)
                logger.error("run {} waits, and cannot be taken: {}; the others are", run_id, why)

    def _look_who_claims(self, connection: Connection) -> None:
        # Whether a suspect answers again, the mark does not tell.
        mark = None if self.claimers.suspects_any else self._claimers_mark
        self._claimers_mark, found = workers.claimers(connection, self._me, mark)
        if found is not None:
            self.claimers.learn(found)

    def _show_life(self, connection: Connection) -> None:
        """Beat; reap those that are dead."""
        dead: list[tuple[str, int, int]] = []
        if not self._show_life_alone(connection, dead):
            # After a power cut no process is alive, so a heartbeat need not reach the disk.
            self._in_transaction(connection, lambda inside: self._beat(inside, dead), durable=False)
        if dead or self._vanished:
            self._in_transaction(connection, lambda inside: self._reap_all(inside, dead), scope=Scope.RARE)
        if dead:
            # What those held is free, and what waits for it begins at once (R14).
            self._again(0.0)

    def _show_life_alone(self, connection: Connection, dead: list[tuple[str, int, int]]) -> bool:
        """Beat by a single statement, as a server allows; False if that does not do this time.

        A transaction of more statements would be most of what an idle process asks of its server.
        """
        if not is_on_server(connection) or self._reported is not None or self._registry.cannot_run():
            return False
        try:
            if not workers.beat_alone(connection, self._me, answers=self._answers()):
                return False
            self._find_silent(connection, dead)
        except BaseException:
            self._watched.clear()
            raise
        return True

    def _in_transaction(
        self,
        connection: Connection,
        action: Callable[[Connection], list[Claim]],
        *,
        durable: bool = True,
        scope: Scope = Scope.ROWS,
    ) -> None:
        doubtful = set(self._doubtful)

        def act(inside: Connection) -> list[Claim]:
            self._doubtful = set(doubtful)
            return action(inside)

        try:
            found = in_transaction(connection, act, durable=durable, scope=scope)
        except BaseException:
            # The transaction was undone, and so is what it changed here. And while we cannot write, the
            # others cannot beat either: a heartbeat that we missed proves nothing (R12).
            self._doubtful = doubtful
            self._reported = None
            self._watched.clear()
            raise
        if found:
            self._take(found)

    def _beat(self, connection: Connection, dead: list[tuple[str, int, int]]) -> list[Claim]:
        if not workers.beat(connection, self._me, self._start_number, answers=self._answers()):
            logger.warning("this process had been declared dead; what it ran then may have been run again")
        cannot_run = self._registry.cannot_run()
        workers.report(connection, self._me, cannot_run, self._reported)
        self._reported = cannot_run
        self._find_silent(connection, dead)
        return []

    def _find_silent(self, connection: Connection, dead: list[tuple[str, int, int]]) -> None:
        """Look after the others; those that it finds dead go into `dead`, with the last beat."""
        dead.clear()
        now = system.monotonic()
        if now - self._last_beat > LEASE_SECONDS - BEAT_SECONDS:
            # We have not looked for so long (stopped, ledger locked) that we know nothing of the others.
            self._watched.clear()
        rows = workers.silent(connection, self._me, self._silent_since(connection))
        for process_id, host, pid, beat, beat_us in rows:
            if self._is_dead(process_id, host, pid, beat, now):
                dead.append((process_id, beat, beat_us))
        shown = {row[0] for row in rows}
        self._vanished = self._doubtful - shown
        self._watched = {name: seen for name, seen in self._watched.items() if name in shown}
        if is_on_server(connection):
            since = (seen[1] for seen in self._watched.values())
            self._reap_at = min(since, default=math.inf) + LEASE_SECONDS

    def _silent_since(self, connection: Connection) -> int:
        # The server picks those that are silent by its clock, so that nobody reads the rows of all others.
        # To be silent is to be suspect, no more: after a step of that clock all are.
        if is_on_server(connection) and not self._doubtful:
            return ticks.now() - int(BEAT_SECONDS * ticks.SECOND)
        return ticks.FOREVER

    def _reap_all(self, connection: Connection, dead: list[tuple[str, int, int]]) -> list[Claim]:
        in_doubt = bool(self._doubtful)
        for one in dead:
            self._reap(connection, *one)
        if not (in_doubt and self._is_new_start(connection) and self._me.role.claims):
            return []
        # Others who found the same count to the same number, so that it has its startup runs once.
        number = self._start_number + 1
        return claims.claim_startup(connection, self._me, list(self._jobs.values()), number)

    def _is_new_start(self, connection: Connection) -> bool:
        """Return whether all that were there were dead already: then this was in truth a start (R3)."""
        for process_id in self._vanished:
            if not workers.had_died(connection, process_id, self._found.get(process_id)):
                # It has stopped in order, or shown a heartbeat: the schedule was up.
                self._doubtful.clear()
                return False
            self._doubtful.discard(process_id)
        return not self._doubtful

    def _is_dead(self, process_id: str, host: str, pid: int, beat: int, now: float) -> bool:
        if workers.is_provably_dead(self._me, process_id, host, pid):
            return True
        before = self._watched.get(process_id)
        if before is None or before[0] != beat:
            if before is not None and process_id in self._doubtful:
                # A heartbeat: the schedule was up when this process joined it.
                self._doubtful.clear()
            self._watched[process_id] = (beat, now)
            return False
        return now - before[1] >= LEASE_SECONDS

    def _reap(self, connection: Connection, process_id: str, beat: int, beat_us: int) -> None:
        lost = workers.reap(connection, process_id, beat, beat_us)
        self._watched.pop(process_id, None)
        if lost is not None:
            self._doubtful.discard(process_id)
            logger.warning("process {} died, lost with it: {}", str(process_id)[:8], counted(lost, "run"))

    def _settle_disabled(self, connection: Connection) -> None:
        """Let the ledger say which jobs no process is set to run, as processes come and go."""
        me, jobs = self._me, self._registry.jobs
        if not disabled.is_settled(connection, me, jobs):

            def settle(inside: Connection) -> list[Claim]:
                disabled.settle(inside, me, jobs)
                return []

            self._in_transaction(connection, settle, scope=Scope.RARE)

    def _move(self, connection: Connection) -> None:
        job_id, former = next(iter(self.moving.items()))
        left: dict[str, str] = {}

        def move(inside: Connection) -> list[Claim]:
            left[job_id] = former
            renaming.move_history(inside, job_id, left)
            return []

        self._in_transaction(connection, move, scope=Scope.RARE)
        if not left:
            self.moving.pop(job_id, None)

    def _prune_if_any(self, connection: Connection) -> None:
        if pruning.is_any(connection, ticks.now() - self._history):
            self._in_transaction(connection, self._prune)

    def _prune(self, connection: Connection) -> list[Claim]:
        if not locking.is_alone(connection):
            # Another process may be at it; there is time.
            return []
        if pruning.prune_runs(connection, ticks.now() - self._history, _PRUNE_PIECE) == _PRUNE_PIECE:
            # There is more: go on with the next pulse.
            self._last_prune = 0.0
        return []


def join(
    writer: Writer, ledger: Ledger, me: Identity, declared: Sequence[Job], patience: float, *, is_whole: bool
) -> Registration:
    """Enter a process into the ledger, with the jobs that its code declares. Blocks.

    `patience`: for how many seconds a ledger that another program holds is waited for.

    Raises:
        LedgerError: that took too long.
        LedgerUnavailable: the ledger was held for longer than that.
    """
    give_up = system.monotonic() + patience
    while True:
        registering = writer.submit(
            lambda connection: joining.register(
                connection, me, declared, ledger.application, is_whole=is_whole
            ),
            scope=Scope.RARE,
        )
        try:
            found: Registration = registering.result(JOIN_SECONDS)
        except TimeoutError:
            raise LedgerError(
                ledger.unusable(f"to join took longer than {exact_seconds(JOIN_SECONDS)}")
            ) from None
        except LedgerUnavailable:
            if system.monotonic() >= give_up:
                raise
        else:
            return found
