"""A scheduler in Flask and Django, under the servers that people run them with."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pytest

from waiting import wait_for
from web_programs import BIN, NOTES, Program

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs a system that forks"),
]

SHOP = """
from flask import Flask
from everytick import BackgroundScheduler, LedgerError
from jobs import note

app = Flask(__name__)
scheduler = BackgroundScheduler(timezone="UTC")
START

@scheduler.scheduled_job("interval", seconds=0.5, id="often")
def often():
    note("often")

@scheduler.scheduled_job("interval", seconds=0.5, id="coroutine")
async def coroutine():
    note("coroutine")

scheduler.add_job(note, args=["startup"], id="startup")

@app.get("/add/<name>")
def add(name):
    try:
        job = scheduler.add_job(note, "interval", seconds=0.5, args=[name], id=name, replace_existing=True)
    except LedgerError as problem:
        return f"refused: {problem}"
    return f"added {job.id}, running: {scheduler.running}"
"""
LISTENING = r"Listening at: http://127.0.0.1:(\d+)"
GUNICORN = (BIN / "gunicorn", "--bind", "127.0.0.1:0", "--workers", "4", "shop:app")


@pytest.fixture
def shop(tmp_path: Path) -> Program:
    return shop_in(tmp_path)


def shop_in(folder: Path, start: str = "scheduler.start()", url: str = "") -> Program:
    program = Program(folder, url)
    program.write("jobs.py", NOTES)
    program.write("shop.py", SHOP.replace("START", start))
    return program


def calls(program: Program, name: str) -> list[list[str]]:
    return [line for line in program.done() if line[0] == name]


def check_that_each_tick_ran_once(program: Program, *names: str, but: Collection[str] = ()) -> None:
    for name in names:
        ticks = Counter(tick for _name, tick, _pid in calls(program, name) if tick not in but)
        assert ticks, name
        assert {tick: number for tick, number in ticks.items() if number > 1} == {}, name


def check_that_it_stopped_well(program: Program) -> None:
    assert "Traceback" not in program.log(), program.log()
    assert [row for row in program.rows() if row["state"] in ("claimed", "running", "lost")] == []


def test_four_workers_of_gunicorn_run_each_tick_once(shop: Program) -> None:
    with shop.running(*GUNICORN, until=LISTENING):
        wait_for(lambda: len(shop.processes()) == 4, "four schedulers")
        assert shop.get("/add/asked") == "added asked, running: True"
        wait_for(lambda: len(calls(shop, "asked")) > 6, "a job of a request")
        wait_for(lambda: len(calls(shop, "often")) > 6, "a job of the code")
    check_that_each_tick_ran_once(shop, "often", "coroutine", "asked")
    assert len(calls(shop, "startup")) == 1
    check_that_it_stopped_well(shop)


def test_when_a_worker_is_killed_the_others_go_on_and_the_new_one_joins(shop: Program) -> None:
    with shop.running(*GUNICORN, until=LISTENING):
        wait_for(lambda: len(shop.processes()) == 4, "four schedulers")
        first = set(shop.processes())
        wait_for(lambda: calls(shop, "often"), "a run")
        killed = calls(shop, "often")[-1][2]
        os.kill(int(killed), signal.SIGKILL)
        wait_for(lambda: set(shop.processes()) - first, "a new worker")
        number = len(calls(shop, "often"))
        wait_for(lambda: len(calls(shop, "often")) > number + 6, "the others")
    # A run that was killed with its process begins again.
    cut = {tick for _name, tick, pid in shop.done() if pid == killed}
    check_that_each_tick_ran_once(shop, "often", "coroutine", but=cut)
    assert len(calls(shop, "startup")) == 1 or "-" in cut


def test_started_before_the_fork_it_runs_in_the_master_and_workers_say_what_to_do(shop: Program) -> None:
    with shop.running(*GUNICORN, "--preload", until=LISTENING) as master:
        wait_for(lambda: len(calls(shop, "often")) > 4, "a job of the code")
        for _ in range(8):
            assert "refused: the ledger was open in the process from which" in shop.get("/add/asked")
        assert shop.processes() == [master.pid]
    assert {pid for _name, _tick, pid in shop.done()} == {str(master.pid)}
    check_that_each_tick_ran_once(shop, "often", "coroutine")
    assert len(calls(shop, "startup")) == 1
    # Once in each worker that was asked.
    assert 1 <= shop.log().count("start it after the fork: in gunicorn in post_fork") <= 4
    assert "so this one can neither add nor change jobs" in shop.log()
    assert "adds and changes jobs through the ledger" not in shop.log()
    check_that_it_stopped_well(shop)


def test_started_before_the_fork_workers_add_jobs_through_a_server(tmp_path: Path, postgres_url: str) -> None:
    shop = shop_in(tmp_path, url=postgres_url)
    with shop.running(*GUNICORN, "--preload", until=LISTENING) as master:
        wait_for(lambda: len(calls(shop, "often")) > 4, "a job of the code")
        assert shop.get("/add/asked") == "added asked, running: True"
        wait_for(lambda: len(calls(shop, "asked")) > 4, "a job of a request")
    assert {pid for _name, _tick, pid in shop.done()} == {str(master.pid)}
    check_that_each_tick_ran_once(shop, "often", "coroutine", "asked")
    assert "the ledger does not answer" not in shop.log()
    assert "this one adds and changes jobs through the ledger alone" in shop.log()
    check_that_it_stopped_well(shop)


def test_started_after_the_fork_each_worker_runs_the_schedule(tmp_path: Path) -> None:
    shop = shop_in(tmp_path, start="")
    shop.write(
        "gunicorn.conf.py",
        "def post_fork(server, worker):\n    from shop import scheduler\n\n    scheduler.start()\n",
    )
    with shop.running(*GUNICORN, "--preload", until=LISTENING):
        wait_for(lambda: len(shop.processes()) == 4, "four schedulers")
        assert shop.get("/add/asked") == "added asked, running: True"
        wait_for(lambda: len(calls(shop, "asked")) > 6, "a job of a request")
    check_that_each_tick_ran_once(shop, "often", "coroutine", "asked")
    assert len(calls(shop, "startup")) == 1
    check_that_it_stopped_well(shop)


DEVELOPMENT = {
    "command": (str(BIN / "flask"), "--app", "shop", "run", "--debug", "--port", "0"),
    "app.run": (str(BIN / "python"), "shop.py"),
}


@pytest.mark.parametrize("way", DEVELOPMENT)
def test_under_the_server_that_reloads_code_each_tick_runs_once_and_the_new_code_alone(
    shop: Program, way: str
) -> None:
    main = 'if __name__ == "__main__":\n    app.run(debug=True, port=0)\n'
    text = SHOP.replace("START", "scheduler.start()")
    shop.write("shop.py", f"{text}\n{main}")
    with shop.running(
        *DEVELOPMENT[way], until=r"Debugger PIN|Running on http://127.0.0.1:(\d+)", stop=signal.SIGINT
    ):
        wait_for(lambda: "which runs the schedule" in shop.log(), "that the parent leaves it to its child")
        wait_for(lambda: len(calls(shop, "often")) > 4, "a job")
        changed = text.replace('note("often")', 'note("changed")')
        shop.write("shop.py", f"{changed}\n{main}")
        wait_for(lambda: calls(shop, "changed"), "the new code")
        old = len(calls(shop, "often"))
        wait_for(lambda: len(calls(shop, "changed")) > 6, "the new code")
        assert len(calls(shop, "often")) == old
    check_that_each_tick_ran_once(shop, "often", "changed", "coroutine")
    both = Counter(tick for name, tick, _pid in shop.done() if name in ("often", "changed"))
    assert set(both.values()) == {1}
    # Once when the server began, and once for the reload, which is a start of its own.
    assert len(calls(shop, "startup")) == 2
    check_that_it_stopped_well(shop)


def test_a_run_is_waited_for_when_the_server_stops(tmp_path: Path) -> None:
    shop = shop_in(tmp_path)
    shop.write(
        "jobs.py",
        f"{NOTES}\nimport time\n\ndef slow():\n    note('begun')\n    time.sleep(2)\n    note('over')\n",
    )
    shop.write(
        "shop.py",
        SHOP.replace("START", "scheduler.start()")
        + "\nfrom jobs import slow\nscheduler.add_job(slow, id='slow')\n",
    )
    with shop.running(*GUNICORN, until=LISTENING):
        wait_for(lambda: calls(shop, "begun"), "a slow job")
    assert len(calls(shop, "over")) == 1
    check_that_it_stopped_well(shop)
