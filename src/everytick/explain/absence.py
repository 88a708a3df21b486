"""Why there is no row for an instant: no tick, too early, too late, or not decided yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from everytick.model import ticks
from everytick.model.functions import takes_other_arguments
from everytick.model.misfire import decide
from everytick.model.ticks import zones
from everytick.read.overdue import PROMPT
from everytick.text.durations import duration
from everytick.text.instants import at, date_and_time, when
from everytick.text.wording import counted

from .account import Account
from .waiting import pause


def describe_absence(account: Account, tick: int) -> None:
    """Explain why the ledger has no row for an instant."""
    for explanation in _IN_ORDER:
        if explanation(account, tick):
            return


def next_tick(account: Account, after: int) -> str:
    """Return a sentence about the tick that comes next."""
    schedule = account.facts.schedule
    if schedule is None and account.facts.cannot_run is not None:
        return f"the job cannot run here: {account.facts.cannot_run}"
    # Where the clock was set back, ticks to come are used up.
    after = max(after, account.facts.row.watermark_us)
    following = None if schedule is None else schedule.next_tick(after)
    if following is None:
        return "no tick is to come"
    return f"the next tick is {when(following, account.facts.zone)}"


def wall_clock_note(account: Account, wall: datetime) -> None:
    """Say if a time of day that was given without an offset exists twice or not at all."""
    zone = account.facts.zone
    real = zones.occurrences(wall, zone)
    if not real:
        instead = when(ticks.instant_of_wall(wall, zone), zone)
        account.say(
            f"{date_and_time(wall)} does not exist in {zone}: the clock jumps over it, to {instead}, which is"
            " meant instead"
        )
    elif len(real) == 2:
        account.say(
            f"{date_and_time(wall)} comes twice in {zone}: the first, {when(real[0], zone)}, is meant"
        )


def _removed(account: Account, tick: int) -> bool:
    facts = account.facts
    removed = facts.row.removed_us
    if removed is None or tick <= facts.row.registered_us:
        return False
    # Ticks before that have no row, and will never get one.
    if tick < removed and tick <= facts.row.watermark_us:
        return False
    if tick < removed and facts.is_tick(tick) is False:
        return False
    account.verdict = "removed"
    by, renaming = account.who("remove"), facts.asked("rename")
    how = f"it was removed{by}" if by else "it was no longer in the schedule's code at a start"
    if renaming is not None and renaming.at_us >= removed:
        how = f"it was renamed, {renaming.note}, which has its history"
    order = "after that instant, with no run of it" if tick < removed else "before that instant"
    order = "at that very instant" if tick == removed else order
    account.say(f"the job was removed at {at(removed, facts.zone)}, {order}: {how}")
    if facts.declared is not None:
        account.say("it is in the schedule of the working tree again: the next start takes it up")
    return True


def _before_registration(account: Account, tick: int) -> bool:
    facts = account.facts
    if tick > facts.row.registered_us:
        return False
    account.verdict = "before_registration"
    account.say(
        "that lies before the job was first registered, at"
        f" {at(facts.row.registered_us, facts.zone)}: nothing"
        " is promised, and nothing made up for, from before"
    )
    return True


def _pruned(account: Account, tick: int) -> bool:
    facts = account.facts
    if tick >= facts.kept_since or tick > facts.row.watermark_us:
        return False
    if tick > facts.row.changed_us and facts.is_tick(tick) is False:
        return False
    account.verdict = "pruned"
    days = facts.settings.scheduler_history_days
    account.say(
        f"nothing is kept of it any more: runs that ended more than {counted(days, 'day')} ago are removed"
        " (SCHEDULER_HISTORY_DAYS)"
    )
    account.say("the tick is used up all the same: it does not run again")
    return True


def _before_change(account: Account, tick: int) -> bool:
    facts = account.facts
    if tick > facts.row.changed_us or facts.row.changed_us <= facts.row.registered_us:
        return False
    account.verdict = "before_change"
    account.say(
        f"that lies before the job's schedule became what it is ({facts.known.words}), at"
        f" {at(facts.row.changed_us, facts.zone)}, and no row says that it was a tick of the one before"
    )
    account.say("for the time before a change nothing is made up for")
    return True


def _no_tick(account: Account, tick: int) -> bool:
    facts = account.facts
    if facts.is_tick(tick) is not False:
        return False
    account.verdict = "no_tick"
    assert facts.schedule is not None
    made = facts.schedule.ticks
    left_out = made.left_out(tick) if isinstance(made, ticks.ExcludingTicks) else ""
    if left_out:
        account.say(f"no tick: {left_out}")
    else:
        account.say(
            f"{when(tick, facts.zone)} is no tick of the schedule ({facts.known.words}) in {facts.row.zone}"
        )
        # People ask by the day.
        excluded = made.excluded_day(tick) if isinstance(made, ticks.ExcludingTicks) else ""
        if excluded:
            account.say(excluded)
    beside = (("before", facts.tick_before(tick)), ("after", facts.schedule.next_tick(tick)))
    near = [(abs(other - tick), side, other) for side, other in beside if other is not None]
    if not near:
        account.say("it has no ticks at all")
        return True
    (_distance, _side, account.nearest), *others = sorted(near)
    rest = [f"the one {side} is {when(other, facts.zone)}" for _distance, side, other in others]
    account.say(", ".join([f"the nearest is {when(account.nearest, facts.zone)}", *rest]))
    return True


def _to_come(account: Account, tick: int) -> bool:
    facts = account.facts
    if tick <= facts.now:
        return False
    account.verdict = "future"
    account.say(f"it is still to come, {duration(tick - facts.now)} from now")
    jitter = ticks.jitter(facts.job_id, tick, facts.schedule.jitter) if facts.schedule else 0
    if jitter:
        account.say(f"with its jitter of {duration(jitter)} it is due at {when(tick + jitter, facts.zone)}")
    made = facts.schedule.ticks if facts.schedule else None
    if isinstance(made, ticks.ExcludingTicks) and (note := made.note(tick)):
        account.say(note)
    if tick <= facts.row.watermark_us:
        account.say("but it is used up already: the clock was set back since")
    if facts.known.held_at(max(tick, facts.now)):
        until = "resumed" if facts.row.disabled_by is None else "enabled"
        account.say(f"but the job {pause(account)}: unless it is {until} before, it will not run")
    if facts.cannot_run is not None:
        account.say(f"but the job cannot run here: {facts.cannot_run}")
    _if_nobody_is_up(account)
    return True


def _unrecorded(account: Account, tick: int) -> bool:
    facts = account.facts
    if tick > facts.row.watermark_us:
        return False
    account.verdict = "no_record"
    account.say(
        f"the ledger counts it as settled (all ticks up to {when(facts.row.watermark_us, facts.zone)}"
        " are), but"
        " has no row of it: it was pruned while SCHEDULER_HISTORY_DAYS was shorter, or removed by other means"
    )
    return True


def _paused(account: Account, tick: int) -> bool:
    facts = account.facts
    begin, end = facts.row.paused_us, facts.row.paused_until_us
    if begin is None or tick <= begin or (end is not None and tick >= end):
        return False
    disabled = facts.row.disabled_by is not None
    account.verdict = "disabled" if disabled else "paused"
    until = "" if end is None else f", until {at(end, facts.zone)}"
    account.say(f"the job {pause(account)}{until}: the tick did not run")
    end_of_it = "when the job is enabled again" if disabled else "at the end of the pause"
    account.say(f"the row that says so is written {end_of_it}; nothing is made up for")
    return True


def _cannot_run(account: Account, tick: int) -> bool:
    facts = account.facts
    if facts.cannot_run is None:
        return False
    account.verdict = "cannot_run"
    account.say(f"the job cannot run: {facts.cannot_run}")
    if takes_other_arguments(facts.cannot_run):
        account.say("it is kept: with arguments that it takes it goes on (Change on its page, or modify_job)")
    else:
        account.say("it is kept: a version of the application that has its function goes on with it")
    return True


def _undecided(account: Account, tick: int) -> bool:
    facts = account.facts
    if not facts.up:
        account.verdict = "nobody_up"
        _if_nobody_is_up(account)
        _forecast(account, tick)
        return True
    account.verdict = "due"
    late = facts.now - tick
    account.say(f"it is due since {duration(late)}, and no process has claimed it yet")
    for process in facts.up:
        if process.is_stuck:
            since = process.beat - process.loop_silence
            account.say(f"the event loop of {process.name} has not answered since {at(since, facts.zone)}")
        else:
            account.say(f"{process.name} is up since {at(process.started, facts.zone)}")
    if late > PROMPT:
        account.say(
            "its log says why: it may run a version without this job, or the ledger does not answer it"
        )
    return True


_IN_ORDER: tuple[Callable[[Account, int], bool], ...] = (
    _removed,
    _before_registration,
    _pruned,
    _before_change,
    _no_tick,
    _to_come,
    _unrecorded,
    _paused,
    _cannot_run,
    _undecided,
)


def _if_nobody_is_up(account: Account) -> None:
    if not account.facts.up:
        account.say(account.facts.nobody_up)


def _forecast(account: Account, tick: int) -> None:
    """Say what a start would make of a missed tick now."""
    facts = account.facts
    job = facts.job
    if facts.disabled_next is not None:
        return
    if job is None and not facts.code_is_known:
        late = f"it is {duration(facts.now - tick)} late ({_limit(facts.row.grace_us)})"
        account.say(f"{late}: the next start decides about it")
        return
    if job is None or job.definition != facts.row.definition:
        account.say(
            "the schedule of the working tree has another definition of it: a start makes up for nothing"
        )
        return
    decision = decide(job, facts.row.watermark_us, facts.now, "outage")
    if decision is not None and tick in decision.run:
        account.say("a start now would make up for it")
    elif decision is None or not decision.run or job.too_late(job.due(tick), facts.now):
        late = duration(facts.now - tick)
        account.say(f"a start now would skip it: it is {late} late ({_limit(job.options.grace)})")
    else:
        newer = when(max(decision.run), facts.zone)
        account.say(f"a start now would skip it: a newer tick, {newer}, takes its place")


def _limit(grace: int | None) -> str:
    return "grace time " + ("no limit" if grace is None else duration(grace))
