"""One job over a span: its ticks, and the runs that they lead to, on a simulated clock.

The engine decides in three places, and the simulation follows each:

- after an outage: `model.misfire.decide`, the very function
- whether a run may still begin: `Job.due` and `Job.too_late`, the very functions
- at a tick while the schedule is up, and for each run that waits: the run begins unless `max_instances` runs
  hold a lease (R7); then `overlap` decides what becomes of it. The engine counts them in the ledger, by SQL
  (`store.limits`); here the runs are kept in memory, as a ledger for a year of seconds would take hours.
  `test_simulate_agrees.py` holds the two together, by a real schedule on a fast clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import count

from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.misfire import AHEAD, decide
from everytick.store.workers import MOST_CRASHES

from .results import JobResult, OutageCost
from .slots import Kind, Run, Slot
from .timeline import Timeline

_REPORT_EVERY = 8_192


class OneJob:
    """Simulates one job; `result` is filled by `simulate`."""

    def __init__(self, job: Job, timeline: Timeline, result: JobResult) -> None:
        self.result = result
        self.job = self._job = job
        self._timeline = timeline
        self._duration, self._most = result.duration, job.options.max_instances
        self._has_jitter = bool(job.schedule.jitter)
        self._waits = job.options.overlap != "skip"
        self._walked: Callable[[int], None] = lambda _number: None
        # The events to come: (when, kind, order, slot).
        self._events: list[tuple[int, Kind, int, Slot | None]] = []
        self._order = count()
        self._slots: dict[Slot, None] = {}
        # Slots of more than one run, which are held also between two of them.
        self._chains: list[Slot] = []
        self._busy = 0
        self._irregular = 0
        # Runs that were given back, or cut off, and wait for a free slot.
        self._given_back: list[Run] = []
        # Up to where its ticks are accounted for.
        self._seen = 0

    @staticmethod
    def must_walk(job: Job, timeline: Timeline, duration: int) -> bool:
        """Return whether the ticks must be looked at one by one, since their runs could overlap."""
        if job.schedule.jitter:
            return True
        gap = timeline.shortest_gap
        return bool(duration) and gap is not None and duration > gap * job.options.max_instances

    @property
    def to_be_walked(self) -> int:
        """How many of its ticks must be looked at one by one."""
        must = self.must_walk(self._job, self._timeline, self._duration)
        return self._timeline.total if must else 0

    def watched_by(self, walked: Callable[[int], None]) -> None:
        """Tell `walked` now and then how many more ticks were looked at."""
        self._walked = walked

    def simulate(self, begin: int, end: int, outages: Sequence[tuple[int, int]]) -> None:
        """Go from `begin` to `end`, with these outages: in order, apart from each other, within the span."""
        self.start(begin, end)
        self._jumps = not self.must_walk(self._job, self._timeline, self._duration)
        self._look(begin)
        for down, up in outages:
            self._live(self._seen, down)
            self.go_down(down, up)
            self._look(self.come_up())
        self._live(self._seen, end)
        self._settle()

    # --- up ---

    def _live(self, after: int, until: int) -> None:
        """Go through the ticks in (after, until)."""
        if self._jumps:
            after = self._until_regular(after, until - 1)
            # Runs that may still be under way at the end are looked at one by one.
            jump = until - 1 - self._duration
            if jump > after:
                self._jump(after, jump)
                after = jump
        for number, tick in enumerate(self._timeline.ticks(after, until - 1), 1):
            self._tick(tick)
            if number % _REPORT_EVERY == 0:
                self._walked(_REPORT_EVERY)

    def _until_regular(self, after: int, until: int) -> int:
        """Go on until nothing is left of a start; return how far that is."""
        for tick in self._timeline.ticks(after, until):
            self._advance(tick)
            if not self._irregular and not self._given_back:
                return tick - 1
            self._tick(tick)
        return until

    def _jump(self, after: int, until: int) -> None:
        """Let all ticks in (after, until] run, none of which can meet another."""
        for part in self._timeline.between(after, until):
            longest_from = part.base + part.longest_after
            self.result.note_starts(part.first, part.last, len(part.values), part.longest, longest_from)

    def _tick(self, tick: int) -> None:
        self._advance(tick)
        due = self._job.due(tick) if self._has_jitter else tick
        if due > tick:
            self._enter(Slot([Run(tick, due)], regular=True), due)
        elif (is_full := self._is_full(tick)) and not self._waits:
            self.result.note_skip("overlap", None)
        elif is_full or self._given_back:
            self._go_behind(Run(tick, due), tick)
        else:
            self._proceed(self._enter(Slot([Run(tick, due)], regular=True)), tick)
        if self._given_back:
            self._take_given_back(tick)

    # --- down, and up again ---

    def start(self, begin: int, end: int) -> None:
        """Start for the first time at `begin`; all goes on until `end`."""
        self._end, self._seen = end, begin - 1
        self._claim_startup(begin)

    def go_down(self, down: int, up: int) -> None:
        """Nothing is up any more, at once and until `up`: what ran is cut off, what waited is given back."""
        cost = OutageCost(down, up)
        self.result.outages.append(cost)
        self._advance(cost.begin, going_down=True)
        for slot in self._slots:
            if slot.running is not None:
                self._cut(slot.running, cost)
            for run in slot.waiting:
                if run.missed_in is None and run.tick is not None:
                    run.missed_in = cost
                    cost.due += 1
                self._given_back.append(run)
        self._slots.clear()
        self._chains.clear()
        self._events.clear()
        self._occupy(-self._busy)
        self._irregular = 0
        # Startup runs of that start are superseded by those of the next start.
        self._given_back = [run for run in self._given_back if run.tick is not None]

    def _cut(self, run: Run, cost: OutageCost) -> None:
        if run.tick is None:
            return
        cost.cut += 1
        grace = self._job.options.grace
        if self._job.options.on_crash == "rerun" and run.attempt <= MOST_CRASHES:
            run.rerun_until = ticks.FOREVER if grace is None else cost.begin + grace
            run.cut_by = cost
            self._given_back.append(run)
        else:
            self.result.note_loss(run.missed_in)

    def come_up(self) -> int:
        """Decide about what was missed; return when that is."""
        cost = self.result.outages[-1]
        self._seen = seen = cost.begin - 1
        # The span's end is not part of it.
        now = min(cost.end, self._end - 1)
        cost.due += self._timeline.count(seen, cost.end - 1)
        startup = self._claim_startup(now)
        decision = decide(self._job, seen, now, "outage")
        if decision is not None:
            for skip in decision.skip:
                number = skip.count
                if number is None:
                    number = self._timeline.count(skip.first - 1, skip.last)
                self.result.skipped[skip.reason] += number
                cost.skipped[skip.reason] += number
            cost.asked = len(decision.run)
            self._claim_missed(decision.run, now, cost)
            self._seen = decision.upto
        if startup is not None and startup.waiting and startup.waiting[0].due <= now:
            self._proceed(startup, now)
        return now

    def _claim_startup(self, now: int) -> Slot | None:
        delay = self._job.startup_delay
        if delay is None:
            return None
        slot = Slot([Run(None, now + delay)])
        self._chains.append(slot)
        return self._enter(slot, now + delay)

    def _claim_missed(self, missed: Sequence[int], now: int, cost: OutageCost) -> None:
        if not missed:
            return
        runs = self._missed_runs(missed, cost)
        is_due, is_full = runs[0].due <= now + AHEAD, self._is_full(now)
        if is_due and is_full and not self._waits:
            for run in runs:
                self.result.note_skip("overlap", run.missed_in)
            return
        if is_due and (is_full or any(run.waits_at(now) for run in self._given_back)):
            for run in runs:
                self._go_behind(run, now)
            return
        slot = self._enter(Slot(runs))
        self._chains.append(slot)
        self._proceed(slot, now)

    def _missed_runs(self, missed: Sequence[int], cost: OutageCost) -> list[Run]:
        # A tick at the very end of an outage is in time.
        return [Run(tick, self._job.due(tick), cost if tick < cost.end else None) for tick in missed]

    def _look(self, now: int) -> None:
        """Begin the runs that were given back, now or when they are due."""
        for run in self._given_back:
            if run.due > now:
                self._push(run.due, Kind.LOOK, None)
        self._take_given_back(now)

    # --- runs ---

    def _enter(self, slot: Slot, due: int | None = None) -> Slot:
        self._slots[slot] = None
        self._irregular += not slot.regular
        if due is not None:
            self._push(due, Kind.DUE, slot)
        return slot

    def _proceed(self, slot: Slot, now: int) -> None:
        """Let the next run of a slot begin, if it is due and may."""
        while slot.waiting and slot.running is None:
            run = slot.waiting[0]
            if run.due > now:
                self._push(run.due, Kind.DUE, slot)
                return
            slot.waiting.popleft()
            if run.is_first_of_tick and self._job.too_late(run.due, now):
                self.result.note_skip("missed", run.missed_in)
            elif self._is_full(now, slot, run.due):
                if not run.is_first_of_tick:
                    self._given_back.append(run)
                elif self._waits:
                    self._let_wait(run, now)
                else:
                    self.result.note_skip("overlap", run.missed_in)
            else:
                self._start(slot, run, now)
        if not slot.waiting and slot.running is None and slot in self._slots:
            self._drop(slot)

    def _drop(self, slot: Slot) -> None:
        del self._slots[slot]
        self._irregular -= not slot.regular
        if slot in self._chains:
            self._chains.remove(slot)

    def _start(self, slot: Slot, run: Run, now: int) -> None:
        self.result.note_start(now)
        if run.is_first_of_tick:
            self.result.note_lateness(now - run.due)
        if run.cut_by is not None:
            run.cut_by.begun_again += 1
            run.cut_by = None
        if run.missed_in is not None:
            run.missed_in.caught_up_at = now
        if not self._duration:
            self._end_well(run)
            return
        self._occupy(1)
        self.result.most_at_once = max(self.result.most_at_once, self._busy)
        slot.running = run
        self._push(now + self._duration, Kind.END, slot)

    def _occupy(self, number: int) -> None:
        """Take places for runs that begin, or give them back."""
        self._busy += number

    def _end_well(self, run: Run) -> None:
        if run.tick is None:
            self.result.at_starts += 1
            return
        self.result.ran += 1
        if run.missed_in is not None:
            run.missed_in.caught_up += 1

    def _is_full(self, now: int, slot: Slot | None = None, due: int | None = None) -> bool:
        """Return whether as many runs are under way as may be, beside those of `slot`.

        A run that waits counts too, if it was due before `due` (or at all).
        """
        if not self._chains:
            return self._busy >= self._most
        by = now if due is None else due - 1
        held = sum(other is not slot and other.is_held(by) for other in self._chains)
        return self._busy + held >= self._most

    def _go_behind(self, run: Run, now: int) -> None:
        """Let a tick wait behind the runs that wait already: the oldest begins first."""
        if self._waits:
            self._let_wait(run, now)
        else:
            self._given_back.append(run)

    def _let_wait(self, run: Run, now: int) -> None:
        """Let a tick wait for the runs before it, as the job's `overlap` has it."""
        self._given_back.append(run)
        waiting = [it for it in self._given_back if it.is_first_of_tick and it.rerun_until is None]
        for older in sorted(waiting, key=lambda it: it.due)[: -self._job.most_waiting]:
            self._given_back.remove(older)
            self.result.note_skip("coalesced", older.missed_in)
        # A plain function goes on although it is asked to end.
        if self._job.options.overlap == "replace" and self._job.is_coroutine_function and self._is_full(now):
            self._end_oldest()

    def _end_oldest(self) -> None:
        running = [(slot.running.due, slot) for slot in self._slots if slot.running is not None]
        for _due, slot in sorted(running, key=lambda it: it[0])[:1]:
            for run in filter(None, (slot.running, *slot.waiting)):
                if run.tick is None:
                    self.result.at_starts += 1
                else:
                    self.result.note_replaced(run.missed_in)
            self._occupy(-1)
            self._drop(slot)
            slot.running = None
            slot.waiting.clear()

    def _take_given_back(self, now: int) -> None:
        """Begin the runs that were given back where there is room, the earliest due first."""
        if not self._given_back:
            return
        waiting, self._given_back = sorted(self._given_back, key=lambda run: run.due), []
        for run in waiting:
            self.begin_or_wait(run, now)

    def begin_or_wait(self, run: Run, now: int) -> None:
        """Begin a run that waits if there is room; else let it wait on."""
        if run.rerun_until is not None and run.rerun_until < now:
            self.result.note_loss(run.missed_in)
        elif run.due > now or self._is_full(now):
            self._given_back.append(run)
        else:
            if run.rerun_until is not None:
                run.attempt, run.rerun_until = run.attempt + 1, None
            self._proceed(self._enter(Slot([run])), now)

    # --- time ---

    def _push(self, when: int, kind: Kind, slot: Slot | None) -> None:
        heapq.heappush(self._events, (when, kind, next(self._order), slot))

    def _advance(self, now: int, *, going_down: bool = False) -> None:
        """Let everything happen up to `now`. At the instant of going down runs end, and none begins."""
        while self._events and self._events[0][0] <= now:
            when, kind = self._events[0][:2]
            if going_down and when == now and kind is not Kind.END:
                return
            self._happen(ends_only=going_down and when == now)
            if when < now and (not self._events or self._events[0][0] > when):
                self._take_given_back(when)

    def _happen(self, *, ends_only: bool = False) -> None:
        """Let the next event happen; `ends_only`: nothing begins after it."""
        when, kind, _order, slot = heapq.heappop(self._events)
        if slot is not None:
            if kind is Kind.END:
                self._run_ended(slot)
            if not ends_only:
                self._proceed(slot, when)

    def _run_ended(self, slot: Slot) -> None:
        if slot.running is not None:
            self._occupy(-1)
            self._end_well(slot.running)
            slot.running = None

    def _settle(self) -> None:
        """Let everything that was begun, or waits, come to its end."""
        self._advance(self._end)
        self._take_given_back(self._end)
        while self._events:
            when = self._events[0][0]
            self._advance(when)
            self._take_given_back(when)
        self.close()

    def close(self) -> None:
        """Account for what waits when nothing happens any more."""
        for run in self._given_back:
            self.result.note_loss(run.missed_in)
        self.result.note_gap(self._end)
