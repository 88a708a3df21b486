"""A cron trigger as a sentence. Pure: from the eight fields alone, in the order of what people say.

The fields are read into the numbers that they match, so that `0,30`, `*/30` and `0-59/30` become the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from .durations import every
from .instants import clock
from .wording import MONTHS, MOST_LISTED, WEEKDAYS, is_run, listed, ordinal

# Each field with its least and its greatest value, from the largest to the smallest.
_FIELDS = {
    "year": (1970, 9999),
    "month": (1, 12),
    "day": (1, 31),
    "week": (1, 53),
    "day_of_week": (0, 6),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}
_LEAST = {"year": "*", "month": "1", "day": "1", "week": "*", "day_of_week": "*"}
_SHORT_DAYS = [day[:3].lower() for day in WEEKDAYS]
_SHORT_MONTHS = [month[:3].lower() for month in MONTHS]
_WHOLE_HOUR = 3_600


class NoWords(Exception):
    """There is no sentence that would say all of it and nothing else."""


def cron_in_words(fields: Mapping[str, str]) -> str:
    """Return what cron fields mean.

    Raises:
        NoWords: no sentence is both short and true.
    """
    written = _with_defaults(fields)
    sets = {name: _numbers(name, written[name]) for name in ("hour", "minute", "second")}
    time, days = _time(**sets), _days(written)
    # A schedule that goes on all day, every day, needs no further words.
    return time if days == "every day" and len(sets["hour"]) == 24 else f"{time} {days}"


def _with_defaults(fields: Mapping[str, str]) -> dict[str, str]:
    """Return all fields: those smaller than the smallest given one have their least values."""
    given = [name for name in _FIELDS if name in fields]
    smallest = list(_FIELDS).index(given[-1]) if given else -1
    return {
        name: str(fields.get(name, "*" if not given or index < smallest else _LEAST.get(name, "0"))).lower()
        for index, name in enumerate(_FIELDS)
    }


def _numbers(name: str, text: str) -> list[int]:
    """Return the numbers that a field matches, sorted."""
    low, high = _FIELDS[name]
    found: set[int] = set()
    for part in re.split(" *, *", text.strip()):
        found.update(_part(part, low, high))
    return sorted(found)


def _part(part: str, low: int, high: int) -> range:
    for number, names in ((0, _SHORT_DAYS), (1, _SHORT_MONTHS)):
        for index, short in enumerate(names):
            part = re.sub(rf"\b{short}\b", str(index + number), part)
    matched = re.fullmatch(r"(\*|\d+)(?:-(\d+))?(?:/(\d+))?", part)
    if matched is None:
        raise NoWords(part)
    first, last, step = matched.groups()
    begin = low if first == "*" else int(first)
    end = int(last) if last else high if first == "*" or step else begin
    return range(begin, end + 1, int(step or 1))


# --- the time of day


def _time(hour: Sequence[int], minute: Sequence[int], second: Sequence[int]) -> str:
    hours, minutes, seconds = hour, minute, second
    step = _step(hours, minutes, seconds)
    number = len(hours) * len(minutes) * len(seconds)
    if number < 3 or (number <= MOST_LISTED and not step):
        return f"at {listed([clock(h * 3600 + m * 60 + s) for h in hours for m in minutes for s in seconds])}"
    if len(hours) == 24:
        return _all_day(minutes, seconds, step)
    begin, end = hours[0] * 3600 + _first(minutes, seconds), hours[-1] * 3600 + _last(minutes, seconds)
    if step:
        return f"{every(step * 1_000_000)} from {clock(begin)} to {clock(end)}"
    if is_run(hours) and len(minutes) <= MOST_LISTED and seconds == [0]:
        return f"at {_past(minutes)} past the hour from {clock(begin)} to {clock(end)},"
    raise NoWords("the times of day")


def _all_day(minutes: Sequence[int], seconds: Sequence[int], step: int | None) -> str:
    """Return the words for what every hour has alike."""
    if step and not _first(minutes, seconds) and _WHOLE_HOUR % step == 0:
        return every(step * 1_000_000)
    if len(minutes) == 60 and len(seconds) <= MOST_LISTED:
        return f"at {_past(seconds, 'second')} past every minute"
    if seconds == [0] and len(minutes) <= MOST_LISTED:
        return f"at {_past(minutes)} past every hour"
    if seconds == [0] and is_run(minutes):
        return f"every minute from {minutes[0]} to {minutes[-1]} minutes past every hour"
    raise NoWords("the minutes and seconds")


def _past(values: Sequence[int], unit: str = "minute") -> str:
    return f"{listed([str(v) for v in values])} {unit}{'' if list(values) == [1] else 's'}"


def _first(minutes: Sequence[int], seconds: Sequence[int]) -> int:
    return minutes[0] * 60 + seconds[0]


def _last(minutes: Sequence[int], seconds: Sequence[int]) -> int:
    return minutes[-1] * 60 + seconds[-1]


def _step(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]) -> int | None:
    """Return how many seconds lie between one time of the day and the next, if always as many."""
    of_an_hour = [m * 60 + s for m in minutes for s in seconds]
    times = [h * 3600 + second for h in hours[:3] for second in of_an_hour]
    if len(times) < 2:
        return None
    step = times[1] - times[0]
    between_hours = hours[1] - hours[0] if len(hours) > 1 else 1
    return step if is_run(times, step) and is_run(hours, between_hours) else None


# --- the days


def _days(written: Mapping[str, str]) -> str:
    weekdays = _numbers("day_of_week", written["day_of_week"])
    months = _numbers("month", written["month"])
    named_months = "" if len(months) == 12 else _months(months)
    if written["day"] == "*" or _is_all(written["day"]):
        words = "every day" if len(weekdays) == 7 else f"on {_weekdays(weekdays)}"
        words += f" in {named_months}" if named_months else ""
    else:
        words = f"on {_day_of_month(written['day'], months, named_months or 'every month')}"
        if len(weekdays) < 7:
            words += f", if that is a {listed([WEEKDAYS[day] for day in weekdays], 'or')}"
    return words + _week(written["week"]) + _year(written["year"])


def _is_all(day: str) -> bool:
    try:
        return len(_numbers("day", day)) == 31
    except NoWords:
        return False


def _several(values: Sequence[int], name: Callable[[int], str], what: str) -> str:
    """Return names in a row, from the first to the last where the values follow each other."""
    if _is_long_run(values):
        return f"{name(values[0])} to {name(values[-1])}"
    if len(values) > MOST_LISTED:
        raise NoWords(what)
    return listed([name(value) for value in values])


def _is_long_run(values: Sequence[int]) -> bool:
    return len(values) > 2 and is_run(values)


def _weekdays(days: Sequence[int]) -> str:
    return _several(days, lambda day: f"{WEEKDAYS[day]}s", "the days of the week")


def _months(months: Sequence[int]) -> str:
    return _several(months, lambda month: MONTHS[month - 1], "the months")


def _day_of_month(text: str, months: Sequence[int], named: str) -> str:
    """Return `the 1st and 15th of every month`, `the last Friday of June`."""
    parts = re.split(" *, *", text.strip())
    special = [part for part in parts if re.match(r"last|\d(st|nd|rd|th) ", part)]
    plain = [part for part in parts if part not in special]
    words = [f"{part.split()[0]} {_weekday_of(part)}" for part in special]
    rare = any(part.startswith("5th") for part in special)
    if plain:
        days = _numbers("day", ",".join(plain))
        words = [*_plain_days(days), *words]
        rare = rare or (not _is_long_run(days) and days[-1] > _shortest(months))
    where = ", where there is such a day" if rare else ""
    return f"the {listed(words)} of {named}{where}"


def _weekday_of(part: str) -> str:
    if part == "last":
        return "day"
    short = part.split()[1]
    if short not in _SHORT_DAYS:
        raise NoWords(part)
    return WEEKDAYS[_SHORT_DAYS.index(short)]


def _plain_days(days: Sequence[int]) -> list[str]:
    if _is_long_run(days):
        return [f"{ordinal(days[0])} to {ordinal(days[-1])}"]
    if len(days) > MOST_LISTED:
        raise NoWords("the days")
    return [ordinal(day) for day in days]


def _shortest(months: Sequence[int]) -> int:
    """Return how many days all of these months have."""
    return min(28 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in months)


def _week(text: str) -> str:
    weeks = _numbers("week", text)
    if len(weeks) == 53:
        return ""
    if is_run(weeks, 2) and weeks[0] in (1, 2) and weeks[-1] >= 52:
        return f", in {'odd' if weeks[0] == 1 else 'even'} ISO weeks"
    return f", in the ISO week{'s' if len(weeks) > 1 else ''} {_several(weeks, str, 'the weeks')}"


def _year(text: str) -> str:
    years = _numbers("year", text)
    if len(years) == 8030:
        return ""
    return f", in {'the years ' if _is_long_run(years) else ''}{_several(years, str, 'the years')}"
