"""A tick whose run did not succeed needs a cause: an option of its job, or an injected fault (R4 to R8)."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter

from torture import deploys, places
from torture.faults import CLOCK, DEADLY, ENDING, PARTED, Harm, name
from torture.history import History, Request, Row, Start, Violation
from torture.jobs import SECOND, JobSpec
from torture.pauses import AHEAD, ENTERING, paused_between, spells

_MOST_CRASHES = 3
_LATE = ("missed", "outage", "coalesced")
# The neighbourhood of a tick, in seconds, in which there must be something that excuses its being late.
_BEFORE, _AFTER = 12, 3
# How late a decision about a tick may be while some process is well: about one that is given up, and about
# one that runs, whose first owner may have died (then a heartbeat and a sweep lie between).
_GIVEN_UP, _TAKEN = 3 * SECOND, 10 * SECOND
# How late a run may be entered while some process is well and has no more than so many runs under way: longer
# than from one look of a process for runs that wait to the next.
_ENTERED, _MOST_BUSY = int(2.5 * SECOND), 4
# On a server the second process looks for ticks that the first one let pass, those behind it only so often.
# While several are dead whose leases have not ended, that adds to the time.
_SWEEP, _LEASE = 5 * SECOND, 15 * SECOND


def repeated(history: History, harm: Harm) -> Iterator[Violation]:
    """R6: another start of a run only after harm to the process of the earlier one, or a failure."""
    by_tick: dict[tuple[str, int], list[Start]] = defaultdict(list)
    for start in sorted(history.starts, key=lambda start: (start.attempt, start.at)):
        # A run of a backfill stands in for a tick, and is another one.
        by_tick[start.job, start.tick if start.kind == "scheduled" else start.run].append(start)
    for (job, _), starts in by_tick.items():
        spec = history.specs.get(job)
        if spec is None:
            yield Violation(f"{job}: nobody declared it, but it ran", job)
            continue
        tick, numbers = starts[0].tick, [start.attempt for start in starts]
        if len(numbers) != len(set(numbers)):
            sentence = f"tick {tick} began attempt {max(numbers, key=numbers.count)} twice"
            yield Violation(f"{job}: {sentence}", job, tick)
        by_hand = history.asked_of("retry", starts[0].run)
        if len(starts) > 1 + len(by_hand) and not spec.reruns:
            yield Violation(
                f"{job}: tick {tick} began {len(starts)} times, though on_crash is skip", job, tick
            )
        if len(starts) > 1 + _MOST_CRASHES + spec.retries + len(by_hand):
            yield Violation(f"{job}: tick {tick} began {len(starts)} times", job, tick)
        for earlier, later in pairwise(starts):
            planned = (spec.retries and earlier.attempt % 3) or _asked_for(by_hand, later)
            if not planned and not harm.harmed(earlier, later.at):
                sentence = f"tick {tick} began again in {later.pid} though nobody harmed {earlier.pid}"
                yield Violation(f"{job}: {sentence}", job, tick, earlier.pid)


def _asked_for(by_hand: list[Request], start: Start) -> bool:
    """Return whether a person asked for this attempt: by its number, where that was told."""
    return any(it.begin <= start.at and it.attempt in (0, start.attempt) for it in by_hand)


def ends(history: History, harm: Harm) -> Iterator[Violation]:
    """Each attempt ended as its body does, or its process was harmed in a way that explains the end."""
    starts = {(start.run, start.attempt): start for start in history.starts}
    jobs = {row["run_id"]: row for row in history.runs}
    for attempt in [*history.runs, *history.attempts]:
        row = jobs[attempt["run_id"]]
        spec = history.specs.get(row["job_id"])
        start = starts.get((attempt["run_id"], attempt["attempt"]))
        by_hand = history.asked_of("cancel", row["run_id"])
        due = row["tick_us"] or row["due_us"]
        # It is claimed a moment ahead, and its job may be removed before it is due.
        since = min(due, row["claimed_us"] or due)
        wanted = (
            bool(by_hand)
            or _made_way(spec, row, attempt, start, history)
            or _was_removed(spec, since, attempt["finished_us"], history)
        )
        end = spec.end_of(row["kind"], row["tick_us"]) if spec else ""
        if spec is not None and spec.ends != end:
            spec = replace(spec, ends=end)
        sentence = spec and _wrong_end(spec, attempt, start, harm, wanted=wanted)
        if sentence:
            what = f"{name(row)} attempt {attempt['attempt']} {sentence}"
            yield Violation(what, row["job_id"], row["tick_us"], start.pid if start else 0)


def _made_way(spec: JobSpec | None, row: Row, attempt: Row, start: Start | None, history: History) -> bool:
    """Return whether an attempt was asked to end for a later tick of its job, or may have been."""
    if "kind" in attempt and row.get("replaced_by_us") is not None:
        return True
    ended = attempt["finished_us"]
    if spec is None or spec.overlap != "replace" or ended is None:
        return False
    # Where a person had it tried again since, its row does not tell any more for which tick it was. But there
    # must have been one.
    again = any(
        it.attempt > attempt["attempt"] or not it.attempt for it in history.asked_of("retry", row["run_id"])
    )
    since = row["tick_us"] or attempt["started_us"] or 0
    later = [other["tick_us"] for other in history.rows_of(spec.id) if (other["tick_us"] or 0) > since]
    # The clock may have been set back after that tick was due, and before the run had ended.
    at = start.end if start and start.end else max(history.clock.instants(ended), default=0)
    return again and any(min(history.clock.instants(tick), default=at + 1) <= at for tick in later)


def _was_removed(spec: JobSpec | None, due: int, ended: int | None, history: History) -> bool:
    """Return whether the job of an attempt was removed between two instants from the ledger."""
    if spec is None or ended is None or not deploys.may_be_removed(history, spec):
        return False
    begins, ends = (history.clock.instants(shown) for shown in (due, ended))
    return deploys.is_removed_between(history, spec, min(begins, default=0), max(ends, default=0))


def _wrong_end(spec: JobSpec, attempt: Row, start: Start | None, harm: Harm, *, wanted: bool) -> str:
    state, number = attempt["state"], attempt["attempt"]
    if state == "lost" and not _harmed(attempt, start, harm, (*DEADLY, *ENDING, *PARTED)):
        return "is recorded as lost, though nobody harmed its process"
    if state == "lost" and start is not None and not _may_be_lost(attempt, start, harm):
        return "is recorded as lost, though its process was only asked to stop"
    if state == "interrupted" and not _harmed(attempt, start, harm, ENDING):
        return "is recorded as interrupted, though nobody asked its process to stop"
    if state == "cancelled" and not wanted:
        return "is recorded as cancelled, but nothing cancels it"
    if state == "failed" and not (spec.retries and number % 3):
        return "is recorded as failed, but it did not"
    if state == "failed" and "kind" in attempt and number <= spec.retries + 1 and not wanted:
        return "is recorded as failed, but it was not tried again"
    if state == "timed_out" and spec.ends != "timed_out":
        return "is recorded as timed_out, but it has no time limit"
    if state == "succeeded" and spec.retries and number % 3:
        return "is recorded as succeeded, but it failed"
    if state == "succeeded" and spec.ends == "timed_out" and start is not None:
        # With a loop that was blocked or frozen, the time limit may be looked at after the end.
        begin, end = start.at - SECOND, (start.end or start.at) + SECOND
        return "" if harm.anything(begin, end) else "is recorded as succeeded beyond its time limit"
    return ""


def _may_be_lost(attempt: Row, start: Start, harm: Harm) -> bool:
    """Return whether nobody could know how an attempt ended: a process that stops in order writes it down."""
    return _harmed(attempt, start, harm, (*DEADLY, *PARTED)) or harm.left_unrecorded(start.pid)


def _harmed(attempt: Row, start: Start | None, harm: Harm, kinds: tuple[str, ...]) -> bool:
    """Return whether this harm was done to the process of an attempt, as long as it lasted."""
    # One that was not entered was claimed, and recorded as started, a moment before it was due. The clock may
    # have been set back then, and the next process may have begun long after.
    known = (attempt["started_us"], attempt.get("claimed_us"))
    claimed = [at - AHEAD for shown in known if shown is not None for at in harm.instants(shown)]
    for ended in harm.instants(attempt["finished_us"]):
        begin = min([ended - 60 * SECOND, *claimed]) if start is None else harm.started(start)
        if harm.near(begin, ended + SECOND, kinds, None if start is None else start.pid):
            return True
    return False


def given_up(history: History, harm: Harm) -> Iterator[Violation]:
    """R6: a run that was cut off begins again, as long as it may."""
    owners = {(start.run, start.attempt): start.pid for start in history.starts}
    ends = {life.pid: life.end for life in history.lives}
    for row in history.runs:
        spec = history.specs.get(row["job_id"])
        if row["state"] not in ("lost", "interrupted") or row["tick_us"] is None or spec is None:
            continue
        if not spec.reruns or row["attempt"] > _MOST_CRASHES:
            continue
        asked = row.get("replaced_by_us") is not None or history.asked_of("cancel", row["run_id"])
        if row.get("cancel_us") is not None and asked:
            # It was asked to end, by a person or for the next tick of its job, and its process ended first.
            continue
        if harm.long_without_heartbeats(row["finished_us"]):
            continue
        cut = max(harm.instants(row["finished_us"]), default=0)
        # The grace counts from the owner's last heartbeat, a lease ago at most.
        last = min(row["finished_us"] - 20 * SECOND + spec.grace, history.until)
        if (died := ends.get(owners.get((row["run_id"], row["attempt"]), 0))) is not None:
            # It may have been found much later, where nobody was up.
            last = min(last, history.clock.shows(died) + spec.grace)
        elif row["started_us"] is not None:
            # It was not entered, so that it is not known who held it.
            last = min(last, row["started_us"] + spec.grace)
        end = min(harm.instants(last), default=0)
        if deploys.is_removed_at(history, spec, cut) or deploys.is_removed_between(history, spec, cut, end):
            continue
        # While other runs have all places of its job it waits, also those of processes that died meanwhile.
        held = places.all_held_by_others(history, harm, row, spec.max_instances)
        well = harm.well_between(cut, end, _TAKEN, but=held, job=spec.id)
        if well and not paused_between(history, spec, cut, end):
            sentence = f"was left {row['state']} though it might have begun again"
            yield Violation(f"{name(row)} {sentence}", spec.id, row["tick_us"])


def skips(history: History, harm: Harm) -> Iterator[Violation]:
    """R5: a tick is skipped only for a reason that is true of it, and only when something went wrong."""
    for row in history.runs:
        spec = history.specs.get(row["job_id"])
        if row["state"] == "skipped" and spec is not None:
            sentence = _wrong_skip(spec, row, history, harm)
            if sentence:
                yield Violation(f"{name(row)} {sentence}", row["job_id"], row["tick_us"])


def _wrong_skip(spec: JobSpec, row: Row, history: History, harm: Harm) -> str:
    reason, last = row["reason"], row["last_tick_us"] or row["tick_us"]
    if reason in ("overlap", "paused", "disabled"):
        # Each has a rule of its own.
        return ""
    if reason not in _LATE or (last is None and reason != "coalesced"):
        return f"was skipped for the reason {reason!r}"
    if last is None:
        return ""
    if row["attempt"] and reason == "coalesced" and spec.overlap == "wait":
        return "was skipped (coalesced) though each tick of its job waits"
    if row["attempt"] and reason == "coalesced" and spec.overlap != "skip":
        # The newest one waits, whatever happens.
        following = spec.next_tick(last)
        is_young = following is not None and row["finished_us"] < following - SECOND
        return "was skipped (coalesced) though nothing newer took its place" if is_young else ""
    if (spec.steps or spec.leaves) and reason == "outage":
        # A redeploy began it anew: what the former version left is not made up for.
        return ""
    decided, second_look = row["finished_us"], harm.around(row["finished_us"], 2, 2, CLOCK)
    fell_into_a_pause = reason == "outage" and (
        _paused_before_anyone_could(spec, last, history, harm)
        or _disabled_before_anyone_could(spec, row, history, harm)
    )
    early = reason != "coalesced" and decided <= last + spec.grace
    if early and not second_look and not fell_into_a_pause:
        return f"was skipped ({reason}) within its grace"
    newer = last
    for _ in range(spec.catch_up):
        newer = min(it.next_tick(newer) or newer for it in deploys.in_code_by(history, spec, decided))
    # A run is claimed a moment before it is due.
    if reason == "coalesced" and decided < newer - AHEAD and not second_look:
        return "was skipped (coalesced) though nothing newer took its place"
    if reason == "coalesced" and spec.group:
        # While runs of other jobs have the places of its group, the newest tick of a job takes the place.
        return ""
    instants = [*harm.instants(last), *harm.instants(decided)]
    begin, end = min(instants) - _BEFORE * SECOND, max(instants) + _AFTER * SECOND
    if harm.anything(begin, end) or harm.to_all(begin, end):
        return ""
    if harm.nobody_was_up(min(instants), max(instants)):
        # The command of a person who resumes its job decided about it.
        return ""
    return f"was skipped ({reason}) though nothing had happened"


def _paused_before_anyone_could(spec: JobSpec, tick: int, history: History, harm: Harm) -> bool:
    """Return whether a pause came before a process was well for long enough to claim a tick."""
    begins = [a.end for a, _ in spells(history.commands) if a.job == spec.id]
    return any(
        at <= begin + AHEAD and not harm.well_between(at, begin, _TAKEN, job=spec.id)
        for at in harm.instants(tick)
        for begin in begins
    )


def _disabled_before_anyone_could(spec: JobSpec, row: Row, history: History, harm: Harm) -> bool:
    """Return whether no process that is set to run a job was well for long enough until a tick was."""
    last, decided = row["last_tick_us"] or row["tick_us"], min(harm.instants(row["finished_us"]), default=0)
    return any(spec.id in life.disabled for life in history.lives) and any(
        not harm.well_between(at, decided, _TAKEN, job=spec.id) for at in harm.instants(last)
    )


def caught_up(history: History, harm: Harm) -> Iterator[Violation]:
    """R5: of several missed ticks only as many run as the job asks for."""
    together: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in history.runs:
        if row["claimed_us"] is not None and row["job_id"] in history.specs:
            together[row["job_id"], row["claimed_us"]].append(row)
    for (job, _), rows in together.items():
        spec = history.specs[job]
        if len(rows) > max(spec.catch_up, spec.max_instances):
            yield Violation(f"{name(rows[0])} was claimed together with {len(rows) - 1} others", job)


def late(history: History, harm: Harm) -> Iterator[Violation]:
    """R4, R12: while a process is well, ticks are decided about when they are due."""
    ran = _ran(history)
    on_server = any(life.role == "scheduler" for life in history.lives)
    for row in history.runs:
        spec = history.specs.get(row["job_id"])
        gone = row["claimed_us"] is None and row["reason"] in _LATE
        if spec is None or row["tick_us"] is None or row["attempt"] > 1:
            continue
        if row["attempt"] and (spec.overlap != "skip" or spec.group):
            # It waited for another run.
            continue
        if not gone and row["claimed_us"] is None:
            continue
        bound = _GIVEN_UP if gone else _TAKEN
        due = row["tick_us"] if gone else row["due_us"]
        decided = row["finished_us"] if gone else row["claimed_us"]
        # Where the clock was set, an instant that the ledger names may stand for several.
        first = min(harm.instants(decided), default=0)
        if spec.max_instances == 1:
            # The runs of earlier ticks begin before it (R14): until the last of them has ended it waits, also
            # behind one that a frozen process holds.
            due = _last_end(ran[spec.id], row["tick_us"], due, decided)
        held = None
        for shown in harm.instants(due):
            # One that was asked for while the clock was back was not there when it showed this time before.
            at = max(shown, history.there_since(spec.id, first))
            # The process that claimed it may not be the first one, if a fault hit the first in between: also
            # before it was due, if it has a jitter, or if the clock was set back since.
            reserved = min([at - AHEAD, *harm.instants(row["tick_us"] - AHEAD)])
            taken_over = not gone and harm.near(reserved, first, (*DEADLY, *ENDING, *PARTED))
            if taken_over or paused_between(history, spec, at, first):
                continue
            # Of a job that a redeploy changed, only the processes with the newer code decide (R8).
            if spec.changes and harm.near(at - 15 * SECOND, first, (*DEADLY, *ENDING, *PARTED)):
                continue
            swept = gone and on_server and harm.near(at - _LEASE, first, (*DEADLY, *PARTED))
            length = bound + _SWEEP * swept
            if at + length >= first:
                continue
            held = _held(history, harm, spec, row) if held is None else held
            if well := harm.well_between(at, first, length, due, but=held, job=spec.id):
                seconds = (decided - due) / SECOND
                sentence = f"was decided about {seconds:.1f} s late, though {well.pid} was well"
                yield Violation(f"{name(row)} {sentence}", row["job_id"], row["tick_us"], well.pid)


def _held(history: History, harm: Harm, spec: JobSpec, row: Row) -> list[tuple[int, int]]:
    """Return when a tick waited since others held all places of its job.

    Where there is one place, and each run ends, it is enough to know when the earlier ones ended, and when
    one was held that its process never entered; but not for a tick that was given up while it waited, before.
    """
    waited = row["attempt"] and row["claimed_us"] is None
    if spec.max_instances == 1 and spec.body != "endless" and not waited:
        return places.held_by_the_dead(history, harm, row)
    return places.all_held_by_others(history, harm, row, spec.max_instances)


def entered_late(history: History, harm: Harm) -> Iterator[Violation]:
    """R4, R14: a run that is due is entered soon, if not in the process that claimed it then in another."""
    rows = {row["run_id"]: row for row in history.runs}
    ran = _ran(history)
    for start in history.starts:
        spec, row = history.specs.get(start.job), rows.get(start.run)
        if spec is None or row is None or row["tick_us"] is None or start.attempt > 1:
            continue
        if spec.overlap != "skip" or spec.group or spec.changes or row["attempt"] > 1:
            # It waits for another run, or not each process decides about it.
            continue
        # The runs of earlier ticks begin before it (R14).
        shown = history.clock.shows(start.at)
        for due in harm.instants(_last_end(ran[spec.id], row["tick_us"], row["due_us"], shown)):
            at = max(due, history.there_since(spec.id, start.at))
            reserved = min([at - AHEAD, *harm.instants(row["tick_us"] - AHEAD)])
            if at + _ENTERED >= start.at or harm.near(reserved, start.at, (*DEADLY, *ENDING, *PARTED)):
                continue
            held = _held(history, harm, spec, row)
            well = harm.well_between(
                at, start.at, _ENTERED, row["due_us"], busy=_MOST_BUSY, but=held, job=spec.id
            )
            if well and not paused_between(history, spec, at, start.at):
                sentence = f"was entered {(start.at - at) / SECOND:.1f} s late, though {well.pid} was well"
                yield Violation(f"{name(row)} {sentence}", row["job_id"], row["tick_us"], well.pid)


def _ran(history: History) -> dict[str, list[tuple[int, int]]]:
    """Return by job when each attempt ended, or was given up, of ticks that a process held; and these.

    A startup run counts as the tick of when it was due.
    """
    ended = defaultdict(list)
    for attempt in history.attempts:
        ended[attempt["run_id"]].append(attempt["finished_us"])
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in history.runs:
        if row["kind"] != "backfill" and row["claimed_us"] is not None:
            tick = row["due_us"] if row["tick_us"] is None else row["tick_us"]
            ends = [*ended[row["run_id"]], row["finished_us"]]
            found[row["job_id"]] += [(end, tick) for end in ends if end is not None]
    for ran in found.values():
        ran.sort()
    return found


def _last_end(ran: list[tuple[int, int]], tick: int, begin: int, end: int) -> int:
    """Return when an attempt of an earlier tick ended last between two instants; the first if none did."""
    among = ran[bisect_right(ran, begin, key=itemgetter(0)) : bisect_right(ran, end, key=itemgetter(0))]
    return max((ended for ended, other in among if other < tick), default=begin)


def beyond_grace(history: History, harm: Harm) -> Iterator[Violation]:
    """R5: no first attempt begins later than its grace allows, looked at when it begins."""
    due = {row["run_id"]: row["due_us"] for row in history.runs if not row["crashes"]}
    for start in history.starts:
        spec = history.specs.get(start.job)
        if spec is None or start.attempt > 1 or start.kind != "scheduled" or start.run not in due:
            continue
        late = history.clock.shows(start.at) - (start.tick + spec.jitter) - spec.grace
        before = start.at - 3 * SECOND
        if late > ENTERING and not harm.disturbed(start.pid, before, start.at):
            sentence = f"tick {start.tick} began {late / SECOND:.1f} s after its grace had passed"
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)
