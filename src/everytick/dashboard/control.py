"""The actions: each writes a request into the ledger, with who made it. Each blocks for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from everytick.api.client import SchedulerClient
from everytick.api.control import NoSuchJobError
from everytick.errors import LedgerError, ScheduleError
from everytick.model import ticks
from everytick.read.resuming import paused_job_of
from everytick.read.runs import read_run
from everytick.settings import settings
from everytick.store.database import Ledger
from everytick.text.instants import parse_in_reach
from everytick.text.wording import one_line

from .authentication import Visitor
from .problems import Problem
from .processes import reading

LONGEST_NOTE = 500


class Actions:
    """The actions of one visitor.

    Raises:
        Problem: it cannot be done; with the status that says why. Nothing was changed.
    """

    def __init__(self, visitor: Visitor, ledger: Ledger) -> None:
        self._client = SchedulerClient(who=visitor.who)
        self._ledger = ledger

    def run_now(self, job_id: str, tick: str | None, note: str | None) -> tuple[int, str]:
        """Ask for a run, which may stand in for a tick; return its number and a sentence for the user."""
        instant = None if not tick else moment("tick", tick)
        with _sentences(422):
            run_id = self._client.run_job_now(job_id, tick=instant, note=_note(note))
        return run_id, f"Run {run_id} of {job_id} begins."

    def pause(self, job_id: str, note: str | None, until: str | None) -> tuple[bool, str]:
        """Pause a job; return whether that changed anything, and a sentence for the user."""
        end = None if not until else moment("until", until)
        if end is not None and ticks.instant(end) <= ticks.now():
            raise Problem(422, f"until: {until} is over already: give a time to come")
        with _sentences(422):
            changed = self._client.pause_job(job_id, note=_note(note), until=end)
        return changed, f"{job_id} is paused." if changed else f"{job_id} was paused already."

    def resume(self, job_id: str) -> tuple[bool, str]:
        """Resume a job; return whether that changed anything, and a sentence for the user."""
        with _sentences(422):
            changed = self._client.resume_job(job_id)
        return changed, f"{job_id} is resumed." if changed else f"{job_id} was not paused."

    def cancel(self, run_id: int, note: str | None) -> tuple[bool, str]:
        """Cancel a run; return whether it is over already, and a sentence for the user."""
        self._check_run(run_id)
        with _sentences(409):
            done = self._client.cancel_run(run_id, note=_note(note))
        return done, f"Run {run_id} is cancelled." if done else f"Run {run_id} was asked to end."

    def retry(self, run_id: int, note: str | None) -> str:
        """Give a run one more attempt; return a sentence for the user."""
        self._check_run(run_id)
        with _sentences(409):
            self._client.retry_run(run_id, note=_note(note))
        with reading(self._ledger) as connection:
            paused = paused_job_of(connection, run_id)
        if paused is not None:
            return f"Run {run_id} waits until the job {paused} is resumed."
        return f"Run {run_id} begins one more attempt."

    def _check_run(self, run_id: int) -> None:
        with reading(self._ledger) as connection:
            read_run(connection, run_id)


@contextmanager
def _sentences(status: int) -> Iterator[None]:
    try:
        yield
    except NoSuchJobError as problem:
        raise Problem(404, str(problem)) from None
    except ScheduleError as problem:
        raise Problem(status, str(problem)) from None
    except LedgerError as problem:
        raise Problem(503, str(problem)) from None


def moment(name: str, text: str) -> datetime:
    """Return the time that a text names, in UTC; without an offset it is in the scheduler's zone.

    Raises:
        Problem: it names none.
    """
    try:
        found = parse_in_reach(text)
    except ValueError as problem:
        raise Problem(422, f"{name}: {problem}") from None
    return ticks.moment(ticks.instant_in(found, settings().zone), UTC)


def instant(name: str, text: str) -> int:
    """Return the same in microseconds UTC."""
    return ticks.instant(moment(name, text))


def _note(note: str | None) -> str | None:
    """Return a note as it may stand in the audit trail: one line."""
    clean = one_line(note or "")
    if len(clean) > LONGEST_NOTE:
        raise Problem(422, f"note: at most {LONGEST_NOTE} characters")
    return clean or None
