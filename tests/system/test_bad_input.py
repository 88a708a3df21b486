"""Bad input stops `run` before anything is started: one sentence, exit code 2 (or 1), nothing lost."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from everytick import ScheduleError

from application import Application
from ports import free_port

TASK = "from app.services.my_tasks import task\n"
MAIN = "app/components/scheduler/main.py"


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    made.tasks("def task(word: str = '') -> None: ...\n")
    made.schedule('scheduler.add_job(task, "interval", hours=4, id="fine")', TASK)
    return made


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ('task, "cron", hour=25', "hour=25 is not a cron field: the last value (25) is higher than"),
        ('task, "crom", hour=5', "unknown trigger 'crom': use one of cron, interval, date, "),
        ('task, "crom", hour=5', "did you mean 'cron'?"),
        ('task, "interval", seconds=0', "an interval of seconds=0 is too short"),
        ('task, "interval", seconds=0.05', "must be at least 0.1 seconds"),
        ('task, "interval", minutes=-5', "an interval of minutes=-5 is too short"),
        ('task, "interval", minute=5', "minute= is neither an option of add_job nor of the interval"),
        ('task, "interval", minute=5', "did you mean 'minutes'?"),
        ('task, "cron", hour=5, misfire_grace_tme=3', "did you mean 'misfire_grace_time'?"),
        ('task, "cron", hour=5, max_instances=0', "max_instances=0 must be a whole number, 1 or more"),
        ('task, "cron", hour=5, misfire_grace_time=-1', "misfire_grace_time=-1 must be seconds above 0"),
        ('task, "cron", hour=5, coalesce="no"', "coalesce='no' must be True or False"),
        ('task, "cron", day_of_week="mon#1"', "for the 1st mon of the month write day='1st mon'"),
        ('task, "cron", day="lastfoo"', "write day='last'"),
        ('task, "cron", day_of_week="mon-fri/2"', "a step needs numbers"),
        ('task, "cron", minute="*/60"', "the step value (60) is higher"),
        ('task, "cron", hour=5, timezone="Europe/Berlni"', "did you mean 'Europe/Berlin'?"),
        ('task, "cron", hour=5, misfire_grace_time=float("inf")', "(at most a century)"),
        ('task, "cron", hour=5, timeout=1e300', "(at most a century)"),
        ('task, "cron", hour=5, on_crash="again"', "on_crash='again' must be 'rerun' or 'skip'"),
        ('task, "cron", hour=5, retrys=3', "did you mean 'retries'?"),
        ('task, "interval", seconds=1e10', "is too long"),
        ('task, "interval", weeks=10**30', "numbers as large as these"),
        ('task, "calendarinterval", days=10_000_000', "must be a whole number"),
        ('task, "interval", hours=1, start_date=datetime.now()', "computed from the present moment"),
        ('task, "interval", hours=1, start_date=datetime.now() + timedelta(9)', "computed from the present"),
        ('task, "date", run_date=datetime.now() + timedelta(9)', "computed from the present moment"),
        ('task, "date", run_date="tomorrow"', "run_date='tomorrow' is not a date or time such as"),
        ('"app.services.nope:task", "date"', "'app.services.nope:task' cannot be imported"),
        ('"app.services.my_tasks:nope", "date"', "'app.services.my_tasks:nope' cannot be imported"),
        ('"task", "date"', "is not a reference such as"),
        ('lines, "date"', "lines has a `yield`: calling it would run nothing of it"),
        ('task(), "date"', "None is not a function"),
        ('task, "date", args=[1, 2, 3]', "cannot be called with these arguments"),
        ('task, "date", id=7', "id=7 must be text"),
        ('task, "date", id=""', "id='' must be text, not empty"),
        ('task, "date", args="a"', "args='a' must be a list or a tuple"),
        ('task, "date", kwargs=[1]', "kwargs=[1] must be a dict"),
        ('task, "cron", hour=5, jitter=1e30', "jitter=1e+30 must be a number of seconds"),
        ('task, "interval", minutes=5, seconds=-10', "no part of it can be negative"),
        ('task, "calendarinterval", years=10_000', "must be a whole number from 0 to 100"),
        ('task, "date", jobstore="redis"', "jobstore='redis' cannot work with a ledger"),
        ('task, "date", executor="processpool"', "executor='processpool' cannot work with a ledger"),
        ('task, "cron", hour=5, next_run_time="now"', "must be None (paused at first) or datetime.now()"),
        ('task, CronTrigger(hour=5), timezone="UTC"', "timezone= beside a trigger object has no effect"),
        ('task, CronTrigger.from_crontab("0 9 * * 1")', "the weekday number 1 means another day"),
        ("task, Own()", "Own is a trigger of your own"),
        ('task, "date", args=[object()]', "give it an id="),
        ("lambda: captured, 'date'", "is a closure, which has no name that lasts: give it an id="),
        ("Some().method, 'date'", "a method of a Some object has no name that lasts: give it an id="),
        ("task, OrTrigger([])", "an 'or' trigger needs at least one trigger"),
    ],
)
def test_a_wrong_declaration_names_its_line(app: Application, call: str, sentence: str) -> None:
    imports = (
        "from datetime import datetime, timedelta\n"
        "from apscheduler.triggers.base import BaseTrigger\n"
        "from apscheduler.triggers.combining import OrTrigger\n"
        "from apscheduler.triggers.cron import CronTrigger\n"
        "def task(word: str = '') -> None: ...\n"
        "def lines(): yield 1\n"
        "class Own(BaseTrigger):\n"
        "    def get_next_fire_time(self, previous, now): return now\n"
        "class Some:\n"
        "    def method(self) -> None: ...\n"
    )
    app.schedule(f"captured = 1\nscheduler.add_job({call})", imports)
    line = app.main_file.read_text().splitlines().index(f"    scheduler.add_job({call})") + 1
    with pytest.raises(ScheduleError) as refusal:
        runpy.run_path(str(app.main_file))["create_scheduler"]()
    assert str(refusal.value).startswith(f"{app.main_file}:{line}: ")
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_run_refuses_a_wrong_schedule_before_it_touches_anything(app: Application) -> None:
    app.schedule('scheduler.add_job(task, "cron", hour=25, id="late")', TASK)
    said = app.refused()
    assert said.startswith(f"{MAIN}:7: job 'late': hour=25 is not a cron field")
    assert not app.ledger_file.exists()


@pytest.mark.full
def test_two_jobs_with_one_id_name_both_lines(app: Application) -> None:
    app.schedule(
        'scheduler.add_job(task, "cron", hour=1, id="same")\n'
        'scheduler.add_job(task, "cron", hour=2, id="same")',
        TASK,
    )
    said = app.refused()
    assert said.startswith(f"{MAIN}:8: ")
    assert f"the id 'same' is taken by the job declared at {MAIN}:7" in said


@pytest.mark.full
def test_two_identical_calls_need_an_id(app: Application) -> None:
    app.schedule('for _ in range(2):\n    scheduler.add_job(task, "cron", hour=1)', TASK)
    assert "was derived for an identical call" in app.refused()


@pytest.mark.full
def test_a_syntax_error_names_its_line(app: Application) -> None:
    app.schedule("scheduler.add_job(task,, 'date')", TASK)
    assert app.refused().startswith(f"{MAIN}:7: ")


@pytest.mark.full
def test_an_import_that_fails_names_the_line_of_the_import(app: Application) -> None:
    app.schedule("pass", "from app.services.my_tasks import missing\n")
    said = app.refused()
    assert said.startswith(f"{MAIN}:2: cannot import name 'missing'")


@pytest.mark.full
def test_an_exception_in_the_users_code_names_its_line(app: Application) -> None:
    app.schedule("{}['x']", TASK)
    assert app.refused() == f"{MAIN}:7: KeyError: 'x'"


@pytest.mark.full
def test_a_forgotten_return_is_said_so(app: Application) -> None:
    app.main_file.write_text("def create_scheduler():\n    pass\n")
    assert app.refused() == f"{MAIN}: create_scheduler() returned nothing: end it with `return scheduler`"


@pytest.mark.full
@pytest.mark.parametrize("value", ["42", "ApsScheduler()"])
def test_something_else_than_our_scheduler_is_refused(app: Application, value: str) -> None:
    app.main_file.write_text(
        "from apscheduler.schedulers.asyncio import AsyncIOScheduler as ApsScheduler\n"
        f"def create_scheduler():\n    return {value}\n"
    )
    assert "import AsyncIOScheduler from everytick" in app.refused()


@pytest.mark.full
def test_wrong_usage_is_a_sentence(app: Application) -> None:
    with app.running():
        pass
    for arguments, sentence in (
        (["runs", "--state", "suceeded"], "did you mean 'succeeded'?"),
        (["plan", "--from", "noon"], "--from 'noon' is not a date or time"),
        (["plan", "--from", "2026-01-02", "--to", "2026-01-01"], "--to must be later than --from"),
        (["runs", "--job", "fin"], "did you mean 'fine'?"),
    ):
        done = app.command(*arguments)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_an_unknown_command_exits_with_2(app: Application) -> None:
    assert app.command("jbos").returncode == 2


@pytest.mark.parametrize(
    "arguments",
    ["why X", "runs --job X", "pause fine --note X", "run-now X", "audit --job X", "X", "run --queues X"],
)
def test_bytes_that_are_no_text_are_a_sentence(app: Application, arguments: str) -> None:
    done = app.command(*arguments.replace("X", "a\udcff").split())
    assert done.returncode == 2
    assert done.stderr == "error: the argument 'a\\xff' is not UTF-8 text\n"


@pytest.mark.full
def test_variables_that_name_the_user_may_hold_anything(app: Application) -> None:
    app.command("migrate")
    with app.running():
        pass
    app.environment |= {"USER": "a\udcff", "LOGNAME": "a\udcff"}
    done = app.command("pause", "fine")
    assert (done.returncode, done.stderr) == (0, "")
    # The system knows better who this is.
    assert "a\\udcff" not in app.command("audit").stdout


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="counts file handles as Linux does")
@pytest.mark.parametrize("number", [4, 5, 6, 7, 8, 9, 10])
def test_a_start_without_file_handles_is_a_sentence(app: Application, number: int) -> None:
    done = subprocess.run(
        with_handles(number), cwd=app.folder, env=app.variables(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no file handle is left for this process: raise its limit" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.full
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="counts file handles as Linux does")
def test_a_dashboard_without_file_handles_is_a_sentence(app: Application) -> None:
    app.environment |= {"SCHEDULER_DASHBOARD": "true", "SCHEDULER_DASHBOARD_PORT": str(free_port())}
    app.command("migrate")
    said = []
    for number in range(11, 20):
        with subprocess.Popen(
            with_handles(number), cwd=app.folder, env=app.variables(), stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "dashboard" in line or "error: " in line:
                    break
            process.terminate()
            said.append("".join([*lines, process.stderr.read()]))
    assert any("no dashboard: no file handle is left for this process" in text for text in said)
    for text in said:
        assert "Traceback" not in text
        assert "Warning" not in text


def with_handles(number: int) -> list[str]:
    """Return the command that runs the application with so few file handles."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({number}, {number}))"
    run = "import runpy, sys; sys.argv[1:] = ['run']; runpy.run_module('app', run_name='__main__')"
    return [sys.executable, "-c", f"{code}; {run}"]


@pytest.mark.full
def test_a_working_directory_that_is_gone_is_a_sentence(app: Application, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f'cd "{gone}" && rmdir "{gone}" && exec "{sys.executable}" -m everytick jobs'],
        env=app.variables(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: the working directory cannot be used: "), done.stderr
