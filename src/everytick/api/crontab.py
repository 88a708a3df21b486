"""Crontab lines that APScheduler reads differently from cron, or refuses: which trigger to write instead.

A crontab counts weekdays from Sunday, and joins the day of the month and the day of the week by "or"; where
one of these begins with `*`, as `*/2`, some programs join them by "and".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from everytick.model.zone_names import kept_name
from everytick.text.wording import is_run

from .cron_fields import correct, is_right, nth_weekdays, why_wrong

# The fields of a crontab, in its order.
FIELDS = ("minute", "hour", "day", "month", "day_of_week")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NICKNAMES: dict[str, dict[str, Any]] = {
    "@hourly": {"minute": 0},
    "@daily": {"hour": 0},
    "@midnight": {"hour": 0},
    "@weekly": {"day_of_week": "sun", "hour": 0},
    "@monthly": {"day": 1, "hour": 0},
    "@yearly": {"month": 1, "day": 1, "hour": 0},
    "@annually": {"month": 1, "day": 1, "hour": 0},
}
# Go's cron has it, beside a crontab's own nicknames.
_EVERY = re.compile(r"@every (?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s)?")
# Before the fields, a line may name its zone.
_WITH_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+) +(.+)", re.IGNORECASE)
_WORD = re.compile(r"(\*|\?|[0-9a-z]+)([-/,#*0-9a-z]*[*0-9a-z])?", re.IGNORECASE)


def is_crontab(value: Any) -> bool:
    """Return whether something looks like a line of a crontab."""
    if not isinstance(value, str) or (not value.startswith("@") and len(value.split()) < 2):
        return False
    expression, _zone = _zone_apart(value)
    words = expression.split()
    if _EVERY.fullmatch(expression):
        return True
    if len(words) == 1:
        return words[0].lower() in (*_NICKNAMES, "@reboot")
    return 5 <= len(words) <= 7 and all(_WORD.fullmatch(word) for word in words)


def not_a_place_for(where: str, expression: str, zone: Any = None) -> str:
    """Return the error for a crontab line in a place that takes none, with the trigger to write there."""
    problem, instead = problem_of(expression, zone), trigger_for(expression, zone)
    if problem is not None and (not instead or instead.endswith("for both")):
        return f"{where} is a line of a crontab, and {problem}"
    begin = "" if expression.lower() == "@reboot" else "trigger="
    return f"{where} is a line of a crontab: write {begin}{instead}"


def problem_of(expression: str, zone: Any = None) -> str | None:
    """Return why `from_crontab` would not run a line as cron does, and what to write; None if it would.

    `zone`: the zone that it was given, if any.
    """
    begin, instead = f"from_crontab({expression!r})", trigger_for(expression, zone)
    write = f": write {instead}" if instead else ""
    if _WITH_ZONE.fullmatch(expression.strip()):
        return f"{begin} has a time zone, which is an argument of its own, timezone={write}"
    words = expression.split()
    if len(words) != len(FIELDS):
        has = f"has {len(words)} field{'' if len(words) == 1 else 's'}"
        return f"{begin} {has}, and a crontab five: {', '.join(FIELDS)}{write}"
    fields = dict(zip(FIELDS, words, strict=True))
    weekday = words[-1]
    # In a step there may be a number as well.
    is_numbered = re.search(r"(?<![/\d])\d|\*/", weekday) and _weekdays(weekday.lower()) is not None
    for name, written in fields.items():
        if (
            not is_right(name, written)
            and not (name == "day_of_week" and is_numbered)
            and not (write and _is_both(fields))
        ):
            instead = write or f": {why_wrong(name, written)}"
            return f"{begin}: {name}={written!r} is not a cron field{instead}"
    if _is_both(fields):
        cron = "cron runs when either fits, APScheduler"
        if any("*" in fields[name] for name in ("day", "day_of_week")):
            cron = "some crons run when either fits, others, as APScheduler,"
        return f"{begin} names days of the month and of the week: {cron} when both do{write}"
    if is_numbered:
        return (
            f"{begin}: the weekday number {weekday} means another day in APScheduler (0 is Monday) than in a"
            f" crontab (0 is Sunday){write}"
        )
    return None


def fields_of(line: str) -> dict[str, str]:
    """Return the arguments of the cron trigger that runs when a crontab would, weekdays by their names.

    Among them is the `timezone` that the line may name.

    Raises:
        ValueError: it is no line of a crontab, or one that no single cron trigger can keep.
    """
    expression, zone = _zone_apart(line)
    words = expression.split()
    named = {"timezone": str(zone)} if zone else {}
    if len(words) == 1 and words[0].lower() in _NICKNAMES:
        return {name: str(it) for name, it in _NICKNAMES[words[0].lower()].items()} | named
    if len(words) != len(FIELDS):
        raise ValueError(f"{line!r:.200} is no line of a crontab, which has five fields: {', '.join(FIELDS)}")
    fields = {}
    for name, written in zip(FIELDS, words, strict=True):
        read = _weekdays(written.lower()) if name == "day_of_week" else correct(name, written)
        if read is None:
            raise ValueError(f"{name}={written!r:.80} is not a cron field: {why_wrong(name, written)}")
        fields[name] = read
    if _is_both(fields):
        raise ValueError(
            f"{line!r:.200} names days of the month and of the week, where cron runs when either fits:"
            " add a job for each"
        )
    return fields | named


def trigger_for(expression: str, zone: Any = None) -> str:
    """Return the code of the trigger that runs when a crontab would; "" if nobody can tell."""
    expression, zone = _zone_apart(expression, zone)
    words = expression.lower().split()
    if _EVERY.fullmatch(expression):
        return _for_every(expression, zone)
    if len(words) == 1:
        return _for_nickname(words[0], zone)
    # As Quartz and others have it, with seconds, and perhaps a year.
    names = {5: FIELDS, 6: ("second", *FIELDS), 7: ("second", *FIELDS, "year")}.get(len(words), ())
    fields: dict[str, str | None] = {}
    for name, written in zip(names, words, strict=bool(names)):
        fields[name] = _weekdays(written) if name == "day_of_week" else correct(name, written)
    nth = nth_weekdays(words[names.index("day_of_week")]) if names else None
    if nth is not None:
        fields["day_of_week"] = "*"
    known = {name: written for name, written in fields.items() if written is not None}
    if not names or len(known) < len(fields):
        return ""
    if nth is None and not _is_both(known):
        return _from_crontab(known, zone) if len(words) == 5 else _code(known, zone)
    if known["day"] == "*":
        return _code({**known, "day": nth or "*"}, zone)
    return _either_or_both(known, nth, zone)


def _either_or_both(fields: dict[str, str], nth: str | None, zone: Any) -> str:
    of_month = {**fields, "day_of_week": "*"}
    of_week = {**fields, "day": nth or "*"}
    parts = f"{_code(of_month, zone)}, {_code(of_week, zone)}"
    # With the second it cannot be taken for a trigger that from_crontab made.
    both = f"AndTrigger([{parts}])" if nth else _code({"second": "0", **fields}, zone)
    return f"OrTrigger([{parts}]) (from apscheduler.triggers.combining) for either, or {both} for both"


def _is_both(fields: Mapping[str, str]) -> bool:
    return all((correct(name, fields[name]) or "") != "*" for name in ("day", "day_of_week"))


def _zone_apart(line: str, zone: Any = None) -> tuple[str, Any]:
    """Return a line without a comment and the zone that it names, and that zone; else the one given."""
    line = re.sub(r"\s+#.*", "", line).strip()
    found = _WITH_ZONE.fullmatch(line)
    return (line, zone) if found is None else (found[2], found[1])


def _from_crontab(fields: Mapping[str, str], zone: Any) -> str:
    line = " ".join(fields[name] for name in FIELDS)
    return f"CronTrigger.from_crontab({line!r}{_zone(zone)})"


def _code(fields: Mapping[str, str], zone: Any) -> str:
    """Return a CronTrigger as code, without the fields that are `*`, unless it is the smallest field."""
    smallest = next(name for name in reversed(CronTrigger.FIELD_NAMES) if name in fields)
    arguments = [
        f"{name}={fields[name]!r}"
        for name in CronTrigger.FIELD_NAMES
        if name in fields and (fields[name] != "*" or name == smallest)
    ]
    return f"CronTrigger({', '.join(arguments)}{_zone(zone)})"


def _for_nickname(nickname: str, zone: Any) -> str:
    if nickname == "@reboot":
        return "add_job without a trigger, which runs at each start"
    fields = _NICKNAMES.get(nickname)
    return _code({name: str(value) for name, value in fields.items()}, zone) if fields else ""


def _for_every(expression: str, zone: Any) -> str:
    found = _EVERY.fullmatch(expression)
    assert found is not None
    length = ", ".join(f"{unit}={number}" for unit, number in found.groupdict().items() if number)
    return f"IntervalTrigger({length}{_zone(zone)})" if length else ""


def _zone(zone: Any) -> str:
    if zone is None:
        return ""
    name = kept_name(zone) if isinstance(zone, tzinfo) else zone
    # Of an offset the object itself is code that can be pasted.
    shown = zone if name is None or re.match("UTC[+-]", name) else name
    return f", timezone={shown!r}"


def _weekdays(field: str) -> str | None:
    """Return the weekdays of a crontab's last field by names; None if it cannot be read."""
    found: list[str] = []
    for part in field.split(","):
        if not re.search(r"\d", part) or part == "*":
            written = correct("day_of_week", part)
            if written is None:
                return None
            found += written.split(",")
            continue
        matched = re.fullmatch(r"(?:\*|([a-z]{3}|[0-7])(?:-([a-z]{3}|[0-7]))?)(?:/([1-7]))?", part)
        if matched is None:
            return None
        numbers = [_number(word) for word in matched.group(1, 2)]
        step = int(matched[3] or 1)
        first = 0 if numbers[0] is None else numbers[0]
        last = numbers[1] if numbers[1] is not None else 6 if matched[1] is None or matched[3] else first
        if -1 in (first, last):
            return None
        days = range(first, (last if last >= first else last + 7) + 1, step)
        found += _in_words([day % 7 for day in days])
    return "*" if "*" in found else ",".join(dict.fromkeys(found))


def _number(word: str | None) -> int | None:
    """Return the number of a weekday in a crontab; -1 for a word that is none."""
    if word is None or word.isdigit():
        return None if word is None else int(word)
    return _WEEKDAYS.index(word) if word in _WEEKDAYS else -1


def _in_words(days: list[int]) -> list[str]:
    """Return crontab weekdays by names: a range where they follow each other and do not pass Sunday."""
    if set(days) == set(range(7)):
        return ["*"]
    from_monday = [(day - 1) % 7 for day in days]
    names = [_WEEKDAYS[day] for day in days]
    if len(days) > 2 and is_run(from_monday):
        return [f"{names[0]}-{names[-1]}"]
    if len(days) > 3 and days[0] == 0 and is_run(from_monday[1:]):
        return [names[0], f"{names[1]}-{names[-1]}"]
    return names
