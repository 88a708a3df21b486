"""A start that finds only dead processes is a start of the schedule, whoever declares them dead (R3)."""

from __future__ import annotations

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import heartbeats
from everytick.model import ticks

from inside import rows_of, until
from ledgers import change

ENTER = """
INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)
VALUES (?, 'elsewhere/1', 77, ?, 1, ?, 1)
"""
BEAT = "UPDATE scheduler_processes SET beat = beat + 1 WHERE process_id = ?"
BURY = "DELETE FROM scheduler_processes WHERE process_id = ?"
KEEP_END = """
INSERT INTO scheduler_past_processes (process_id, started_us, ended_us, has_died) VALUES (?, ?, ?, ?)
"""


async def task() -> None:
    pass


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)


def find_two(scheduler: AsyncIOScheduler, ahead: int = -10) -> int:
    """Let two silent processes of other machines be in the ledger before it starts; return since when.

    ahead: how many seconds later than now that is, by a clock that was set back meanwhile.
    """
    scheduler.add_job(task, id="boot")
    scheduler.ledger.prepare()
    since = ticks.now() + ahead * ticks.SECOND
    for name in ("one", "two"):
        change(scheduler.ledger, ENTER, name, since, since)
    return since


def end(scheduler: AsyncIOScheduler, name: str, since: int, ended: int, *, has_died: bool) -> None:
    """Let another process write down that one is gone, as it does when it declares it dead."""
    change(scheduler.ledger, BURY, name)
    change(scheduler.ledger, KEEP_END, name, since, ended, int(has_died))


def doubts(scheduler: AsyncIOScheduler) -> set[str]:
    """Return those of whom it is not known whether the schedule was up with them."""
    assert scheduler._process is not None
    return scheduler._process._heartbeats._doubtful


@pytest.mark.full
@pytest.mark.parametrize("ahead", [-10, 3_600], ids=["", "though the clock was set back since"])
async def test_the_startup_run_is_made_when_another_process_has_declared_them_dead(
    ahead: int, scheduler: AsyncIOScheduler
) -> None:
    since = find_two(scheduler, ahead)
    async with scheduler:
        assert doubts(scheduler) == {"one", "two"}
        assert rows_of(scheduler, "boot") == []

        end(scheduler, "one", since, since, has_died=True)
        await until(lambda: doubts(scheduler) == {"two"})
        assert rows_of(scheduler, "boot") == []

        end(scheduler, "two", since, since, has_died=True)
        [run] = await until(lambda: rows_of(scheduler, "boot"))
        assert (run["kind"], run["start_number"]) == ("startup", 2)


@pytest.mark.full
async def test_a_heartbeat_of_one_that_came_later_says_nothing_of_them(scheduler: AsyncIOScheduler) -> None:
    find_two(scheduler)
    async with scheduler:
        change(scheduler.ledger, ENTER, "young", ticks.now(), ticks.now())
        assert scheduler._process is not None
        watched = scheduler._process._heartbeats
        await until(lambda: "young" in watched._watched)
        change(scheduler.ledger, BEAT, "young")
        await until(lambda: watched._watched["young"][0] == 2)
        assert doubts(scheduler) == {"one", "two"}

        change(scheduler.ledger, BEAT, "one")
        await until(lambda: not doubts(scheduler))
        assert rows_of(scheduler, "boot") == []


@pytest.mark.full
@pytest.mark.parametrize(("later", "has_died"), [(3_600, True), (-3_600, True), (-5, False)])
async def test_none_is_made_where_one_of_them_was_alive_when_it_started(
    later: int, has_died: bool, scheduler: AsyncIOScheduler
) -> None:
    since = find_two(scheduler)
    async with scheduler:
        # It has shown a heartbeat since, also by a clock that was set back, or has stopped in order.
        ended = ticks.now() + later * ticks.SECOND
        end(scheduler, "one", since, ended, has_died=has_died)
        await until(lambda: not doubts(scheduler))
        end(scheduler, "two", since, since, has_died=True)
        beat = scheduler._process._heartbeats._last_beat  # type: ignore[union-attr]
        await until(lambda: scheduler._process._heartbeats._last_beat > beat)  # type: ignore[union-attr]
        assert rows_of(scheduler, "boot") == []


async def test_each_start_among_the_dead_has_a_number_of_its_own(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, id="boot")
    async with scheduler:
        await until(lambda: len(rows_of(scheduler, "boot")) == 1)
    async with scheduler:
        await until(lambda: len(rows_of(scheduler, "boot")) == 2)
    # It had joined the first start, and counted the second one later.
    change(scheduler.ledger, ENTER, "one", since := ticks.now(), since)
    async with scheduler:
        end(scheduler, "one", since, since, has_died=True)
        runs = await until(lambda: len(found := rows_of(scheduler, "boot")) == 3 and found)
        assert [run["start_number"] for run in runs] == [1, 2, 3]
