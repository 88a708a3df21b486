"""huey: its consumer with Redis, as shipped (one thread).

Its periodic tasks know only minutes, so these are tasks with an ETA.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from huey import RedisHuey
from recording import ready, record, starts, work

given = work()
huey = RedisHuey("benchmark", url=given["url"])


@huey.task()
def body(number: int, tick: float) -> None:
    """The body of each job."""
    record(number, tick)


@huey.on_startup()
def is_ready() -> None:
    """The consumer's worker begins."""
    ready()


if os.environ.get("HUEY_FILL"):
    for number, first in enumerate(starts(given)):
        for position in range(given.get("ticks", 1)):
            tick = first + position
            body.schedule(args=(number, tick), eta=datetime.fromtimestamp(tick, UTC).replace(tzinfo=None))
