"""A set of calendar days, from the plain data that a ledger keeps of it.

The days of a calendar are part of that data, with their names: another release of the package from which they
came changes nothing until the code declares its job again.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# More days than those of ten years are a mistake, and a search passes them one by one.
MOST_DAYS = 3_660
# How many dates and ranges people are shown.
_MOST_NAMED = 3


class Days:
    """Days by their weekdays, by dates and by calendars.

    Args:
        data: `weekdays`, numbers from 0 (Monday); `ranges`, pairs of the first and the last date, both
            included; `calendars`, each with its `name` and its `days`: the dates by the name of the day.

    Raises:
        ValueError: a date is none, or there are too many.

    Equal sets have equal `canonical` texts, however they are made up. `text` says it to people.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self._weekdays = frozenset(data["weekdays"])
        # The dates by their ordinal numbers, each with its name, if it has one.
        self._named: dict[int, str] = {}
        parts = spelled(data["weekdays"])
        for calendar in data["calendars"]:
            parts.append(calendar["name"])
            for name, dates in calendar["days"].items():
                for day in dates:
                    self._named.setdefault(date.fromisoformat(day).toordinal(), name)
        ranges = [first if first == last else f"{first} to {last}" for first, last in data["ranges"]]
        parts += ranges[:_MOST_NAMED] + [f"{len(ranges) - _MOST_NAMED} more"] * (len(ranges) > _MOST_NAMED)
        for first, last in data["ranges"]:
            begin, end = (date.fromisoformat(day).toordinal() for day in (first, last))
            if end - begin >= MOST_DAYS:
                raise ValueError(f"{first} to {last} are more than {MOST_DAYS:,} days")
            for ordinal in range(begin, end + 1):
                self._named.setdefault(ordinal, "")
        if len(self._named) > MOST_DAYS:
            raise ValueError(f"these are more than {MOST_DAYS:,} days")
        self.text = ", ".join(parts)
        ends = [
            max(map(max, calendar["days"].values())) for calendar in data["calendars"] if calendar["days"]
        ]
        # The last day of the calendar that ends first.
        self.ends = date.fromisoformat(min(ends)) if ends else None
        rest = sorted(day for day in self._named if (day - 1) % 7 not in self._weekdays)
        digest = hashlib.sha256(",".join(map(str, rest)).encode()).hexdigest()[:16] if rest else "none"
        self.canonical = (
            f"{', '.join(spelled(list(self._weekdays))) or 'no weekday'}, {len(rest)} dates {digest}"
        )

    def __contains__(self, day: date) -> bool:
        return day.weekday() in self._weekdays or day.toordinal() in self._named

    def __bool__(self) -> bool:
        return bool(self._weekdays or self._named)

    @property
    def has_workdays_left(self) -> bool:
        """Whether some day from Monday to Friday is not in the set of weekdays."""
        return not self._weekdays.issuperset(range(5))

    @property
    def has_weekdays_left(self) -> bool:
        """Whether some weekday is not in the set."""
        return len(self._weekdays) < len(WEEKDAYS)

    def is_workday(self, day: date) -> bool:
        """Return whether a day is one from Monday to Friday that is not in the set."""
        return day.weekday() < 5 and day not in self

    def name(self, day: date) -> str:
        """Return why a day is in the set, as `(Christmas Day)`; empty for one that has only its date."""
        name = self._named.get(day.toordinal())
        if name is None:
            return f"({_NAMES[day.weekday()]})"
        return f"({name})" if name else ""

    def dates(self, begin: date, end: date) -> list[date]:
        """Return the dates of the set in [begin, end), in order, without those that only a weekday makes."""
        first, last = begin.toordinal(), end.toordinal()
        return [date.fromordinal(day) for day in sorted(self._named) if first <= day < last]

    @property
    def has_weekdays(self) -> bool:
        """Whether each day of some weekday is in the set."""
        return bool(self._weekdays)

    @property
    def last(self) -> date | None:
        """The last date of the set; None if there are only weekdays."""
        return date.fromordinal(max(self._named)) if self._named else None


def with_weekday(day: date) -> str:
    """Return a date with its weekday: `Friday 2026-12-25`."""
    return f"{_NAMES[day.weekday()]} {day}"


def spelled(weekdays: list[int]) -> list[str]:
    """Return weekdays as they are written, such as `sat-sun`."""
    runs: list[list[int]] = []
    for day in sorted(weekdays):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [WEEKDAYS[run[0]] if len(run) == 1 else f"{WEEKDAYS[run[0]]}-{WEEKDAYS[run[-1]]}" for run in runs]
