"""An application with its dashboard, as processes; and a ledger that is filled without running anything."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from application import Application
from ledgers import changing, found_in
from waiting import wait_for
from warm_children import Warm

TOKEN = "all-all-all-all-all-all"
READ_TOKEN = "read-read-read-read-read"
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">'&{{7*7}}"

TASKS = """
import asyncio
from datetime import date
from typing import Any, Literal

from loguru import logger


async def quick():
    logger.info("one line of the log")


async def long():
    await asyncio.sleep(600)


async def bad():
    logger.warning("a log line with <b>markup</b> & <script>document.title='taken'</script>")
    raise ValueError("<script>document.title='taken'</script>")


def remind(
    customer_id: int,
    day: date,
    by: Literal["mail", "letter"] = "mail",
    text: str = "Dear customer",
    urgent: bool = False,
    more: Any = None,
):
    '''Send a reminder to a customer.'''
    logger.info("{} gets a {} on {}", customer_id, by, day.isoformat())
"""

SCHEDULE = f"""
scheduler.add_job(quick, trigger="interval", hours=5, id="sweep", name="Sweep the floor")
scheduler.add_job(long, trigger="interval", days=300, id="export")
scheduler.add_job(bad, trigger="interval", days=300, id="import")
scheduler.add_job(quick, trigger="cron", hour=2, minute=30, timezone="Europe/Berlin", id="night")
scheduler.add_job(quick, trigger="interval", minutes=1, id={HOSTILE!r}, name={HOSTILE!r})
"""
OFFERS = """
scheduler.offer(remind, name="Remind a customer")
scheduler.offer(quick)
"""
REMIND = "app.services.my_tasks:remind"
JOBS = ["sweep", "export", "import", "night", HOSTILE]


def free_port() -> int:
    """Return a port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])


class Site:
    """An application whose dashboard listens on a port of its own."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.app.environment = {
            "SCHEDULER_DASHBOARD": "true",
            "SCHEDULER_DASHBOARD_PORT": str(self.port),
            "SCHEDULER_DASHBOARD_TOKEN": TOKEN,
            "SCHEDULER_DASHBOARD_READ_TOKEN": READ_TOKEN,
            "SCHEDULER_SHUTDOWN_GRACE_TIME": "0",
        }

    @classmethod
    def made_in(cls, folder: Path) -> Site:
        """Make the usual application in a folder."""
        app = Application(folder)
        app.tasks(TASKS)
        app.schedule(SCHEDULE + OFFERS, "from app.services.my_tasks import bad, long, quick, remind\n")
        return cls(app)

    def answers(self) -> bool:
        """Return whether the dashboard does."""
        try:
            return httpx.get(f"{self.base}/login", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def client(self, token: str = TOKEN, **headers: str) -> httpx.Client:
        """Return a program that has a token."""
        given = {"Authorization": f"Bearer {token}", **headers}
        return httpx.Client(base_url=self.base, headers=given, timeout=20)

    @contextmanager
    def browser(self, token: str = TOKEN, name: str = "") -> Iterator[httpx.Client]:
        """Give what has signed in with the form, as a browser does."""
        with httpx.Client(base_url=self.base, timeout=20) as client:
            answer = client.post("/login", data={"token": token, "name": name})
            assert answer.status_code == 303, answer.text
            yield client

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit trail, oldest first, from the ledger itself."""
        return self.rows("SELECT * FROM scheduler_audit ORDER BY audit_id")

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Return what is in the ledger."""
        return found_in(self.app.ledger, statement, *values)

    def write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Put something into the ledger."""
        with changing(self.app.ledger) as hand:
            for row in rows:
                hand.execute(statement, row)

    def state_of(self, run_id: int) -> str:
        """Return the state of a run."""
        return str(self.rows("SELECT state FROM scheduler_runs WHERE run_id = ?", run_id)[0]["state"])

    def becomes(self, run_id: int, state: str) -> None:
        """Wait until a run is in a state."""
        try:
            wait_for(lambda: self.state_of(run_id) == state, f"run {run_id} {state}")
        except AssertionError as problem:
            rows = self.rows("SELECT * FROM scheduler_runs WHERE run_id = ?", run_id)
            raise AssertionError(f"{problem}: {rows}") from None

    @contextmanager
    def running(self) -> Iterator[Any]:
        """Run the schedule with its dashboard; runs are cut at the end."""
        process = self.app.start()
        try:
            wait_for(self.answers, f"the dashboard\n{process.log()}")
            yield process
        finally:
            process.popen.send_signal(signal.SIGTERM)
            try:
                process.popen.wait(30)
            finally:
                process.popen.kill()
                process.popen.wait()

    @contextmanager
    def alone(self) -> Iterator[subprocess.Popen[bytes]]:
        """Serve the dashboard without the schedule."""
        log = self.app.folder / f"dashboard-{time.monotonic_ns()}.log"
        with log.open("wb") as stream:
            popen = Warm(
                [sys.executable, "-m", "app", "dashboard"],
                cwd=self.app.folder,
                env=self.app.variables(),
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(lambda: self.answers() or popen.poll() is not None, "the dashboard")
            assert popen.poll() is None, log.read_text()
            yield popen
        finally:
            popen.terminate()
            popen.wait(20)


# Ids as people give them to jobs, and one that has no place at which a line may end.
LONG_IDS = ["synchronise_the_inventory_of_all_shops_with_the_warehouse_in_hamburg_2", "x" * 70]


def troubled_site(folder: Path) -> Site:
    """Make a site whose jobs failed, missed ticks, are late, paused and run long."""
    site = Site.made_in(folder)
    ids = ["failing", "skipping", "late", "missed", "resting", "going_on", *LONG_IDS]
    site.app.schedule(
        "".join(
            f"scheduler.add_job(quick, trigger='cron', minute='7', id={job_id!r}, misfire_grace_time=60)\n"
            for job_id in ids
        ),
        "from app.services.my_tasks import quick\n",
    )
    with site.running() as process:
        process.says("| ledger ")
    hour = 3_600_000_000
    present = time.time_ns() // 1000
    rows: list[tuple[object, ...]] = []
    for job_id in ("failing", "skipping", *LONG_IDS):
        for ago in range(20, 0, -1):
            at = present - ago * hour
            rows.append((job_id, at, "skipped", "overlap", None, at, None))
            rows.append((job_id, at + 1, "failed", None, "ConnectError: no route to host " * 9, at, at))
    rows += [
        ("missed", present - hour, "skipped", "missed", None, present - hour, None),
        ("going_on", present - 9 * hour, "running", None, None, None, present - 9 * hour),
    ]
    site.write(
        "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, reason, error, finished_us, started_us,"
        " attempt, crashes, due_us, process_id)"
        " VALUES (?, 'scheduled', ?, ?, ?, ?, ?, ?, 1, 0, 1, 'p')",
        rows,
    )
    site.write("UPDATE scheduler_jobs SET watermark_us = ? WHERE job_id = 'late'", [(present - 30 * hour,)])
    site.write(
        "UPDATE scheduler_jobs SET paused_us = ?, pause_note = ? WHERE job_id = 'resting'",
        [(present, "n" * 90)],
    )
    return site


def csrf_token(client: httpx.Client, page: str = "/") -> str:
    """Return what a page of the dashboard sends along with each action."""
    found = re.search(r'"X-CSRF-Token": "([0-9a-f]+)"', client.get(page).text)
    assert found, "the page has no CSRF token"
    return found[1]


def described(response: httpx.Response) -> str:
    """Return the sentence in a JSON error."""
    found = json.loads(response.text)
    assert set(found) == {"error"}, found
    return str(found["error"])
