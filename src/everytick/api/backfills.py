"""Requests for runs of past ticks: a backfill, its preview, its stop, and that it goes on.

Each is one transaction in the ledger, which also records who asked.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from everytick.call_site import call_site, failing
from everytick.errors import ScheduleError
from everytick.model import ticks
from everytick.model.kept_data import fingerprint
from everytick.model.schedule import Schedule
from everytick.store import backfills, requests
from everytick.store.backfills import MOST, Wanted
from everytick.store.connections import Connection
from everytick.store.database import Ledger
from everytick.system import system
from everytick.text.durations import exact_seconds
from everytick.text.instants import at
from everytick.text.wording import no_backfill

from .dates import instant_of
from .requests import NotNowError, RunRequests, check_note, refuse_if_disabled

# More runs at once, or in a minute, are most likely not meant.
MOST_INSTANCES, MOST_RATE = 100, 6_000


class NoSuchBackfillError(ScheduleError):
    """There is no backfill with this number."""


class WrongSpanError(ScheduleError):
    """No backfill can be made of these times. `argument` is the one that is wrong, `start` or `end`."""

    def __init__(self, sentence: str, argument: str = "start") -> None:
        super().__init__(sentence)
        self.argument = argument


@dataclass(frozen=True)
class BackfillPreview:
    """What a backfill would do. Datetimes are in the job's zone.

    count: how many ticks there are, each of which gets a run. first, last: of these; None without any.
    start, end: between which times they lie, both included: for `backfill_job`, which then runs these ticks,
    though others have come since.
    schedule: which schedule these are the ticks of: for `backfill_job`, which refuses another one.
    """

    job_id: str
    count: int
    first: datetime | None
    last: datetime | None
    start: datetime
    end: datetime
    schedule: str


class BackfillRequests(RunRequests):
    """Requests about backfills; each is on record with who made it."""

    @property
    @abstractmethod
    def ledger(self) -> Ledger:
        """Where the ledger of the schedule is."""

    def preview_backfill(
        self,
        job_id: str,
        start: datetime,
        end: datetime | None = None,
        *,
        only_missed: bool = False,
        patience: float = math.inf,
    ) -> BackfillPreview:
        """Return what `backfill_job` would do with the same arguments; nothing is changed.

        Args:
            patience: for how many seconds ticks may be counted. Those of most triggers are known at once; a
                combination of several has to be walked.

        Raises:
            ScheduleError: it would be refused, or the counting took longer than `patience`.
            LedgerError: the ledger cannot be read.
        """
        wanted, found = self._wanted(job_id, start, end, only_missed, patience)
        zone = _schedule(wanted).zone
        first, last = (None if it is None else ticks.moment(it, zone) for it in (found.first, found.last))
        start, end = (ticks.moment(it, zone) for it in (wanted.begin, wanted.until))
        number, schedule = found.number or 0, fingerprint(wanted.schedule_data or "")
        return BackfillPreview(job_id, number, first, last, start, end, schedule)

    def backfill_job(
        self,
        job_id: str,
        start: datetime,
        end: datetime | None = None,
        *,
        only_missed: bool = False,
        rate: int | None = None,
        max_instances: int = 1,
        schedule: str | None = None,
        note: str | None = None,
    ) -> int:
        """Run a job once for each of its past ticks from one time to another; return the backfill's number.

        The runs begin one after another, the oldest tick first, beside the ticks of the schedule, in any
        process that runs the job. `current_run()` has the kind `backfill`, and the tick. While the job is
        paused none begins. Nothing is changed about the ticks themselves: what they have on record stays.

        Args:
            start, end: the first and the last time, both included; without a zone they are in the
                scheduler's. `end` is now by default, and must not be later.
            only_missed: only ticks that are on record and did not succeed: failed, timed out, cancelled,
                interrupted, lost, or skipped for whatever reason. One for which another run stood in that
                succeeded, or may still, is left out. So are those that are not on record, as before the job
                was there.
            rate: how many runs begin in a minute at most, 1 to 6,000; by default as many as can.
            max_instances: how many of its runs may be under way at once, 1 to 100, beside those of the
                schedule, for which the job has a limit of its own. A run that waits for a retry counts.
            schedule: that of a preview: the backfill is refused if the job has another one by now.
            note: why, for the audit trail.

        Raises:
            ScheduleError: there is no such job, or no such tick; more than 100,000 of them; a backfill of the
                job goes on that has times in common with this one; the job has another schedule than the
                preview; or it is disabled by a setting.
            LedgerError: the ledger cannot be used; nothing was asked.
        """
        check_note(note)
        check_pace(rate, max_instances)
        wanted, found = self._wanted(job_id, start, end, only_missed)
        if not found.number:
            raise WrongSpanError(f"there is nothing to do: {self._none(wanted)}")

        def ask(connection: Connection) -> int:
            state = self._existing(connection, job_id)
            refuse_if_disabled(connection, state)
            refuse_overlapping(connection, wanted)
            previewed = fingerprint(wanted.schedule_data or "") if schedule is None else schedule
            if fingerprint(state.schedule_data or "") != previewed:
                raise NotNowError(
                    f"the job {job_id!r} has another schedule by now than the one whose ticks were shown:"
                    " look at the preview again"
                )
            number = backfills.ask(connection, wanted, found.number or 0, rate, max_instances, self.who, note)
            self._note_down(connection, "backfill", job_id, number, note)
            return number

        return int(self._execute(ask))

    def stop_backfill(self, backfill_id: int, *, note: str | None = None) -> bool:
        """Let a backfill make no more runs; those that it made already go on. It can be continued.

        Args:
            note: why, for the audit trail.

        Returns:
            False if it did not go on anyway.

        Raises:
            ScheduleError: there is no such backfill.
            LedgerError: the ledger cannot be used; nothing was asked.
        """
        check_note(note)

        def stop(connection: Connection) -> bool:
            found = _read(connection, backfill_id)
            if found.state != "running":
                return False
            backfills.stop(connection, found.number)
            self._note_down(connection, "stop backfill", found.wanted.job_id, found.number, note)
            return True

        return bool(self._execute(stop))

    def continue_backfill(self, backfill_id: int, *, note: str | None = None) -> bool:
        """Let a backfill that was stopped go on where it was.

        Args:
            note: why, for the audit trail.

        Returns:
            False if it goes on already, or is finished.

        Raises:
            ScheduleError: there is no such backfill, its job is gone or disabled, or another backfill of the
                job goes on that has times in common with it.
            LedgerError: the ledger cannot be used; nothing was asked.
        """
        check_note(note)

        def go_on(connection: Connection) -> bool:
            found = _read(connection, backfill_id)
            if found.state != "stopped":
                return False
            refuse_if_disabled(connection, self._existing(connection, found.wanted.job_id))
            refuse_overlapping(connection, found.wanted)
            backfills.go_on(connection, found.number)
            self._note_down(connection, "continue backfill", found.wanted.job_id, found.number, note)
            return True

        return bool(self._execute(go_on))

    def _note_down(
        self, connection: Connection, action: str, job_id: str, number: int, note: str | None
    ) -> None:
        about = f"backfill {number}"
        requests.note_down(connection, self.who, action, job_id, note=f"{about}: {note}" if note else about)

    def _wanted(
        self, job_id: str, start: Any, end: Any, only_missed: Any, patience: float = math.inf
    ) -> tuple[Wanted, backfills.Count]:
        """Return which ticks are meant, and how many these are; at most `MOST`."""
        begin, until = self._instants(start, end)
        if not isinstance(only_missed, bool):
            raise ScheduleError(f"only_missed={only_missed!r:.80} must be True or False")
        self.ledger.check_readable()
        with self.ledger.reading() as connection:
            state = self._existing(connection, job_id)
            wanted = Wanted(job_id, state.schedule_data or "", begin, until, only_missed)
            refuse_if_disabled(connection, state)
            if state.exhausted is not None:
                raise NotNowError(
                    f"the job {job_id!r} was added while running, and has no tick left: it runs no more"
                )
            try:
                found = backfills.count(connection, wanted, _schedule(wanted), _within(patience))
            except TimeoutError:
                raise WrongSpanError(
                    f"the ticks of the job {job_id!r} from {self._span(wanted)} were not counted within"
                    f" {exact_seconds(patience)}: give a shorter time"
                ) from None
        if found.number is None:
            raise WrongSpanError(
                f"a backfill may have {MOST:,} ticks, and the job {job_id!r} has more of them from"
                f" {self._span(wanted)}: give a shorter time"
            )
        return wanted, found

    def _instants(self, start: Any, end: Any) -> tuple[int, int]:
        for name, given in (("start", start), ("end", end)):
            if not isinstance(given, datetime) and (name == "start" or given is not None):
                raise ScheduleError(
                    f"{name}={given!r:.80} must be a datetime, such as datetime(2027, 1, 31, 9, 30)"
                )
        now = ticks.now()
        with failing(call_site(), None):
            begin = instant_of(start, "start", self.timezone)
            until = now if end is None else instant_of(end, "end", self.timezone)
        if until > now:
            raise WrongSpanError(
                f"the end of a backfill, {at(until, self.timezone)}, is still to come: ticks to come run at"
                " their time",
                "end",
            )
        if begin > until:
            raise WrongSpanError(
                f"the start of a backfill, {at(begin, self.timezone)}, is later than its end,"
                f" {at(until, self.timezone)}"
            )
        return begin, until

    def _none(self, wanted: Wanted) -> str:
        what = " is on record that did not succeed" if wanted.only_missed else ""
        return f"no tick of the job {wanted.job_id!r} from {self._span(wanted)}{what}"

    def _span(self, wanted: Wanted) -> str:
        zone = _schedule(wanted).zone
        return f"{at(wanted.begin, zone)} to {at(wanted.until, zone)}"


def refuse_overlapping(connection: Connection, wanted: Wanted) -> None:
    """Refuse a backfill beside one of the same job that goes on, and would run the same ticks."""
    other = backfills.overlapping(connection, wanted)
    if other is not None:
        raise NotNowError(
            f"backfill {other} of the job {wanted.job_id!r} goes on, and has times in common with this one:"
            " wait for its end, or stop it"
        )


def check_pace(rate: Any, max_instances: Any) -> None:
    """Raise ScheduleError unless a backfill may have this rate of runs a minute, and this many at once."""
    _check_number("rate", rate, MOST_RATE, or_none=True)
    _check_number("max_instances", max_instances, MOST_INSTANCES)


def _within(patience: float) -> Callable[[], None]:
    """Return what raises TimeoutError once that many seconds have passed."""
    give_up = system.monotonic() + patience

    def check() -> None:
        if system.monotonic() > give_up:
            raise TimeoutError

    return check


def _schedule(wanted: Wanted) -> Schedule:
    schedule = wanted.schedule
    if schedule is None:
        raise ScheduleError(
            f"the schedule of the job {wanted.job_id!r} cannot be computed without its code: its time zone"
            " has no name, or this machine does not know it"
        )
    return schedule


def _read(connection: Connection, backfill_id: Any) -> backfills.Backfill:
    is_number = type(backfill_id) is int and 0 < backfill_id < 2**63
    found = backfills.read(connection, backfill_id) if is_number else None
    if found is None:
        raise NoSuchBackfillError(no_backfill(backfill_id))
    return found


def _check_number(name: str, given: Any, most: int, *, or_none: bool = False) -> None:
    is_none = or_none and given is None
    if not is_none and (type(given) is not int or not 1 <= given <= most):
        raise ScheduleError(f"{name}={given!r:.80} must be a whole number from 1 to {most:,}")
