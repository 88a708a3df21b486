"""Jobs that people add, change and remove on the page or by the API: of functions that the code offers.

Each is drafted first: looked at whole, with nothing written. What a person names is compared with what the
code offers, and never looked up or imported. All else is as by `add_job` of a `SchedulerClient`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from everytick.app import typed
from everytick.errors import ScheduleError, nearest
from everytick.model import functions, ticks
from everytick.model.job import OPTION_NAMES, Job, Options
from everytick.model.kept_data import read_call
from everytick.model.offers import ArgumentError, Offer
from everytick.model.schedule import Schedule, from_text
from everytick.store import pauses
from everytick.store.connections import Connection
from everytick.store.records import AddedRow, JobState
from everytick.text.instants import parse

from . import crontab, exclusions, holidays
from .client import SchedulerClient
from .control import added_row, may_change
from .cron_fields import FIELDS as CRON_FIELDS
from .declare import shown_name
from .drafts import Draft, HolidaysOf, TakenError, Wanted, WrongFieldError
from .requests import NotNowError

# An address that is called stands in the code: who adds jobs must not choose what this machine connects to.
_OF_THE_CODE = ("ping",)
_OPTIONS = OPTION_NAMES.difference(_OF_THE_CODE)
# Each keeps the days of fifteen years with the job: more of them are most likely a mistake.
_MOST_CALENDARS = 20


class OfferedJobs(SchedulerClient):
    """Adds, changes and removes jobs of offered functions.

    Every method raises WrongFieldError, NotNowError, NoSuchJobError or LedgerError; nothing was changed then.
    """

    def __init__(
        self,
        offers: Mapping[str, Offer],
        who: str,
        how_days_are_written: str = exclusions.IN_CODE,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        """Let somebody act.

        Args:
            offers: what the code offers.
            who: who acts.
            how_days_are_written: what to write in the place that people use, for the sentences about it.
            defaults: the options of the schedule's jobs that name none, with its `job_defaults`.
        """
        super().__init__(who)
        self._job_defaults = defaults or {}
        self._offers = offers
        self._how_days_are_written = how_days_are_written

    @property
    def usual(self) -> Options:
        """The options of a job that names none."""
        return self._options({})

    def draft(self, function: str, wanted: Wanted) -> Draft:
        """Return a new job as it would be kept."""
        offer = self._offered(function)
        args, kwargs = _call(offer, wanted.arguments or {})
        if wanted.schedule is None:
            raise WrongFieldError("schedule", "give a trigger: cron, interval, date, ...")
        with _field("schedule"):
            trigger, trigger_args = _trigger(wanted.schedule)
        # So that the field is named whose value is wrong.
        self._read(wanted.schedule)
        options, name = self._given(wanted.options), _name(wanted.name, offer.name)
        if wanted.job_id in (".", ".."):
            raise WrongFieldError("id", f"id: {wanted.job_id!r} is no part of an address: give another")
        with _field("id"):
            job = self._declared_job(
                offer.function,
                trigger,
                args,
                kwargs,
                wanted.job_id or None,
                name,
                options,
                trigger_args,
                "added while running",
            )
        job.annotated = offer.is_annotated
        self._check(job)
        is_named = bool(wanted.job_id)
        former = None
        if self.ledger.exists():
            former = self._execute(lambda connection: _check_free(connection, job.id, is_named=is_named))
        warnings = [*self._warnings(job), *_of_former(former)]
        note = _note_on_date(wanted, job.schedule)
        return Draft(job, None, is_named, warnings, note, is_now=_is_now(wanted))

    def as_it_is(self, job_id: str) -> tuple[Draft, Offer]:
        """Return a job that was added, and its function, which may take other arguments by now."""
        row = self._row(job_id)
        offer = self._offers[row.function]
        try:
            call = read_call(row.call_data)
            job = Job(
                id=job_id,
                name=row.name,
                func=offer.function,
                args=tuple(call.args),
                kwargs=call.kwargs,
                schedule=from_text(row.schedule_data),
                options=self._options(call.options),
                where="added while running",
                given=call.options,
                added=True,
                annotated=call.annotated,
                owner=self,
            )
        except ValueError as problem:
            raise NotNowError(f"job {job_id!r:.200} cannot be changed here: {problem}; remove it") from None
        return Draft(job, row, True, ()), offer

    def draft_change(self, job_id: str, wanted: Wanted, version: int | None = None) -> Draft:
        """Return a job that was added, as it would be kept after a change.

        `version`: the one that the person has seen; it may be no other by now.
        """
        known, offer = self.as_it_is(job_id)
        job, row = known.job, known.row
        if row is not None and version not in (None, row.serial):
            raise _changed_meanwhile(job_id)
        if wanted.arguments is not None:
            args, kwargs = _call(offer, wanted.arguments)
            job = replace(job, args=tuple(args), kwargs=kwargs, annotated=offer.is_annotated)
        with _field("arguments"):
            functions.check_arguments(offer.function, job.args, job.kwargs)
        if wanted.schedule is not None:
            job = replace(job, schedule=self._read(wanted.schedule, job.schedule))
        job = replace(job, name=_name(wanted.name, job.name))
        kept = {name: it for name, it in job.given.items() if name not in wanted.without}
        given = {**kept, **self._given(wanted.options)}
        job = replace(job, given=given, options=self._options(given))
        self._check(job)
        note = _note_on_date(wanted, job.schedule)
        is_same = _said(job, offer) == _said(known.job, offer)
        return Draft(job, row, True, self._warnings(job), note, is_same, _is_now(wanted))

    def keep(self, draft: Draft, note: str | None = None) -> bool:
        """Keep a drafted job; return False if the very same is there already."""
        if draft.is_same:
            return False
        if draft.row is not None:
            kept = self._write(draft.job, functools.partial(may_change, draft.row), note)
            if kept is None:
                raise _changed_meanwhile(draft.job.id)
            return True
        job_id, is_named = draft.job.id, draft.is_named

        def may_add(connection: Connection) -> str | None:
            state = _check_free(connection, job_id, is_named=is_named)
            return "add" if state is None or _is_gone(state) else None

        return self._write(draft.job, may_add, note) is not None

    def remove(self, job_id: str, note: str | None = None) -> None:
        """Remove a job of an offered function that was added."""
        self._row(job_id)
        self.remove_job(job_id, note=note)

    def _offered(self, function: str) -> Offer:
        if function not in self._offers:
            hint = nearest(function, self._offers)
            raise WrongFieldError("function", f"{function!r:.200} is not offered by the code{hint}")
        return self._offers[function]

    def _row(self, job_id: str) -> AddedRow:
        def read(connection: Connection) -> AddedRow:
            try:
                return added_row(connection, job_id)
            except ScheduleError as problem:
                if type(problem) is ScheduleError:
                    raise NotNowError(str(problem)) from None
                raise

        row: AddedRow = self._execute(read)
        if row.function not in self._offers:
            raise NotNowError(
                f"job {job_id!r:.200} calls {row.function!r:.200}, which the code does not offer:"
                f" `{typed('remove')}` removes it, and the code that added it may change it"
            )
        return row

    def _read(self, wanted: Mapping[str, Any], known: Schedule | None = None) -> Schedule:
        with _field("schedule"):
            trigger, arguments = _trigger(wanted)
            try:
                if known is not None and trigger is None:
                    return exclusions.changed(known, arguments)
                kept = {} if known is None else exclusions.of(known, arguments)
                return self._schedule(trigger, {**arguments, **kept})
            except exclusions.NoDayError as problem:
                raise ValueError(problem.where_written(self._how_days_are_written)) from None

    def _given(self, options: Mapping[str, Any]) -> dict[str, Any]:
        for name in options:
            if name not in _OPTIONS:
                why = "stands in the code alone" if name in _OF_THE_CODE else "is none"
                raise WrongFieldError("options", f"options: {name!r:.80} {why}{nearest(name, _OPTIONS)}")
        with _field("options"):
            self._options(options)
        return dict(options)

    def _check(self, job: Job) -> None:
        """Refuse a job that could not be kept; `_write` looks at all of that once more."""
        with _field("function"):
            functions.stable_reference(job.func)
            self.settings.allowed_functions.check(job.func)
        with _field("arguments"):
            functions.check_size(list(job.args), job.kwargs)
        with _field("schedule"):
            self._check_time_to_come(job)

    def _warnings(self, job: Job) -> list[str]:
        disabled = self.settings.job_filter.why_disabled(job.id)
        found = [job.schedule.remark] if job.schedule.remark else []
        if disabled is not None:
            found.append(f"{disabled} disables it where this dashboard runs")
        if job.only_tick is not None and job.only_tick <= ticks.now():
            late = job.too_late(job.due(job.only_tick), ticks.now())
            found.append("its date is past: it is recorded as skipped" if late else "it runs at once")
        return found


def _is_now(wanted: Wanted) -> bool:
    given = wanted.schedule or {}
    return given.get("trigger") == "date" and given.get("run_date") is None


def _note_on_date(wanted: Wanted, known: Schedule) -> str:
    """Return a note on a date that the clock does not show, or shows twice; "" if it has an offset."""
    given = wanted.schedule or {}
    if given.get("trigger") != "date" or given.get("run_date") is None:
        return ""
    moment = parse(str(given["run_date"]))
    return "" if moment.tzinfo else ticks.note_on_wall_clock(moment, known.zone)


def _name(wanted: str | None, usual: str) -> str:
    with _field("name"):
        if wanted and not wanted.isprintable():
            raise ValueError(f"{wanted!r:.80} has control characters, or halves of characters")
        return shown_name(wanted or usual)


def _said(job: Job, offer: Offer) -> str:
    """Return text that is the same of two jobs only if all is that people can change."""
    call = offer.given(job.args, job.kwargs) or [job.args, job.kwargs]
    said = [job.name, call, job.annotated, job.schedule.data, job.given]
    return json.dumps(said, sort_keys=True)


def _call(offer: Offer, arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    try:
        return offer.call(arguments)
    except ArgumentError as problem:
        raise WrongFieldError(f"arguments.{problem.parameter}", problem) from None
    except ValueError as problem:
        raise WrongFieldError("arguments", problem) from None


def _trigger(wanted: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a trigger and its arguments, as `add_job` takes them."""
    arguments = {name: it for name, it in wanted.items() if name != "trigger" and it is not None}
    if isinstance(days := arguments.get("exclude"), list):
        arguments["exclude"] = _with_calendars(days)
    trigger = wanted.get("trigger")
    if trigger == "cron" and not arguments.keys() & set(CRON_FIELDS):
        raise ValueError(
            "no field of the calendar is given, so that it would be due every second: give at least one, such"
            " as hour, or second='*' if that is meant"
        )
    if trigger != "crontab":
        return trigger, arguments
    return "cron", crontab.fields_of(str(arguments.pop("line", ""))) | arguments


def _with_calendars(days: list[Any]) -> list[Any]:
    """Return days to leave out with the calendars that they name."""
    number = sum(isinstance(one, HolidaysOf) for one in days)
    if number > _MOST_CALENDARS:
        raise ValueError(f"exclude= names {number} calendars of holidays: at most {_MOST_CALENDARS} are kept")
    return [
        holidays.look_up(one.country, one.subdivision) if isinstance(one, HolidaysOf) else one for one in days
    ]


def _check_free(connection: Connection, job_id: str, *, is_named: bool) -> JobState | None:
    """Refuse an id that another job has; return what the ledger knows of a job with this id."""
    state = pauses.read(connection, job_id)
    if state is not None and not _is_gone(state) and (is_named or state.call_data is None):
        whose = "of the code" if state.call_data is None else "that was added before"
        raise TakenError(f"id: {job_id!r:.200} is taken by a job {whose}: give another one")
    return state


def _is_gone(state: JobState) -> bool:
    return state.removed is not None or (state.exhausted is not None and state.call_data is not None)


def _of_former(state: JobState | None) -> list[str]:
    if state is None:
        return []
    if _is_gone(state):
        return ["a job of this id was there before: the history of both is one"]
    return ["the very same job is there already: nothing is added"]


def _changed_meanwhile(job_id: str) -> NotNowError:
    return NotNowError(
        f"job {job_id!r:.200} was changed meanwhile: look at it as it is now, and change it then"
    )


@contextmanager
def _field(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as problem:
        said = str(problem)
        raise WrongFieldError(name, said if said.startswith(f"{name}") else f"{name}: {said}") from None
