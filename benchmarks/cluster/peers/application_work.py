"""The tasks of the rendered application: they record when they were due and when they began."""

import os
import time

from everytick import current_run

_file = os.open(f"{os.environ['BENCH_RAN']}-{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)


async def work() -> None:
    """Be run."""
    began = time.time()
    os.write(_file, f"{current_run().tick.timestamp()} {began}\n".encode())
