"""A schedule as a sentence: `at 02:00 on Sundays`. Pure: from its canonical data alone.

Times are of the schedule's own zone. Where no sentence would say all of it and nothing else, the trigger's
expression stands instead: better terse than nearly true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from everytick.model import ticks
from everytick.model.schedule import Schedule, from_data

from .cron import NoWords, cron_in_words
from .durations import every, exact
from .instants import clock, date_and_time
from .wording import MONTHS, WEEKDAYS, listed, ordinal

_HOUR = 3_600 * ticks.SECOND
# Where counting begins unless a schedule says otherwise.
_ANCHOR = date(2000, 1, 1)


def in_words(schedule: Schedule) -> str:
    """Return when a schedule is due, in words; its expression where there are no honest ones."""
    if schedule.startup_delay is not None:
        return _at_start(schedule.startup_delay)
    try:
        return _sentence(schedule.data) + _jitter(schedule.jitter)
    except NoWords:
        return schedule.text


def _at_start(delay: int) -> str:
    return f"{exact(delay)} after each start" if delay else "at each start"


def _sentence(data: Mapping[str, Any]) -> str:
    if data["trigger"] in ("or", "and"):
        return _combined(data)
    return _MAKERS[data["trigger"]](data)


def _jitter(jitter: int) -> str:
    return f", delayed by up to {exact(jitter)}" if jitter else ""


def _excluding(data: Mapping[str, Any]) -> str:
    words = _sentence(data["source"])
    if data["workday"]:
        words = words.replace(" every day", "", 1) + f" on the {data['workday']} workday of the month"
    days = ticks.Days(data["days"])
    if days:
        words += f", except {days.text}"
    return words if data["shift"] == "skip" else f"{words} (moved to the {data['shift'].replace('-', ' ')})"


def _cron(data: Mapping[str, Any]) -> str:
    return cron_in_words(data["fields"]) + _bounds(data)


def _interval(data: Mapping[str, Any]) -> str:
    step = data["step"]
    words = every(step)
    if step > 24 * _HOUR and step % (24 * _HOUR) == 0:
        # Elapsed time: on the clock a day may have 23 hours or 25.
        words = f"every {step // (24 * _HOUR)} days of 24 hours"
    return words + _bounds(data)


def _bounds(data: Mapping[str, Any]) -> str:
    bounds = [
        f", {words} {_wall(data, name)}"
        for name, words in (("start", "not before"), ("end", "not after"))
        if data[name] is not None
    ]
    return "".join(bounds)


def _date(data: Mapping[str, Any]) -> str:
    if data["at"] is None:
        return _at_start(0)
    return f"once, at {_wall(data, 'at')}"


def _wall(data: Mapping[str, Any], name: str) -> str:
    """Return an instant of the data as the clock of its zone shows it."""
    zone = from_data(dict(data)).zone
    return date_and_time(ticks.moment(data[name], zone).replace(tzinfo=None))


def _calendar(data: Mapping[str, Any]) -> str:
    hour, minute, second = (int(part) for part in data["time"].split(":"))
    start, months, days = date.fromisoformat(data["start"]), data["years"] * 12 + data["months"], data["days"]
    if months and days:
        raise NoWords("a calendar of months and days")
    on_which_days, counts = _months(months, start) if months else _days(days, start)
    words = f"at {clock(hour * 3600 + minute * 60 + second)} {on_which_days}"
    if counts:
        words += f", counted from {start}"
    elif start != _ANCHOR:
        words += f", not before {start}"
    return words + (f", not after {data['end']}" if data["end"] else "")


def _days(days: int, start: date) -> tuple[str, bool]:
    """Return the words for every n-th day, and whether they need to say from where it is counted."""
    if days == 1:
        return "every day", False
    if days == 7:
        return f"on {WEEKDAYS[start.weekday()]}s", False
    if days % 7 == 0:
        return f"every {days // 7} weeks on {WEEKDAYS[start.weekday()]}s", True
    return f"every {days} days", True


def _months(months: int, start: date) -> tuple[str, bool]:
    """The same for every n-th month on the day of the month that `start` has."""
    where = ", where there is such a day" if start.day > 28 else ""
    if months == 1:
        return f"on the {ordinal(start.day)} of every month{where}", False
    if months % 12 == 0:
        where = where if (start.month, start.day) == (2, 29) else ""
        day = f"on the {ordinal(start.day)} of {MONTHS[start.month - 1]}"
        years = months // 12
        return f"{day} every {'year' if years == 1 else f'{years} years'}{where}", years > 1
    return f"on the {ordinal(start.day)} of every {ordinal(months)} month{where}", True


def _combined(data: Mapping[str, Any]) -> str:
    """Return the parts in a row; those of other zones than the first one with their zone."""
    word, parts = data["trigger"], list(_flat(data, data["trigger"]))
    if any(part["trigger"] in ("or", "and") for part in parts):
        raise NoWords("a combination within another")
    zones = {part["zone"] for part in parts if part["trigger"] != "interval" or _is_bounded(part)}
    sentences = [_sentence(part) + (f" ({part['zone']})" if len(zones) > 1 else "") for part in parts]
    sentences = list(dict.fromkeys(sentences))
    if len(sentences) == 1:
        return sentences[0]
    if word == "or":
        return "; also ".join(sentences)
    together = "; ".join(sentences) if any("," in sentence for sentence in sentences) else listed(sentences)
    return f"when these meet: {together}"


def _is_bounded(part: Mapping[str, Any]) -> bool:
    return part["start"] is not None or part["end"] is not None


def _flat(data: Mapping[str, Any], word: str) -> Any:
    for part in data["parts"]:
        if part["trigger"] == word:
            yield from _flat(part, word)
        else:
            yield part


_MAKERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "cron": _cron,
    "interval": _interval,
    "date": _date,
    "calendarinterval": _calendar,
    "excluding": _excluding,
}
