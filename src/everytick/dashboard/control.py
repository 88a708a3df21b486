"""The actions: each writes a request into the ledger, with who made it. Each blocks for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from everytick.api.backfills import BackfillPreview, NoSuchBackfillError, WrongSpanError, check_pace
from everytick.api.client import SchedulerClient
from everytick.api.control import NoSuchJobError
from everytick.api.requests import NotNowError
from everytick.errors import LedgerError, ScheduleError
from everytick.model import ticks
from everytick.read.backfills import read_backfill, waits
from everytick.read.processes import find_processes
from everytick.read.prospects import prospect
from everytick.read.runs import read_run
from everytick.settings import settings
from everytick.store.database import Ledger
from everytick.text.instants import iso
from everytick.text.time_input import read_time
from everytick.text.wording import PLAIN_GOES_ON, one_line

from .authentication import Visitor
from .problems import UNAVAILABLE, Problem
from .processes import reading

LONGEST_NOTE = 500
# The times of a backfill, as requests name them.
_SPAN = {"start": "from", "end": "to"}
# For how long the ticks of a backfill are counted that somebody only looks at.
_PREVIEW_SECONDS = 2.0


class Did(NamedTuple):
    """What an action did, as said of one and of several; equal for all of whom the same is said."""

    one: str
    many: str


@dataclass(frozen=True)
class Done:
    """An action that was done.

    changed: whether that changed anything. subject: the job or run, as a sentence begins.
    run_id: the run that it is about, of actions on runs and of those that begin one.
    """

    changed: bool
    subject: str
    did: Did
    run_id: int | None = None

    @property
    def sentence(self) -> str:
        """What was done, for a user."""
        return f"{self.subject} {self.did.one}."


_PAUSED, _PAUSED_ALREADY = Did("is paused", "are paused"), Did("was paused already", "were paused already")
_RESUMED, _NOT_PAUSED = Did("is resumed", "are resumed"), Did("was not paused", "were not paused")
_CANCELLED, _ASKED = (
    Did("is cancelled", "are cancelled"),
    Did(f"was asked to end; {PLAIN_GOES_ON}", f"were asked to end; {PLAIN_GOES_ON}"),
)
_STOPPED, _STOPPED_ALREADY = (
    Did("is stopped; runs that are under way go on", "are stopped"),
    Did("did not go on anyway", "did not go on anyway"),
)
_GOES_ON, _NOT_STOPPED = Did("goes on", "go on"), Did("was not stopped", "were not stopped")

# The words about several runs that were asked for, instead of one.
_OF_SEVERAL = {
    "begins": "begin",
    "begins one more attempt": "begin one more attempt each",
    "waits": "wait",
    "waits:": "wait:",
}


class Actions:
    """The actions of one visitor.

    Raises:
        Problem: it cannot be done; with the status that says why. Nothing was changed.
    """

    def __init__(self, visitor: Visitor, ledger: Ledger) -> None:
        self._client = SchedulerClient(who=visitor.who)
        self._ledger = ledger

    def run_now(self, job_id: str, tick: str | None, note: str | None) -> Done:
        """Ask for a run, which may stand in for a tick."""
        instant = None if not tick else moment("tick", tick)
        with _sentences(422):
            run_id = self._client.run_job_now(job_id, tick=instant, note=checked_note(note))
        return Done(True, f"Run {run_id} of {job_id}", self._prospect(run_id, "begins"), run_id)

    def run_skipped(self, run_id: int, note: str | None) -> Done:
        """Ask for a run that stands in for a tick that was skipped."""
        row = self._check_run(run_id)
        if row.state != "skipped" or row.tick_us is None or row.last_tick_us is not None:
            raise Problem(409, f"run {run_id} is no tick that was skipped")
        return self.run_now(row.job_id, iso(row.tick_us), note)

    def pause(self, job_id: str, note: str | None, until: str | None) -> Done:
        """Pause a job."""
        end = None if not until else moment("until", until, ahead=True)
        if end is not None and ticks.instant(end) <= ticks.now():
            raise Problem(422, f"until: {until} is over already: give a time to come", "until")
        with _sentences(422):
            changed = self._client.pause_job(job_id, note=checked_note(note), until=end)
        return Done(changed, job_id, _PAUSED if changed else _PAUSED_ALREADY)

    def resume(self, job_id: str) -> Done:
        """Resume a job."""
        with _sentences(422):
            changed = self._client.resume_job(job_id)
        return Done(changed, job_id, _RESUMED if changed else _NOT_PAUSED)

    def cancel(self, run_id: int, note: str | None) -> Done:
        """Cancel a run. `changed` is whether it is over already, and not only asked to end."""
        self._check_run(run_id)
        with _sentences(409):
            over = self._client.cancel_run(run_id, note=checked_note(note))
        did = _CANCELLED if over else _ASKED
        state = self._check_run(run_id).state
        if over and state != "cancelled":
            did = Did(f"is {state} as before: its retry is cancelled", f"are {state} as before")
        return Done(over, f"Run {run_id}", did, run_id)

    def retry(self, run_id: int, note: str | None) -> Done:
        """Give a run one more attempt."""
        self._check_run(run_id)
        with _sentences(409):
            self._client.retry_run(run_id, note=checked_note(note))
        return Done(True, f"Run {run_id}", self._prospect(run_id, "begins one more attempt"), run_id)

    def preview_backfill(
        self, job_id: str, start: str, end: str | None, *, only_missed: bool
    ) -> BackfillPreview:
        """Return what a backfill would do; nothing is changed."""
        span = _span(start, end)
        with _sentences(422):
            return self._client.preview_backfill(
                job_id, *span, only_missed=only_missed, patience=_PREVIEW_SECONDS
            )

    def backfill(
        self,
        job_id: str,
        start: str,
        end: str | None,
        *,
        only_missed: bool,
        rate: int | None,
        max_instances: int,
        schedule: str | None,
        note: str | None,
    ) -> tuple[int, str]:
        """Ask for a backfill; return its number, and the sentence about it."""
        span = _span(start, end)
        with _sentences(422):
            number = self._client.backfill_job(
                job_id,
                *span,
                only_missed=only_missed,
                rate=rate,
                max_instances=max_instances,
                schedule=schedule,
                note=checked_note(note),
            )
        with reading(self._ledger) as connection:
            said = waits(read_backfill(connection, number))
            found = find_processes(connection)
        if not said:
            nobody = "" if found.up else f" when a scheduler is started; {found.nobody_up(settings().zone)}"
            said = f"of {job_id} begins{nobody}"
        return number, f"Backfill {number} {said}."

    def stop_backfill(self, number: int, note: str | None) -> Done:
        """Let a backfill make no more runs."""
        with _sentences(422):
            changed = self._client.stop_backfill(number, note=checked_note(note))
        return Done(changed, f"Backfill {number}", _STOPPED if changed else _STOPPED_ALREADY)

    def continue_backfill(self, number: int, note: str | None) -> Done:
        """Let a backfill go on that was stopped."""
        with _sentences(422):
            changed = self._client.continue_backfill(number, note=checked_note(note))
        return Done(changed, f"Backfill {number}", _GOES_ON if changed else _NOT_STOPPED)

    def _prospect(self, run_id: int, begins: str) -> Did:
        """Return what becomes of a run that was asked for."""
        chosen = settings()
        with reading(self._ledger) as connection:
            said = prospect(connection, run_id, chosen.zone, chosen.job_filter, begins).sentence
        verb, blank, rest = said.partition(" ")
        return Did(said, _OF_SEVERAL.get(said, f"{_OF_SEVERAL[verb]}{blank}{rest}"))

    def _check_run(self, run_id: int) -> Any:
        with reading(self._ledger) as connection:
            return read_run(connection, run_id)


@contextmanager
def _sentences(status: int) -> Iterator[None]:
    try:
        yield
    except (NoSuchJobError, NoSuchBackfillError) as problem:
        raise Problem(404, str(problem)) from None
    except NotNowError as problem:
        raise Problem(409, str(problem)) from None
    except WrongSpanError as problem:
        name = _SPAN[problem.argument]
        raise Problem(status, f"{name}: {problem}", name) from None
    except ScheduleError as problem:
        raise Problem(status, str(problem)) from None
    except LedgerError as problem:
        raise Problem(UNAVAILABLE, str(problem)) from None


def _span(start: str, end: str | None) -> tuple[datetime, datetime | None]:
    return moment("from", start), None if not end else moment("to", end)


def pace_of(rate: str, max_instances: str) -> tuple[int | None, int]:
    """Return the pace that the fields of a backfill ask for: runs in a minute, and at once.

    Raises:
        Problem: a backfill cannot have it.
    """
    found = []
    for label, text in (("runs in a minute", rate.strip()), ("runs at once", max_instances.strip())):
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Problem(422, f"{label}: {text!r:.40} is no whole number")
        found.append(int(text) if text else None)
    pace = found[0], 1 if found[1] is None else found[1]
    with _sentences(422):
        check_pace(*pace)
    return pace


def moment(name: str, text: str, *, ahead: bool = False) -> datetime:
    """Return the time that a text names, in UTC; without an offset it is in the scheduler's zone.

    `ahead`: whether `2h` and `05:39` are times to come; see `read_time`.

    Raises:
        Problem: it names none.
    """
    zone = settings().zone
    try:
        found = read_time(text, zone, ticks.now(), ahead=ahead)
    except ValueError as problem:
        raise Problem(422, f"{name}: {problem}", name) from None
    return ticks.moment(ticks.instant_in(found, zone), UTC)


def instant(name: str, text: str, *, ahead: bool = False) -> int:
    """Return the same in microseconds UTC."""
    return ticks.instant(moment(name, text, ahead=ahead))


def checked_note(note: str | None) -> str | None:
    """Return a note as it may stand in the audit trail: one line."""
    clean = one_line(note or "")
    if len(clean) > LONGEST_NOTE:
        raise Problem(422, f"note: at most {LONGEST_NOTE} characters")
    return clean or None
