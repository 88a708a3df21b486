"""arq: cron jobs of each second in its worker, with Redis; as shipped, it looks for work twice a second."""

from __future__ import annotations

from typing import Any

from arq import cron
from arq.connections import RedisSettings
from recording import ready, record, starts, work

given = work()


def job(number: int, first: float) -> Any:
    """Return a cron job of its own for each number."""

    async def body(ctx: dict[str, Any]) -> None:
        # Its id ends with its tick in milliseconds.
        record(number, int(ctx["job_id"].rpartition(":")[2]) / 1e3)

    microsecond = round(first % 1.0 * 1e6)
    return cron(body, name=f"job-{number}", second=set(range(60)), microsecond=microsecond)


async def is_ready(ctx: dict[str, Any]) -> None:
    """The worker begins."""
    ready()


class WorkerSettings:
    """The settings that `arq` reads."""

    functions: list[Any] = []  # noqa: RUF012
    cron_jobs = [job(number, first) for number, first in enumerate(starts(given))]  # noqa: RUF012
    redis_settings = RedisSettings.from_dsn(given["url"])
    on_startup = is_ready
