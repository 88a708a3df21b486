"""How late a job of each second is while pages of the dashboard are open: `make bench-tabs`.

An application with thousands of jobs and its dashboard run as one process; this one plays the open pages, as
`page.js` does: each listens to `/live` and fetches itself at each change of the ledger, after half a second
at the earliest.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.arithmetic import percentile
from dashboard.world import TOKEN, Site

_TASKS = "async def quick():\n    pass\n"
_SCHEDULE = """
scheduler.add_job(quick, trigger="interval", seconds=1, id="each-second")
for number in range({jobs}):
    if number % 2:
        scheduler.add_job(quick, trigger="cron", hour=number % 24, minute=number % 60, id=f"cron-{{number}}")
    else:
        scheduler.add_job(quick, trigger="interval", hours=5 + number % 20, id=f"interval-{{number}}")
"""


class Tab:
    """One open page."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._changed = asyncio.Event()
        self.waits: list[float] = []
        self.is_live = False

    async def stay_open(self) -> None:
        """Listen and fetch until it is cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._listen())
            both.create_task(self._fetch())

    async def _listen(self) -> None:
        reader, writer = await self._ask("/live")
        if b" 200 " in await reader.readline():
            self.is_live = True
            while line := await reader.readline():
                if line.startswith((b"event: here", b"event: ledger")):
                    self._changed.set()
        writer.close()
        await asyncio.Event().wait()

    async def _fetch(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            reader, writer = await self._ask(self._path, "X-Live: 1\r\nConnection: close\r\n")
            while await reader.read(65_536):
                pass
            writer.close()
            self.waits.append(time.monotonic() - began)
            if self._changed.is_set():
                await asyncio.sleep(0.5)

    async def _ask(self, path: str, headers: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        said = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n"
        writer.write(said.encode())
        return reader, writer


async def _keep_open(port: int, paths: list[str], seconds: float) -> list[Tab]:
    tabs = [Tab(port, path) for path in paths]
    tasks = [asyncio.create_task(tab.stay_open()) for tab in tabs]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return tabs


def measure(jobs: int, paths: list[str], seconds: float) -> str:
    """Return in one line how late the job of each second was, and how long the pages took."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site.made_in(Path(folder))
        site.app.tasks(_TASKS)
        site.app.schedule(_SCHEDULE.format(jobs=jobs), "from app.services.my_tasks import quick\n")
        with site.running():
            site.app.records(3, "succeeded")
            began = time.time()
            tabs = asyncio.run(_keep_open(site.port, paths, seconds))
            rows = site.rows(
                "SELECT tick_us, started_us, state FROM scheduler_runs"
                " WHERE job_id = 'each-second' AND tick_us BETWEEN ? AND ?",
                int((began + 2) * 1e6),
                int((began + seconds - 2) * 1e6),
            )
    late = sorted((row["started_us"] - row["tick_us"]) / 1e6 for row in rows if row["started_us"])
    waits = sorted(wait for tab in tabs for wait in tab.waits)
    lost = max(0, int(seconds) - 4 - len(late))
    took = "" if not waits else f", p50 {_ms(waits, 0.5)} ms, p99 {_ms(waits, 0.99)} ms"
    return (
        f"{jobs} jobs, {len(paths)} pages ({sum(tab.is_live for tab in tabs)} live): late"
        f" p50 {_ms(late, 0.5)} ms, p99 {_ms(late, 0.99)} ms, most {_ms(late, 1)} ms, {lost} ticks missing;"
        f" {len(waits)} fetches{took}"
    )


def _ms(found: list[float], share: float) -> str:
    """Return a percentile of lengths in seconds, as milliseconds."""
    return f"{percentile(found, share) * 1e3:.1f}"


def main() -> None:
    """Measure without pages, then with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5_000)
    parser.add_argument("--tabs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--path", default="/coming", help="the page that is open; with commas: several")
    given = parser.parse_args()
    paths = given.path.split(",")
    for tabs in (0, given.tabs):
        print(measure(given.jobs, [paths[at % len(paths)] for at in range(tabs)], given.seconds), flush=True)


if __name__ == "__main__":
    main()
