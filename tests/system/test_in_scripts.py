"""A scheduler in a plain script: how the script ends, and what becomes of the runs that are under way."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from ledgers import found_in
from waiting import wait_for
from web_programs import NOTES, Program

pytestmark = pytest.mark.full

BEGIN = f"""
import time
from everytick import BackgroundScheduler, BlockingScheduler
{NOTES}
def slow():
    note("begun")
    time.sleep(1.5)
    note("over")
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def script(program: Program, text: str) -> tuple[str, str]:
    program.write("script.py", BEGIN + text)
    return sys.executable, "script.py"


def names(program: Program) -> list[str]:
    return [line[0] for line in program.done()]


def states(program: Program, job_id: str) -> list[str]:
    return [row["state"] for row in program.rows() if row["job_id"] == job_id]


BACKGROUND = """
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start()
scheduler.add_job(slow, id="slow")
scheduler.add_job(lambda: note("often"), "interval", seconds=0.2, id="often")
"""


def test_a_script_that_ends_waits_for_what_runs_and_begins_nothing_more(program: Program) -> None:
    text = BACKGROUND + 'while not os.path.exists("done.txt") or "begun" not in open("done.txt").read():\n'
    text += "    time.sleep(0.05)\nnote('end')\n"
    with program.running(*script(program, text)) as process:
        assert process.wait(30) == 0, program.log()
    assert not re.search("WARNING|ERROR|Traceback", program.log()), program.log()
    assert names(program).count("over") == 1
    # A run that was under way then may still write its line.
    after = names(program)[names(program).index("end") :]
    assert after.count("often") <= 1
    assert states(program, "slow") == ["succeeded"]
    # One that was reserved for its tick is given back, for who starts next.
    assert set(states(program, "often")) <= {"succeeded", "queued"}
    assert program.processes() == []


@pytest.mark.parametrize(
    "last",
    [
        # As the examples of APScheduler end.
        "try:\n    while True:\n        time.sleep(2)\nexcept (KeyboardInterrupt, SystemExit):\n"
        "    scheduler.shutdown()\n",
        "import atexit\natexit.register(lambda: scheduler.shutdown())\n"
        "try:\n    while True:\n        time.sleep(2)\nexcept (KeyboardInterrupt, SystemExit):\n    pass\n",
        "try:\n    while True:\n        time.sleep(2)\nexcept KeyboardInterrupt:\n    pass\n"
        "scheduler.shutdown(wait=False)\n",
    ],
    ids=["shutdown", "atexit", "without-wait"],
)
def test_ctrl_c_ends_a_script_as_the_examples_of_apscheduler_do(program: Program, last: str) -> None:
    with program.running(*script(program, BACKGROUND + last), stop=signal.SIGINT):
        # The second job is added last, so the program has come to its loop by its first run.
        wait_for(lambda: {"begun", "often"} <= set(names(program)), "both jobs")
    assert "Traceback" not in program.log(), program.log()
    assert program.processes() == []
    assert states(program, "slow") == ["succeeded"]
    assert names(program).count("over") == 1


def test_a_second_ctrl_c_cuts_the_end_short(program: Program) -> None:
    text = BACKGROUND.replace("slow, id", "hang, id")
    text = "import asyncio\nasync def hang():\n    note('begun')\n    await asyncio.sleep(600)\n" + text
    text += "try:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    note('asked')\n"
    with program.running(*script(program, text), stop=signal.SIGINT) as process:
        wait_for(lambda: {"begun", "often"} <= set(names(program)), "both jobs")
        process.send_signal(signal.SIGINT)
        wait_for(lambda: "waiting up to 30 seconds" in program.log(), "the drain")
    assert "Traceback" not in program.log(), program.log()
    assert states(program, "slow") == ["interrupted"]
    assert program.processes() == []


BLOCKING = """
scheduler = BlockingScheduler(timezone="UTC")
scheduler.add_job(slow, id="slow")
scheduler.add_job(lambda: note("often"), "interval", seconds=0.2, id="often")
try:
    scheduler.start()
except (KeyboardInterrupt, SystemExit):
    note("an error")
note("end")
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_blocking_scheduler_drains_when_it_is_asked_to_stop(program: Program, how: int) -> None:
    with program.running(*script(program, BLOCKING), until=r"\| ledger ", stop=how):
        wait_for(lambda: "begun" in names(program), "a job")
    assert "Traceback" not in program.log(), program.log()
    assert states(program, "slow") == ["succeeded"]
    assert names(program)[-1] == "end"
    assert "an error" not in names(program)
    assert program.processes() == []


def test_runs_that_a_blocking_scheduler_has_to_cut_are_told_by_the_exit_code(program: Program) -> None:
    text = "import asyncio\nasync def hang():\n    note('begun')\n    await asyncio.sleep(600)\n"
    text += BLOCKING.replace("slow, id", "hang, id").replace(
        "except (KeyboardInterrupt, SystemExit)", "finally"
    )
    with program.running(
        *script(program, text), until=r"\| ledger ", code=1, SCHEDULER_SHUTDOWN_GRACE_TIME="0.5"
    ):
        wait_for(lambda: "begun" in names(program), "a job")
    assert states(program, "slow") == ["interrupted"]


STANDS = """
import asyncio, atexit, threading
from everytick import AsyncIOScheduler

scheduler = AsyncIOScheduler(timezone="UTC")
scheduler.add_job(slow, "date", id="slow")

async def begin(seconds):
    scheduler.start()
    while not os.path.exists("done.txt"):
        await asyncio.sleep(0.05)
    await asyncio.sleep(seconds)

atexit.register(scheduler.shutdown)
"""
ENDS = {
    "its loop is closed": "asyncio.run(begin(0))\n",
    "its loop is closed for long": "asyncio.run(begin(0))\ntime.sleep(3)\n",
    "its loop is closed and it is shut down": (
        "asyncio.run(begin(0))\nscheduler.shutdown()\natexit.unregister(scheduler.shutdown)\n"
    ),
    "its loop is stopped": "asyncio.new_event_loop().run_until_complete(begin(0))\n",
    "its loop is on a daemon thread": (
        "threading.Thread(target=lambda: asyncio.run(begin(600)), daemon=True).start()\n"
        "while not os.path.exists('done.txt'):\n    time.sleep(0.05)\n"
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_where_a_program_ends_while_the_schedule_stands_no_outcome_is_lost(
    program: Program, end: str
) -> None:
    with program.running(*script(program, STANDS + ENDS[end])) as process:
        assert process.wait(30) == 0, program.log()
    assert not re.search("Traceback|Error", program.log()), program.log()
    assert names(program) == ["begun", "over"]
    assert states(program, "slow") == ["succeeded"]
    said = "the event loop was closed under the schedule" in program.log()
    assert said == (end == "its loop is closed for long")
    assert found_in(program.ledger, "SELECT * FROM scheduler_processes") == []
