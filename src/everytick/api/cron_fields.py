"""Cron fields as they are written, and what to write instead of those that mean nothing, or something else.

APScheduler takes what only begins as it should, its weeks begin on Monday, and its ranges end where a field
ends. Where another program's notation differs, the sentences here say which words to write.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from everytick.model.kept_data import LONGEST_CRON_FIELD
from everytick.text.wording import MONTHS, WEEKDAYS, ordinal

# All fields that a cron trigger has.
FIELDS: tuple[str, ...] = tuple(CronTrigger.FIELD_NAMES)
_DAYS = [name[:3].lower() for name in WEEKDAYS]
_NAMES = {"day_of_week": _DAYS, "month": [name[:3].lower() for name in MONTHS]}
# Each field with its least and its greatest value, and what lies behind the greatest.
_LIMITS = {
    "month": (1, 12, "December"),
    "day": (1, 31, "the end of the month"),
    "week": (1, 53, "the end of the year"),
    "day_of_week": (0, 6, "Sunday"),
    "hour": (0, 23, "midnight"),
    "minute": (0, 59, "the end of the hour"),
    "second": (0, 59, "the end of the minute"),
}
_ORDINALS = {ordinal(number): number for number in range(1, 6)}
_ORDINALS |= {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}


def split_field(value: Any) -> list[str]:
    """Return the expressions in a cron field."""
    return re.split(" *, *", str(value).strip())


def is_read_whole(name: str, value: Any) -> bool:
    """Return whether APScheduler reads all of a cron field; it takes what only begins as it should."""
    compilers = CronTrigger.FIELDS_MAP[name].COMPILERS
    return all(
        any(compiler.value_re.fullmatch(part) for compiler in compilers) for part in split_field(value)
    )


def check_length(name: str, value: Any) -> None:
    """Raise ValueError for a cron field that is too long to be read each time that a job is looked at."""
    if len(text := str(value)) > LONGEST_CRON_FIELD:
        raise ValueError(
            f"{name}= has {len(text):,} characters, and a cron field at most {LONGEST_CRON_FIELD}:"
            " write ranges and steps such as 0-30 or */5"
        )


def check_fields(fields: Mapping[str, Any]) -> None:
    """Raise ValueError, with what to write, for a field that is not understood to its end."""
    for name, value in fields.items():
        if value is not None and not is_right(name, value):
            raise ValueError(f"{name}={value!r} is not a cron field: {why_wrong(name, value)}")


def is_right(name: str, value: Any) -> bool:
    """Return whether a cron field is understood to its end."""
    return _problem(name, str(value)) is None


def why_wrong(name: str, value: Any) -> str:
    """Return what to write instead of a field that APScheduler refuses; else its reason to refuse it."""
    if isinstance(value, list | tuple | set | range):
        return f"a list is written as text: write {name}={','.join(str(part) for part in value)!r}"
    corrected = correct(name, value)
    if corrected is None:
        if name in ("day", "day_of_week") and (days := nth_weekdays(value)):
            return _write_day(name, days)
        wrong = (part.lower() for part in split_field(value) if not is_right(name, part))
        found = next(filter(None, (_elsewhere(name, part) for part in wrong)), None)
        return found or _problem(name, str(value)) or ""
    reason = next(filter(None, (_reason(name, part) for part in split_field(value))), "")
    return f"{reason}write {name}={corrected!r}"


def correct(name: str, value: Any) -> str | None:
    """Return the same field as it is written here; None if it cannot be written, or nobody can tell how."""
    parts = [
        part if is_right(name, part) else _correct_part(name, part.lower()) for part in split_field(value)
    ]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    return "*" if "*" in found else ",".join(dict.fromkeys(found))


def nth_weekdays(value: Any) -> str | None:
    """Return the field `day` for weekdays such as `mon#1` or `friL`; None if they are not of that kind."""
    found = [_nth_weekday(part.lower()) for part in split_field(value)]
    return None if None in found else ",".join(part for part in found if part)


# Many jobs may have the same hour.
@functools.lru_cache(maxsize=10_000)
def _problem(name: str, value: str) -> str | None:
    try:
        CronTrigger.FIELDS_MAP[name](name, value)
    except ValueError as problem:
        return re.sub(r"^Error validating expression .*?: ", "", str(problem))
    for part in split_field(value):
        if not is_read_whole(name, part):
            return f"{part!r} is not understood; write for example 5, 1-5, */10, or in '{name}' a name"
    return None


# --- the same field, written otherwise


def _correct_part(name: str, part: str) -> str | None:
    for corrected in (_plain, _short_names, _wrapped, _stepping):
        found = corrected(name, part)
        if found is not None and is_right(name, found):
            return found
    return None


def _plain(name: str, part: str) -> str | None:
    """Return a part in APScheduler's notation: other programs write `?`, `L`, and ranges with blanks."""
    if name == "day" and part == "l":
        return "last"
    return "*" if part == "?" else _without_blanks(part)


def _without_blanks(part: str) -> str:
    return re.sub(r"(?<=\d) *([-/]) *(?=\d)", r"\1", part)


def _short_names(name: str, part: str) -> str | None:
    """Return names with the three letters that APScheduler knows: `monday`, `tues`, `sept`."""
    known = _NAMES.get(name, [])
    full = [word.lower() for word in (WEEKDAYS if name == "day_of_week" else MONTHS)] if known else []

    def short(found: re.Match[str]) -> str:
        word = found[0]
        return next((word[:3] for whole in full if len(word) > 3 and whole.startswith(word)), word)

    shortened = re.sub("[a-z]+", short, part)
    if shortened == part:
        return None
    return shortened if is_right(name, shortened) else _correct_part(name, shortened)


def _of_month(which: str, weekday: str) -> str | None:
    day = next((short for short, whole in zip(_DAYS, WEEKDAYS, strict=True)
                if whole.lower().startswith(weekday) and len(weekday) >= 3), None)  # fmt: skip
    if day is None or (which != "last" and which not in _ORDINALS):
        return None
    return f"last {day}" if which == "last" else f"{ordinal(_ORDINALS[which])} {day}"


def _range(name: str, part: str) -> tuple[int, int, int, bool] | None:
    """Return first, last, step and whether they are names, of a range; None if it is none of this field."""
    matched = re.fullmatch(r"([a-z]+|\d+)(?:-([a-z]+|\d+))?(?:/([1-9]\d*))?", _without_blanks(part))
    if matched is None or name not in _LIMITS:
        return None
    low, high, _end = _LIMITS[name]
    names = _NAMES.get(name, [])
    numbers = []
    for word in (matched[1], matched[2] or matched[1]):
        number = int(word) if word.isdigit() else names.index(word) + low if word in names else None
        if number is None or not low <= number <= high:
            return None
        numbers.append(number)
    if matched[2] is None and matched[3]:
        numbers[1] = high
    return numbers[0], numbers[1], int(matched[3] or 1), bool(re.search("[a-z]", part))


def _wrapped(name: str, part: str) -> str | None:
    """Return a range that runs past the end of its field as two, or as a list if it has steps."""
    found = _range(name, part)
    if found is None or found[0] <= found[1]:
        return None
    first, last, step, is_named = found
    low, high, _end = _LIMITS[name]
    if step > 1:
        return _listed(name, range(first, last + high - low + 2, step), is_named)
    if last + 1 == first:
        return "*"
    pieces = [(first, high), (low, last)]
    return ",".join(
        _word(name, begin, is_named) + ("" if begin == end else f"-{_word(name, end, is_named)}")
        for begin, end in pieces
    )


def _stepping(name: str, part: str) -> str | None:
    """Return names with a step, `mon-fri/2`, as a list."""
    found = _range(name, part)
    if found is None or found[2] == 1 or not found[3] or found[0] > found[1]:
        return None
    return _listed(name, range(found[0], found[1] + 1, found[2]), found[3])


def _listed(name: str, numbers: Sequence[int], is_named: bool) -> str:
    low, high, _end = _LIMITS[name]
    inside = dict.fromkeys((number - low) % (high - low + 1) + low for number in numbers)
    return ",".join(_word(name, number, is_named) for number in inside)


def _word(name: str, number: int, is_named: bool) -> str:
    return _NAMES[name][number - _LIMITS[name][0]] if is_named else str(number)


def _reason(name: str, part: str) -> str | None:
    """Return why a field is written otherwise here, if that is not plain to see."""
    shortened = _short_names(name, part.lower()) if name in _NAMES else None
    found = _range(name, part.lower()) or (_range(name, shortened) if shortened else None)
    if found is None:
        return None
    first, last, step, is_named = found
    if first > last:
        return f"{part!r} runs past {_LIMITS[name][2]}, where a range ends: "
    return "a step needs numbers: " if is_named and step > 1 else None


# --- what another field, or another trigger, says


def _elsewhere(name: str, part: str) -> str | None:
    for advise in (_said_as_weekday, _said_of_day, _said_of_number, _said_otherwise):
        advice = advise(name, part)
        if advice:
            return advice
    return None


def _nth_weekday(part: str) -> str | None:
    matched = re.fullmatch(r"(?:(last) ?)?([a-z]+?)(?:#([1-5l])|(l))?", part)
    if matched is None or not any(matched.group(1, 3, 4)):
        return None
    number = matched[3]
    which = "last" if matched[1] or matched[4] or number == "l" else ordinal(int(number))
    return _of_month(which, matched[2])


def _said_as_weekday(name: str, part: str) -> str | None:
    if name not in ("day", "day_of_week"):
        return None
    day = _nth_weekday(part)
    if day is None and (matched := re.fullmatch(r"([a-z0-9]+)[ -]?([a-z]{3,})", part)):
        day = _of_month(*matched.groups())
    if day is not None:
        return _write_day(name, day)
    if re.fullmatch(r"[0-7](#\d|l)", part):
        which = "last" if part.endswith("l") else ordinal(int(part[2]))
        return (
            f"{part!r} numbers a weekday, which programs count differently: write its name, in day, such as"
            f" day='{which if which in ('last', *_ORDINALS) else 'last'} fri'"
        )
    if name == "day" and re.match("[a-z]", part) and (days := correct("day_of_week", part)):
        return f"for a day of each week write day_of_week={days!r}"
    if "#" in part or re.fullmatch(r"\d+(st|nd|rd|th) ?(?!work)[a-z]{3,}", part):
        return "a weekday of the month is written in day, from day='1st mon' to day='5th mon'"
    return None


def _write_day(name: str, days: str) -> str:
    instead = " and no day_of_week" if name == "day_of_week" else ""
    return f"for the {days.replace(',', ' and the ')} of the month write day={days!r}{instead}"


def _said_of_day(name: str, part: str) -> str | None:
    if name not in ("day", "day_of_week"):
        return None
    if part == "lw" or re.search("work ?day|weekday", part):
        return (
            "for a workday of the month write day='first workday' or day='last workday', with no other day"
            " beside it"
        )
    if part == "l" or part.startswith("last"):
        return "write day='last' or, for a weekday, day='last fri'"
    if re.fullmatch(r"l-\d+", part):
        return "days before the last one of a month have no sign here: write a date such as day=28"
    if re.fullmatch(r"\d*w", part):
        return (
            "the weekday nearest to a date has no sign here: write the date, such as day=15, or a weekday,"
            " such as day='3rd fri'"
        )
    return None


def _said_of_number(name: str, part: str) -> str | None:
    if clock := re.fullmatch(r"(\d{1,2}):(\d\d)", part):
        return (
            f"a time of day has a field for each number: write hour={int(clock[1])}, minute={int(clock[2])}"
        )
    numbers = [int(number) for number in re.findall(r"\d+", part.partition("/")[0])]
    if name == "year":
        matched = re.fullmatch(r"(\d{4})-(\d{4})", part)
        if matched and matched[1] > matched[2]:
            return f"years do not come again: write year='{matched[2]}-{matched[1]}'"
        return None
    if name == "day_of_week" and re.fullmatch(r"[\d/-]+", part) and any(number > 6 for number in numbers):
        return "weekdays go from 0, Monday, to 6, Sunday: write names, such as mon-fri or sun"
    return None


def _said_otherwise(name: str, part: str) -> str | None:
    if re.fullmatch(r"h/[1-9]\d*", part):
        return f"write {name}='*{part[1:]}', and jitter= to spread jobs over some seconds"
    if part == "h" or part.startswith("h("):
        return "write a number, and jitter= to spread jobs over some seconds"
    if re.search("/0+$", part):
        return "a step is 1 or more: write for example */5"
    for other, names in _NAMES.items():
        if (
            name != other
            and (words := re.findall("[a-z]+", part))
            and all(word[:3] in names for word in words)
        ):
            return f"that is a {'month' if other == 'month' else 'weekday'}: write {other}={part!r}"
    if "/" in part and re.search("[a-z]", part) and _stepping(name, part) is None:
        return f"a step needs numbers, so write the names in a list instead of {part!r}"
    return None
