"""Runs that are not over: which process has them, and what they wait for."""

from __future__ import annotations

from typing import Any

from everytick.model.group_limits import SETTING
from everytick.model.roles import DEFAULT_QUEUE
from everytick.read.reports import report_of
from everytick.read.resuming import keeps_waiting
from everytick.read.under_way import past_cancel, past_timeout
from everytick.text.durations import duration, exact_seconds
from everytick.text.instants import at
from everytick.text.wording import PLAIN_GOES_ON, counted, quoted

from .account import Account


def describe_waiting(account: Account, row: Any) -> None:
    """Explain a run that runs, is reserved, or waits."""
    known = {"running": _running, "claimed": _claimed, "queued": _queued, "retrying": _retrying}
    if describe := known.get(row.state):
        describe(account, row)
    else:
        account.say(
            f"its state, {row.state!r}, is none that this version of everytick knows: it is left as it is"
        )


def _running(account: Account, row: Any) -> None:
    facts = account.facts
    began = at(row.started_us, facts.zone)
    since = f"attempt {row.attempt} began at {began}, {duration(facts.now - row.started_us)} ago"
    holder = facts.processes.get(row.process_id or "")
    is_dead = holder is not None and holder.is_gone
    account.say(f"it was running when its process died: {since}" if is_dead else f"it is running: {since}")
    timeout = facts.options.timeout if facts.options else None
    is_coroutine = facts.job is not None and facts.job.is_coroutine_function
    how = "a coroutine that swallows its cancellation" if is_coroutine else "on a thread"
    until = "keeps its slot and counts for max_instances until it ends by itself or its process is stopped"
    if overdue := past_timeout(row, timeout, facts.now):
        account.say(
            f"it has not ended although its timeout of {exact_seconds(timeout or 0)} passed"
            f" {duration(overdue)} ago: its function goes on, {how}, {until}"
        )
    progress(account, row)
    if row.cancel_us is not None and not is_dead:
        _asked_to_end(account)
        if is_coroutine and (asked := past_cancel(row, facts.now)):
            account.say(f"it goes on although it was asked to end {duration(asked)} ago: {how}; it {until}")
    _holder(account, row)


def progress(account: Account, row: Any) -> None:
    """Say how far a run said that it is, if it did."""
    facts = account.facts
    said = report_of(facts.connection, row)
    if said is not None and said.at_us is not None:
        how_far = ": ".join(filter(None, (said.percent, said.note)))
        account.say(f"it said how far it was at {at(said.at_us, facts.zone)}: {how_far}")


def _asked_to_end(account: Account) -> None:
    """Say what a request to end does to a run that goes on: to a plain function nothing by itself."""
    job = account.facts.job
    if job is None:
        account.say(f"a coroutine ends within about a second; {PLAIN_GOES_ON}")
    elif not job.is_coroutine_function:
        account.say(f"{PLAIN_GOES_ON}; it may look at current_run().cancel_requested")


def _claimed(account: Account, row: Any) -> None:
    facts = account.facts
    account.say(f"it is reserved since {at(row.claimed_us, facts.zone)}, and has not begun")
    if row.due_us > facts.now:
        jitter = ", with its jitter" if row.due_us != row.tick_us else ""
        wait = duration(row.due_us - facts.now)
        account.say(f"it is due at {at(row.due_us, facts.zone)}{jitter}: {wait} from now")
    else:
        busy = facts.held_by(row.process_id or "")
        account.say(
            f"it waits for a free slot: {counted(busy, 'run')} under way in its process, and"
            " its process's limit is SCHEDULER_MAX_WORKERS there"
        )
    _holder(account, row)


def _queued(account: Account, row: Any) -> None:
    facts = account.facts
    most = facts.options.max_instances if facts.options else None
    is_full = most is not None and len(facts.held_of_job(row.run_id)) >= most
    since = at(row.due_us, facts.zone)
    if facts.full_group is not None and row.due_us <= facts.now and not is_full:
        account.say(f"it is waiting for {facts.full_group}, since {since}: as many of its runs are under way")
        account.say(f"the limit is that of {SETTING}, for all jobs of the group and all processes")
    else:
        for_what = "a run of its job to end" if is_full else "a process that takes it"
        account.say(f"it waits for {for_what}, since {since}")
    _obstacles(account, row)


def _retrying(account: Account, row: Any) -> None:
    facts = account.facts
    if row.due_us > facts.now:
        due = f"at {at(row.due_us, facts.zone)}, {duration(row.due_us - facts.now)} from now"
        account.say(f"attempt {row.attempt} is due {due}")
    else:
        account.say(f"attempt {row.attempt} is due since {at(row.due_us, facts.zone)}")
    _obstacles(account, row)


def _holder(account: Account, row: Any) -> None:
    facts = account.facts
    process = facts.processes.get(row.process_id or "")
    if process is None:
        account.say("its process is not in the ledger any more")
        return
    name = f"{process.name}, up since {at(process.started, facts.zone)}"
    if process.is_up:
        account.say(f"it is held by {name}")
        return
    if process.is_gone:
        account.say(
            f"it is held by {name}, which died: its last heartbeat was at {at(process.beat, facts.zone)}"
        )
    else:
        silent = duration(process.silence)
        account.say(f"it is held by {name}, which has sent no heartbeat for {silent}: it died, or is stopped")
    if not facts.up:
        settled = "settles it" if row.cancel_us is None else "ends it as cancelled, and does not try it again"
        account.say(f"{facts.nobody_up}; the next start {settled}")


def _obstacles(account: Account, row: Any) -> None:
    """Say why a waiting run has not begun."""
    facts, found = account.facts, len(account.sentences)
    if not facts.up:
        account.say(facts.nobody_up)
    if facts.row.disabled_by is not None and facts.known.paused:
        account.say(f"the job {pause(account)}: it waits until a process is up that is set to run it")
    elif keeps_waiting(facts.known, row):
        account.say(f"the job {pause(account)}: it waits until the job is resumed")
    if facts.cannot_run is not None:
        account.say(f"it cannot run here: {facts.cannot_run}")
    if facts.row.removed_us is not None:
        account.say("its job was removed: it will be cancelled")
    _instances(account, row)
    if len(account.sentences) == found and row.due_us <= facts.now and facts.full_group is None:
        queue = facts.row.queue or DEFAULT_QUEUE
        serving = [process for process in facts.up if process.role.serves(queue)]
        if not serving:
            account.say(f"nothing that is up serves its queue, {queue}: it waits for a worker that does")
            return
        reasons = [process.job_filter.why_disabled(facts.job_id) for process in serving]
        if all(reasons):
            by = ", ".join(dict.fromkeys(filter(None, reasons)))
            account.say(f"no process that is up and serves its queue, {queue}, is set to run the job: {by}")
            return
        serving = [process for process, why in zip(serving, reasons, strict=True) if why is None]
        busy = sum(facts.held_by(process.process_id) for process in serving)
        account.say(
            f"processes that are up and serve its queue, {queue}: {len(serving)}; one takes it within about a"
            f" second when it has a free slot; {counted(busy, 'run')} under way there"
        )


def _instances(account: Account, row: Any) -> None:
    """Say if as many runs of the job are under way as may be, as far as that number is known."""
    facts = account.facts
    # Of a backfill no more runs are made than may be under way at once.
    held = [] if row.kind == "backfill" else facts.held_of_job(row.run_id)
    numbers = ", ".join(str(other.run_id) for other in held)
    if facts.options is None and held:
        limit = "it waits if max_instances, which only the code says, allows no more"
        account.say(f"{counted(len(held), 'run')} of the job under way (run {numbers}): {limit}")
    elif facts.options is not None and len(held) >= facts.options.max_instances:
        account.say(f"its max_instances={facts.options.max_instances} is reached by run {numbers}")
        if row.state == "queued" and row.kind == "scheduled" and row.attempt == 1:
            _until_when(account, row)
    else:
        return
    for other in held:
        account.rest_on(other)
        if since := past_cancel(other, facts.now):
            asked = f"run {other.run_id} was asked to end at {at(other.cancel_us, facts.zone)}"
            account.say(f"{asked}, and goes on since, for {duration(since)}")


def _until_when(account: Account, row: Any) -> None:
    """Say how long a tick waits for the runs before it."""
    facts = account.facts
    if facts.options is None or facts.options.overlap == "skip":
        return
    grace, overlap = facts.options.grace, f"its overlap={facts.options.overlap!r}"
    by = "" if grace is None else f", if that is by {at(row.due_us + grace, facts.zone)}: else it is missed"
    newest = ", unless a newer tick takes its place" if facts.options.overlap != "wait" else ""
    if before := facts.waiting_before(row):
        waits, begins = ("waits", "begins") if before == 1 else ("wait", "begin")
        runs = f"{counted(before, 'run')} of the job {waits} since before it and {begins} first"
        account.say(f"{overlap}: {runs}; then it begins{by}{newest}")
    else:
        account.say(f"{overlap}: it begins when one of these has ended{by}{newest}")


def pause(account: Account) -> str:
    """Return by whom and when the job was paused, as far as that is on record, or by which setting."""
    facts = account.facts
    if facts.row.disabled_by is not None:
        return f"is disabled since {at(facts.row.paused_us, facts.zone)} by {facts.row.disabled_by}"
    by = account.who("pause")
    if by is not None:
        return f"was paused{by}"
    return f"is paused since {at(facts.row.paused_us, facts.zone)} {quoted(facts.row.pause_note)}"
