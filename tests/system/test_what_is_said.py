"""What the logs, the commands and the alerts say of a run: in one zone, with its causes, once."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from textwrap import indent

import pytest
from everytick.model import ticks

from application import Application
from waiting import wait_for

pytestmark = pytest.mark.full

TASKS = """
import asyncio
import logging
from loguru import logger


def says():
    logger.info("said by a task")
    logger.bind(customer=4, price=float("nan"), what=object()).info("said {} <red>", "\\udcff")
    extra = {"order": 7, "job": "x", "at": {1: 2}}
    logging.getLogger("some.library").warning("said by a library", extra=extra)


def fails():
    raise ExceptionGroup("two hosts", [OSError("no route"), ExceptionGroup("inner", [KeyError("k")] * 3)])


def handles():
    try:
        fails()
    except* OSError:
        raise TypeError("no handler") from None


async def waits():
    try:
        await asyncio.wait_for(asyncio.sleep(9), 0.01)
    except TimeoutError as problem:
        problem.add_note("host <a> {b}")
        raise


def wraps():
    try:
        int("x")
    except ValueError as problem:
        raise RuntimeError("not synced") from problem
"""
SCHEDULE = """
scheduler.add_job(says, "interval", hours=1, id="says", timezone="Asia/Tokyo", misfire_grace_time=7200)
scheduler.add_job(fails, "date", id="fails", retries=2, retry_delay=0.1)
scheduler.add_job(wraps, "date", id="wraps")
scheduler.add_job(handles, "date", id="handles")
scheduler.add_job(waits, "date", id="waits")
scheduler.add_job(says, "date", id="once")
"""
IMPORTS = "from app.services.my_tasks import fails, handles, says, waits, wraps\n"


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    made.tasks(TASKS)
    made.schedule(SCHEDULE, IMPORTS)
    made.environment["SCHEDULER_TIMEZONE"] = "America/New_York"
    return made


def log_of(app: Application, *job_ids: str) -> str:
    """Run the schedule until its first runs, and some of these jobs, have ended; return the log."""
    expected = {"fails", "wraps", "handles", "waits", "once", *job_ids}

    def is_over() -> bool:
        ended = app.recorded("succeeded", "failed")
        return expected <= {row["job_id"] for row in ended} and not app.recorded("retrying", "running")

    with app.running() as process:
        wait_for(is_over, "all runs")
    return process.log()


def run_of(app: Application, job_id: str) -> str:
    return str(next(run["run_id"] for run in app.runs() if run["job_id"] == job_id))


# --- one clock


def test_all_times_of_the_log_are_in_the_scheduler_s_zone_and_say_so(app: Application) -> None:
    app.environment["TZ"] = "Europe/Berlin"
    app.schedule(SCHEDULE.replace('"interval", hours=1', '"interval", seconds=1'), IMPORTS)
    log = log_of(app, "says")
    begins = [line for line in log.splitlines() if re.match(r"\d{4}-", line)]
    assert begins
    for line in begins:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}-0[45]:00 ", line), line
        assert not re.search(r"JST|UTC|\+0[129]:00", line), line
    assert re.search(r"INFO +says \d{4}-\d\d-\d\dT[\d:]+-0[45]:00 said by a task", log), log


@pytest.mark.parametrize("place", ["environment", "dotenv"])
def test_a_log_line_before_the_settings_are_read_has_the_zone_too(app: Application, place: str) -> None:
    del app.environment["SCHEDULER_TIMEZONE"]
    if place == "dotenv":
        (app.folder / ".env").write_text("SCHEDULER_TIMEZONE=Asia/Tokyo # ours\n")
    else:
        app.environment["SCHEDULER_TIMEZONE"] = "Asia/Tokyo"
    code = "import everytick, loguru; everytick.log_to_stderr(); loguru.logger.info('early')"
    done = app.call(sys.executable, "-c", code)
    assert re.match(r"\S+ [\d:.]+\+09:00 INFO     early$", done.stderr), done.stderr


@pytest.mark.parametrize("command", ["jobs", "plan", "diff", "doctor", "why says", "simulate"])
def test_what_a_schedule_logs_while_a_command_loads_it_has_the_zone_too(
    app: Application, command: str
) -> None:
    app.environment |= {"TZ": "Europe/Berlin", "SCHEDULER_TIMEZONE": "Asia/Tokyo"}
    app.schedule(SCHEDULE + 'logger.info("declared")\n', IMPORTS + "from loguru import logger\n")
    said = app.command(*command.split()).stderr
    assert re.search(r"^\d{4}-\S+ [\d:.]+\+09:00 INFO +declared$", said, re.M), said


def test_all_that_show_says_is_in_one_zone(app: Application) -> None:
    log_of(app)
    app.command("run-now", "says")
    with app.running():
        wait_for(lambda: [run for run in app.recorded("succeeded") if run["kind"] == "manual"], "the run")
    shown = app.command("show", run_of(app, "says")).stdout
    assert "zone of the job  Asia/Tokyo" in shown
    for line in shown.splitlines():
        if re.search(r"\d\d:\d\d:\d\d", line) and "Asia" not in line:
            assert "UTC" not in line
            assert not re.search(r"[+]\d\d:00", line), line
    assert re.search(r"^started +\S+ \S+ America/New_York$", shown, re.M), shown
    assert re.search(r"^\d{4}-\S+ [\d:.]+-0[45]:00 INFO +said by a task", shown, re.M), shown


def test_a_server_s_own_lines_come_out_the_same_way(app: Application) -> None:
    code = (
        "import logging, uvicorn, everytick\n"
        "uvicorn.Config('app:app')\n"
        "everytick.log_to_stderr('INFO', 'json')\n"
        "logging.getLogger('uvicorn.error').info('started')\n"
        "logging.getLogger('uvicorn.access').info('%s - %d', '/', 200)\n"
    )
    done = app.call(sys.executable, "-c", code)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(it["logger"], it["message"]) for it in lines] == [
        ("uvicorn.error", "started"),
        ("uvicorn.access", "/ - 200"),
    ]
    assert done.stdout == ""


# --- errors


def test_a_group_says_its_causes_wherever_an_error_is_shown(app: Application) -> None:
    log_of(app)
    causes = "[OSError: no route; ExceptionGroup: inner (3 sub-exceptions): [KeyError: 'k' (3 times)]]"
    said = f"ExceptionGroup: two hosts (2 sub-exceptions): {causes}"
    [run] = [run for run in app.runs() if run["job_id"] == "fails"]
    assert run["error"] == said
    assert said in app.command("why", "fails").stdout
    [run] = [run for run in app.runs() if run["job_id"] == "waits"]
    assert run["error"] == "TimeoutError (note: host <a> {b})"
    [run] = [run for run in app.runs() if run["job_id"] == "wraps"]
    assert run["error"].startswith("RuntimeError: not synced (from ValueError: invalid literal"), run["error"]


def begins_elsewhere(text: str, app: Application) -> list[str]:
    """Return the files outside of the user's with which a traceback begins, also that of a cause."""
    first = re.findall(r'Traceback \(most recent call last\):\n[ |]*File "([^"]+)"', text)
    return [file for file in first if file != str(app.tasks_file)]


def test_tracebacks_begin_with_the_user_s_own_frames(app: Application) -> None:
    log = log_of(app)
    for run in app.runs("--failed"):
        assert f'File "{app.tasks_file}"' in run["traceback"]
        assert begins_elsewhere(run["traceback"], app) == []
        # The run's own page and the log have the very same, in the log indented.
        assert indent(run["traceback"].rstrip("\n"), "    ") in log
    assert begins_elsewhere(log, app) == []
    assert "everytick/engine" not in log.partition("Traceback")[2]


def test_attempts_that_ended_alike_are_shown_once(app: Application) -> None:
    log_of(app)
    shown = app.command("show", run_of(app, "fails")).stdout
    assert shown.count("Traceback (most recent call last)") == 1
    assert "traceback of attempts 1 to 3:" in shown
    assert shown.count("same error") == 2
    assert app.command("why", "fails").stdout.count("with the same error") == 2


# --- calls of the standard library's logging


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_log_call_that_is_wrong_is_told_and_fails_no_run(app: Application, log_format: str) -> None:
    app.environment["LOG_FORMAT"] = log_format
    app.tasks(
        "import logging\nlog = logging.getLogger('shop')\n"
        "class Odd:\n"
        "    def __str__(self): raise RuntimeError('no text')\n"
        "def says():\n"
        "    log.info('%d rows', 'many')\n"
        "    log.info(Odd())\n"
        "    log.info('here', stack_info=True)\n"
    )
    app.schedule('scheduler.add_job(says, "date", id="says")', "from app.services.my_tasks import says\n")
    with app.running() as process:
        wait_for(lambda: app.recorded("succeeded", "failed"), "the run")
    assert [run["error"] for run in app.runs()] == [None]
    log = process.log()
    place = re.escape(str(app.tasks_file))
    for number, why in (
        (6, "TypeError: %d format: a real number is required, not str"),
        (7, "RuntimeError: no text"),
    ):
        assert re.search(rf"a log message cannot be shown: {why} \({place}:{number}\)", log), log
    assert re.search(r"here(\n    |\\n)Stack \(most recent call last\):", log), log


# --- JSON


def test_json_is_flat_and_each_line_is_an_object(app: Application) -> None:
    app.environment |= {"LOG_FORMAT": "json", "PYTHONIOENCODING": "ascii", "PYTHONWARNINGS": "always"}
    app.tasks(
        TASKS + "def odd():\n"
        "    import threading, warnings\n"
        "    warnings.warn('careful')\n"
        "    thread = threading.Thread(target=lambda: 1 / 0, name='mine')\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    app.schedule(
        SCHEDULE + 'scheduler.add_job(odd, "date", id="odd")\n', IMPORTS.replace("fails", "fails, odd")
    )
    begin = ticks.now()
    lines = [json.loads(line) for line in log_of(app).splitlines()]
    keys = {"time", "level", "message", "job", "tick", "attempt", "run", "logger"}
    assert all(keys <= line.keys() for line in lines)
    assert all(not isinstance(value, dict | list) for line in lines for value in line.values())
    said = next(line for line in lines if line["message"] == "said by a task")
    assert said.keys() == keys
    assert (said["job"], said["attempt"], said["level"]) == ("once", 1, "INFO")
    assert said["logger"] == "app.services.my_tasks"
    assert said["run"] == int(run_of(app, "once"))
    assert re.search(r"-0[45]:00$", said["time"])
    assert begin > 0
    bound = next(line for line in lines if "customer" in line)
    assert (bound["customer"], bound["price"], bound["message"]) == (4, "nan", "said \\udcff <red>")
    library = next(line for line in lines if line["message"] == "said by a library")
    assert (library["logger"], library["job"]) == ("some.library", "once")
    assert library.keys() == keys | {"order", "at"}
    assert (library["order"], library["at"]) == (7, "{1: 2}")
    failed = next(line for line in lines if line["job"] == "wraps" and "exception" in line)
    assert "RuntimeError: not synced" in failed["exception"]
    assert any("careful" in line["message"] for line in lines)
    assert any("mine" in line["message"] and "ZeroDivisionError" in line["exception"] for line in lines)
