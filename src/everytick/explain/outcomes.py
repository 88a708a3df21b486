"""Explains one row of the ledger: a run that ended, or a tick that was skipped."""

from __future__ import annotations

from typing import Any

from everytick.model import ticks
from everytick.read.in_the_way import ticks_behind
from everytick.read.last_runs import succeeded_before
from everytick.read.run_columns import took
from everytick.read.run_filter import FAILING
from everytick.store.workers import MOST_CRASHES
from everytick.text.durations import duration
from everytick.text.instants import at, when
from everytick.text.wording import counted

from .account import Account
from .skipped import describe_skipped, grace_time
from .waiting import describe_waiting, progress

# A run that starts this much after its due instant is called late, and asked why.
_LATE = ticks.SECOND
_ENDED = {
    "succeeded": "It succeeded",
    "failed": "It failed",
    "timed_out": "It timed out",
    "cancelled": "It was cancelled",
    "interrupted": "It was interrupted by the stop of its process",
    "lost": "It was lost: its process died, which was found",
}


def describe(account: Account, row: Any, tick: int | None) -> None:
    """Explain a row; `tick` is the instant that was asked for, if any."""
    account.rest_on(row)
    account.verdict = row.reason if row.state == "skipped" else row.state
    if row.last_tick_us is not None:
        _range(account, row, tick)
    if row.state == "skipped":
        describe_skipped(account, row)
        return
    _origin(account, row)
    _attempts(account, row)
    if row.state in _ENDED:
        if row.started_us is not None:
            _start(account, row)
        _end(account, row)
    else:
        describe_waiting(account, row)
    _behind(account, row)
    if row.state in FAILING:
        _before_and_next(account, row)


def _range(account: Account, row: Any, tick: int | None) -> None:
    zone = account.facts.zone
    number = "a number of ticks not yet counted" if row.tick_count is None else f"{row.tick_count} ticks"
    span = f"from {when(row.tick_us, zone)} to {when(row.last_tick_us, zone)}"
    if tick is None or tick in (row.tick_us, row.last_tick_us):
        account.say(f"one row stands for {number} {span}, skipped together")
    else:
        account.say(f"the tick lies inside of a range: one row stands for {number} {span}")


def _origin(account: Account, row: Any) -> None:
    facts = account.facts
    if row.kind == "scheduled":
        account.say(f"run {row.run_id} is for the tick {when(row.tick_us, facts.zone)}")
    elif row.kind == "startup":
        account.say(f"run {row.run_id} belongs to start {row.start_number} of the schedule, and to no tick")
    elif row.kind == "backfill":
        tick = when(row.for_tick_us, facts.zone)
        account.say(
            f"run {row.run_id} was made by backfill {row.backfill_id}, to stand in for the tick {tick}"
        )
    else:
        stands = (
            ""
            if row.for_tick_us is None
            else f", to stand in for the tick {when(row.for_tick_us, facts.zone)}"
        )
        asked = account.who("run now", row.run_id) or ""
        account.say(f"run {row.run_id} was asked for by hand{stands}{asked}")
    if (by := account.who("retry", row.run_id)) is not None:
        account.say(f"one more attempt was asked for{by}")
    if row.replaced_by_us is not None:
        tick = when(row.replaced_by_us, facts.zone)
        asked = (
            f"it was asked to end at {at(row.cancel_us, facts.zone)}" if row.cancel_us else "it was to end"
        )
        account.say(f"{asked}, for the tick of {tick}: the job has overlap='replace'")
    elif row.cancel_us is not None:
        ended = account.who("cancel", row.run_id) or f" at {at(row.cancel_us, facts.zone)}"
        account.say(f"it was asked to end{ended}")


def _attempts(account: Account, row: Any) -> None:
    zone, told = account.facts.zone, None
    for earlier in account.facts.earlier_attempts(row.run_id):
        begun = f"began at {at(earlier.started_us, zone)} and " if earlier.started_us is not None else ""
        ended = f"at {at(earlier.finished_us, zone)}" if earlier.finished_us is not None else ""
        error = _error(earlier.error, told)
        told = earlier.error
        word = "was lost" if earlier.state == "lost" else earlier.state.replace("_", " ")
        word = f"was {word}" if earlier.state in ("cancelled", "interrupted") else word
        account.say(f"attempt {earlier.attempt} {begun}{word} {ended}{error}".replace(" :", ":"))


def _error(error: str | None, told: str | None) -> str:
    """Return the end of a sentence about an attempt; the same error as before is not repeated."""
    if not error:
        return ""
    return " with the same error" if error == told else f": {error}"


def _start(account: Account, row: Any) -> None:
    facts = account.facts
    process = facts.processes.get(row.process_id or "")
    where = f" in {process.name}" if process else ""
    which = f"attempt {row.attempt}" if row.attempt > 1 else "it"
    account.say(f"{which} began at {at(row.started_us, facts.zone)}{where}")
    if row.kind == "scheduled" and row.attempt == 1:
        _lateness(account, row)


def _lateness(account: Account, row: Any) -> None:
    """Say how late the first attempt began, and why."""
    facts = account.facts
    late = row.started_us - row.tick_us
    jitter = row.due_us - row.tick_us
    if late <= _LATE and not jitter:
        account.say(f"that is {duration(late)} after the tick")
        return
    reasons = [f"{duration(jitter)} of it is jitter"] if jitter > 0 else []
    claimed = row.due_us if row.claimed_us is None else max(row.claimed_us, row.due_us)
    if claimed - row.due_us > _LATE:
        reasons.append(_late_claim(account, row, claimed))
    if row.started_us - claimed > _LATE:
        reasons.append(
            f"from {at(claimed, facts.zone)} on it waited {duration(row.started_us - claimed)} for a free"
            " slot"
            " (its process's limit, SCHEDULER_MAX_WORKERS) or for a ledger that did not answer"
        )
    account.say(f"that is {duration(late)} after the tick" + (": " if reasons else "") + "; ".join(reasons))


def _late_claim(account: Account, row: Any, claimed: int) -> str:
    facts = account.facts
    process = facts.processes.get(row.process_id or "")
    since = f"it was claimed only at {at(claimed, facts.zone)}"
    if process is not None and process.started > row.due_us:
        return f"{since}: its process started at {at(process.started, facts.zone)}, and made up for it"
    if facts.wrote_between(row.due_us, claimed):
        return (
            f"{since}: a scheduler was up, but had given it back, was blocked, or the ledger did not answer"
        )
    return f"{since}: nothing shows a scheduler from the tick until then"


def _end(account: Account, row: Any) -> None:
    facts = account.facts
    length = took(row)
    after = "" if length is None else f" after {duration(length)}"
    ended = "" if row.finished_us is None else f" at {at(row.finished_us, facts.zone)}"
    earlier = facts.earlier_attempts(row.run_id)
    error = ""
    if row.state not in ("lost", "interrupted"):
        error = _error(row.error, earlier[-1].error if earlier else None)
    account.say(f"{_ENDED[row.state]}{ended}{after}{error}")
    if row.state != "succeeded":
        progress(account, row)
    if row.state in ("lost", "interrupted"):
        _further(account, row)
    elif row.state in ("failed", "timed_out"):
        _retries(account, row)


def _behind(account: Account, row: Any) -> None:
    """Say how many ticks a run cost that were due while it went on."""
    if number := ticks_behind(account.facts.connection, row):
        account.say(
            f"{counted(number, 'tick')} of the job {'was' if number == 1 else 'were'} skipped because of it"
        )


def _before_and_next(account: Account, row: Any) -> None:
    """Say when the job last succeeded before a run that failed, and when it is due again."""
    facts = account.facts
    good = succeeded_before(facts.connection, row)
    if good is not None:
        account.say(
            f"the last run before it that succeeded is run {good.run_id}, which ended at"
            f" {at(good.finished_us, facts.zone)}"
        )
    if facts.known.next_tick is not None:
        account.say(f"the next tick is at {at(facts.known.next_tick, facts.zone)}")


def _further(account: Account, row: Any) -> None:
    """Say whether a run that was cut off begins again."""
    facts = account.facts
    until = row.rerun_until_us
    if until is not None and until >= facts.now:
        limit = "" if until >= ticks.FOREVER else f", until {at(until, facts.zone)}"
        up = "" if facts.up else f"; {facts.nobody_up}; the next start decides"
        account.say(f"it may begin its next attempt{limit}{up}")
    elif until is not None:
        account.say(
            f"nothing took it up again until its grace time was over, at {at(until, facts.zone)}"
            f" (grace time {grace_time(account)})"
        )
    elif facts.row.on_crash != "rerun":
        account.say('the job has on_crash="skip": what was cut off does not begin again')
    elif row.crashes >= MOST_CRASHES:
        account.say(
            f"it had begun again {row.crashes} times after a death of its process, and more often it does not"
        )


def _retries(account: Account, row: Any) -> None:
    options = account.facts.options
    if options is None:
        return
    if options.retries == 0:
        account.say("the job has retries=0: it is not tried again")
    else:
        account.say(f"the job has retries={options.retries}: {_why_no_retry(account, row, options.retries)}")


def _why_no_retry(account: Account, row: Any, retries: int) -> str:
    """Return why a run that failed is not tried again by itself."""
    if row.attempt - row.crashes > retries:
        return "they are used up"
    if (by := account.who("cancel", row.run_id)) is not None:
        return f"its retry was cancelled{by}"
    return "when it ended the job had fewer"
