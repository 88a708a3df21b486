"""taskiq: the scheduler has a schedule for each job, workers run them. No result is kept."""

import json
import os
import time
from datetime import UTC, datetime

from taskiq import TaskiqScheduler
from taskiq.schedule_sources import LabelScheduleSource
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(url=os.environ["BENCH_REDIS"])
scheduler = TaskiqScheduler(broker, sources=[LabelScheduleSource(broker)])
_file = os.open(f"{os.environ['BENCH_RAN']}-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def _entries():
    if not os.environ.get("BENCH_BEAT"):
        return []
    with open(os.environ["BENCH_LOAD"], encoding="utf-8") as file:
        load = json.load(file)
    return [
        {"time": datetime.fromtimestamp(due, UTC), "args": [due]} for due, count in load for _ in range(count)
    ]


@broker.task(task_name="work", schedule=_entries())
async def work(due) -> None:
    """Be run."""
    os.write(_file, f"{due} {time.time()}\n".encode())
