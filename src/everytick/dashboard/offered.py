"""Jobs of offered functions, which people add, change and remove: for the page and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from everytick.api.control import NoSuchJobError
from everytick.api.drafts import Draft, HolidaysOf, TakenError, Wanted, WrongFieldError
from everytick.api.offered_jobs import OfferedJobs
from everytick.api.requests import NotNowError
from everytick.errors import LedgerError, ScheduleError
from everytick.model.job import Options
from everytick.model.offers import Offer, Parameter
from everytick.read.coming import ComingTick, LeftOut
from everytick.read.job_options import job_options
from everytick.read.known_job import Declared
from everytick.store.declared_options import shown_value
from everytick.text.instants import when
from everytick.text.schedules import in_words
from starlette.requests import Request

from .control import checked_note
from .offer_schemas import JobPreview, OfferedFunction, OfferedParameter
from .problems import UNAVAILABLE, Problem

NOT_LOADED = (
    "the schedule's code is not loaded here, so that it is not known what it offers: give the scheduler to"
    " asgi(), instead of a SchedulerClient, or look where the schedule runs"
)
# How many coming ticks a preview has, of how many that are left out it tells, and how many characters of a
# default are shown.
FIRES, LEFT_OUT, _SHOWN = 10, 10, 80

# How days to leave out are written.
DAYS_IN_JSON = (
    'write a date ("2026-12-24"), a range of dates (["2026-12-24", "2027-01-01"]), weekdays ("sat-sun"), or'
    ' public holidays ({"country": "DE", "subdivision": "BY"})'
)
DAYS_IN_A_FIELD = (
    "write a date (2026-12-24), a range of dates (2026-12-24 to 2027-01-01) or weekdays (sat-sun), with"
    " commas between several; public holidays have a field of their own"
)


class OfferActions:
    """What one visitor may do with jobs of offered functions.

    Raises:
        Problem: it cannot be done; with the status that says why, and the field. Nothing was changed.
    """

    def __init__(self, request: Request, how_days_are_written: str = DAYS_IN_JSON) -> None:
        declared: Declared = request.app.state.declared()
        if declared.offers is None:
            raise Problem(409, NOT_LOADED)
        self._offers = declared.offers
        who = request.state.visitor.who
        self._jobs = OfferedJobs(declared.offers, who, how_days_are_written, declared.defaults)

    def offer(self, function: str) -> Offer:
        """Return a function that the code offers."""
        if function not in self._offers:
            raise Problem(404, f"{function!r:.200} is not offered by the code")
        return self._offers[function]

    @property
    def usual(self) -> Options:
        """The options of a job that names none."""
        return self._jobs.usual

    def as_it_is(self, job_id: str) -> tuple[Draft, Offer]:
        """Return a job that was added, and the function that it calls."""
        with _problems():
            return self._jobs.as_it_is(job_id)

    def draft(self, function: str, wanted: Wanted) -> Draft:
        """Return a new job as it would be kept."""
        with _problems():
            return self._jobs.draft(function, wanted)

    def draft_change(self, job_id: str, wanted: Wanted, version: int | None) -> Draft:
        """Return a job as it would be kept after a change."""
        with _problems():
            return self._jobs.draft_change(job_id, wanted, version)

    def keep(self, draft: Draft, note: str | None) -> tuple[bool, str]:
        """Keep a drafted job; return whether that changed anything, and the sentence about it."""
        with _problems():
            changed = self._jobs.keep(draft, checked_note(note))
        if draft.row:
            done = "is changed" if changed else "is as it was"
        else:
            done = "is added" if changed else "was there already, the very same"
        fires = draft.fires(1)
        due = f", and due next {when(fires[0][0], draft.job.schedule.zone)}" if fires else ""
        return changed, f"{draft.job.id} {done}{due}."

    def remove(self, job_id: str, note: str | None) -> str:
        """Remove a job; return the sentence about it."""
        with _problems():
            self._jobs.remove(job_id, checked_note(note))
        return f"{job_id} is removed; its history stays."


@contextmanager
def _problems() -> Iterator[None]:
    try:
        yield
    except WrongFieldError as problem:
        raise Problem(422, str(problem), problem.field) from None
    except TakenError as problem:
        raise Problem(409, str(problem), "id") from None
    except NoSuchJobError as problem:
        raise Problem(404, str(problem)) from None
    except NotNowError as problem:
        raise Problem(409, str(problem)) from None
    except (ScheduleError, ValueError) as problem:
        raise Problem(422, str(problem)) from None
    except LedgerError as problem:
        raise Problem(UNAVAILABLE, str(problem)) from None


def offered_function(offer: Offer) -> OfferedFunction:
    """Return a function that the code offers, as the API shows it."""
    return {
        "function": offer.reference,
        "name": offer.name,
        "description": offer.description,
        "parameters": [_parameter(one) for one in offer.parameters],
    }


def _parameter(one: Parameter) -> OfferedParameter:
    return {
        "name": one.name,
        "type": one.kind,
        "required": one.is_required,
        "nullable": one.is_optional,
        "choices": list(one.choices) if one.kind == "choice" else None,
        "default": None if one.is_required else default_of(one),
    }


def default_of(one: Parameter) -> str:
    """Return the default of a parameter as code has it, shortened and without secrets."""
    return shown_value(one.default, one.name)[:_SHOWN]


def check_shown(draft: Draft, shown: str) -> None:
    """Refuse to keep another job than the one that was shown: a default or a holiday may be another by now.

    Raises:
        Problem: it is another one.
    """
    if shown != draft.fingerprint:
        raise Problem(
            409,
            f"job {draft.job.id!r:.200} would not be the one that was shown: the schedule's code or its"
            " settings changed meanwhile; look at the preview as it is now",
        )


def preview_of(draft: Draft) -> JobPreview:
    """Return a job as it would be, as the API shows it."""
    job = draft.job
    return {
        "job_id": job.id,
        "name": job.name,
        "function": job.reference,
        "arguments": job_options(job)["arguments"],
        "trigger": job.trigger,
        "trigger_in_words": in_words(job.schedule),
        "timezone": job.schedule.zone_name,
        "next_fires": [ComingTick(job.id, tick, note, "").as_json() for tick, note in draft.fires(FIRES)],
        "options": job_options(job),
        "left_out": [LeftOut(tick, job.id, why).as_json() for tick, why in draft.left_out(LEFT_OUT)],
        "warnings": list(draft.warnings),
        "shown": draft.fingerprint,
    }


def change_of(data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a schedule as `Wanted` has it, of JSON."""
    if data is None or not data.get("exclude"):
        return None if data is None else dict(data)
    return {**data, "exclude": [_days(one) for one in data["exclude"]]}


def _days(one: Any) -> Any:
    """Return days to leave out: in JSON a range is a list of two, and a calendar an object."""
    if isinstance(one, dict):
        return HolidaysOf(one["country"], one.get("subdivision"))
    return tuple(one) if isinstance(one, list) else one
