"""procrastinate: periodic tasks of each second in its worker, on PostgreSQL, as it is documented."""

from __future__ import annotations

import asyncio
from typing import Any

from procrastinate import App, PsycopgConnector
from recording import ready, record, work

given = work()
app = App(connector=PsycopgConnector(conninfo=given["url"]))


def declare(number: int) -> None:
    """Declare one periodic task."""

    @app.periodic(cron="* * * * * *")
    @app.task(name=f"job-{number}")
    async def body(timestamp: int) -> None:
        record(number, float(timestamp))


async def main() -> None:
    """Run until SIGTERM."""
    for number in range(given["jobs"]):
        declare(number)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        running: Any = asyncio.create_task(app.run_worker_async())
        await asyncio.sleep(0)
        ready()
        await running


asyncio.run(main())
