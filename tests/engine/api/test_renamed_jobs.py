"""A job that gets another id says so with `renamed_from`, and goes on as the job that it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from everytick import AsyncIOScheduler, BackgroundScheduler, ScheduleError, SchedulerClient
from everytick.read.audit import audit_rows
from everytick.store import renaming

from histories import MINUTE, ask, prepared, run, write
from inside import rows, rows_of, until
from ledgers import found_in

NOON = datetime(2026, 12, 1, 12, 0, 30, tzinfo=UTC)


def task() -> None:
    """The body of all jobs."""


def schedule(*jobs: tuple[str, str | None], **options: Any) -> AsyncIOScheduler:
    """Return a schedule of jobs that are due each minute, each with the id that it had before."""
    made = AsyncIOScheduler()
    for job_id, former in jobs:
        made.add_job(task, "interval", minutes=1, id=job_id, renamed_from=former, coalesce=False, **options)
    return made


def minutes_of(scheduler: AsyncIOScheduler, job_id: str) -> list[int]:
    """Return the minutes past noon whose ticks a job ran, or has on record otherwise, in their order."""
    begin = int(NOON.replace(second=0).timestamp()) * 1_000_000
    found: list[int] = []
    for row in rows_of(scheduler, job_id):
        if row["tick_us"] is not None:
            last = row["last_tick_us"] or row["tick_us"]
            found += range((row["tick_us"] - begin) // 60_000_000, (last - begin) // 60_000_000 + 1)
    return sorted(found)


async def over(made: AsyncIOScheduler, job_id: str, ticks: int) -> None:
    """Let a schedule run until a job has so many ticks on record, and no run that is not over."""

    def is_over() -> bool:
        return len(minutes_of(made, job_id)) == ticks and all(row["finished_us"] for row in rows(made))

    async with made:
        await until(is_over)


async def test_history_and_ticks_go_on_under_the_new_id(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        async with schedule(("old", None)):
            pass
        clock.move_to(NOON.replace(minute=2))
        await over(schedule(("old", None)), "old", 2)
        clock.move_to(NOON.replace(minute=5))
        renamed = schedule(("new", "old"))
        await over(renamed, "new", 5)
    assert (minutes_of(renamed, "new"), minutes_of(renamed, "old")) == ([1, 2, 3, 4, 5], [])
    assert {row["state"] for row in rows(renamed)} == {"succeeded"}
    assert (renamed.registration.renamed, renamed.registration.added) == ({"new": "old"}, [])
    [entry] = audit_rows(renamed.ledger, 10)
    assert (entry["who"], entry["action"], entry["job_id"], entry["note"]) == (
        "the schedule",
        "rename",
        "old",
        "it is new now",
    )


@pytest.mark.full
async def test_a_long_history_follows_piece_by_piece_and_what_is_open_at_once(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start must not wait for it: a server cuts off a statement that takes half a minute."""
    monkeypatch.setattr(renaming, "_PIECE", 2)
    ledger = prepared(schedule(("old", None)))
    begin = int(NOON.timestamp()) * 1_000_000
    past = [run("old", begin + number * MINUTE) for number in range(7)]
    write(ledger, "scheduler_runs", [*past, run("old", begin - MINUTE, "queued", finished_us=None)])
    prepared(made := schedule(("new", "old")))
    assert [row["state"] for row in rows_of(made, "new")].count("queued") == 1
    assert len(rows_of(made, "old")) == 5
    async with (again := schedule(("new", "old"))):
        await until(lambda: not rows_of(again, "old"))
    assert len(rows_of(again, "new")) >= 8


def test_why_leads_from_the_former_id_to_the_new_one(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON) as clock:
        prepared(schedule(("old", None)))
        clock.move_to(NOON.replace(minute=5))
        prepared(made := schedule(("new", "old")))
        clock.move_to(NOON.replace(minute=9))
        said = " ".join(ask(made, "why", "old", "2026-12-01T12:07").split())
    assert "it was renamed, it is new now, which has its history" in said


async def test_a_pause_stays_over_a_new_id(scheduler: AsyncIOScheduler) -> None:
    prepared(schedule(("old", None)))
    SchedulerClient().pause_job("old", note="until the audit is over")
    renamed = schedule(("new", "old"))
    async with renamed:
        assert "new" in renamed.registration.paused
    [row] = found_in(renamed.ledger, "SELECT * FROM scheduler_jobs WHERE removed_us IS NULL")
    assert (row["job_id"], row["pause_note"]) == ("new", "until the audit is over")


async def test_the_line_may_stay_and_later_starts_change_nothing(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        prepared(schedule(("old", None)))
        for minute in (1, 2, 3):
            clock.move_to(NOON.replace(minute=minute))
            await over(made := schedule(("new", "old")), "new", minute)
            assert bool(made.registration.renamed) == (minute == 1)
            assert not made.registration.removed


async def test_a_deploy_that_is_taken_back_and_made_again_loses_and_repeats_nothing(
    scheduler: AsyncIOScheduler,
) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        prepared(schedule(("old", None)))
        clock.move_to(NOON.replace(minute=1))
        await over(schedule(("new", "old")), "new", 1)
        # The older code knows no `new`: to it `old` is a job that comes back.
        async with schedule(("old", None)):
            pass
        clock.move_to(NOON.replace(minute=2))
        await over(schedule(("old", None)), "old", 1)
        clock.move_to(NOON.replace(minute=3))
        await over(made := schedule(("new", "old")), "new", 3)
    assert minutes_of(made, "new") == [1, 2, 3]


async def test_a_history_can_be_brought_along_later(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        prepared(schedule(("old", None)))
        clock.move_to(NOON.replace(minute=1))
        await over(schedule(("old", None)), "old", 1)
        async with schedule(("new", None)):
            pass
        clock.move_to(NOON.replace(minute=2))
        await over(made := schedule(("new", "old")), "new", 2)
    assert (minutes_of(made, "new"), minutes_of(made, "old")) == ([1, 2], [])


def test_a_job_that_is_declared_below_the_start_can_be_renamed_too(scheduler: AsyncIOScheduler) -> None:
    prepared(schedule(("old", None)))
    SchedulerClient().pause_job("old", note="until the audit is over")
    late = BackgroundScheduler()
    late.start()
    try:
        late.add_job(task, "interval", minutes=1, id="new", renamed_from="old")
        [row] = found_in(late.ledger, "SELECT * FROM scheduler_jobs WHERE removed_us IS NULL")
        assert (row["job_id"], row["pause_note"]) == ("new", "until the audit is over")
    finally:
        late.shutdown()


async def test_a_new_trigger_beside_the_new_id_begins_anew_with_the_history(
    scheduler: AsyncIOScheduler,
) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        prepared(schedule(("old", None)))
        clock.move_to(NOON.replace(minute=1))
        await over(schedule(("old", None)), "old", 1)
        clock.move_to(NOON.replace(minute=9))
        scheduler.add_job(task, "interval", minutes=5, id="new", renamed_from="old")
        async with scheduler:
            assert scheduler.registration.changed == ["new"]
    # What was due in between was due by a definition that is no more (R8): it is on record, and does not run.
    assert minutes_of(scheduler, "new") == list(range(1, 10))
    assert [row["state"] for row in rows(scheduler)] == ["succeeded", "skipped"]


async def test_a_job_added_while_running_keeps_the_id_that_another_once_had(
    scheduler: AsyncIOScheduler,
) -> None:
    prepared(schedule(("old", None)))
    async with schedule(("new", "old")):
        pass
    SchedulerClient().add_job(task, "interval", hours=1, id="old")
    async with (made := schedule(("new", "old"))):
        assert {job.id for job in made.get_jobs()} == {"new", "old"}
        assert not made.registration.renamed


@pytest.mark.parametrize(
    "jobs",
    [
        [("old", None), ("new", "old")],
        [("new", "old"), ("old", None)],
        [("new", "old"), ("newer", "old")],
        [("b", "a"), ("a", "b")],
    ],
)
def test_a_former_id_that_is_in_use_is_refused(
    scheduler: AsyncIOScheduler, jobs: list[tuple[str, str | None]]
) -> None:
    with pytest.raises(
        ScheduleError, match=r"test_renamed_jobs.py:\d+: .*names an id that one job had and none has"
    ):
        schedule(*jobs)


@pytest.mark.parametrize("former", ["", " ", "a\nb", 7, "x" * 1_000, "new"])
def test_a_former_id_that_can_be_none_is_refused(scheduler: AsyncIOScheduler, former: Any) -> None:
    with pytest.raises(ScheduleError, match="renamed_from="):
        schedule(("new", former))


def test_a_job_added_while_running_has_no_former_id(scheduler: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match="is for a job that the code declares before the start"):
        SchedulerClient().add_job(task, "interval", hours=1, id="new", renamed_from="old")
