"""The schedule tried out over a span: no tick is forgotten, and the account always balances."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from everytick import AsyncIOScheduler
from everytick.dryrun.simulation import Simulation, groups, simulate
from everytick.dryrun.simulation.timeline import timeline
from everytick.model.job_filter import JobFilter
from everytick.model.misfire import decide
from everytick.model.schedule import Schedule
from everytick.model.ticks import DAY, SECOND, CronTicks, Ticks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histories import HOUR, MINUTE
from test_ticks import any_source, walk

UTC_ZONE = ZoneInfo("UTC")
MONDAY = int(datetime(2026, 5, 18, tzinfo=UTC).timestamp()) * SECOND
tries = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def tried(
    scheduler: AsyncIOScheduler,
    seconds: int,
    outages: list[tuple[int, int]],
    takes: int = 0,
    begin: int = MONDAY,
) -> Simulation:
    """Simulate that many seconds; outages are given in seconds after the beginning."""
    return simulate(
        scheduler.get_jobs(),
        begin,
        begin + seconds * SECOND,
        UTC_ZONE,
        outages=[(begin + down * SECOND, begin + up * SECOND) for down, up in outages],
        durations={job.id: (takes * SECOND, "given") for job in scheduler.get_jobs()},
    )


async def nothing() -> None:
    """Do nothing."""


# --- the ticks of a span ---


@pytest.mark.full
@settings(tries, max_examples=150)
@given(any_source(), st.integers(-400 * DAY, 4_000 * DAY), st.integers(1, 400), st.data())
def test_the_ticks_of_a_span_are_those_that_walking_finds(
    source: Ticks, begin: int, number: int, data: st.DataObject
) -> None:
    begin += MONDAY
    ends = [begin]
    for _ in range(number):
        ends.append(source.next(ends[-1]) or ends[-1] + 1)
    zone = getattr(source, "_zone", UTC_ZONE)
    line = timeline(Schedule(source, "", zone, {}), begin, ends[-1])
    expected = walk(source, begin, ends[-1])
    assert list(line.ticks(begin - 1, ends[-1])) == expected
    assert line.total == len(expected)
    gaps = [later - earlier for earlier, later in pairwise(expected)]
    assert line.shortest_gap == min(gaps, default=None)
    if expected:
        after, until = (data.draw(st.sampled_from(expected)) - data.draw(st.integers(0, 1)) for _ in "12")
        within = [tick for tick in expected if after < tick <= until]
        assert list(line.ticks(after, until)) == within
        assert line.count(after, until) == len(within)
        for stretch in line.between(after, until):
            own = [stretch.base + value for value in stretch.values]
            inner = [later - earlier for earlier, later in pairwise(own)]
            assert stretch.longest == max(inner, default=0)
            assert stretch.longest == 0 or stretch.base + stretch.longest_after + stretch.longest in own


@pytest.mark.full
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut"])
@pytest.mark.parametrize(
    "fields",
    [
        {"minute": "*/20"},
        {"hour": "0-3,23", "minute": "*/10", "second": "30"},
        {"day_of_week": "sun,sat", "hour": "1,2"},
    ],
)
@pytest.mark.parametrize("bound", [None, 100 * DAY + 12_345_678_901])
def test_a_year_with_its_clock_changes_is_what_walking_finds(
    zone: str, fields: dict[str, str], bound: int | None
) -> None:
    begin = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    start, end = (None, None) if bound is None else (begin + bound, begin + 2 * bound)
    source = CronTicks({"second": "0", "minute": "0", **fields}, ZoneInfo(zone), start, end)
    line = timeline(Schedule(source, "", ZoneInfo(zone), {}), begin, begin + 366 * DAY)
    assert list(line.ticks(begin - 1, begin + 366 * DAY)) == walk(source, begin, begin + 366 * DAY)


# --- the account ---


@pytest.mark.full
@settings(tries, max_examples=80)
@given(
    source=any_source(),
    name=st.integers(0, 99),
    number=st.integers(1, 60),
    parts=st.lists(st.integers(0, 1_000), max_size=6, unique=True),
    takes=st.one_of(st.just(0), st.integers(1, 5_000)),
    jitter=st.one_of(st.just(0), st.integers(1, 5_000)),
    grace=st.one_of(st.none(), st.integers(1, 100_000)),
    most=st.one_of(st.none(), st.integers(1, 12)),
    instances=st.integers(1, 3),
    at_starts=st.booleans(),
)
def test_the_account_always_balances(
    scheduler: AsyncIOScheduler,
    source: Ticks,
    name: int,
    number: int,
    parts: list[int],
    takes: int,
    jitter: int,
    grace: int | None,
    most: int | None,
    instances: int,
    at_starts: bool,
) -> None:
    scheduler.remove_all_jobs()
    job = scheduler.add_job(
        print, "interval", seconds=1, id=f"job{name}", misfire_grace_time=grace, coalesce=most is None,
        max_catch_up=most or 1, max_instances=instances,
    )  # fmt: skip
    job.schedule = Schedule(source, "", getattr(source, "_zone", UTC_ZONE), {}, jitter * SECOND)
    job.startup_delay = 3 * SECOND if at_starts else None
    end = MONDAY
    for _ in range(number):
        end = source.next(end) or end
    end += 1
    length = end - MONDAY
    marks = sorted({MONDAY + length * part // 1_000 for part in parts})
    down = list(zip(marks[::2], marks[1::2], strict=False))
    known = {job.id: (takes * SECOND, "given")}
    found = simulate([job], MONDAY, end, UTC_ZONE, outages=down, durations=known)
    found.check()
    result = found.job(job.id)
    expected = walk(source, MONDAY, end)
    assert result.expected == len(expected)
    assert result.ran + result.skipped.total() + result.lost == len(expected)
    assert not at_starts or result.at_starts <= len(found.outages) + 1
    for cost, (begin, stop) in zip(result.outages, found.outages, strict=True):
        assert cost.due >= len([tick for tick in expected if begin <= tick < stop])
        assert cost.caught_up + cost.skipped.total() + cost.lost == cost.due


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ran": 299}, "300 ticks due, but 299 are accounted for"),
        ({"latest": 601 * SECOND}, "a run began 10 min 1 s late, beyond its grace time"),
        ({"earliest": -1}, "a run began before it was due"),
        ({"most_at_once": 2}, "2 runs were under way at once: at most 1"),
    ],
)
def test_an_account_that_breaks_a_rule_is_told(
    scheduler: AsyncIOScheduler, change: dict[str, int], sentence: str
) -> None:
    scheduler.add_job(print, "interval", seconds=1, id="job")
    found = tried(scheduler, 300, [])
    found.check()
    for name, value in change.items():
        setattr(found.job("job"), name, value)
    with pytest.raises(AssertionError) as raised:
        found.check()
    assert str(raised.value) == f"job: {sentence}"


def test_an_outage_that_breaks_a_rule_is_told(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(print, "interval", seconds=1, id="job")
    found = tried(scheduler, 300, [(10, 20)])
    cost = found.job("job").outages[0]
    cost.asked, cost.due = 2, 11
    assert found.problems() == [
        "job: 11 ticks fell into an outage, but 10 are accounted for",
        "job: 2 missed ticks were to run after an outage: at most 1 may",
    ]


def test_while_the_schedule_is_up_a_tick_that_is_due_runs(scheduler: AsyncIOScheduler) -> None:
    """The simulation does not ask about each of them: this is why it need not."""
    for options in ({}, {"coalesce": False}, {"misfire_grace_time": 1}, {"jitter": 100}):
        job = scheduler.add_job(print, "cron", minute="*/7", id="job", **options)
        for tick in walk(job.schedule.ticks, MONDAY, MONDAY + DAY):
            decision = decide(job, tick - 1, tick)
            assert decision is not None
            assert (decision.run, decision.skip) == ((tick,), ())
        scheduler.remove_all_jobs()


def test_an_object_with_an_asynchronous_call_is_cut_at_its_timeout_like_a_coroutine(
    scheduler: AsyncIOScheduler,
) -> None:
    """A thread goes on after the timeout, so that the next tick overlaps; a coroutine does not."""

    class Caller:
        async def __call__(self) -> None: ...

    async def coroutine() -> None: ...

    scheduler.add_job(Caller(), "interval", seconds=1, id="object", timeout=0.5)
    scheduler.add_job(coroutine, "interval", seconds=1, id="function", timeout=0.5)
    scheduler.add_job(lambda: None, "interval", seconds=1, id="thread", timeout=0.5)
    results = tried(scheduler, 60, [], takes=2).jobs
    assert results["object"].ran == results["function"].ran == 60
    assert results["thread"].ran == 30


def test_a_job_that_the_settings_disable_runs_nothing(scheduler: AsyncIOScheduler) -> None:
    for job_id in ("mail-often", "often"):
        scheduler.add_job(nothing, "interval", minutes=1, id=job_id, group="one")
    for job_id in ("mail-start", "start"):
        scheduler.add_job(nothing, "date", id=job_id)
    found = simulate(
        *(scheduler.get_jobs(), MONDAY, MONDAY + HOUR, UTC_ZONE),
        outages=[(MONDAY + 10 * MINUTE, MONDAY + 20 * MINUTE)],
        group_limits={"one": 1},
        durations={"mail-often": (MINUTE, "given"), "often": (MINUTE, "given")},
        job_filter=JobFilter(disabled=("mail-*",)),
    )
    found.check()
    assert found.skipped("mail-often") == {"disabled": 60}
    assert (found.runs("mail-often"), found.job("mail-start").at_starts) == (0, 0)
    assert found.longest_without("mail-often") == timedelta(hours=1)
    assert found.job("mail-often").notes == [
        "disabled by SCHEDULER_DISABLED_JOBS=mail-*: none of its ticks runs"
    ]
    assert found.job("mail-start").notes == [
        "disabled by SCHEDULER_DISABLED_JOBS=mail-*: none of its ticks runs, and none at a start"
    ]
    assert found.job("mail-often").outages[0].due == 0
    # The place in the group is free for the other.
    assert (found.runs("often"), found.job("often").waited_for_group) == (50, 0)
    assert found.job("start").at_starts == 2


def test_what_becomes_of_ticks_that_come_too_early_is_simulated(scheduler: AsyncIOScheduler) -> None:
    async def coroutine() -> None: ...

    for overlap in ("wait", "wait-one", "replace"):
        grace = 5
        scheduler.add_job(
            coroutine, "interval", seconds=1, id=overlap, overlap=overlap, misfire_grace_time=grace
        )
    scheduler.add_job(lambda: None, "interval", seconds=1, id="thread", overlap="replace")
    results = tried(scheduler, 60, [], takes=2).jobs
    assert results["wait"].skipped["missed"] > 20
    assert results["wait"].longest <= 2 * SECOND
    assert results["wait-one"].skipped["coalesced"] > 20
    assert (results["replace"].replaced, results["replace"].ran) == (59, 1)
    # Nothing can end it: the newest tick waits.
    assert results["thread"].replaced == 0
    assert results["thread"].skipped["coalesced"] > 20


# --- groups ---


def several(scheduler: AsyncIOScheduler, number: int, every: int, **options: Any) -> list[str]:
    """Declare jobs of one group that are due at the same instants."""
    for place in range(number):
        options = {"misfire_grace_time": 3_600, "group": "database", **options}
        scheduler.add_job(nothing, "interval", seconds=every, id=f"job{place}", **options)
    return [job.id for job in scheduler.get_jobs()]


def with_limit(
    scheduler: AsyncIOScheduler,
    seconds: int,
    takes: dict[str, int],
    outages: list[tuple[int, int]] | None = None,
    limit: int = 2,
) -> Simulation:
    return simulate(
        scheduler.get_jobs(),
        MONDAY,
        MONDAY + seconds * SECOND,
        UTC_ZONE,
        outages=[(MONDAY + down * SECOND, MONDAY + up * SECOND) for down, up in outages or []],
        durations={id: (length * SECOND, "given") for id, length in takes.items()},
        group_limits={"database": limit, "nobody": 1},
    )


def waits(found: Simulation) -> dict[str, tuple[int, int]]:
    """Return by job how many runs waited for their group, and for how many seconds at most."""
    return {
        id: (it.waited_for_group, it.longest_wait_for_group // SECOND)
        for id, it in found.jobs.items()
        if it.waited_for_group
    }


def test_what_finds_no_place_in_its_group_waits_for_one(scheduler: AsyncIOScheduler) -> None:
    takes = dict.fromkeys(several(scheduler, 3, 60), 20)
    found = with_limit(scheduler, 600, takes)
    found.check()
    assert [found.runs(id) for id in takes] == [10, 10, 10]
    assert waits(found) == {"job2": (10, 20)}
    assert found.job("job2").notes == ["10 runs waited for a place in its group database, up to 20 s"]
    assert found.as_data()["jobs"][2]["waited_for_group"] == 10
    assert found.as_data()["jobs"][2]["longest_wait_for_group"] == 20


def test_a_run_of_no_length_waits_for_a_place_too(scheduler: AsyncIOScheduler) -> None:
    several(scheduler, 2, 60)
    found = with_limit(scheduler, 600, {"job0": 20}, limit=1)
    assert waits(found) == {"job1": (10, 20)}


def test_who_was_due_first_goes_first(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(nothing, "cron", minute=0, group="database", id="long")
    scheduler.add_job(nothing, "cron", minute=2, group="database", id="late")
    scheduler.add_job(nothing, "cron", minute=1, group="database", id="early")
    found = with_limit(scheduler, 3600, {"long": 300, "late": 30, "early": 30}, limit=1)
    assert waits(found) == {"early": (1, 240), "late": (1, 210)}


def test_what_waits_beyond_its_grace_time_is_missed_and_the_newest_takes_the_place(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(nothing, "cron", minute=0, group="database", id="long")
    several(scheduler, 1, 60, misfire_grace_time=30)
    found = with_limit(scheduler, 3600, {"long": 630, "job0": 5}, limit=1)
    found.check()
    # Of the ticks of minutes 1 to 10, or 0 to 10, the newest waits; at 10:30 it is in time.
    assert found.skipped("job0")["coalesced"] in (9, 10)
    assert found.job("job0").longest_wait_for_group == 30 * SECOND


def test_a_group_that_never_fills_up_or_has_no_limit_makes_no_difference(scheduler: AsyncIOScheduler) -> None:
    takes = dict.fromkeys(several(scheduler, 2, 60), 20)
    found = with_limit(scheduler, 600, takes)
    assert (waits(found), found.as_data()) == ({}, tried(scheduler, 600, [], 20).as_data())


class Counted(groups.Places):
    """Places of a group that remember how many were taken at most."""

    most = 0

    def __setattr__(self, name: str, value: int) -> None:
        super().__setattr__(name, value)
        if name == "taken":
            assert value >= 0
            Counted.most = max(Counted.most, value)


@pytest.mark.parametrize("overlap", ["skip", "wait", "wait-one", "replace"])
@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize("jitter", [0, 20])
def test_the_account_balances_in_a_full_group_over_outages(
    overlap: str, coalesce: bool, jitter: int, scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "Places", Counted)
    Counted.most = 0
    options: dict[str, Any] = {
        "overlap": overlap,
        "coalesce": coalesce,
        "group": "database",
        "misfire_grace_time": 90,
    }
    for place in range(5):
        every = 20 + 10 * place
        scheduler.add_job(
            nothing,
            "interval",
            seconds=every,
            jitter=jitter or None,
            id=f"job{place}",
            max_instances=1 + place % 2,
            **options,
        )
    scheduler.add_job(nothing, id="at start", group="database")
    takes = {job.id: 5 + 9 * place for place, job in enumerate(scheduler.get_jobs())}
    found = with_limit(scheduler, 1_800, takes, [(300, 420), (425, 500), (1_790, 1_800)])
    found.check()
    assert Counted.most == 2
    assert waits(found)
