"""Jobs that stop, cancel or shut down what all jobs run on: it goes on, and the culprit is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

TASKS = """
import asyncio, sys, threading

async def stops():
    asyncio.get_running_loop().stop()

async def stops_soon():
    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)

async def stops_from_a_thread():
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(loop.call_soon_threadsafe, loop.stop)

async def stops_from_a_thread_of_its_own():
    loop = asyncio.get_running_loop()
    threading.Thread(target=loop.call_soon_threadsafe, args=[loop.stop]).start()
    await asyncio.sleep(0.2)

async def stops_by_a_task():
    async def stop(): asyncio.get_running_loop().stop()
    asyncio.get_running_loop().keep = asyncio.ensure_future(stop())

async def cancels_all():
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()

async def takes_the_threads():
    await asyncio.get_running_loop().shutdown_default_executor()

async def interrupts():
    async def interrupt(): raise KeyboardInterrupt
    asyncio.get_running_loop().keep = asyncio.ensure_future(interrupt())

async def exits_later():
    asyncio.get_running_loop().call_later(0.1, sys.exit, 3)

async def interrupts_in_a_callback():
    def interrupt(): raise KeyboardInterrupt
    asyncio.get_running_loop().call_soon(interrupt)

async def interrupts_in_a_group():
    async def interrupt(): raise KeyboardInterrupt
    async with asyncio.TaskGroup() as group:
        group.create_task(interrupt())
        await asyncio.sleep(1)

async def closes():
    asyncio.get_running_loop().close()

async def leaves_a_slow_error():
    class Slow(Exception):
        def __str__(self):
            import time
            time.sleep(8)
            return "at last"
        __repr__ = __str__
    async def fail(): raise Slow
    asyncio.ensure_future(fail())
    await asyncio.sleep(0.1)

async def beside():
    await asyncio.sleep(2)
"""

SAID = {
    "stops": "job culprit wanted to stop the event loop",
    "stops_soon": "job culprit wanted to stop the event loop",
    "stops_from_a_thread": "job culprit wanted to stop the event loop",
    "stops_from_a_thread_of_its_own": "something stopped the event loop; it goes on. Under way: ",
    "stops_by_a_task": "job culprit wanted to stop the event loop",
    "cancels_all": "job culprit wanted to cancel the scheduler's own task, which goes on",
    "closes": "",
    "leaves_a_slow_error": "leaves_a_slow_error.<locals>.fail",
    "interrupts_in_a_callback": "job culprit: a task that it had begun wanted to end the program; it goes on",
    "interrupts_in_a_group": "job culprit: a task that it had begun wanted to end the program; it goes on",
    "takes_the_threads": "",
    "interrupts": "job culprit: a task that it had begun wanted to end the program; it goes on",
    "exits_later": "job culprit: a task that it had begun wanted to end the program; it goes on",
}


@pytest.mark.full
@pytest.mark.parametrize("name", SAID)
def test_the_schedule_goes_on_and_what_runs_beside_it_is_not_touched(tmp_path: Path, name: str) -> None:
    app = Application(tmp_path)
    app.tasks(TASKS)
    app.schedule(
        'scheduler.add_job(beside, "interval", seconds=1, id="beside", max_instances=5)\n'
        f'scheduler.add_job({name}, "interval", seconds=1, id="culprit")',
        f"from app.services.my_tasks import beside, {name}\n",
    )
    with app.running() as process:
        if SAID[name]:
            process.says(SAID[name])
        before = len(app.recorded("succeeded"))
        wait_for(lambda: len(app.recorded("succeeded")) > before + 5, "further runs")
    assert process.popen.returncode == 0
    assert not [row for row in app.recorded("cancelled", "failed") if row["job_id"] == "beside"]
    if name in ("leaves_a_slow_error", "closes"):
        assert "blocks the event loop" not in process.log()
    elif not name.startswith(("interrupts", "exits_later")):
        assert "Traceback" not in process.log()


@pytest.mark.full
def test_a_job_that_cancels_all_while_the_scheduler_stops_does_not_cut_the_others(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.tasks(
        TASKS + "\nasync def at_the_end():\n"
        "    import os, signal\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await asyncio.sleep(0.5)\n"
        "    await cancels_all()\n"
    )
    app.schedule(
        'scheduler.add_job(beside, "date", id="beside")\nscheduler.add_job(at_the_end, "date", id="culprit")',
        "from app.services.my_tasks import at_the_end, beside\n",
    )
    process = app.start()
    assert process.popen.wait(60) == 0, process.log()
    assert "Traceback" not in process.log()
    assert {row["state"] for row in app.recorded()} == {"succeeded"}
