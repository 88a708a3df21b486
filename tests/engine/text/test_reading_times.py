"""A time in a text is the same instant, or the same error, wherever it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ScheduleUnderTest
from everytick import app as which
from everytick.api import triggers
from everytick.api.dates import Reading
from everytick.cli import arguments
from everytick.dashboard import control
from everytick.model import ticks

Read = Callable[[Any], int]


def create_scheduler() -> AsyncIOScheduler:
    return AsyncIOScheduler(timezone="UTC")


def in_an_option(text: str) -> int:
    return arguments.instant("--since", text, UTC)


def in_a_form(text: str) -> int:
    return control.instant("until", text)


def in_a_test(given: Any) -> int:
    return ScheduleUnderTest().simulate(1, start=given).begin


def in_a_declaration(given: Any) -> int:
    reading = Reading(UTC)
    found = triggers.read("date", {"run_date": given}, frozenset(), reading).data
    assert found is not None
    instant: int = found["at"]
    return instant


ASKED: list[Read] = [in_an_option, in_a_form, in_a_test]


@pytest.fixture(autouse=True)
def _application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(which, "_current", which.Application(schedule=f"{__name__}:create_scheduler"))


@pytest.mark.parametrize("read", [*ASKED, in_a_declaration])
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-12-24", datetime(2026, 12, 24, tzinfo=UTC)),
        ("2026-12-24T18:00", datetime(2026, 12, 24, 18, tzinfo=UTC)),
        ("2026-12-24 18:00:30.5", datetime(2026, 12, 24, 18, 0, 30, 500_000, UTC)),
        ("2026-12-24T18:00+01:00", datetime(2026, 12, 24, 17, tzinfo=UTC)),
        ("2026-12-24T18:00Z", datetime(2026, 12, 24, 18, tzinfo=UTC)),
        # As an APScheduler user writes it, and as it comes out of a form or a shell's variable.
        ("2026-1-5 9:30:00", datetime(2026, 1, 5, 9, 30, tzinfo=UTC)),
        ("2026-1-5 9:30:00+01:00", datetime(2026, 1, 5, 8, 30, tzinfo=UTC)),
        (" 2026-12-24 ", datetime(2026, 12, 24, tzinfo=UTC)),
        ("1970-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1970-06-01T12:00", datetime(1970, 6, 1, 12, tzinfo=UTC)),
        ("9000-12-31", datetime(9000, 12, 31, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_the_same_everywhere(read: Read, text: str, meant: datetime) -> None:
    assert read(text) == ticks.instant(meant)


NO_TIMES = ["2026-13-01", "2026-02-30", "2026-2-30", "2026", "x" * 40]
# Where code is written, a time is no time of today.
IN_CODE = "2026-12-24 or 2026-12-24T18:00"
AS_PEOPLE_SAY = "2026-12-24T18:00, 05:39, yesterday 02:30, monday or 2h"


@pytest.mark.parametrize(
    ("read", "texts", "right"),
    [
        (in_a_test, ["tomorrow", "18:00", *NO_TIMES], IN_CODE),
        (in_a_declaration, ["tomorrow", "18:00", *NO_TIMES], IN_CODE),
        (in_an_option, NO_TIMES, AS_PEOPLE_SAY),
        (in_a_form, NO_TIMES, AS_PEOPLE_SAY),
    ],
)
def test_what_is_no_time_is_told_in_the_same_words(read: Read, texts: list[str], right: str) -> None:
    for text in texts:
        sentence = f"{text!r} is not a date or time such as {right}"
        with pytest.raises(Exception, match=r" is not ") as caught:
            read(text)
        assert sentence in str(caught.value)


@pytest.mark.parametrize("read", ASKED)
@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31T23:59", "9001-01-01", "9999-12-31T23:59-14:00"])
def test_a_time_that_no_ledger_has_is_told_in_the_same_words(read: Read, text: str) -> None:
    with pytest.raises(Exception, match=r" must lie between the years 1970 and 9000$"):
        read(text)


@pytest.mark.parametrize("given", [date.min, date.max, datetime.min, datetime.max, date(1969, 12, 31)])
def test_a_test_is_told_the_same_of_a_date_that_is_no_text(given: date) -> None:
    with pytest.raises(ValueError, match=r"must lie between the years 1970 and 9000$"):
        in_a_test(given)


@pytest.mark.parametrize("text", ["1969-12-31", "0001-01-01"])
def test_a_declaration_may_begin_before_1970(text: str) -> None:
    assert in_a_declaration(text) == ticks.instant(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize("text", ["9999-12-31T23:59-14:00", "9991-01-01"])
def test_a_declaration_that_is_too_far_away_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is too far away"):
        in_a_declaration(text)
