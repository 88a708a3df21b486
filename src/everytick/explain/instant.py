"""Which instant of a job is meant, and everything that can be said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, TypeAlias

from everytick.errors import NotFoundError
from everytick.model import ticks
from everytick.model.job import Job
from everytick.read.audit import who_added
from everytick.read.job_ids import list_job_ids
from everytick.read.known_job import find_job
from everytick.read.not_in_force import settings_not_in_force, who_claims
from everytick.read.runs import run_row
from everytick.settings import SchedulerSettings
from everytick.store import unreadable
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect_checked
from everytick.text.instants import at, iso, typed
from everytick.text.wording import no_job

from .absence import describe_absence, next_tick, wall_clock_note
from .account import Account
from .facts import Facts
from .outcomes import describe
from .waiting import pause

if TYPE_CHECKING:
    from everytick.read.schemas import RunRow, Why, WhyEntry

# A time, or what returns it for the zone of the job: `yesterday` is another day in each.
When: TypeAlias = datetime | Callable[[tzinfo], datetime]

VERDICTS = (
    # The tick has a run: the state of that run.
    *("queued", "claimed", "running", "retrying"),
    *("succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost"),
    # The tick was skipped: the reason.
    *("missed", "coalesced", "overlap", "paused", "disabled", "outage"),
    # There is no row.
    *("future", "due", "nobody_up", "cannot_run", "no_tick", "before_registration", "before_change"),
    *("removed", "pruned", "no_record", "not_due_yet", "not_registered"),
)


@dataclass(frozen=True)
class Explanation:
    """Why a job ran or did not.

    tick: the instant that is explained, microseconds since 1970 UTC; None for a run without one.
    verdict: one of `VERDICTS`. runs, audit: the ledger's rows on which the sentences rest. nearest: of an
    instant that is no tick the nearest one, as its clock shows it to the minute or finer.
    """

    job_id: str
    tick: int | None
    verdict: str
    sentences: list[str]
    runs: list[RunRow]
    audit: list[WhyEntry]
    nearest: str | None = None

    def as_json(self) -> Why:
        """Return it as plain data; times are ISO 8601 in UTC."""
        return {
            "job_id": self.job_id,
            "tick": iso(self.tick),
            "verdict": self.verdict,
            "sentences": self.sentences,
            "runs": self.runs,
            "audit": self.audit,
        }


def why(
    ledger: Ledger,
    job_id: str,
    when: When | None,
    run_id: int | None,
    declared: dict[str, Job] | None,
    problem: str | None,
    settings: SchedulerSettings,
) -> Explanation:
    """Explain a job at an instant, one of its runs, or, without either, its latest tick.

    Args:
        when: the instant; without an offset it is in the job's zone, for which a function may ask.
        declared: the jobs of the working tree's schedule, None if it is not to be looked at; `problem`: why
            that does not load.

    Raises:
        NotFoundError: there is no such job, or the job has no such run.
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return _never_started(job_id, declared, problem)
    with connect_checked(ledger) as connection:
        known = find_job(connection, job_id)
        if known is None:
            unreadable.refuse(connection.plain, "scheduler_jobs", job_id=job_id)
            return _never_started(job_id, declared, problem, list_job_ids(connection))
        job = None if declared is None else declared.get(job_id)
        facts = Facts(connection, known, job, problem, settings, declared is not None)
        account = Account(facts)
        tick = _explain(account, when, run_id)
        _about_the_code(account)
        _about_the_settings(account)
        _about_its_addition(account)
    return Explanation(
        job_id,
        tick,
        account.verdict,
        account.sentences,
        [run_row(ledger, number) for number in account.run_ids],
        [_entry(entry) for entry in account.entries],
        None if account.nearest is None else typed(account.nearest, facts.zone),
    )


def why_run(connection: Reader, row: Any, settings: SchedulerSettings, in_code: Job | None) -> list[str]:
    """Explain a row of the runs in sentences, from the ledger and, as far as it is loaded, the code.

    Times are in the scheduler's zone, as in all else that is shown of a run. `in_code`: its job there.
    """
    job = find_job(connection, row.job_id)
    if job is None:
        return []
    facts = Facts(connection, job, in_code, None, settings, code_is_known=False, shown_in=settings.zone)
    account = Account(facts)
    _of_row(account, row)
    return account.sentences + [str(lost) for lost in unreadable.of_run(connection.plain, row.run_id)]


def _never_started(
    job_id: str,
    declared: dict[str, Job] | None,
    problem: str | None,
    known: list[str] | None = None,
) -> Explanation:
    """Explain a job that stands in the code only."""
    code_is_known, declared = declared is not None, declared or {}
    job = declared.get(job_id)
    if job is None:
        broken = "" if problem is None else f" (the schedule in the working tree does not load: {problem})"
        where = ", in the code or in the ledger" if code_is_known else ""
        raise NotFoundError(no_job(job_id, {*declared, *(known or [])}, where) + broken)
    where = "there is no ledger yet" if known is None else "the ledger does not know it yet"
    sentence = f"The job stands in the code ({job.where}), but {where}: it takes effect with the next start."
    return Explanation(job_id, None, "not_registered", [sentence], [], [])


def _explain(account: Account, when: When | None, run_id: int | None) -> int | None:
    facts = account.facts
    if run_id is not None:
        row = facts.run(run_id)
        if row is None:
            unreadable.refuse(facts.connection.plain, "scheduler_runs", run_id=run_id, job_id=facts.job_id)
        if row is None or row.job_id != facts.job_id:
            raise NotFoundError(f"the job {facts.job_id!r} has no run {run_id} in the ledger")
        _of_row(account, row)
        return None if row.tick_us is None else int(row.tick_us)
    if when is None:
        latest = _latest(account)
        _about_its_pause(account)
        return latest
    asked = when(facts.zone) if callable(when) else when
    tick = ticks.instant_in(asked, facts.zone)
    if asked.tzinfo is None:
        wall_clock_note(account, asked)
    _about(account, tick)
    return tick


def _about(account: Account, tick: int) -> None:
    """Explain an instant: by its row, or by why there is none."""
    facts = account.facts
    row = facts.at(tick)
    inside = row is not None and tick not in (row.tick_us, row.last_tick_us)
    if inside and row.tick_us > facts.row.changed_us and facts.is_tick(tick) is False:
        row = None
    if row is None and (unread := facts.unreadable_at(tick)):
        account.verdict = "unreadable"
        account.say(unread)
    elif row is None:
        describe_absence(account, tick)
        _standing_in(account, tick)
    else:
        _of_row(account, row, tick)


def _of_row(account: Account, row: Any, tick: int | None = None) -> None:
    """Explain a row: at the instant that was asked for, or as a whole."""
    its_tick = row.tick_us if tick is None and row.last_tick_us is None else tick
    if its_tick is not None:
        _odd_time(account, its_tick)
    if (lack := unreadable.what_a_run_lacks(row)) is not None:
        account.rest_on(row)
        account.verdict = "unreadable"
        account.say(f"{lack}; {unreadable.HOW_TO_MEND}")
        return
    describe(account, row, tick)
    if its_tick is not None:
        _standing_in(account, its_tick)


def _standing_in(account: Account, tick: int) -> None:
    for other in account.facts.standing_in(tick):
        account.rest_on(other)
        made = "asked for by hand" if other.kind == "manual" else f"made by backfill {other.backfill_id}"
        account.say(f"run {other.run_id}, {made}, stands in for this tick ({other.state})")


def _latest(account: Account) -> int | None:
    """Explain the latest tick that was due; where none was, the latest run."""
    facts = account.facts
    end = min(facts.now, facts.row.removed_us or facts.now)
    tick = facts.tick_before(end)
    begun = max(facts.row.registered_us, facts.row.changed_us)
    if tick is not None and (tick > begun or facts.at(tick) is not None):
        account.say(f"its latest tick was {_shown(facts, tick)}")
        _about(account, tick)
        _since(account, tick)
        return tick
    earlier = facts.newest_until(end)
    newest = facts.newest_without_tick()
    if earlier is not None and (newest is None or newest.due_us < earlier.due_us):
        changed = f"since {_shown(facts, begun)}, when its schedule was changed"
        account.say(f"no tick of it was due {changed}; its newest run before is this")
        describe(account, earlier, None)
        return None if earlier.tick_us is None else int(earlier.tick_us)
    if newest is not None:
        none = "it has no ticks" if tick is None else "no tick of it was due yet"
        account.say(f"{none}; its newest run is this")
        describe(account, newest, None)
        return None
    account.verdict = "not_due_yet"
    account.say(f"no tick of it was due since {_shown(facts, begun)}, when it was registered or changed")
    if facts.row.removed_us is not None:
        account.say(f"it was removed at {_shown(facts, facts.row.removed_us)}")
    else:
        account.say(next_tick(account, facts.now))
    return None


def _since(account: Account, tick: int) -> None:
    """Mention a newer run that has no tick."""
    newest = account.facts.newest_without_tick()
    if newest is not None and newest.due_us > tick and newest.run_id not in account.run_ids:
        account.rest_on(newest)
        made = {"manual": "by hand", "backfill": f"by backfill {newest.backfill_id}"}
        how = made.get(newest.kind, "at a start")
        account.say(f"since then run {newest.run_id} came {how} ({newest.state})")


def _odd_time(account: Account, tick: int) -> None:
    facts = account.facts
    note = facts.schedule.ticks.note(tick) if facts.schedule and facts.is_tick(tick) else ""
    if note:
        account.say(note)


def _about_the_code(account: Account) -> None:
    """Say where the working tree differs from the definition in force."""
    facts = account.facts
    if facts.problem is not None:
        account.say(f"the schedule in the working tree does not load, so nothing can start: {facts.problem}")
    elif not facts.code_is_known or facts.row.removed_us is not None or facts.known.was_added:
        return
    elif facts.declared is None:
        account.say("the working tree's schedule has this job no more: the next start removes it")
    elif facts.declared.definition != facts.row.definition:
        account.say(
            "the working tree's schedule has another trigger for it"
            f" ({facts.declared.schedule.text}), which the"
            " next start puts in force"
        )


def _about_the_settings(account: Account) -> None:
    """Say if the settings here disable or enable the job, and those of the processes that are up do not."""
    facts = account.facts
    if facts.row.removed_us is not None:
        return
    if facts.disabled_next is not None:
        account.say(
            f"{facts.disabled_next} disables the job here: a start with these settings runs nothing of it"
        )
    claiming = who_claims(facts.up)
    for sentence in settings_not_in_force(claiming, [facts.job_id], facts.settings.job_filter):
        account.say(sentence)


def _about_its_pause(account: Account) -> None:
    """Say that the job is paused or disabled now, where nothing else has led to that."""
    if not account.facts.known.paused or account.facts.row.removed_us is not None:
        return
    said = pause(account)
    if not any(said in sentence for sentence in account.sentences):
        until = "resumed" if account.facts.row.disabled_by is None else "enabled"
        account.say(f"the job {said}: it does not run until it is {until}")


def _about_its_addition(account: Account) -> None:
    """Say who added a job while running, and who changed it last."""
    facts = account.facts
    if not facts.known.was_added or facts.row.removed_us is not None:
        return
    added, changed = who_added(facts.connection, facts.job_id)
    said = [
        f"{what}{account.who(action)}".rstrip()
        for row, action, what in ((added, "add", "was added while running"), (changed, "change", "changed"))
        if row is not None
    ]
    if said:
        account.say(f"it {', and '.join(said)}")


def _shown(facts: Facts, instant: int) -> str:
    return at(instant, facts.zone)


def _entry(entry: Any) -> WhyEntry:
    return {
        "at": iso(entry.at_us),
        "who": entry.who,
        "action": entry.action,
        "run_id": entry.run_id,
        "note": entry.note,
    }
