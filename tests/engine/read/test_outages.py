"""When no scheduler was running, told from what the ledger shows of it: one outage for all that it cost."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.read.outages import Outage, all_outages, outages
from everytick.read.processes import find_processes
from everytick.store import process_statements
from everytick.store.connections import transaction
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.store.records import host_name

from histories import ask, ask_json, prepared, run, write
from inside import Clock, rows, until
from ledgers import change, found_in, rows_in
from statements import statements
from step_counting import steps

SECOND, MINUTE, HOUR, DAY = (ticks.SECOND * size for size in (1, 60, 3_600, 86_400))
NOW = 1_800_000_000 * SECOND // DAY * DAY + 9 * HOUR
# The night before: the machine went down at ten past two, and came back at half past five.
DOWN, BACK = NOW - 9 * HOUR + 130 * MINUTE, NOW - 9 * HOUR + 330 * MINUTE


async def quick() -> None:
    """Do nothing."""


@pytest.fixture
def ledger(scheduler: AsyncIOScheduler) -> Ledger:
    scheduler.add_job(quick, "interval", minutes=1, id="pump")
    scheduler.add_job(quick, "interval", hours=1, id="report")
    return prepared(scheduler)


def told(ledger: Ledger, since: int = NOW - DAY, until: int = NOW) -> list[Outage]:
    with connect(ledger) as connection:
        return outages(connection, since, until)


def skipped(job_id: str, first: int, last: int | None = None, count: int | None = None) -> dict[str, Any]:
    """Return the row that a scheduler writes when it is back."""
    return run(
        job_id,
        first,
        "skipped",
        reason="outage",
        last_tick_us=last,
        tick_count=count,
        finished_us=BACK + SECOND // 10,
    )


def night(ledger: Ledger) -> None:
    """Write runs each minute but for the outage, and what the next start made of that."""
    minutes = range(NOW - 9 * HOUR, NOW, MINUTE)
    write(ledger, "scheduler_runs", [run("pump", at) for at in minutes if not DOWN < at < BACK])
    write(
        ledger,
        "scheduler_runs",
        [
            skipped("pump", DOWN + MINUTE, BACK - 10 * MINUTE, 190),
            *(skipped("report", NOW - hours * HOUR) for hours in (6, 5, 4)),
        ],
    )


def test_one_outage_is_told_for_all_that_was_missed_in_it(ledger: Ledger) -> None:
    night(ledger)
    assert told(ledger) == [Outage(DOWN + MINUTE, BACK + SECOND // 10, missed=193, jobs=2)]
    # What was asked for need not hold all of it.
    assert told(ledger, NOW - 9 * HOUR, DOWN + 2 * MINUTE) == told(ledger)
    assert told(ledger, BACK - MINUTE) == told(ledger)
    assert told(ledger, BACK + 5 * MINUTE) == []
    assert told(ledger, NOW - DAY, DOWN - MINUTE) == []


def test_a_schedule_with_hours_between_its_runs_has_no_outage_for_that(ledger: Ledger) -> None:
    write(ledger, "scheduler_runs", [run("report", NOW - hours * HOUR) for hours in (20, 12, 4)])
    assert told(ledger) == []


def test_its_begin_is_the_first_tick_that_nobody_claimed(ledger: Ledger) -> None:
    write(ledger, "scheduler_runs", [run("report", NOW - 20 * HOUR), skipped("report", BACK - HOUR)])
    assert told(ledger) == [Outage(BACK - HOUR, BACK + SECOND // 10, missed=1, jobs=1)]


def test_ticks_that_are_not_counted_yet_are_at_least_the_first_and_the_last(ledger: Ledger) -> None:
    write(ledger, "scheduler_runs", [skipped("report", BACK - 9 * HOUR, BACK - HOUR)])
    [found] = told(ledger)
    assert (found.missed, found.at_least) == (2, True)
    sentence = found.sentence(ZoneInfo("UTC"), NOW)
    assert (
        sentence == "no scheduler was running from 2027-01-14 20:30:00 to 05:30:00: at least 2 ticks missed"
    )


def test_ticks_that_were_skipped_otherwise_show_no_outage(ledger: Ledger) -> None:
    # It waited for a worker when its schedule was changed.
    waited = run("pump", BACK - HOUR, "skipped", reason="outage", attempt=1, finished_us=BACK)
    late = run("report", BACK - HOUR, "skipped", reason="missed", finished_us=BACK)
    paused = run("report", BACK - 2 * HOUR, "skipped", reason="paused", finished_us=BACK)
    write(ledger, "scheduler_runs", [waited, late, paused])
    assert told(ledger) == []


def test_each_outage_of_a_night_is_told_by_itself(ledger: Ledger) -> None:
    night(ledger)
    earlier = NOW - 12 * HOUR
    write(
        ledger,
        "scheduler_runs",
        [
            run("pump", earlier - 2 * HOUR),
            skipped("pump", earlier - HOUR) | {"finished_us": earlier},
        ],
    )
    assert [found.end for found in told(ledger)] == [earlier, BACK + SECOND // 10]


def test_rows_that_cannot_be_read_are_in_nobodys_way(ledger: Ledger) -> None:
    night(ledger)
    write(
        ledger, "scheduler_runs", [run("pump", 5, finished_us="yesterday"), run("pump", 6, finished_us="x")]
    )
    assert told(ledger)[0].missed == 193


def person(ledger: Ledger, action: str, at: int, job_id: str = "report") -> None:
    """Let a person have paused or resumed a job."""
    noted = {"at_us": at, "who": "carla", "action": action, "job_id": job_id, "run_id": None, "note": None}
    write(ledger, "scheduler_audit", [noted])


def test_what_a_person_wrote_meanwhile_shows_no_scheduler(ledger: Ledger) -> None:
    night(ledger)
    resumed = BACK - 30 * MINUTE
    write(ledger, "scheduler_runs", [skipped("report", DOWN + 2 * MINUTE) | {"finished_us": resumed}])
    person(ledger, "resume", resumed + SECOND // 50)
    [found] = told(ledger)
    assert (found.start, found.end, found.missed) == (DOWN + MINUTE, BACK + SECOND // 10, 194)


def test_ticks_that_a_person_accounts_for_while_a_scheduler_is_up_are_no_outage(ledger: Ledger) -> None:
    write(ledger, "scheduler_runs", [run("report", NOW - 20 * HOUR), skipped("report", BACK - HOUR)])
    person(ledger, "pause", BACK + SECOND // 5)
    assert told(ledger) == []


def coalesced(ledger: Ledger, process: str) -> None:
    """Write what a process made of an hour in which none was up: the newest tick ran, late."""
    gone, ended = BACK - HOUR, BACK + SECOND // 10
    row = skipped("report", gone, BACK - 2 * MINUTE, 58) | {"reason": "coalesced"}
    write(ledger, "scheduler_runs", [run("report", gone - MINUTE, process_id="first"), row])
    late = run("report", BACK - MINUTE, process_id=process, started_us=ended, finished_us=BACK + MINUTE)
    write(ledger, "scheduler_runs", [late])


def test_an_outage_whose_ticks_were_all_coalesced_is_told(ledger: Ledger) -> None:
    coalesced(ledger, "second")
    [found] = told(ledger)
    assert (found.start, found.missed, found.coalesced) == (BACK - HOUR, 58, 58)
    assert found.sentence(ZoneInfo("UTC"), NOW).endswith(
        ": 58 ticks missed, all coalesced since a newer one ran"
    )


def test_why_names_the_outage_of_a_tick_that_was_coalesced(
    scheduler: AsyncIOScheduler, ledger: Ledger
) -> None:
    coalesced(ledger, "second")
    change(ledger, "UPDATE scheduler_jobs SET registered_us = 1, changed_us = 1")
    said = ask(scheduler, "why", "report", "--run", "2")
    assert "It was coalesced: no scheduler was up from 2027-01-15 04:30:00 UTC to 2027-01-15 05:30:00" in said
    [row] = ask_json(scheduler, "runs", "--missed")
    assert (row["reason"], row["count"]) == ("coalesced", 58)


def test_why_says_by_what_a_tick_was_recorded(scheduler: AsyncIOScheduler, ledger: Ledger) -> None:
    night(ledger)
    at = BACK - 30 * MINUTE
    write(ledger, "scheduler_runs", [skipped("report", DOWN + 2 * MINUTE) | {"finished_us": at}])
    person(ledger, "resume", at + SECOND // 50)
    last = max(row["run_id"] for row in rows_in(ledger))
    said = ask(scheduler, "why", "report", "--run", str(last))
    assert "no scheduler was up from 2027-01-15 02:11:00 UTC to 2027-01-15 05:30:00 UTC" in said
    assert "recorded at 2027-01-15 05:00:00 UTC, by a request about the job" in said


def test_an_event_loop_that_was_blocked_is_no_outage(ledger: Ledger) -> None:
    coalesced(ledger, "first")
    assert told(ledger) == []


def test_ticks_of_both_kinds_are_counted_together(ledger: Ledger) -> None:
    night(ledger)
    more = skipped("pump", BACK - 9 * MINUTE, BACK - 2 * MINUTE, 8) | {"reason": "coalesced"}
    write(ledger, "scheduler_runs", [more])
    [found] = told(ledger)
    assert "201 ticks missed, 8 of them coalesced" in found.sentence(ZoneInfo("UTC"), NOW)


async def test_a_start_after_an_outage_writes_what_is_told_of_it(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(quick, "interval", minutes=1, id="pump")
    ledger = prepared(scheduler)
    now = ticks.now()
    change(
        ledger, "UPDATE scheduler_jobs SET registered_us = 1, changed_us = 1, watermark_us = ?", now - HOUR
    )
    async with scheduler:
        pass
    [found] = told(ledger, now - DAY, ticks.now() + SECOND)
    assert found.start <= now - HOUR + MINUTE
    assert found.end >= now
    assert 45 <= found.missed <= 60


# --- what the ledger knows of when processes began and ended


def lived(ledger: Ledger, begun: int, ended: int, **more: Any) -> None:
    """Write down a process that is gone."""
    row = {"process_id": f"{begun}", "role": None, "started_us": begun, "ended_us": ended, "has_died": 0}
    write(ledger, "scheduler_past_processes", [row | more])


def restart(ledger: Ledger, down: int, back: int, **more: Any) -> None:
    """Write down two processes, and that none was there between two instants."""
    lived(ledger, down - HOUR, down, **more)
    lived(ledger, back, NOW, **more)


def test_an_outage_begins_when_the_last_scheduler_was_stopped(ledger: Ledger) -> None:
    night(ledger)
    stopped = DOWN + 20 * SECOND
    restart(ledger, stopped, BACK)
    assert told(ledger) == [Outage(stopped, BACK, missed=193, jobs=2)]


@pytest.mark.parametrize("seconds", [2, 20, 59])
def test_a_short_outage_is_told_if_a_tick_was_missed_in_it(ledger: Ledger, seconds: int) -> None:
    down, back = BACK - seconds * SECOND, BACK
    restart(ledger, down, back)
    write(ledger, "scheduler_runs", [run("pump", BACK - HOUR), run("pump", BACK - 2 * SECOND)])
    assert told(ledger) == []
    write(ledger, "scheduler_runs", [skipped("report", down + SECOND)])
    assert told(ledger) == [Outage(down, back, missed=1, jobs=1)]
    # Of a span of any length.
    assert told(ledger, NOW - 100 * DAY) == told(ledger)


@pytest.mark.parametrize(("seconds", "is_told"), [(10, False), (59, False), (60, True)])
def test_an_outage_for_which_ticks_were_only_late_is_told_if_it_took_a_minute(
    ledger: Ledger, seconds: int, is_told: bool
) -> None:
    """A new version that takes the place of the old one makes some ticks late: that needs no look."""
    down, back = BACK - seconds * SECOND, BACK
    restart(ledger, down, back)
    late = run("report", down + SECOND, started_us=back + SECOND, finished_us=back + 3 * HOUR)
    coalesced = skipped("pump", down + SECOND) | {"reason": "coalesced"}
    write(ledger, "scheduler_runs", [late, coalesced])
    assert bool(told(ledger)) == is_told
    if is_told:
        [found] = told(ledger)
        assert (found.missed, found.coalesced, found.late) == (1, 1, 1)


def test_the_ledger_is_asked_no_more_often_for_many_outages(ledger: Ledger) -> None:
    def asked(number: int) -> int:
        with statements() as noted, connect(ledger) as connection:
            assert len(all_outages(connection, NOW - 30 * DAY, NOW)) == number
        return len(noted)

    def add(day: int) -> None:
        down, back = BACK - day * DAY, BACK - day * DAY + 5 * MINUTE
        lived(ledger, down - HOUR, down)
        lived(ledger, back, back + 22 * HOUR)
        write(ledger, "scheduler_runs", [skipped("report", down + SECOND) | {"finished_us": back + SECOND}])

    add(2)
    one = asked(1)
    for day in range(3, 20):
        add(day)
    assert asked(18) == one


def test_an_outage_may_have_made_ticks_late_and_nothing_else(ledger: Ledger) -> None:
    down, back = BACK - 2 * MINUTE, BACK
    restart(ledger, down, back)
    late = run("report", down + SECOND, started_us=back + SECOND, finished_us=back + 3 * HOUR)
    write(ledger, "scheduler_runs", [late])
    [found] = told(ledger)
    assert found.sentence(ZoneInfo("UTC"), NOW) == (
        "no scheduler was running from 05:28:00 to 05:30:00: no tick missed, 1 ran late"
    )


def test_what_the_first_start_of_all_missed_is_no_outage(ledger: Ledger) -> None:
    write(ledger, "scheduler_runs", [skipped("report", BACK - SECOND)])
    write(ledger, "scheduler_runs", [run("pump", BACK)])
    with connect(ledger) as connection:
        assert all_outages(connection, BACK - MINUTE, NOW) == []


def test_while_another_scheduler_was_there_is_no_outage_but_a_worker_is_none(ledger: Ledger) -> None:
    down, back = BACK - 10 * SECOND, BACK
    restart(ledger, down, back)
    write(ledger, "scheduler_runs", [run("pump", down - SECOND), skipped("report", down + SECOND)])
    lived(ledger, down - 2 * HOUR, NOW, role="worker")
    assert len(told(ledger)) == 1
    lived(ledger, down - 3 * HOUR, back + HOUR, role="scheduler")
    assert told(ledger) == []


def test_processes_that_end_at_once_make_one_outage_of_several(ledger: Ledger) -> None:
    down, back = BACK - MINUTE, BACK
    restart(ledger, down, back)
    for second in (10, 20, 30, 40):
        lived(ledger, down + second * SECOND, down + (second + 1) * SECOND, has_died=1)
    write(ledger, "scheduler_runs", [skipped("report", down + 5 * SECOND)])
    assert told(ledger) == [Outage(down, back, missed=1, jobs=1)]


def test_odd_rows_of_processes_that_are_gone_are_in_nobodys_way(ledger: Ledger) -> None:
    night(ledger)
    restart(ledger, DOWN, BACK)
    for number, value in enumerate(("x", b"x", 1.5, 2**63 - 1, -(2**63), 9e999)):
        lived(ledger, -number, 0, ended_us=value)
        lived(ledger, -number - 10, 0, started_us=value)
    assert told(ledger)[-1].missed == 193


async def test_each_stop_and_each_death_is_written_down(scheduler: AsyncIOScheduler, clock: Clock) -> None:
    scheduler.add_job(quick, "interval", seconds=1, id="pump", misfire_grace_time=1)
    async with scheduler:
        pass
    stopped = ticks.now()
    [one] = found_in(scheduler.ledger, "SELECT * FROM scheduler_past_processes")
    assert one["has_died"] == 0
    assert stopped - 10 * SECOND < one["ended_us"] <= stopped
    clock.step(30)
    async with scheduler:
        await until(lambda: rows(scheduler, "skipped"))
    [found] = told(scheduler.ledger, stopped - DAY, ticks.now() + SECOND)
    assert found.start == one["ended_us"]
    assert 25 * SECOND < found.end - found.start < 60 * SECOND
    with connect(scheduler.ledger) as connection:
        nobody = find_processes(connection).nobody_up(ZoneInfo("UTC"))
    assert nobody.endswith(", when it was stopped")


async def test_the_last_heartbeat_of_a_process_that_died_is_written_down(scheduler: AsyncIOScheduler) -> None:
    ledger, now = prepared(scheduler), ticks.now()
    beat = now - HOUR
    process = {"process_id": "dead", "host": host_name(), "pid": 2**31 - 2, "started_us": beat - HOUR}
    write(ledger, "scheduler_processes", [process | {"beat": 1, "beat_us": beat, "start_number": 1}])
    async with scheduler:
        pass
    dead, own = found_in(ledger, "SELECT * FROM scheduler_past_processes ORDER BY ended_us")
    assert (dead["process_id"], dead["ended_us"], dead["has_died"]) == ("dead", beat, 1)
    assert own["started_us"] >= now


@pytest.mark.full
def test_very_many_runs_cost_no_more(ledger: Ledger) -> None:
    """Counted in steps of SQLite's machine, which are the same on each machine."""
    night(ledger)
    before = hundreds(ledger)
    some = [run("report", None, due_us=BACK + HOUR, finished_us=BACK + HOUR + at) for at in range(20_000)]
    write(ledger, "scheduler_runs", some)
    assert hundreds(ledger) < 1.5 * before


def hundreds(ledger: Ledger) -> int:
    """Return how many hundreds of steps the database made for the answer."""
    with connect(ledger) as connection, steps(connection, 100) as taken:
        assert len(outages(connection, NOW - DAY, NOW)) == 1
    return len(taken)


def test_a_process_that_was_declared_dead_and_came_back_hides_no_outage(ledger: Ledger) -> None:
    """It was frozen, and reaped; another one was started later; it went on then, and was stopped."""
    for begun, ended, has_died in ((DOWN - HOUR, DOWN, 1), (BACK + 10 * MINUTE, BACK + HOUR, 0)):
        values = {
            "process_id": "frozen",
            "role": None,
            "started": begun,
            "ended": ended,
            "has_died": has_died,
        }
        with ledger.writing() as connection, transaction(connection):
            connection.execute(process_statements.KEEP_END, values)
    lived(ledger, BACK, NOW)
    write(ledger, "scheduler_runs", [skipped("report", DOWN + SECOND)])
    assert told(ledger) == [Outage(DOWN, BACK, missed=1, jobs=1)]
