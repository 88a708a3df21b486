"""The form of a job that people add or change: what its fields hold, and the job that they ask for.

Names of fields: those of a trigger begin with its name, as `cron.hour`, those of arguments with `arguments.`,
of options with `options.`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from everytick.api.drafts import Draft, HolidaysOf, Wanted
from everytick.masking import is_secret_name
from everytick.model import ticks
from everytick.model.offers import Offer, Parameter
from everytick.model.schedule import Schedule
from everytick.text.instants import iso, typed

from .forms import Form
from .option_fields import emptied_options, given_options, number, shown_options
from .problems import Problem

# Triggers with their fields, in the order of the page. `keep` stands for the one that a job has.
TRIGGERS = {
    "crontab": ("line",),
    "cron": ("minute", "hour", "day", "month", "day_of_week", "week", "year", "second"),
    "interval": ("weeks", "days", "hours", "minutes", "seconds"),
    "date": ("run_date",),
    "calendarinterval": ("years", "months", "weeks", "days", "hour", "minute"),
}
# What all triggers but `date` take.
BOUNDS = ("start_date", "end_date", "jitter")
# The fields of the days that are left out: days, and public holidays as `DE/BY`.
DAYS = ("exclude", "holidays")
# More text a field does not take.
_LONGEST = 1_000
_NUMBERS = ("weeks", "days", "hours", "minutes", "seconds", "years", "months", "jitter")
# The dates and times that a field for them can show.
_SHOWN = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?"),
}
_CALENDAR = re.compile(r"holidays\('([^'/,\\]+)'(?:, '([^'/,\\]+)')?\)")
# Characters that a browser drops or changes in a field, and halves of characters, which no page can have.
_LOST = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# More text than this has no place in fields; programs may send more.
MOST_TEXT = 8_000


def wanted(form: Form, offer: Offer, known: Draft | None = None) -> Wanted:
    """Return the job that a form asks for.

    `known`: the job that is changed. Secrets whose fields are empty stay as they are, and so do the days that
    are left out where their fields are as they were.
    """
    job = None if known is None else known.job
    there = {} if job is None else offer.given(job.args, job.kwargs) or {}
    arguments = {}
    for parameter in offer.parameters:
        field = f"arguments.{parameter.name}"
        text = form.get(field).replace("\r\n", "\n")
        if text == "" and parameter.name in there and is_secret_name(parameter.name):
            arguments[parameter.name] = there[parameter.name]
        elif text != "":
            arguments[parameter.name] = _value(parameter, field, text)
        elif parameter.is_required and parameter.is_optional:
            arguments[parameter.name] = None
        elif parameter.is_required and parameter.kind == "string":
            arguments[parameter.name] = ""
    return Wanted(
        _schedule(form, None if job is None else job.schedule),
        arguments,
        form.get("id").strip() or None,
        form.get("name").strip() or None,
        given_options(form),
        emptied_options(form, {} if job is None else job.given),
    )


def _schedule(form: Form, known: Schedule | None) -> dict[str, Any] | None:
    trigger = form.get("trigger")
    if trigger == "keep" and known is not None:
        return _other_days(form, known)
    if trigger not in TRIGGERS:
        raise Problem(422, "schedule: choose when it is due", "schedule")
    found: dict[str, Any] = {"trigger": trigger}
    fields = {f"{trigger}.{name}": name for name in TRIGGERS[trigger]} | {"timezone": "timezone"}
    if trigger != "date":
        fields |= {name: name for name in BOUNDS}
    for field, name in fields.items():
        text = form.get(field).strip()
        if not text:
            continue
        is_clock = trigger == "calendarinterval" and name in ("hour", "minute")
        if name in _NUMBERS or is_clock:
            found[name] = number("schedule", name, text, whole=trigger == "calendarinterval")
        else:
            found[name] = text
    return found if trigger == "date" else found | _days_given(form, known)


def _other_days(form: Form, known: Schedule) -> dict[str, Any] | None:
    """Return which other days a schedule leaves out that stays as it is; None for the same."""
    shown = schedule_fields(known)
    for name in ("timezone", *BOUNDS):
        text = form.get(name).strip()
        if text != shown.get(name, "") and (text or name != "timezone"):
            raise Problem(
                422,
                f"schedule: {name} is not changed while the schedule stays as it is: choose a kind of"
                " schedule",
                "schedule",
            )
    found = _days_given(form, known)
    shift = form.get("shift") or "skip"
    if shift != shown.get("shift", "skip") and found.get("exclude") != []:
        found["shift"] = shift
    return found or None


def _days_given(form: Form, known: Schedule | None) -> dict[str, Any]:
    """Return the days that a form leaves out; nothing where the fields are as they were."""
    shown = {} if known is None else days_fields(known)
    found: dict[str, Any] = {}
    if any(form.get(name).strip() != shown.get(name, "") for name in DAYS):
        # Where the days are more than the fields hold, these are empty, and the days stay.
        named = [one for one in _listed(form, "exclude") if one != "none"]
        found["exclude"] = [*map(_days, named), *map(_holidays, _listed(form, "holidays"))]
    if form.get("shift") and found.get("exclude") != []:
        # Without such days there is nothing to move.
        found["shift"] = form.get("shift")
    return found


def _listed(form: Form, name: str) -> list[str]:
    return [one.strip() for one in form.get(name).split(",") if one.strip()]


def _days(text: str) -> str | tuple[str, str]:
    first, found, last = text.partition(" to ")
    return (first.strip(), last.strip()) if found else text


def _holidays(text: str) -> HolidaysOf:
    country, _, subdivision = text.partition("/")
    return HolidaysOf(country.strip(), subdivision.strip() or None)


def _value(parameter: Parameter, field: str, text: str) -> Any:
    """Return the value that the text of a field stands for; `Offer.call` checks it."""
    stripped = text.strip()
    try:
        if parameter.kind == "string":
            return text
        if parameter.kind in ("date", "datetime"):
            return stripped
        if parameter.kind == "boolean":
            return {"true": True, "false": False}[stripped]
        if parameter.kind == "integer" and re.fullmatch(r"-?\d{1,400}", stripped):
            return int(stripped)
        if parameter.kind == "number":
            return float(stripped) if not re.fullmatch(r"-?\d{1,400}", stripped) else int(stripped)
        if parameter.kind in ("json", "choice"):
            return json.loads(stripped)
    except (ValueError, KeyError, RecursionError):
        pass
    forms = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    what = forms.get(parameter.kind, 'JSON, such as 3, "text" or [1, 2]')
    raise Problem(422, f"{parameter.name}: {stripped!r:.80} is not {what}", field)


def fields_of(draft: Draft, offer: Offer) -> dict[str, str] | None:
    """Return what the fields of a form hold for a job that is there; None if they cannot hold it."""
    job, row = draft.job, draft.row
    known = offer.given(job.args, job.kwargs)
    if known is None or row is None:
        return None
    found = {"id": job.id, "name": job.name, "version": str(row.serial), "trigger": "keep"}
    found |= schedule_fields(job.schedule)
    for parameter in offer.parameters:
        if parameter.name in known and not is_secret_name(parameter.name):
            found[f"arguments.{parameter.name}"] = _text(parameter, known[parameter.name])
    found |= shown_options(job.given)
    is_kept = sum(map(len, found.values())) <= MOST_TEXT and not any(map(_LOST.search, found.values()))
    return found if is_kept else None


def schedule_fields(schedule: Schedule) -> dict[str, str]:
    """Return what the fields of a schedule hold, as far as it is of one trigger, to begin a change with."""
    data = schedule.data["source"] if schedule.data["trigger"] == "excluding" else schedule.data
    found = {"timezone": schedule.zone_name}
    if data["trigger"] == "cron":
        found |= {f"cron.{name}": str(text) for name, text in data["fields"].items()}
        if workday := schedule.data.get("workday"):
            found["cron.day"] = f"{workday} workday"
    elif data["trigger"] == "interval":
        left = data["step"] / ticks.SECOND
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            number, left = divmod(left, size)
            found |= {f"interval.{unit}": f"{number:g}"} if number else {}
        found |= {"interval.seconds": f"{left:g}"} if left else {}
    elif data["trigger"] == "date" and data["at"] is not None:
        found["date.run_date"] = typed(data["at"], schedule.zone)
    elif data["trigger"] == "calendarinterval":
        hour, minute, *_seconds = data["time"].split(":")
        amounts = {name: data[name] for name in ("years", "months", "days") if data[name]}
        found |= {f"calendarinterval.{name}": str(it) for name, it in amounts.items()}
        found |= {"calendarinterval.hour": str(int(hour)), "calendarinterval.minute": str(int(minute))}
    for name, end in (("start_date", "start"), ("end_date", "end")):
        at = data.get(end)
        if at is not None:
            found[name] = iso(at) if isinstance(at, int) else str(at)
    if schedule.jitter:
        found["jitter"] = f"{schedule.jitter / ticks.SECOND:g}"
    return found | days_fields(schedule)


def days_fields(schedule: Schedule) -> dict[str, str]:
    """Return what the fields of the days that are left out hold; nothing if they cannot hold them."""
    if schedule.data["trigger"] != "excluding":
        return {}
    days, shift = schedule.data["days"], schedule.data["shift"]
    calendars = [_CALENDAR.fullmatch(one["name"]) for one in days["calendars"]]
    ranges = [first if first == last else f"{first} to {last}" for first, last in days["ranges"]]
    texts = {
        "exclude": ", ".join([*ticks.spelled(days["weekdays"]), *ranges]),
        "holidays": ", ".join("/".join(filter(None, found.groups())) for found in calendars if found),
    }
    if not all(calendars) or any(len(text) > _LONGEST for text in texts.values()):
        texts = {}
    return {name: text for name, text in {**texts, "shift": shift}.items() if text}


def hides_days(schedule: Schedule) -> bool:
    """Return whether a schedule leaves out days that the fields do not show."""
    is_excluding = schedule.data["trigger"] == "excluding" and any(schedule.data["days"].values())
    return is_excluding and not set(DAYS) & days_fields(schedule).keys()


def field_type(kind: str, value: str) -> str:
    """Return the type of a field for a date or a time; that of a text if a browser would not show the value.

    A browser leaves such a field empty, and nobody would see that another value is sent.
    """
    if kind not in _SHOWN or (value and not _SHOWN[kind].fullmatch(value)):
        return "text"
    return "datetime-local" if kind == "datetime" else kind


def _text(parameter: Parameter, value: Any) -> str:
    if value is None:
        return "null" if parameter.kind == "json" else ""
    if parameter.kind in ("string", "date", "datetime") and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
