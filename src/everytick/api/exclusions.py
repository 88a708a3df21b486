"""The arguments `exclude=` and `shift=` of `add_job`, and the words `first workday` and `last workday`.

Every function raises ValueError with a sentence that begins with the argument's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, get_args

from everytick.errors import nearest
from everytick.model import schedule, ticks
from everytick.model.schedule import Schedule
from everytick.model.ticks.days import WEEKDAYS
from everytick.text import wording

from .holidays import FIRST_YEAR, LAST_YEAR, Calendar

NAMES = frozenset({"exclude", "shift"})
SHIFTS: tuple[str, ...] = get_args(ticks.Shift)

# How days are written in code.
IN_CODE = (
    "write a date ('2026-12-24'), a range of dates (('2026-12-24', '2027-01-01')), weekdays ('sat-sun'),"
    " holidays('DE', 'BY'), or a list of these"
)
_WORKDAY = re.compile("(first|last) +workday")
_WHY_NO_WORKDAY = "exclude= leaves out each day from Monday to Friday, so that there is no workday"


class NoDayError(ValueError):
    """A value is no day to leave out. What would be right is written otherwise in code than in a form."""

    def __init__(self, wrong: str, hint: str = "") -> None:
        super().__init__(f"{wrong}: {IN_CODE}{hint}")
        self._wrong, self._hint = wrong, hint

    def where_written(self, how: str) -> str:
        """Return the sentence for a place where days are written in another way than in code."""
        return f"{self._wrong}: {how}{self._hint}"


def split(trigger: Any, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of the trigger itself, and those that say on which of its days it is due."""
    own = {name: value for name, value in arguments.items() if name not in NAMES}
    chosen = {name: arguments[name] for name in NAMES & arguments.keys()}
    day = own.get("day")
    if trigger == "cron" and isinstance(day, str) and (found := _WORKDAY.fullmatch(day.strip().lower())):
        # Each day of the month, with the time of day that follows.
        own["day"] = "*"
        chosen["workday"] = found[1]
    return own, chosen


def apply(source: Schedule, chosen: Mapping[str, Any]) -> Schedule:
    """Return a schedule without the days that the arguments leave out."""
    exclude, shift, workday = chosen.get("exclude"), chosen.get("shift"), chosen.get("workday")
    if isinstance(exclude, Kept):
        if source.data["trigger"] == "date":
            return _with_remark(source, "its exclude= is gone, since a date is one instant")
        days = exclude.data
        if workday and shift not in (None, "skip"):
            remark = f"its shift={shift!r} is gone, since the {workday} workday is never an excluded day"
            return _with_remark(apply(source, {**chosen, "shift": None}), remark)
    else:
        days = _days(exclude)
    if shift is not None and shift not in SHIFTS:
        raise ValueError(f"shift={shift!r} must be one of {_listed(SHIFTS)}{nearest(str(shift), SHIFTS)}")
    is_empty = not any(days.values())
    if is_empty and workday is None:
        if shift not in (None, "skip"):
            raise ValueError(f"shift={shift!r} says what becomes of excluded days: give exclude= beside it")
        return source
    if workday and shift not in (None, "skip"):
        raise ValueError(
            f"shift={shift!r} has no effect with day='{workday} workday', which is never an excluded day"
        )
    if source.data["trigger"] == "date":
        raise ValueError("exclude= is for jobs with many ticks: a date is one instant, so give it another")
    try:
        found = schedule.excluding(source, days, shift or "skip", workday)
    except ValueError as problem:
        raise ValueError(f"exclude=: {problem}") from None
    assert isinstance(found.ticks, ticks.ExcludingTicks)
    _check_something_is_left(found.ticks)
    return found


def _with_remark(found: Schedule, remark: str) -> Schedule:
    """Return a schedule that says what a job that had another trigger has no more."""
    return replace(found, remark="; ".join(filter(None, (found.remark, remark))))


class Kept:
    """The excluded days of a job as they are, in the place of `exclude=`."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data


def of(known: Schedule, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schedule leaves out, as arguments of `apply`, with changes of it.

    The workday of a month is a part of the trigger, and not among them.
    """
    new = {name: changes[name] for name in NAMES & changes.keys()}
    if known.data["trigger"] != "excluding":
        return new
    is_emptied = "exclude" in new and not new["exclude"]
    kept = {} if is_emptied else {"exclude": Kept(known.data["days"]), "shift": known.data["shift"]}
    return {**kept, **new}


def changed(known: Schedule, changes: Mapping[str, Any]) -> Schedule:
    """Return a schedule with the same trigger and other days that are left out."""
    source, workday = known, None
    if known.data["trigger"] == "excluding":
        source, workday = schedule.from_data(known.data["source"]), known.data["workday"]
    return apply(source, {**of(known, changes), "workday": workday})


def _check_something_is_left(found: ticks.ExcludingTicks) -> None:
    needs_workdays = found.workday is not None or found.shift != "skip"
    if needs_workdays and not found.days.has_workdays_left:
        raise ValueError(_WHY_NO_WORKDAY)
    if not found.days.has_weekdays_left:
        raise ValueError("exclude= leaves out every day of the week, so that the job would never run")
    begin, end = (ticks.instant(datetime(year, 1, 1, tzinfo=ticks.EPOCH.tzinfo)) for year in _YEARS)
    if found.excludes_all(begin, end):
        raise ValueError(
            f"exclude= leaves out every tick of {FIRST_YEAR} to {LAST_YEAR}, so that the job would never run"
        )


_YEARS = (FIRST_YEAR, LAST_YEAR + 1)


def _days(value: Any) -> dict[str, Any]:
    weekdays: set[int] = set()
    ranges: list[list[str]] = []
    calendars: dict[str, Calendar] = {}
    for one in _each(value):
        if isinstance(one, Calendar):
            calendars[one.name] = one
        elif isinstance(one, tuple):
            ranges.append(_range(one))
        elif isinstance(one, str) and (found := _weekdays(one)) is not None:
            weekdays |= found
        else:
            day = _date(one).isoformat()
            ranges.append([day, day])
    return {
        "weekdays": sorted(weekdays),
        "ranges": sorted(map(list, {tuple(one) for one in ranges})),
        "calendars": [calendars[name].data for name in sorted(calendars)],
    }


def _each(value: Any) -> Iterable[Any]:
    if value is None:
        return []
    return value if isinstance(value, list | set | frozenset) else [value]


def _range(value: tuple[Any, ...]) -> list[str]:
    if len(value) != 2 or any(isinstance(one, str) and _weekdays(one) is not None for one in value):
        raise ValueError(
            f"exclude={value!r:.200}: a tuple is a range of dates, the first and the last one; put single"
            " days into a list"
        )
    first, last = map(_date, value)
    if last < first:
        raise ValueError(f"exclude={value!r:.200}: the range ends before it begins")
    return [first.isoformat(), last.isoformat()]


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        raise ValueError(f"exclude={value!r}: whole days are left out: write a date, '2026-12-24'")
    if isinstance(value, str):
        try:
            # A week is no day, though Python takes it for its Monday.
            return _within(date.fromisoformat(value.strip().replace("W", "?")), value)
        except ValueError as problem:
            if "exclude=" in str(problem):
                raise
            raise NoDayError(f"exclude={value!r:.200} is no day", _meant(value)) from None
    if isinstance(value, date):
        return _within(value, value)
    if isinstance(value, Mapping) and hasattr(value, "country"):
        raise ValueError("exclude= takes everytick's own holidays('DE', 'BY'), which keeps the days it found")
    raise NoDayError(f"exclude={value!r:.200} is no day")


def _meant(text: str) -> str:
    """Return a hint for weekdays that are written otherwise; "" where nobody can tell."""
    word = text.strip().lower()
    known = {"weekend": "sat-sun", "weekends": "sat-sun", "weekdays": "mon-fri", "workdays": "mon-fri"}
    whole = [name.lower() for name in wording.WEEKDAYS]
    short = next((name[:3] for name in whole if len(word) > 3 and name.startswith(word.rstrip("s"))), None)
    if found := known.get(word, short):
        return f"; did you mean {found!r}?"
    parts = re.split(r"[\s,;]+", word)
    if len(parts) > 1 and all(_weekdays(part) is not None for part in parts):
        return f"; give them one by one: {', '.join(map(repr, parts))}"
    # Of a longer word another day is most likely meant than the one with the most letters in common.
    return nearest(word, WEEKDAYS) if len(word) < 5 else ""


def _within(day: date, value: Any) -> date:
    if not 1970 <= day.year < 9_000:
        raise ValueError(f"exclude={value!r} is too far away")
    return day


def _weekdays(text: str) -> set[int] | None:
    """Return the weekdays that a text names, `sat`, `sat-sun` or `fri-mon`; None if it names none."""
    first, dash, last = text.strip().lower().partition("-")
    last = last if dash else first
    if first not in WEEKDAYS or last not in WEEKDAYS:
        return None
    begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
    return {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}


def _listed(words: Iterable[str]) -> str:
    *some, last = map(repr, words)
    return f"{', '.join(some)} or {last}"
