"""Celery: beat has an entry for each job, workers run them. No result is kept."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

from celery import Celery

app = Celery("peer", broker=os.environ["BENCH_REDIS"])
app.conf.broker_connection_retry_on_startup = True
_file = os.open(f"{os.environ['BENCH_RAN']}-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)


@app.task(name="work", ignore_result=True)
def work(due) -> None:
    """Be run."""
    os.write(_file, f"{due} {time.time()}\n".encode())


def _entries():
    entries = {}
    with open(os.environ["BENCH_LOAD"], encoding="utf-8") as file:
        load = json.load(file)
    for due, count in load:
        # Due for the first time one interval after this.
        before = datetime.fromtimestamp(due, UTC) - timedelta(hours=24)
        for _ in range(count):
            entries[f"job-{len(entries)}"] = {
                "task": "work",
                "schedule": timedelta(hours=24),
                "args": (due,),
                "last_run_at": before,
            }
    return entries


if os.environ.get("BENCH_BEAT"):
    app.conf.beat_schedule = _entries()
