"""Ticks that did not run, and why."""

from __future__ import annotations

from typing import Any

from everytick.model.job_filter import DISABLED, ENABLED
from everytick.model.roles import DEFAULT_QUEUE
from everytick.read.in_the_way import Hold
from everytick.read.outages import Outage
from everytick.text.durations import duration
from everytick.text.instants import at, when

from .account import Account


def describe_skipped(account: Account, row: Any) -> None:
    """Explain a row of one tick, or of several, that did not run."""
    _SKIPPED.get(row.reason, _skipped)(account, row)


def _missed(account: Account, row: Any) -> None:
    facts = account.facts
    grace = grace_time(account)
    decided = at(row.finished_us, facts.zone)
    if row.claimed_us is not None:
        account.say(
            f"it was missed: it was reserved at {at(row.claimed_us, facts.zone)}, but could not start within"
            f" its grace time of {grace}, and was given up at {decided}"
        )
        account.say(why_no_slot(row))
        return
    late = duration(row.finished_us - row.due_us)
    if row.attempt:
        # A row of a tick that was never to run has no attempt.
        waited = row.error or "it waited for the runs before it"
        account.say(f"it was missed: {waited}, and its grace time of {grace} was over at {decided}")
        _in_the_way(account, row)
        return
    account.say(
        f"it was missed: it was looked at only at {decided}, {late} after it was due, and its grace time is"
        f" {grace}"
    )
    if facts.wrote_between(row.due_us, row.finished_us - 1):
        account.say("a scheduler was up then: its event loop was blocked, or the ledger did not answer")
    else:
        _silence(account, row)


def why_no_slot(row: Any) -> str:
    """Return why a run found no place in a process."""
    if row.claimed_us is None:
        return "no worker took it until then"
    return (
        "all slots of its process were busy until then (its SCHEDULER_MAX_WORKERS), or the ledger did not"
        " answer, or the clock was set forward"
    )


def _coalesced(account: Account, row: Any) -> None:
    facts = account.facts
    if row.tick_us is None:
        account.say("it waited for its start, and the run of a newer start took its place")
        return
    if row.attempt:
        # A row of a tick that was never to run has no attempt.
        mode = facts.options.overlap if facts.options is not None else "skip"
        why = "since no process had a free slot for it" if mode == "skip" else f"with overlap={mode!r}"
        if facts.row.group_name is not None:
            why += f", or its group {facts.row.group_name} no place"
        account.say(
            f"it was coalesced: it waited, {why}, until a newer tick took its place at"
            f" {at(row.finished_us, facts.zone)}"
        )
    elif (outage := facts.outage_of(row)) is not None:
        account.say(
            f"it was coalesced: {_down(account, outage)}; when one came back a newer tick ran instead of it"
        )
    else:
        account.say(
            "it was coalesced: when the missed ticks were looked at, at"
            f" {at(row.finished_us, facts.zone)}, it was"
            " within its grace time, but a newer tick ran instead"
        )
    newer = facts.newest_until(row.finished_us)
    if newer is not None and newer.tick_us > row.tick_us and newer.state != "skipped":
        account.rest_on(newer)
        account.say(f"that is run {newer.run_id} for {when(newer.tick_us, facts.zone)} ({newer.state})")
    if facts.options is not None and facts.options.coalesce:
        account.say("with coalesce=False up to max_catch_up missed ticks would be made up for")


def _outage(account: Account, row: Any) -> None:
    facts = account.facts
    recorded = at(row.finished_us, facts.zone)
    outage = facts.outage_of(row)
    if outage is None:
        account.say(f"it fell into an outage: nothing was up to run it; it was recorded at {recorded}")
        _silence(account, row)
    else:
        back = "when a scheduler came back" if row.finished_us >= outage.end else "by a request about the job"
        account.say(
            f"it fell into an outage: {_down(account, outage)}; it was recorded at {recorded}, {back}"
        )
    late, grace = row.finished_us - (row.last_tick_us or row.due_us), facts.row.grace_us
    if grace is None or late <= grace:
        account.say(
            "the job was changed, paused or removed before anything was up to run it: then nothing is made"
            " up for"
        )
    else:
        which = "the last of them" if row.last_tick_us is not None else "it"
        account.say(f"by then {which} was {duration(late)} late, and its grace time is {grace_time(account)}")


def _down(account: Account, outage: Outage) -> str:
    zone, early = account.facts.zone, ""
    if outage.first is not None and outage.begins_earlier:
        early = f" (of ticks that nobody claimed the first was due at {at(outage.first, zone)})"
    return f"no scheduler was up from {at(outage.start, zone)} to {at(outage.end, zone)}{early}"


def _silence(account: Account, row: Any) -> None:
    """Say from when to when nothing was up, as far as the ledger shows it."""
    facts = account.facts
    last = facts.last_outcome(row.tick_us)
    begin = (
        "nothing in the ledger shows a scheduler before"
        if last is None
        else (f"the last outcome before it was written at {at(last, facts.zone)}")
    )
    account.say(f"{begin}; nothing shows a scheduler from then until {at(row.finished_us, facts.zone)}")


def _overlap(account: Account, row: Any) -> None:
    facts = account.facts
    most = facts.options.max_instances if facts.options else None
    limit = "the number that max_instances allows" if most is None else f"max_instances={most}"
    account.say(
        f"it overlapped: at {at(row.finished_us, facts.zone)} an earlier run was not over yet, and {limit}"
        " was reached"
    )
    _in_the_way(account, row)


def _in_the_way(account: Account, row: Any) -> None:
    """Say which runs held the places of the job when the row was written."""
    facts = account.facts
    for hold in facts.in_the_way(row.finished_us, row.tick_us, row.run_id):
        account.rest_on(hold.row)
        which = f"in its way was run {hold.row.run_id} ({kind_of(account, hold.row)})"
        account.say(f"{which}, which {_had_begun(account, hold)}")


def _had_begun(account: Account, hold: Hold) -> str:
    """Return how a run went that was in the way of another one."""
    facts, zone = account.facts, account.facts.zone
    if hold.begun is not None:
        began = f"began at {at(hold.begun, zone)}"
        if hold.ended is None:
            return f"{began} and has not ended: it went on"
        return f"{began} and ended at {at(hold.ended, zone)}: it took {duration(hold.ended - hold.begun)}"
    row = hold.row
    waits = "waits" if row.state in ("claimed", "queued") else "waited"
    if hold.reserved is not None:
        sentence = f"had not begun yet: reserved at {at(hold.reserved, zone)}, it {waits} for a free slot"
        sentence += " of its process"
    else:
        queue = facts.row.queue or DEFAULT_QUEUE
        sentence = f"had not begun yet: it {waits} for a worker that serves its queue, {queue}"
    if waits == "waited" and row.started_us is not None:
        sentence += f"; it began at {at(row.started_us, zone)}"
    if row.finished_us is not None:
        sentence += f" and ended at {at(row.finished_us, zone)}" if row.started_us else "; it never began"
    return sentence


def _paused(account: Account, row: Any) -> None:
    facts = account.facts
    account.say("the job was paused")
    by = account.who("pause", until=row.tick_us)
    if by is not None:
        account.say(f"it was paused{by}")
    else:
        account.say("it is not recorded who paused it: the code may have, or the audit trail was pruned")
    resumed = facts.asked("resume", until=row.finished_us)
    if resumed is not None and resumed.at_us > (row.last_tick_us or row.tick_us):
        account.who("resume", until=row.finished_us)
        account.say(f"it was resumed by {resumed.who} at {at(resumed.at_us, facts.zone)}")
    account.say("ticks during a pause are recorded at its end, and never run later")


def _disabled(account: Account, _row: Any) -> None:
    account.say(f"the job was disabled: no process that was up was set to run it ({DISABLED}, {ENABLED})")
    account.say("such ticks are recorded when the job is enabled again, and never run later")


def _skipped(account: Account, row: Any) -> None:
    """Say as much of a reason that this version does not know."""
    account.say(f"it was skipped: {row.reason}")


_SKIPPED = {
    "missed": _missed,
    "coalesced": _coalesced,
    "outage": _outage,
    "overlap": _overlap,
    "paused": _paused,
    "disabled": _disabled,
}


def kind_of(account: Account, row: Any) -> str:
    """Return which kind of run a row is, for a place in parentheses."""
    if row.kind == "scheduled":
        return f"for {when(row.tick_us, account.facts.zone)}"
    return {"manual": "by hand", "backfill": f"of backfill {row.backfill_id}"}.get(row.kind, "of a start")


def grace_time(account: Account) -> str:
    """Return how late a run of the job may start."""
    grace = account.facts.row.grace_us
    return "without limit" if grace is None else duration(grace)
