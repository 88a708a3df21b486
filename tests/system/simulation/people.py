"""What people ask of the schedule while it runs, each time by a process of its own, as the commands do.

They know what was promised, what was refused, and what the ledger did not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from everytick import SchedulerClient
from everytick.api.drafts import Wanted
from everytick.api.offered_jobs import OfferedJobs
from everytick.errors import LedgerError, ScheduleError
from everytick.model.offers import Offer
from everytick.settings import SchedulerSettings
from everytick.store.connections import CommitUnknown
from everytick.system import system

from simulation import bodies
from simulation.disk import Disk, MemoryLedger
from simulation.plan import Act
from simulation.world import World
from torture.history import Fill, Request
from torture.jobs import HOUR, SECOND

_OPEN = "state IN ('queued', 'claimed', 'running', 'retrying') OR rerun_until_us IS NOT NULL"
_OFFER = Offer("simulation.bodies:dated", bodies.dated, "dated", "bodies.py:1")
_EPOCH = datetime.fromtimestamp(0, UTC)
_ENDED = "state IN ('failed', 'timed_out', 'cancelled', 'interrupted', 'lost')"


class OnSimulatedDisk:
    """Whose ledger is on a simulated disk, whatever it is a client for."""

    _simulated: MemoryLedger
    _settings: SchedulerSettings

    @property
    def ledger(self) -> Any:
        return self._simulated

    @property
    def settings(self) -> SchedulerSettings:
        return self._settings


class Client(OnSimulatedDisk, SchedulerClient):
    """One who asks as by the commands."""

    def __init__(self, disk: Disk, settings: SchedulerSettings) -> None:
        self._simulated, self._settings = MemoryLedger(disk), settings
        super().__init__("somebody")


class OfferingClient(OnSimulatedDisk, OfferedJobs):
    """One who adds jobs of the function that is offered, as by the page."""

    def __init__(self, disk: Disk, settings: SchedulerSettings) -> None:
        self._simulated, self._settings = MemoryLedger(disk), settings
        super().__init__({_OFFER.reference: _OFFER}, "somebody")


class People:
    """All that is asked in one world.

    jobs: those that there are. requested, fills, asked, refused: see `torture.history.History`.
    """

    def __init__(self, world: World, disk: Disk, settings: SchedulerSettings, jobs: Sequence[str]) -> None:
        self.requested: list[tuple[str, int, int]] = []
        self.fills: list[Fill] = []
        self.asked: list[Request] = []
        self.refused: list[str] = []
        self._world, self._disk, self._settings, self._jobs = world, disk, settings, jobs
        self._number = 0
        # Ticks before this one have no backfill yet; far enough behind for a clock that is set back.
        self._unfilled = system.time_ns() // 1000 // HOUR * HOUR - 3 * HOUR

    def ask_for(self, act: Act) -> None:
        """Ask for what a plan has, which is one of `ASKED`."""
        ASKED[act.kind](self, act)

    def command(self, what: str, job: str) -> bool:
        """Pause or resume a job; return whether that was done. Asked again until there is an answer."""
        act = {"pause": "pause_job", "resume": "resume_job"}[what]
        answer = "unknown"
        while answer == "unknown":
            answer, _ = self._do(lambda client: getattr(client, act)(job))
        return answer == "done"

    def add(self, milliseconds: int) -> None:
        """Add a job that runs once, so long from now."""
        begin = self._now
        self._number += 1
        job = f"asked-{self._number}"
        tick = system.time_ns() // 1000 + milliseconds * 1000
        date = _EPOCH + timedelta(microseconds=tick)
        add: Callable[[Client], Any] = lambda client: client.add_job(  # noqa: E731
            "simulation.bodies:quick", "date", run_date=date, id=job
        )
        answer, _ = self._do(add)
        if answer == "done":
            self.requested.append((job, tick, begin))
        elif answer == "refused":
            self.refused.append(job)

    def offered(self, milliseconds: int) -> None:
        """Let two people add a job of an offered function by one id at once, for so long from now.

        Each has another instant; one of them may find that the id is taken.
        """
        begin = self._now
        self._number += 1
        job, first = f"offered-{self._number}", system.time_ns() // 1000 + milliseconds * 1000
        asked = []
        for tick in (first, first + SECOND):
            date = _EPOCH + timedelta(microseconds=tick)
            wanted = Wanted({"trigger": "date", "run_date": date}, {"day": "2027-01-17"}, job)
            program = self._world.new_program("dashboard")
            found: list[tuple[str, Any]] = []
            keep = partial(_keep, wanted, OfferingClient(self._disk, self._settings))
            asked.append((tick, program, found, program.start(_ask, keep, found)))
        for tick, program, found, thread in asked:
            thread.join()
            program.end()
            if found[0][0] == "done":
                self.requested.append((job, tick, begin))

    def run_now(self, job: str) -> None:
        """Ask for a run of a job, if it is there."""
        if job in self._jobs:
            self._ask("run now", job, 0, lambda client: client.run_job_now(job))

    def cancel(self, jobs: Sequence[str], number: int) -> None:
        """Cancel one of the runs that are not over, of these jobs if they have any.

        `number`: which of them; below 0 the one that was asked about last, if it is among them.
        """
        if (found := self._some_run(_OPEN, jobs, number)) is not None:
            run, job = found
            self._ask("cancel", job, run, lambda client: client.cancel_run(run))

    def retry(self, jobs: Sequence[str], number: int) -> None:
        """Have one of the runs tried again that did not succeed; chosen as by `cancel`."""
        if (found := self._some_run(_ENDED, jobs, number)) is not None:
            run, job = found
            self._ask("retry", job, run, lambda client: client.retry_run(run))

    def fill(self, hours: int, rate: int = 0) -> None:
        """Ask for a backfill of so many ticks of which none has a run yet, at so many a minute."""
        if "past" not in self._jobs:
            return
        last = self._unfilled
        first = last - (hours - 1) * HOUR
        self._unfilled = first - HOUR
        self._fill("past", first, last, rate)

    def fill_missed(self, job: str, seconds: int) -> None:
        """Ask for runs of the ticks of a job that were missed in the last so many seconds, if it is there."""
        if job not in self._jobs:
            return
        last = system.time_ns() // 1000
        self._fill(job, last - seconds * SECOND, last, at_once=3, only_missed=True)

    def _fill(
        self, job: str, first: int, last: int, rate: int = 0, *, at_once: int = 1, only_missed: bool = False
    ) -> None:
        begin = self._now
        times = [_EPOCH + timedelta(microseconds=tick) for tick in (first, last)]
        how: dict[str, Any] = {"rate": rate or None, "max_instances": at_once, "only_missed": only_missed}
        answer, number = self._do(lambda client: client.backfill_job(job, *times, **how))
        if answer == "done":
            self.fills.append(Fill(number, job, first, last, begin, rate, at_once, only_missed))

    def _ask(self, what: str, job: str, run: int, act: Callable[[Client], Any]) -> None:
        def ask(client: Client) -> tuple[int, int]:
            value = act(client)
            # Its number, where it is there since now.
            number = run or value
            found = self._disk.rows("SELECT attempt FROM scheduler_runs WHERE run_id = ?", number)
            return number, found[0][0]

        begin = self._now
        answer, value = self._do(ask)
        number, attempt = value or (run, 0)
        self.asked.append(Request(what, job, number, attempt, begin, self._now, answer))

    def _some_run(self, condition: str, jobs: Sequence[str], number: int) -> tuple[int, str] | None:
        rows = self._disk.rows(
            f"SELECT run_id, job_id FROM scheduler_runs WHERE {condition} ORDER BY run_id DESC LIMIT 20"
        )
        last = self.asked[-1].run if number < 0 and self.asked else None
        wanted = [row for row in rows if row[0] == last] or [row for row in rows if row[1] in jobs] or rows
        return wanted[number % len(wanted)] if wanted else None

    @property
    def _now(self) -> int:
        return self._world.now // 1000

    def _do(self, act: Callable[[Client], Any]) -> tuple[str, Any]:
        """Do something in a process of its own; return what was answered, and the value."""
        program = self._world.new_program("command")
        found: list[tuple[str, Any]] = []
        program.start(_ask, lambda: act(Client(self._disk, self._settings)), found).join()
        program.end()
        return found[0]


def _ask(act: Callable[[], Any], found: list[tuple[str, Any]]) -> None:
    """Do something; put what was answered into `found`, and the value."""
    try:
        found.append(("done", act()))
    except LedgerError as problem:
        # What was said of a commit whose answer was lost promises nothing.
        lost = isinstance(problem.__context__, CommitUnknown)
        found.append(("unknown" if lost else "refused", None))
    except ScheduleError:
        found.append(("refused", None))


def _keep(wanted: Wanted, client: OfferingClient) -> None:
    client.keep(client.draft(_OFFER.reference, wanted))


# By the kinds of acts.
ASKED: dict[str, Callable[[People, Act], None]] = {
    "ask": lambda people, act: people.add(act.number),
    "offer": lambda people, act: people.offered(act.number),
    "run now": lambda people, act: people.run_now(act.job),
    "cancel": lambda people, act: people.cancel([act.job], act.number),
    "retry": lambda people, act: people.retry([act.job], act.number),
    "backfill": lambda people, act: people.fill(act.number),
    "fill by rate": lambda people, act: people.fill(act.number, int(act.seconds)),
    "fill missed": lambda people, act: people.fill_missed("gappy", act.number),
}
