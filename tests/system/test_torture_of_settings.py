"""What the torture's checker notices of disabled jobs, of days that are left out, and of backfills."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from torture import environments
from torture.checker import violations
from torture.history import Fill, History, WorldClock
from torture.jobs import DAY, SECOND, JobSpec, dated
from torture.made_up import also, filling, found, good, lived, row, start, us

MAIL, GAPPY = (
    JobSpec("mail", 5 * SECOND),
    JobSpec("gappy", 2 * SECOND, ends="timed_out", ends_every=6 * SECOND),
)
# Days after 1970-01-01: a Tuesday, and the Wednesday and the Saturday behind it.
TUESDAY, WEDNESDAY, SATURDAY = 20_837, 20_838, 20_841


def with_job(history: History, spec: JobSpec) -> History:
    known = {"changed_us": us(100), "definition": f"interval {spec.step}us from 0"}
    return replace(history, schedule=[*history.schedule, spec], jobs={**history.jobs, spec.id: known})


def disabled() -> History:
    """A job that runs in process 1 and, when that is dead and a while has passed, in process 5."""
    history = with_job(good(), MAIL)
    history = lived(lived(history, 2, disabled=("mail",)), 3, disabled=("mail",))
    five = replace(history.lives[-1], pid=5, begin=us(163), ready=us(163.5), disabled=())
    ran = [105, *range(165, 176, 5)]
    owner = {tick: ("one", 1) if tick == 105 else ("five", 5) for tick in ran}
    rows = [row(tick, run_id=3_000 + tick, job_id="mail", process_id=owner[tick][0]) for tick in ran]
    starts = [start(tick, run=3_000 + tick, job="mail", pid=owner[tick][1]) for tick in ran]
    history = replace(
        also(history, *rows, held(110, 160, 11)),
        starts=[*history.starts, *starts],
        lives=[*history.lives, five],
    )
    end = replace(history.faults[-1], pid=5)
    return replace(history, faults=[*history.faults, end])


def held(first: int, last: int, count: int, reason: str = "disabled") -> dict[str, Any]:
    ends = {"last_tick_us": last, "tick_count": count, "finished_us": 163.5}
    return row(first, "skipped", run_id=3_000 + first, job_id="mail", reason=reason, **ends)


def otherwise(history: History, *rows: dict[str, Any], until: int = 160) -> History:
    """Put other rows in the place of the range, and of the runs up to a tick."""
    left = [it for it in history.runs if it["job_id"] != "mail" or not us(110) <= it["tick_us"] <= us(until)]
    starts = [it for it in history.starts if it.job != "mail" or not us(110) <= it.tick <= us(until)]
    return replace(history, runs=[*left, *rows], starts=starts)


def missed(*ticks: int, **values: Any) -> History:
    """A backfill of the ticks from 101 to 115 that were missed, and its runs."""
    history = with_job(good(), GAPPY)
    rows, starts = [], []
    for tick in range(102, 176, 2):
        known: dict[str, Any] = {"run_id": 4_000 + tick, "job_id": "gappy"}
        is_cut = tick % 6 == 0
        rows.append(row(tick, "timed_out", **known, finished_us=tick + 0.5) if is_cut else row(tick, **known))
        begun = start(tick, run=4_000 + tick, job="gappy")
        starts.append(replace(begun, end=None) if is_cut else begun)
    for number, tick in enumerate(ticks):
        run, at = 5_000 + number, 116.1 + number
        of_it: dict[str, Any] = {"kind": "backfill", "tick_us": None, "job_id": "gappy", "backfill_id": 1}
        ends: dict[str, Any] = {"due_us": at, "claimed_us": at, "started_us": at, "finished_us": at + 0.02}
        rows.append(row(0, run_id=run, **of_it, for_tick_us=tick, **ends))
        begun = start(at, run=run, kind="backfill", job="gappy")
        starts.append(replace(begun, tick=us(tick)))
    fill = Fill(1, "gappy", us(101), us(115), us(116), only_missed=True)
    return replace(also(history, *rows), starts=[*history.starts, *starts], fills=[replace(fill, **values)])


def paced(*made: tuple[float, float], **values: Any) -> History:
    history = filling(good(), *made)
    return replace(history, fills=[replace(history.fills[0], **values)])


BREACHES: list[tuple[History, str]] = [
    (
        replace(disabled(), lives=[replace(it, disabled=("mail",)) for it in disabled().lives]),
        "attempt 1 of 165000000 began in 5, which is set not to run it",
    ),
    (
        otherwise(disabled(), held(110, 175, 14), until=175),
        "110000000 is on record as disabled, though 5 was well and set to run the job",
    ),
    (
        otherwise(disabled(), held(110, 160, 11, "outage")),
        "110000000 is no row of disabled ticks (skipped), though no process was set to run the job at ",
    ),
    (
        otherwise(disabled(), held(110, 125, 4), held(130, 160, 7)),
        "goes on in another row, from 130000000 on, and nobody enabled the job",
    ),
    (otherwise(disabled(), held(110, 160, 10)), "a range counts 10 ticks instead of 11"),
    (otherwise(disabled(), held(110, 155, 10)), "mail: tick 160000000 has no outcome"),
    (paced((1, 120), (2, 121.9), rate=20), "was due 1900000 us after that of 3600000000, and not 2000000"),
    (paced((1, 120), (2, 121)), "backfill 1 began while 3600000000 was under way"),
    (paced((1, 120), (1, 123), (2, 126), rate=20), "tick 3600000000 has 2 runs of backfill 1"),
    (missed(102, 114), "gappy: tick 108000000 has 0 runs of backfill 1"),
    (missed(102, 108, 110, 114), "gappy: tick 110000000 has 1 runs of backfill 1"),
    (missed(102, 108, 114, 120), "gappy: tick 120000000 has 1 runs of backfill 1"),
    (missed(102, 108, 108, 114), "gappy: tick 108000000 has 2 runs of backfill 1"),
]


def found_in(history: History) -> list[str]:
    return [str(each) for each in violations(history)]


@pytest.mark.parametrize(("history", "sentence"), BREACHES, ids=[sentence for _, sentence in BREACHES])
def test_the_checker_notices(history: History, sentence: str) -> None:
    found = found_in(history)
    assert any(sentence in one for one in found), found


@pytest.mark.parametrize(
    "history",
    [
        disabled(),
        paced((1, 120), (2, 122.1), rate=20),
        paced((1, 120), (2, 121), at_once=2),
        missed(102, 108, 114),
        # What came to its end when it was asked for already is made up for or not.
        missed(102, 108, at=us(114.3)),
    ],
    ids=["disabled", "by a rate", "two at once", "only missed", "missed meanwhile"],
)
def test_the_checker_accepts_what_is_right(history: History) -> None:
    assert found_in(history) == []


@pytest.mark.parametrize(("last", "number"), [(160, 0), (175, 1)], ids=["disabled", "enabled since 163"])
def test_what_was_on_record_as_disabled_may_be_shown_once_more_by_the_clock(last: int, number: int) -> None:
    history = otherwise(disabled(), held(110, last, last // 5 - 21), until=last)
    # It shows 125, and from there jumps over all until 187.
    set_back = replace(history, clock=WorldClock(0, [(0, 0), (us(185), us(-62)), (us(187), 0)]))
    for it in (history, set_back):
        assert len(found(environments.only_where_none_runs_it, it)) == number


def test_the_days_of_a_world_are_left_out_or_moved() -> None:
    until, since, off, forward = dated(TUESDAY)
    midnight = WEDNESDAY * DAY

    assert until.next_tick(midnight - SECOND - 1) == midnight - SECOND
    assert until.next_tick(midnight - SECOND) == midnight + DAY
    assert not until.is_tick(midnight)
    assert since.next_tick(TUESDAY * DAY - 1) == midnight
    # A tick of Tuesday at its time of day on Wednesday, beside those of that day.
    ticks = [tick for tick in range(midnight, midnight + 60 * SECOND, SECOND) if off.is_tick(tick)]
    assert {tick % (7 * SECOND) for tick in ticks} == {0, DAY % (7 * SECOND)}
    assert off.count(midnight, midnight + 60 * SECOND - 1) == len(ticks) > 60 // 7 * 2 - 1
    assert not any(off.is_tick(tick) for tick in range(midnight - 60 * SECOND, midnight, SECOND))
    assert not any(forward.is_tick(tick) for tick in range(midnight, midnight + 60 * SECOND, SECOND))


def test_no_tick_is_moved_to_a_weekend() -> None:
    friday = replace(dated(TUESDAY)[2], excluded=(SATURDAY - 1,))

    assert not any(
        friday.is_tick(tick) for tick in range(SATURDAY * DAY - 60 * SECOND, SATURDAY * DAY, SECOND)
    )
    saturday = list(range(SATURDAY * DAY, SATURDAY * DAY + 60 * SECOND, SECOND))
    assert {tick % (7 * SECOND) for tick in saturday if friday.is_tick(tick)} == {0}
    monday = [tick + 2 * DAY for tick in saturday]
    assert {tick % (7 * SECOND) for tick in monday if friday.is_tick(tick)} == {0, 3 * DAY % (7 * SECOND)}
