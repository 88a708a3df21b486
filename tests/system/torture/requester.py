"""A client process that requests single runs while the schedulers run, as a web application would.

No fault is injected into it, but it uses the same clock and the same ledger. Each line on its standard input
is a job to add; it answers with the tick of that job, or with the reason why the job could not be added. Or
it is a backfill; it answers with the number, and from which second to which one it is. Or it is a request to
the dashboard's API about a job of a function on offer; it answers with the status and what was said.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from typing import Any

from torture.history import Act, Fill, now
from torture.jobs import HOUR, RATES, SECOND
from torture.world import World

PROGRAM = """
import asyncio, json, sys, time
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
from everytick import LedgerError, ScheduleError, SchedulerClient
from everytick.api.loading import declared
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from app.components.scheduler.main import create_scheduler
from app.services.my_tasks import quick

TOKEN = "the-token-of-the-torture"
scheduler, loop = create_scheduler(), asyncio.new_event_loop()
dashboard = create_app(scheduler.ledger, Authenticator(TOKEN), frozenset(), 0, partial(declared, scheduler))
http = httpx.AsyncClient(
    transport=httpx.ASGITransport(dashboard),
    base_url="http://here/api/v1/",
    headers={"Authorization": f"Bearer {TOKEN}"},
)

def send(method, path, body):
    answer = loop.run_until_complete(http.request(method, path, json=body))
    return json.dumps([answer.status_code, answer.text])

def fill(job, options, last=None, seconds=0):
    last = last or time.time_ns() // 1_000_000_000 - 1
    span = [datetime.fromtimestamp(each, UTC) for each in (last - seconds, last)]
    try:
        return f"{client.backfill_job(job, *span, **options)} {last - seconds} {last}"
    except (LedgerError, ScheduleError) as problem:
        return f"refused {problem}"

client = SchedulerClient()
client.add_job(quick, "interval", seconds=2, start_date="1970-01-01T00:00:00+00:00", id="added")
print("ready", flush=True)
for line in sys.stdin:
    if line.startswith("["):
        print(send(*json.loads(line)), flush=True)
        continue
    if line.startswith("{"):
        print(fill(**json.loads(line)), flush=True)
        continue
    job, milliseconds = line.split()
    tick = time.time_ns() // 1000 + int(milliseconds) * 1000
    date = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=tick)
    try:
        client.add_job("app.services.my_tasks:quick", "date", run_date=date, id=job)
        print(tick, flush=True)
    except LedgerError as problem:
        print("refused", problem, flush=True)
"""


# What people do about jobs of the function on offer, the steps of these, and how many there are at most.
_ACTS = ("add", "add", "change", "change", "remove")
_STEPS = (7 * SECOND, 9 * SECOND, 11 * SECOND)
_MOST_JOBS = 3
# The backfills that they ask for.
_KINDS = ("as fast as it can", "by a rate", "only what was missed")


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
        self.fills: list[Fill] = []
        # Each comes up; first the one that is never refused for want of ticks.
        self._kinds = ["as fast as it can"]
        # Far enough behind for a clock that is set back.
        self._unfilled = (world.base + now()) // HOUR * HOUR - 3 * HOUR
        self._number = 0
        self.acts: list[Act] = []
        self._hand: list[str] = []
        # Of the jobs that people added those that are certainly there, with what they were last given.
        self._there: dict[str, tuple[int, int]] = {}
        assert self._answer() == "ready"
        odd = self._act("add", "tells", (8 * SECOND, 0))
        assert not odd, odd
        # It stays as it is.
        del self._there["tells"]

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
        """Ask for a backfill of some ticks of which none has a run yet, or of those that were missed."""
        with self._lock:
            what = self._kinds.pop()
            self._kinds = self._kinds or choice.sample(_KINDS, len(_KINDS))
            if what == "only what was missed":
                self._fill("gappy", at_once=3, only_missed=True, seconds=choice.choice([20, 60]))
                return
            last, hours = self._unfilled, choice.randrange(1, 6)
            self._unfilled = last - (hours + 1) * HOUR
            rate = choice.choice(RATES) if what == "by a rate" else 0
            self._fill("past", rate=rate, last=last // SECOND, seconds=hours * 3_600)

    def _fill(
        self, job: str, *, rate: int = 0, at_once: int = 1, only_missed: bool = False, **span: int
    ) -> None:
        begin = now()
        options = {"rate": rate or None, "max_instances": at_once, "only_missed": only_missed}
        answer = self._asked(json.dumps({"job": job, "options": options, **span}))
        if not answer.startswith("refused"):
            number, first, last = map(int, answer.split())
            times = first * SECOND, last * SECOND
            self.fills.append(Fill(number, job, *times, begin, rate, at_once, only_missed))

    def act(self, choice: random.Random) -> str:
        """Add a job of the function on offer, change or remove one; return what is odd about the answer."""
        with self._lock:
            # Each comes up, as with the faults.
            self._hand = self._hand or choice.sample(_ACTS, len(_ACTS))
            what = self._hand.pop() if self._there else "add"
            if what == "add" and len(self._there) >= _MOST_JOBS:
                what = "change"
            self._number += 1
            job = f"offered-{self._number}" if what == "add" else choice.choice(sorted(self._there))
            steps = [step for step in _STEPS if step != self._there.get(job, (0, 0))[0]]
            return self._act(what, job, (choice.choice(steps), self._number))

    def _act(self, what: str, job: str, given: tuple[int, int]) -> str:
        step, number = given if what != "remove" else (0, 0)
        start = "1970-01-01T00:00:00+00:00"
        body: dict[str, Any] = {
            "schedule": {"trigger": "interval", "seconds": step / SECOND, "start_date": start},
            "arguments": {"number": number},
        }
        line = {
            "add": ["POST", "jobs", {**body, "function": "app.services.my_tasks:tell", "id": job}],
            "change": ["PATCH", f"jobs/{job}", body],
            "remove": ["DELETE", f"jobs/{job}", None],
        }[what]
        begin = now()
        status, said = json.loads(self._asked(json.dumps(line)))
        answer = "done" if status in (200, 201) else "unknown"
        if status == 503 and "nothing was changed" in said:
            answer = "refused"
        self.acts.append(Act(what, job, step, number, begin, now(), answer))
        if answer == "done" and what != "remove":
            self._there[job] = given
        elif what == "remove" and answer != "refused":
            self._there.pop(job)
        return "" if status in (200, 201, 503) else f"{what} {job} was answered with {status}: {said}"

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
