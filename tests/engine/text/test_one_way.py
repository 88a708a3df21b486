"""Instants, lengths of time and sizes are shown by the formatters in `text`, and by nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import everytick
import pytest
from everytick.model import ticks
from everytick.text import durations, instants, sizes
from everytick.text.wording import counted

from sources import parsed

ROOT = Path(everytick.__file__).parent
# What is no text for people: the data of a schedule and the text of a declaration, with which another start
# compares them, and the field `time` of log lines in JSON.
MACHINE_FORMATS = {
    "api/exclusions.py",
    "api/holidays.py",
    "api/triggers.py",
    "api/trigger_arguments.py",
    "logs.py",
}
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.full
def test_no_other_module_formats_an_instant_or_a_length_or_a_size() -> None:
    found = [
        f"{name}:{line}"
        for path in sorted(ROOT.rglob("*.py"))
        if (name := path.relative_to(ROOT).as_posix()).partition("/")[0] != "text"
        # `model` is below `text`: its notes on a clock that is set back name a time of day.
        and not name.startswith("model/")
        for line in by_hand(parsed(path), iso_too=name not in MACHINE_FORMATS)
    ]
    assert found == []


def test_what_people_read_has_no_plural_by_hand() -> None:
    """`counted` writes `1 run` and `2 runs`; log lines, which programs look for, stay as they are."""
    rooms = ("cli", "doctor", "explain", "read", "telemetry", "dashboard", "store")
    by_hand = re.compile(r"\} [a-z]+\((s|es)\)|'' if .* == 1 else 's'")
    found = [
        f"{path.relative_to(ROOT).as_posix()}: {line.strip()}"
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if by_hand.search(line) and "logger" not in line
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "moment.strftime('%H:%M')",
        "moment.isoformat()",
        "f'{moment:%Y-%m-%d %H:%M:%S %Z}'",
        "f'{moment:%H:%M}'",
        "f'{x:.1f} s'",
        "f'in {x:g} s'",
        "f'{x // 60} min'",
        "f'{x} s ago'",
        "f'{x / 1024:.1f} MB'",
        "logger.info('in {:.1f} s', x)",
        "logger.info('in {} s', x)",
        "logger.info('at {:%H:%M}', x)",
    ],
)
def test_the_search_finds_what_is_formatted_by_hand(code: str) -> None:
    assert list(by_hand(ast.parse(code), iso_too=True)) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "duration(x)",
        "f'{duration(x)} ago'",
        "f'{number} job(s)'",
        "f'{x:g}'",
        "f'{x:,} ticks'",
        "f'{moment:%Z}'",
        "logger.info('in {}', x)",
        "logger.info('{} sleeps', x)",
    ],
)
def test_the_search_passes_over_the_rest(code: str) -> None:
    assert list(by_hand(ast.parse(code), iso_too=True)) == []


# A unit after a number, or a directive of strftime that shows a part of a date or a time.
_UNIT = re.compile(r"\s(s|ms|min|h|seconds?|minutes?|hours?|[KMG]B)\b")
_DIRECTIVE = re.compile(r"%[YmdHMSAaBb]")
_PLACE = re.compile(r"\{[^{}]*\}")


def by_hand(tree: ast.AST, *, iso_too: bool) -> Iterator[int]:
    """Yield the lines on which a text is made from an instant, a length or a size without a formatter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (
            node.attr == "strftime" or (iso_too and node.attr == "isoformat")
        ):
            yield node.lineno
        if isinstance(node, ast.JoinedStr) and any(map(_is_by_hand, pairwise([*node.values, None]))):
            yield node.lineno
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _is_template_by_hand(node.value)
        ):
            yield node.lineno


def _is_by_hand(pair: tuple[ast.expr | None, ast.expr | None]) -> bool:
    shown, after = pair
    if not isinstance(shown, ast.FormattedValue):
        return False
    spec = ast.unparse(shown.format_spec) if shown.format_spec else ""
    unit = isinstance(after, ast.Constant) and _UNIT.match(str(after.value))
    return bool(unit or _DIRECTIVE.search(spec))


def _is_template_by_hand(text: str) -> bool:
    return any(
        _DIRECTIVE.search(place[0]) or _UNIT.match(text[place.end() :]) for place in _PLACE.finditer(text)
    )


# --- the formatters themselves


@pytest.mark.parametrize(
    ("seconds", "shown", "exactly"),
    [
        (0, "0 s", "0 seconds"),
        (0.012, "12 ms", "0.012 seconds"),
        (0.2, "0.2 s", "0.2 seconds"),
        (1, "1 s", "1 second"),
        (59.96, "60 s", "59.96 seconds"),
        (90, "1 min 30 s", "90 seconds"),
        (600, "10 min", "10 minutes"),
        (3_600, "1 h", "1 hour"),
        (3_725, "1 h 2 min", "3725 seconds"),
        (1_000_000, "11 days 13 h", "1000000 seconds"),
    ],
)
def test_a_length_that_was_measured_and_one_that_was_declared(
    seconds: float, shown: str, exactly: str
) -> None:
    assert durations.duration_of_seconds(seconds) == shown
    assert durations.exact_seconds(seconds) == exactly


def test_things_are_counted_with_separators_and_lengths_as_they_can_be_typed() -> None:
    shown = [counted(number, unit) for number, unit in ((1, "run"), (12_000, "run"), (12_000.0, "second"))]
    assert shown == ["1 run", "12,000 runs", "12000 seconds"]


def test_seconds_in_a_column() -> None:
    assert [durations.plain_seconds(value) for value in (None, 0.0, 1.2345, 3_600.0)] == [
        *("-", "0.000", "1.234", "3600.000")
    ]


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (0, "0.0 MB"),
        (1_300_000, "1.2 MB"),
        (2**30 - 1, "1024.0 MB"),
        (2**30, "1.0 GB"),
        (5 * 2**40, "5120.0 GB"),
    ],
)
def test_a_size(length: int, shown: str) -> None:
    assert sizes.size(length) == shown


def test_an_instant_in_all_its_forms() -> None:
    instant = ticks.instant(datetime(2026, 10, 25, 0, 30, 5, 250_000, UTC))
    assert instants.iso(instant) == "2026-10-25T00:30:05.250000+00:00"
    assert instants.when(instant, BERLIN) == "2026-10-25 02:30:05.25 CEST"
    assert instants.at(instant, BERLIN) == "2026-10-25 02:30:05 CEST"
    assert instants.on_weekday(instant, BERLIN) == "Sunday 2026-10-25 02:30:05 CEST"
    assert instants.short(instant, BERLIN, instant + 3_600 * ticks.SECOND) == "02:30:05"
    assert instants.short(instant, BERLIN, instant + ticks.DAY) == "2026-10-25 02:30:05"
    # In UTC another day has begun by then; in Berlin it is the same.
    late = ticks.instant(datetime(2026, 6, 1, 21, 30, tzinfo=UTC))
    assert instants.short(late, BERLIN, late + 1_800 * ticks.SECOND) == "2026-06-01 23:30:00"
    assert instants.dated(instant, BERLIN) == "2026-10-25 02:30:05"
    assert instants.local(instants.iso(instant), BERLIN) == instants.dated(instant, BERLIN)
    assert instants.local_with_zone(instants.iso(instant), BERLIN) == instants.at(instant, BERLIN)
    assert {instants.dated(None, BERLIN), instants.local(None, BERLIN)} == {"-"}
    assert instants.time_of_day(instant, BERLIN) == "02:30:05"
    assert instants.time_of_day(late, BERLIN) == "23:30"


def test_what_has_just_passed_is_not_to_come() -> None:
    now = ticks.now()
    assert instants.from_now(now - 200_000, now) == "0 s ago"
    assert instants.from_now(now + 200_000, now) == "in 0 s"
    assert instants.from_now(now, now) == "in 0 s"
