"""PgQueuer: `worker` and `cron` run, `produce` enqueues what is due.

Not by `pgq run` itself, which does not start with the newest Typer.
"""

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver

ADDRESS = os.environ["BENCH_DATABASE"]


def writing():
    """Return a function that writes down when a run was due and when it began."""
    file = os.open(f"{os.environ['BENCH_RAN']}-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    return lambda due: os.write(file, f"{due} {time.time()}\n".encode())


def load():
    """Return the pairs of an instant and a number of jobs."""
    with open(os.environ["BENCH_LOAD"], encoding="utf-8") as file:
        return json.load(file)


async def worker():
    """Work on what the producer enqueues."""
    ran = writing()
    peer = PgQueuer(AsyncpgDriver(await asyncpg.connect(ADDRESS)))

    @peer.entrypoint("work")
    async def work(job) -> None:
        ran(job.payload.decode())

    return peer


async def cron():
    """Run by its own schedule: one for each job, with a cron expression of six fields (the last: seconds)."""
    ran = writing()
    peer = PgQueuer(AsyncpgDriver(await asyncpg.connect(ADDRESS)))

    def add(number, due) -> None:
        at = datetime.fromtimestamp(due, UTC)
        expression = f"{at.minute} {at.hour} {at.day} {at.month} * {at.second}"

        @peer.schedule(f"job-{number}", expression)
        async def work(schedule) -> None:
            ran(due)

    number = 0
    for due, count in load():
        for _ in range(count):
            add(number, due)
            number += 1
    return peer


async def produce() -> None:
    """Enqueue at each instant what is due then, in one statement."""
    queries = Queries(AsyncpgDriver(await asyncpg.connect(ADDRESS)))
    print("ready", flush=True)
    for due, count in load():
        await asyncio.sleep(due - time.time())
        payload = str(due).encode()
        await queries.enqueue(["work"] * count, [payload] * count, [0] * count)
    await asyncio.Event().wait()


async def run(factory, batch) -> None:
    """Run what a factory makes until it is stopped."""
    peer = await factory()
    print("ready", flush=True)
    await peer.run(batch_size=batch)


if __name__ == "__main__":
    what, batch = sys.argv[1], int(sys.argv[2])
    uvloop.run(produce() if what == "produce" else run({"worker": worker, "cron": cron}[what], batch))
