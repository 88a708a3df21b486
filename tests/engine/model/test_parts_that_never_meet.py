"""`and` of parts that never meet, or seldom: what was searched in vain is not searched again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from everytick.model import ticks
from everytick.model.ticks import DAY, SECOND, IntersectionTicks, Ticks
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = ticks.instant(datetime(2026, 11, 30, tzinfo=UTC))
LIMIT = IntersectionTicks.SEARCH_LIMIT
MINUTE = 60 * SECOND


class Every:
    """Due each `step`, so much after it; counts how often it is asked."""

    def __init__(self, step: int, offset: int = 0) -> None:
        self.canonical = f"every {step} {offset}"
        self._step, self._offset = step, offset
        self.asked = 0

    def next(self, after: int) -> int | None:
        self.asked += 1
        return after + self._step - (after - self._offset) % self._step

    def note(self, tick: int) -> str:
        return ""

    def postponed(self, tick: int) -> set[timedelta]:
        return {timedelta()}


def naive(parts: list[Ticks], after: int, limit: int = LIMIT) -> int | None:
    """Return the first common tick, looked for from scratch."""
    for _ in range(limit):
        found = [part.next(after) or 0 for part in parts]
        if min(found) == max(found):
            return found[0]
        after = max(found) - 1
    return None


# From one part to the other, and to the next day.
STEPS_OF_A_DAY = 2


def apart() -> tuple[IntersectionTicks, Every]:
    """Return ticks that never come, and one of their parts."""
    part = Every(DAY, 3 * MINUTE)
    return IntersectionTicks([part, Every(DAY, 4 * MINUTE)]), part


def test_asked_again_at_the_same_instant_nothing_is_searched() -> None:
    both, part = apart()
    assert both.next(NOW) is None
    assert part.asked <= LIMIT
    before = part.asked
    assert [both.next(NOW + number) for number in range(100)] == [None] * 100
    assert part.asked - before <= 1


def test_as_time_goes_on_only_what_is_new_is_searched() -> None:
    both, part = apart()
    both.next(NOW)
    before = part.asked
    assert [both.next(NOW + day * DAY) for day in range(400)] == [None] * 400
    assert part.asked - before <= 400 * STEPS_OF_A_DAY


def test_the_ticks_before_an_instant_are_not_looked_for_from_each_begin_again() -> None:
    """A start asks for the newest missed ones, from begins that lie further and further back."""
    both, part = apart()
    assert both.next(NOW) is None
    before = part.asked
    assert ticks.newest(both, NOW - 300 * DAY, NOW, 10) == []
    # And once for each begin.
    assert part.asked - before <= 300 * STEPS_OF_A_DAY + 20
    # From 1970 on, as `why` asks.
    before = part.asked
    assert ticks.newest(both, 0, NOW, 1) == []
    assert part.asked - before <= 4 * LIMIT


@pytest.mark.parametrize("rounds", [LIMIT - 1, LIMIT + 50, 3 * LIMIT])
def test_a_common_tick_is_found_when_it_is_near_enough_whatever_was_searched_before(rounds: int) -> None:
    class Once(Every):
        """Is at its own place but for one day, on which it is where the other part is."""

        def next(self, after: int) -> int | None:
            usual = super().next(after)
            return the_day if after < the_day <= (usual or 0) + 2 * MINUTE else usual

    other = Every(DAY, 4 * MINUTE)
    the_day = (NOW // DAY + rounds) * DAY + 4 * MINUTE
    parts: list[Ticks] = [Once(DAY, 3 * MINUTE), other]
    both = IntersectionTicks(parts)
    for day in range(0, rounds, 37):
        at = NOW + day * DAY
        expected = naive(parts, at)
        assert both.next(at) in ({expected} if expected is not None else {None, the_day})
    assert both.next(the_day - DAY) == the_day
    assert both.next(the_day) is None


@pytest.mark.full
@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(2, 40), st.integers(0, 39)), min_size=2, max_size=3),
    st.lists(st.integers(0, 5_000), min_size=1, max_size=12),
)
def test_in_whichever_order_it_is_asked_the_answers_are_those_of_a_search_from_scratch(
    chosen: list[tuple[int, int]], instants: list[int]
) -> None:
    parts: list[Ticks] = [Every(step, offset) for step, offset in chosen]
    both = IntersectionTicks(parts)
    assert [both.next(at) for at in instants] == [naive(parts, at) for at in instants]
