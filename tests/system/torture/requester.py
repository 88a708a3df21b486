"""A client process that requests single runs while the schedulers run, as a web application would.

No fault is injected into it, but it uses the same clock and the same ledger. Each line on its standard input
is a job to add; it answers with the tick of that job, or with the reason why the job could not be added. Or
it is a backfill, from one second to another; it answers with the number.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading

from torture.history import now
from torture.world import HOUR, SECOND, World

PROGRAM = """
import sys, time
from datetime import UTC, datetime, timedelta

from everytick import LedgerError, ScheduleError, SchedulerClient
from app.services.my_tasks import quick

client = SchedulerClient()
client.add_job(quick, "interval", seconds=2, start_date="1970-01-01T00:00:00+00:00", id="added")
print("ready", flush=True)
for line in sys.stdin:
    job, milliseconds = line.split()
    if job == "fill":
        first, last = (datetime.fromtimestamp(int(each), UTC) for each in milliseconds.split("-"))
        try:
            print(client.backfill_job("past", first, last), flush=True)
        except (LedgerError, ScheduleError) as problem:
            print("refused", problem, flush=True)
        continue
    tick = time.time_ns() // 1000 + int(milliseconds) * 1000
    date = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=tick)
    try:
        client.add_job("app.services.my_tasks:quick", "date", run_date=date, id=job)
        print(tick, flush=True)
    except LedgerError as problem:
        print("refused", problem, flush=True)
"""


class Requester:
    """Asks, and knows what was promised and what was refused."""

    def __init__(self, world: World) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=world.folder,
            env=world.variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()
        # Backfills: number, first and last tick, instant of the request. Far enough behind for a clock that
        # is set back.
        self.fills: list[tuple[int, int, int, int]] = []
        self._unfilled = (world.base + now()) // HOUR * HOUR - 3 * HOUR
        self._number = 0
        assert self._answer() == "ready"

    def ask(self, milliseconds: int) -> tuple[str, int | None]:
        """Ask for a run so long from now; return its job and its tick, None if it was refused."""
        with self._lock:
            self._number += 1
            job = f"asked-{self._number}"
            answer = self._asked(f"{job} {milliseconds}")
        if answer.startswith("refused"):
            return job, None
        return job, int(answer)

    def fill(self, choice: random.Random) -> None:
        """Ask for a backfill of some ticks of which none has a run yet."""
        with self._lock:
            last, begin = self._unfilled, now()
            first = last - choice.randrange(1, 6) * HOUR
            self._unfilled = first - HOUR
            answer = self._asked(f"fill {first // SECOND}-{last // SECOND}")
        if not answer.startswith("refused"):
            self.fills.append((int(answer), first, last, begin))

    def _asked(self, line: str) -> str:
        assert self._popen.stdin is not None
        self._popen.stdin.write(f"{line}\n")
        self._popen.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """Ask for nothing more."""
        self._popen.kill()
        self._popen.communicate()

    def _answer(self) -> str:
        assert self._popen.stdout is not None
        return self._popen.stdout.readline().strip()
