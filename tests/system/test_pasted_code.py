"""What people paste works: the component's documented blocks, and code written for APScheduler."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path

import pytest

from application import Application
from waiting import wait_for

DOCUMENT = Path(__file__).parent / "document"


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


def block(name: str) -> str:
    return (DOCUMENT / f"{name}.txt").read_text("utf-8")


@pytest.mark.full
def test_the_documented_blocks_work_as_they_are(app: Application) -> None:
    app.tasks(block("my_tasks"))
    # The block says where it goes; the import of AsyncIOScheduler stands there already.
    app.main_file.write_text("from everytick import AsyncIOScheduler\n" + block("main"))
    (app.folder / ".env").write_text(block("dotenv"))
    found = {job["id"]: (job["name"], job["trigger"]) for job in app.json("jobs")}
    assert found == {
        "daily_report": ("Daily Report Generation", "cron[hour='9', minute='0']"),
        "temp_cleanup": ("Temporary Files Cleanup", "interval[4:00:00]"),
        "weekly_backup": ("Weekly Database Backup", "cron[day_of_week='sun', hour='2', minute='0']"),
    }
    plan = app.json("plan", "--from", "2026-11-22", "--to", "2026-11-23")
    assert [(row["job_id"], row["tick"][11:16]) for row in plan] == [
        ("temp_cleanup", "00:00"),
        ("weekly_backup", "02:00"),
        ("temp_cleanup", "04:00"),
        ("temp_cleanup", "08:00"),
        ("daily_report", "09:00"),
        ("temp_cleanup", "12:00"),
        ("temp_cleanup", "16:00"),
        ("temp_cleanup", "20:00"),
    ]
    with app.running() as process:
        process.says("3 jobs")
    assert "error" not in process.log().lower()


@pytest.mark.full
def test_the_documented_tasks_run(app: Application) -> None:
    app.tasks(block("my_tasks"))
    app.schedule(
        'scheduler.add_job(send_daily_report, "interval", seconds=0.5, id="report")',
        "from app.services.my_tasks import send_daily_report\n",
    )
    with app.running() as process:
        process.says("✅ Daily report sent successfully")
        wait_for(lambda: app.recorded("succeeded"), "a run")


@pytest.mark.full
def test_the_documented_patterns_need_no_id_and_get_the_same_one_each_time(app: Application) -> None:
    app.tasks("def my_function() -> None: ...\n")
    app.schedule(
        block("interval_patterns") + block("cron_patterns"),
        "from app.services.my_tasks import my_function\n",
    )
    first, second = app.json("jobs"), app.json("jobs")
    assert len(first) == 7
    assert len({job["id"] for job in first}) == 7
    assert [job["id"] for job in first] == [job["id"] for job in second]
    assert [job["next_run"] is not None for job in first] == [True] * 7


APSCHEDULER_CODE = """
import functools
from datetime import datetime, timedelta

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from everytick import AsyncIOScheduler
from app.core.log import logger


def say(word: str = "", *, loud: bool = False) -> str:
    logger.info("said {}{}", word, "!" if loud else "")
    return word


def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


@logged
def shout() -> None: ...


class Mailer:
    def send(self) -> None:
        logger.info("said by a method")

    @classmethod
    def purge(cls) -> None:
        logger.info("said by a class method")


def heard(event) -> None:
    logger.info("heard {} {}", event.job_id, event.retval or event.exception)


def create_scheduler() -> AsyncIOScheduler:
    scheduler = AsyncIOScheduler(timezone="Europe/Helsinki", job_defaults={"coalesce": False})

    def nested() -> None:
        logger.info("said by a nested function")

    scheduler.add_job(say, CronTrigger(hour=9, minute=17), args=["cron object"])
    scheduler.add_job(say, CronTrigger(hour=9, minute=17, timezone="Asia/Tokyo"), args=["in Tokyo"])
    scheduler.add_job(say, CronTrigger.from_crontab("17 9 * * mon-fri"), args=["crontab"])
    scheduler.add_job(say, IntervalTrigger(hours=5), args=["interval object"])
    scheduler.add_job(
        say,
        OrTrigger([CronTrigger(day_of_week="mon", hour=2), CronTrigger(day_of_week="tue", hour=15)]),
        id="either",
    )
    scheduler.add_job(
        say, AndTrigger([CronTrigger(day_of_week="fri"), CronTrigger(day="13", hour=0)]), id="both"
    )
    scheduler.add_job(say, DateTrigger(datetime(2030, 1, 1, 8)), id="once")
    scheduler.add_job(say, "cron", hour="8-18/2", args=["several"], kwargs={"loud": True})
    scheduler.add_job(say, "cron", hour="8-18/2", args=["jobs on one function"])
    scheduler.add_job(say, "cron", hour=7, timezone="America/New_York", id="own_zone")
    scheduler.add_job(functools.partial(say, "partial"), "interval", minutes=0.5)
    scheduler.add_job(Mailer().send, "date", id="method")
    scheduler.add_job(Mailer.purge, "interval", hours=3)
    scheduler.add_job(nested, "date")
    scheduler.add_job(
        say, "interval", hours=6, id="soon", args=["at the start"],
        next_run_time=datetime.now(), replace_existing=True,
    )
    scheduler.add_job(say, "date", run_date=datetime.now() + timedelta(seconds=1), args=["soon"])
    scheduler.add_job(shout, "cron", hour=3)
    scheduler.add_job(say, "interval", hours=6, id="resting", next_run_time=None)
    scheduler.add_job("app.components.scheduler.main:say", "date", id="by_reference", args=["by name"])
    scheduler.add_job(lambda: say("lambda"), "date", id="lambda")

    @scheduler.scheduled_job("cron", hour=4, id="decorated", misfire_grace_time=None)
    async def decorated() -> None: ...

    scheduler.add_listener(heard, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
    return scheduler
"""


@pytest.mark.full
def test_code_written_for_apscheduler_keeps_working(app: Application) -> None:
    app.main_file.write_text(APSCHEDULER_CODE)
    jobs = {job["id"]: job for job in app.json("jobs")}
    assert len(jobs) == 21
    assert jobs["own_zone"]["timezone"] == "America/New_York"
    assert jobs["resting"]["paused"] is True
    assert jobs["once"]["next_run"] == "2030-01-01T06:00:00+00:00"
    plan = app.json("plan", "--from", "2026-02-13T00:00", "--to", "2026-02-14T00:00")
    at = {row["job_id"]: row["tick"][11:16] for row in plan}
    assert at["both"] == "22:00"
    assert at["decorated"] == "02:00"
    named = {job["name"]: job for job in jobs.values()}
    assert named["Mailer.purge"]["trigger"] == "interval[3:00:00]"
    with app.running() as process:
        for text in (
            "said at the start",
            "said by a method",
            "said by a nested function",
            "said by name",
            "said lambda",
            "said soon",
            "heard by_reference by name",
        ):
            process.says(text)
    runs = app.runs("--limit", "100")
    startup = {run["job_id"].split("-")[0] for run in runs if run["kind"] == "startup"}
    assert startup == {"soon", "method", "nested", "by_reference", "lambda", "say"}
    assert all(run["tick"] is None for run in runs if run["kind"] == "startup")


@pytest.mark.full
def test_a_zone_is_the_schedulers_unless_the_trigger_has_its_own(app: Application) -> None:
    app.main_file.write_text(APSCHEDULER_CODE)
    app.environment["TZ"] = "America/Los_Angeles"
    plan = app.json("plan", "--from", "2026-06-01", "--to", "2026-06-02", "--limit", "9999")
    number = Counter(row["job_id"] for row in plan)
    nine = [row["tick"][11:16] for row in plan if number[row["job_id"]] == 1]
    # 09:17 in Helsinki (object and crontab) and in Tokyo, wherever the host believes to be.
    assert nine.count("06:17") == 2
    assert nine.count("00:17") == 1


@pytest.mark.full
def test_startup_runs_come_once_at_each_start(app: Application) -> None:
    app.tasks("def hello() -> None: ...\n")
    app.schedule('scheduler.add_job(hello, "date", id="hello")', "from app.services.my_tasks import hello\n")
    for number in (1, 2):
        with app.running():
            app.records(number, "succeeded")
    assert [run["kind"] for run in app.runs()] == ["startup", "startup"]


@pytest.mark.full
def test_processes_started_together_make_one_startup_run(app: Application) -> None:
    app.tasks("def hello() -> None: ...\n")
    app.schedule('scheduler.add_job(hello, "date", id="hello")', "from app.services.my_tasks import hello\n")
    with app.running(), app.running(), app.running():
        wait_for(lambda: app.recorded("succeeded"), "its startup run")
    assert len(app.runs()) == 1


LIFESPAN = '''
import asyncio
from app.components.scheduler.main import create_scheduler

async def application() -> None:
    """Stands for a web application's lifespan or a bot."""
    async with create_scheduler() as scheduler:
        assert scheduler.running
        for _ in range(200):
            await asyncio.sleep(0.05)
            if "done" in open("marks.txt").read():
                break
    assert not scheduler.running

open("marks.txt", "w").close()
asyncio.run(application())
print("ended")
'''


@pytest.mark.full
def test_it_lives_inside_another_asyncio_application(app: Application) -> None:
    import subprocess
    import sys

    app.tasks(
        "import time\n"
        "def work() -> None:\n"
        "    time.sleep(0.3)\n"
        "    with open('marks.txt', 'a') as file: file.write('done')\n"
    )
    app.schedule('scheduler.add_job(work, "date", id="work")', "from app.services.my_tasks import work\n")
    (app.folder / "host.py").write_text(textwrap.dedent(LIFESPAN))
    done = subprocess.run(
        [sys.executable, "host.py"], cwd=app.folder, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("ended"), done.stderr
    [run] = app.runs()
    assert run["state"] == "succeeded"
    assert run["finished_at"] > run["started_at"]
