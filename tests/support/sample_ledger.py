"""A ledger with one example of each thing that can go wrong, for tests of `why` and `doctor`.

`fill` writes the ledger for a schedule in the test's own process, `application` for an application in a
folder. All of it is recent: for most jobs the tick that went wrong was at the last full hour but one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.model.job import Job
from everytick.store import definitions, requests
from everytick.store.database import Ledger
from everytick.store.records import Registration

from ledgers import Hand, changing

TASKS = "def task() -> None:\n    pass\n"
IMPORTS = "from app.services.my_tasks import task\n"

SECOND, MINUTE, HOUR, DAY = (ticks.SECOND * size for size in (1, 60, 3_600, 86_400))
# The process that ran most of it has stopped since; this one died.
GONE = "0" * 32

_DAILY = [
    *("fine", "late", "slot", "crash", "lost", "overlap"),
    *("timeout", "retry", "paused", "was_paused", "missed", "no_slot"),
    *("cancelled", "manual", "coalesced", "interrupted", "skipper"),
]


def latest_tick() -> int:
    """Return the instant at which the daily jobs were due last: one to two hours ago."""
    return ticks.now() // HOUR * HOUR - HOUR


def schedule_body(hour: int, *left_out: str) -> str:
    """Return the `add_job` calls of the schedule; the daily ones at this hour in UTC."""
    options = {
        "late": "jitter=600",
        "timeout": "timeout=30",
        "retry": "retries=2",
        "skipper": 'on_crash="skip"',
        "slot": "misfire_grace_time=1800",
    }
    daily = [
        f'scheduler.add_job(task, "cron", hour={hour}, timezone="UTC", id="{job_id}"'
        + (f", {options[job_id]}" if job_id in options else "")
        + ")"
        for job_id in _DAILY
    ]
    others = [
        'scheduler.add_job(task, "interval", minutes=1, id="outage")',
        'scheduler.add_job(task, "cron", hour=2, minute=30, timezone="Europe/Berlin", id="night")',
        f'scheduler.add_job(task, "cron", hour={hour}, timezone="UTC", id="removed")',
        'scheduler.add_job(task, id="startup")',
    ]
    calls = [call for call in daily + others if not any(f'id="{name}"' in call for name in left_out)]
    return "\n".join(calls)


@dataclass
class SampleLedger:
    """The written sample: the ledger, the jobs of its schedule, and the numbers of runs by their jobs.

    tick: when the daily jobs were due last, in microseconds.
    """

    ledger: Ledger
    declared: dict[str, Job]
    tick: int
    run_ids: dict[str, int] = field(default_factory=dict)


def task() -> None:
    """The body of all jobs."""


def fill(ledger: Ledger) -> SampleLedger:
    """Write the sample ledger; the settings of a scheduler must be in force."""
    tick = latest_tick()
    body = schedule_body(ticks.moment(tick).hour)
    jobs = _declared(body)
    gone = AsyncIOScheduler()
    gone.add_job(task, "cron", hour=ticks.moment(tick).hour, timezone="UTC", id="gone")
    ledger.prepare()
    found = SampleLedger(ledger, {job.id: job for job in jobs if job.id != "removed"}, tick)
    with changing(ledger) as hand:
        definitions.define(hand, [*jobs, *gone.get_jobs()], ticks.now(), Registration(1, {}, 0))
        _in_the_past(hand, tick)
        _write(Book(hand, found))
    return found


def _declared(body: str) -> list[Job]:
    scheduler = AsyncIOScheduler()
    exec(body, {"scheduler": scheduler, "task": task})
    return list(scheduler.get_jobs())


def _in_the_past(hand: Hand, tick: int) -> None:
    """Let the jobs be known for two years, and all ticks up to the latest be accounted for."""
    begin = tick - 800 * DAY
    hand.execute(
        "UPDATE scheduler_jobs SET registered_us = ?, changed_us = ?, watermark_us = ?, function = ?",
        (begin, begin, tick, "app.services.my_tasks:task"),
    )


class Book:
    """Writes rows as the scheduler would have left them."""

    def __init__(self, hand: Hand, found: SampleLedger) -> None:
        self.hand, self.found = hand, found

    def run(self, job_id: str, tick: int | None, state: str, **columns: Any) -> int:
        """Write a run of a tick; it began on time and took five seconds unless `columns` say otherwise."""
        due = tick if tick is not None else columns["due_us"]
        values = {
            "job_id": job_id,
            "kind": "scheduled",
            "tick_us": tick,
            "state": state,
            "attempt": 1,
            "crashes": 0,
            "due_us": due,
            "process_id": GONE,
            "claimed_us": due,
            "started_us": due + SECOND // 10,
            "finished_us": due + 5 * SECOND,
            **columns,
        }
        row_id = self._insert("scheduler_runs", values)
        self.found.run_ids[job_id] = row_id
        return row_id

    def skip(self, job_id: str, tick: int, reason: str, noticed: int, **columns: Any) -> int:
        """Write a tick that was skipped, which was noticed at an instant."""
        values = {"process_id": None, "claimed_us": None, "started_us": None, "attempt": 0, **columns}
        return self.run(job_id, tick, "skipped", reason=reason, finished_us=noticed, **values)

    def attempt(self, run_id: int, number: int, state: str, begun: int, ended: int, error: str) -> None:
        """Write an earlier attempt of a run."""
        values = {"run_id": run_id, "attempt": number, "state": state, "process_id": GONE}
        times = {"started_us": begun, "finished_us": ended, "error": error}
        self._insert("scheduler_attempts", {**values, **times})

    def asked(
        self, when: int, action: str, job_id: str, run_id: int | None = None, note: str | None = None
    ) -> None:
        """Write that carla asked for something."""
        requests.note_down(self.hand, "carla", action, job_id, run_id, note)
        newest = "(SELECT max(audit_id) FROM scheduler_audit)"
        self.hand.execute(f"UPDATE scheduler_audit SET at_us = ? WHERE audit_id = {newest}", (when,))

    def change(self, job_id: str, **columns: Any) -> None:
        """Change the row of a job."""
        names = ", ".join(f"{name} = :{name}" for name in columns)
        self.hand.execute(
            f"UPDATE scheduler_jobs SET {names} WHERE job_id = :job_id", {**columns, "job_id": job_id}
        )

    def _insert(self, table: str, values: dict[str, Any]) -> int:
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING run_id"
        return int(self.hand.execute(statement, values).fetchone()[0])


def _write(book: Book) -> None:
    tick = book.found.tick
    for write in (_ran, _cut, _failed, _skipped, _steered, _elsewhere):
        write(book, tick)


def _ran(book: Book, tick: int) -> None:
    book.run("fine", tick, "succeeded")
    delay = book.found.declared["late"].due(tick) - tick
    book.run("late", tick, "succeeded", due_us=tick + delay, **_times(tick + delay, 1))
    book.run("slot", tick, "succeeded", **_times(tick + 90 * SECOND, 5))
    book.run("startup", None, "succeeded", kind="startup", start_number=7, due_us=tick - DAY)


def _times(begin: int, seconds: int) -> dict[str, int]:
    return {"started_us": begin, "finished_us": begin + seconds * SECOND}


def _cut(book: Book, tick: int) -> None:
    died = "the process that ran it died"
    run_id = book.run(
        "crash", tick, "succeeded", attempt=2, crashes=1, claimed_us=tick + MINUTE, **_times(tick + MINUTE, 3)
    )
    book.attempt(run_id, 1, "lost", tick, tick + 20 * SECOND, died)
    end = _times(tick + 3 * MINUTE, 20)
    run_id = book.run("lost", tick, "lost", attempt=4, crashes=3, error=died, **end)
    for number in range(3):
        begun = tick + number * MINUTE
        book.attempt(run_id, number + 1, "lost", begun, begun + 20 * SECOND, died)
    book.run("skipper", tick, "lost", error=died)
    stopped = "the process was stopped before the run had ended"
    book.run("interrupted", tick, "interrupted", error=stopped, rerun_until_us=tick + 10 * MINUTE)


def _failed(book: Book, tick: int) -> None:
    book.run(
        "timeout",
        tick,
        "timed_out",
        error="it took longer than its timeout of 30 seconds",
        **_times(tick, 30),
    )
    run_id = book.run("retry", tick, "succeeded", attempt=2, **_times(tick + 12 * SECOND, 1))
    book.attempt(run_id, 1, "failed", tick, tick + SECOND, "ConnectionError: no route")
    run_id = book.run(
        "cancelled", tick, "cancelled", error="its cancellation was requested", cancel_us=tick + SECOND
    )
    book.asked(tick + SECOND, "cancel", "cancelled", run_id, "the wrong customer")


def _skipped(book: Book, tick: int) -> None:
    book.run("overlap", tick - DAY, "succeeded", **_times(tick - DAY, 86_400 + 600))
    book.skip("overlap", tick, "overlap", tick)
    book.skip("missed", tick, "missed", tick + 20 * MINUTE)
    book.skip("no_slot", tick, "missed", tick + 11 * MINUTE, attempt=1, process_id=GONE, claimed_us=tick)
    book.skip("coalesced", tick - DAY, "coalesced", tick + SECOND)
    book.run("coalesced", tick, "succeeded", claimed_us=tick + SECOND, **_times(tick + SECOND, 1))
    # Two days ago nothing was up for three hours; the last trace before is half a minute older.
    first, last = tick - 2 * DAY - 3 * HOUR, tick - 2 * DAY
    book.run("fine", first - DAY, "succeeded", finished_us=first - 30 * SECOND)
    book.found.run_ids["outage"] = book.skip(
        "outage", first, "outage", last + 15 * MINUTE, last_tick_us=last, tick_count=181
    )


def _steered(book: Book, tick: int) -> None:
    book.change("paused", paused_us=tick - HOUR, pause_note="the disk is full", watermark_us=tick - DAY)
    book.asked(tick - HOUR, "pause", "paused", note="the disk is full")
    book.asked(tick - 3 * DAY, "pause", "was_paused", note="on holiday")
    book.skip("was_paused", tick - 2 * DAY, "paused", tick + MINUTE, last_tick_us=tick, tick_count=3)
    book.asked(tick + MINUTE, "resume", "was_paused")
    book.change("was_paused", watermark_us=tick + MINUTE)
    book.run("manual", tick, "failed", error="ValueError: no such customer")
    values = {"for_tick_us": tick, "due_us": tick + 10 * MINUTE, "started_us": tick + 10 * MINUTE}
    run_id = book.run("manual", None, "succeeded", kind="manual", **values)
    book.hand.execute(
        "UPDATE scheduler_runs SET finished_us = ? WHERE run_id = ?", (tick + 11 * MINUTE, run_id)
    )
    book.asked(tick + 10 * MINUTE, "run now", "manual", run_id, "the customer is there now")


def _elsewhere(book: Book, tick: int) -> None:
    book.change("removed", removed_us=tick - DAY)
    call: dict[str, object] = {"args": [], "kwargs": {}, "options": {}}
    book.change(
        "gone",
        function="app.services.gone:task",
        call_data=json.dumps(call),
        serial=1,
        watermark_us=tick - DAY,
    )
    gap = gap_end()
    book.run("night", gap, "succeeded")
    book.change("night", watermark_us=tick)


def gap_end() -> int:
    """Return the end of the latest hour that the clocks of Berlin jumped over, before the last month."""
    zone = ZoneInfo("Europe/Berlin")
    year = ticks.moment(ticks.now()).year
    for candidate in (year, year - 1):
        last = date(candidate, 3, 31)
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        end = ticks.instant_of_wall(datetime.combine(sunday, time(3)), zone)
        if end < ticks.now() - DAY:
            return end
    raise AssertionError("there is one each year")


@contextmanager
def up(ledger: Ledger, *, silent: int = 0, stuck: int = 0) -> Iterator[str]:
    """Let a process be in the ledger that is alive: this very one, as far as can be told.

    `silent`: for how long it has sent no heartbeat; `stuck`: its event loop no answer.
    """
    from everytick.store import workers
    from everytick.store.records import Identity

    me = Identity.new()
    beat = ticks.now() - silent
    with closing(ledger.connect()) as connection:
        workers.enter(connection, me, start_number=8)
        connection.execute(
            "UPDATE scheduler_processes SET started_us = :begun, beat_us = :beat, pass_us = :pass",
            {"begun": beat - HOUR, "beat": beat, "pass": beat - stuck},
        )
    workers.ALIVE_HERE.add(me.process_id)
    try:
        yield me.process_id
    finally:
        workers.ALIVE_HERE.discard(me.process_id)
        with closing(ledger.connect()) as connection:
            workers.leave(connection, me)
            # Its end is no part of the story.
            connection.execute("DELETE FROM scheduler_past_processes", {})
