"""The how-tos are followed word by word: their blocks are what is done, in a project as users have it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from reading import PAGES, Page, Reader, commands_in, in_a_program, ledger, new_project, template
from rendering import fresh_folder, git
from waiting import wait_for

# Elsewhere: it is about the package without the template.
MAIN = "app/components/scheduler/main.py"
SERVER = "postgresql://tester:secret@localhost/tests"
ELSEWHERE = {"use-everytick-alone"}


def test_each_page_is_followed() -> None:
    here = Path(__file__).parent
    stories = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_how_tos*.py"))
    followed = re.findall(r'Page\("([\w-]+)"\)', stories)
    assert sorted(followed) == sorted({path.stem for path in PAGES.glob("*.md")} - ELSEWHERE)


@pytest.mark.full
def test_test_your_schedule(postgres_url: str) -> None:
    page, reader = Page("test-your-schedule"), new_project()
    reader.write(page.take("python", "# app/services/reports.py"))
    reader.write(page.take("python", "# tests/test_reports.py"))
    sample = "from app.services.my_tasks import backup_database, cleanup_temp_files, send_daily_report"
    own = "from app.services.my_tasks import backup_database, cleanup_temp_files"
    reader.change(MAIN, sample, f"{own}\nfrom app.services.reports import report_of_yesterday")
    reader.change(MAIN, "        send_daily_report,\n", "        report_of_yesterday,\n")
    reader.write(page.take("python", "# tests/test_jobs.py"))
    reader.add(page.take("python", "# below that, in tests/test_jobs.py"), "tests/test_jobs.py")
    reader.add(page.take("python", "# below that, in tests/test_jobs.py"), "tests/test_jobs.py")
    said = reader.call(".venv/bin/python -m pytest", code=1)
    assert "assert {'outage': 1} == {}" in said
    assert "FAILED tests/test_jobs.py::test_an_hour_without_power_costs_no_report" in said
    reader.change(MAIN, 'id="daily_report",', 'id="daily_report",\n        misfire_grace_time=3600,')
    reader.write(page.take("python", "# tests/test_ledger.py"))
    # The sample's own expectation of a short and a long outage is another with that grace time.
    reader.call("make test")
    assert ledger(reader) == {}
    reader.write(page.take("python", "# tests/conftest.py").replace(SERVER, postgres_url))
    reader.call(".venv/bin/python -m pytest tests/test_ledger.py -k is_there")
    page.ends()


# --- an application that uses APScheduler

OLD = {
    "README.md": "# The shop\n",
    ".gitignore": "exports/\n",
    "Makefile": "run:\n\tpython -m shop\n\nletters:\n\techo letters\n",
    "pyproject.toml": '[project]\nname = "shop"\nversion = "3.1"\ndependencies = ["httpx", "apscheduler"]\n',
    "shop/__init__.py": "",
    "shop/letters.py": '''"""Letters to customers."""


def export_orders(folder: str) -> None:
    """Write the orders of the day into a folder."""


def poll() -> None:
    """Look for new orders."""


def remind(customer: object) -> None:
    """Remind a customer."""
''',
    "shop/__main__.py": '''
from apscheduler.schedulers.background import BackgroundScheduler
from shop import letters

scheduler = BackgroundScheduler(jobstores={"default": {"type": "sqlalchemy", "url": "sqlite:///jobs.sqlite"}})
scheduler.start(paused=True)
scheduler.add_job(letters.export_orders, "cron", hour=2, args=["exports"], id="export")
scheduler.add_job(letters.remind, "date", run_date="2099-12-24T09:00:00+00:00", args=[42], id="reminder-42")
scheduler.add_job(letters.remind, "interval", hours=1, args=[{"a", "b"}], id="set")
scheduler.add_job(letters.remind, "cron", hour=9, args=[7], id="daily", timezone="Europe/Berlin")
scheduler.shutdown()
''',
}  # fmt: skip


def old_application() -> Reader:
    reader = Reader(fresh_folder("shop") / "shop", {"TEMPLATE": f"git+file://localhost{template().folder}"})
    reader.folder.mkdir()
    for name, text in OLD.items():
        reader.write(text, name)
    reader.call("git init --quiet --initial-branch main && git add --all && git commit --quiet --message old")
    subprocess.run([sys.executable, "-m", "shop"], cwd=reader.folder, check=True)
    return reader


@pytest.mark.full
def test_adopt_in_an_existing_application() -> None:
    page, reader = Page("adopt-in-an-existing-application"), old_application()
    (reader.folder / "jobs.sqlite").rename(reader.folder.with_name("jobs.sqlite"))
    said = reader.follow(page.take("console", "$ git status"))
    assert re.search(r"^ Makefile +\|", said, re.MULTILINE)
    # Nobody's licence is in it.
    assert not (reader.folder / "LICENSE").exists()
    assert "MIT" not in (reader.folder / "pyproject.toml").read_text()
    reader.follow(page.take("console", "$ git checkout -- README.md"))
    assert "overriding" in reader.call("make --dry-run help 2>&1")
    reader.change("Makefile", "run:\n\tpython -m shop\n\n", "")
    reader.follow(page.take("console", "$ git mv shop/letters.py"))
    reader.call("git rm --quiet -r shop")
    reader.write(page.take("python", "# app/components/scheduler/main.py"))
    reader.write(page.take("python", "# tests/test_schedule.py"))
    reader.write(page.take("python", "# app/services/reminders.py"))
    refused = page.take("text", "error: app/components/scheduler/main.py:8: jobstores=")
    commands = page.take("console", "$ make install")
    reader.follow(commands)
    right = (reader.folder / MAIN).read_text()
    reader.change(
        MAIN, "AsyncIOScheduler(job_defaults", 'AsyncIOScheduler(jobstores={"default": 1}, job_defaults'
    )
    assert reader.call(".venv/bin/python -m app jobs", code=2) == refused
    reader.write(right, MAIN)
    (reader.folder.with_name("jobs.sqlite")).rename(reader.folder / "jobs.sqlite")
    reader.write(page.take("python", "# move_jobs.py"))
    told = page.take("console", "$ .venv/bin/python move_jobs.py")
    said = reader.follow(told)
    for line in told.splitlines()[1:3]:
        assert line.partition("({")[0] in said
    assert "daily is taken over" in said
    assert "export" not in said.partition("is taken over")[0]
    assert "reminder-42" in reader.call(".venv/bin/python -m app jobs")
    reader.call(
        "PYTHONPATH=. .venv/bin/python -c 'from app.services.reminders import *; remind_in_two_days(5)'"
    )
    assert "reminder-5" in reader.call(".venv/bin/python -m app jobs")
    page.ends()


# --- jobs


REMINDER = '''"""Reminders by mail."""


async def send_reminder(customer: int) -> None:
    """Remind a customer."""
'''


@pytest.mark.full
def test_add_jobs_while_running() -> None:
    page, reader = Page("add-jobs-while-running"), new_project()
    reader.write(REMINDER, "app/services/mail.py")
    imports = (
        "from app.components.scheduler.main import create_scheduler\n"
        "from app.services.mail import send_reminder"
    )
    within = page.take("python", "from datetime import UTC")
    in_a_program(reader, within, imports, "customer_id = 7\n")
    assert "reminder-7" in reader.call(".venv/bin/python -m app jobs")
    in_a_program(reader, page.take("python", "from everytick import SchedulerClient"), imports)
    assert "reminder-42" in reader.call(".venv/bin/python -m app jobs")
    change = page.take("python", 'job = scheduler.get_job("reminder-42")')
    inside = "".join(f"    {line}\n" for line in change.splitlines())
    in_a_program(reader, f"async with create_scheduler() as scheduler:\n{inside}", imports)
    jobs = reader.call(".venv/bin/python -m app jobs")
    assert "reminder-7" in jobs
    assert "reminder-42" not in jobs
    reader.call(".venv/bin/python -m app remove reminder-7")
    page.ends()


@pytest.mark.full
def test_handle_failures() -> None:
    page, reader = Page("handle-failures"), new_project()
    declared = page.take("python", "scheduler.add_job(\n    send_daily_report,")
    main = (reader.folder / MAIN).read_text()
    sample = re.search(r"    # Daily report at 9 AM\n    scheduler\.add_job\(.*?\n    \)\n", main, re.DOTALL)
    assert sample is not None
    reader.change(MAIN, sample[0], "")
    reader.schedule(declared)
    reader.write(page.take("python", "# app/services/invoices.py"))
    invoices = 'scheduler.add_job(send_invoices, "cron", hour=3, id="invoices")'
    reader.schedule(invoices, "from app.services.invoices import send_invoices\n")
    reader.change(
        "app/services/my_tasks.py",
        "async def send_daily_report() -> None:\n",
        "async def send_daily_report() -> None:\n    1 / 0\n",
    )
    retrying = page.take("console", "$ .venv/bin/python -m app runs --state retrying")
    with reader.running():
        reader.call(".venv/bin/python -m app run-now daily_report")
        wait_for(lambda: "ZeroDivisionError" in reader.follow(retrying), "the first attempt")
        reader.call(".venv/bin/python -m app run-now invoices")
    query = page.take("sql", "SELECT job_id")
    reader.write(
        f"import sqlite3\nprint(sqlite3.connect('data/ledger.db').execute({query!r}).fetchall())", "q.py"
    )
    assert "('daily_report', 1, 'failed', 'ZeroDivisionError: " in reader.call(".venv/bin/python q.py")
    page.ends()


@pytest.mark.full
def test_leave_out_days() -> None:
    page, reader = Page("leave-out-days"), new_project()
    lines = page.take("python", "from everytick import holidays")
    lines = lines.removeprefix("from everytick import holidays\n\n")
    other_tasks = (
        "from app.services.my_tasks import send_daily_report as close_the_books\n"
        "from app.services.my_tasks import send_daily_report as pay_wages\n"
    )
    reader.schedule(lines, other_tasks)
    main = "from everytick import AsyncIOScheduler\n"
    reader.change(MAIN, main, "from everytick import AsyncIOScheduler, holidays\n")
    assert "install everytick[holidays]" in reader.call(".venv/bin/python -m app plan", code=2)
    git(reader.folder, "commit", "--quiet", "--all", "--message", "Leave out days")
    reader.follow(page.take("console", "$ copier update"))
    plan, why = commands_in(page.take("console", "$ .venv/bin/python -m app plan"))
    said = reader.call(plan)
    assert "3 ticks" in said
    assert "(Christmas Day) is excluded" in said
    with reader.running():
        answer = reader.call(why)
    assert page.take("text").strip() in answer
    further = page.take("python", "scheduler.add_job(\n    pay_wages")
    further += page.take("python", "scheduler.add_job(close_the_books")
    inside = "".join(f"    {line}\n" for line in further.splitlines())
    reader.change(MAIN, "    return scheduler\n", f"{inside}    return scheduler\n")
    planned = reader.call(".venv/bin/python -m app plan --from 2027-04-20 --days 45")
    assert "moved from Sunday 2027-04-25" in planned
    assert "2027-04-30 18:00" in planned
    reader.write(page.take("python", "# app/services/branches.py"))
    with reader.running():
        for call in ("open_branch('BY')", "move_branch('BY', 'BE')"):
            reader.call(f'.venv/bin/python -c "from app.services.branches import *; {call}"')
        assert "holidays('DE', 'BE')" in reader.call(".venv/bin/python -m app jobs --json")
    page.ends()


@pytest.mark.full
def test_disable_jobs_in_an_environment() -> None:
    page, reader = Page("disable-jobs-in-an-environment"), new_project()
    reader.schedule('scheduler.add_job(send_daily_report, "cron", hour=3, id="mail-weekly")')
    (reader.folder / ".env").touch()
    reader.add(page.take("bash", "# .env of staging"), ".env")
    with reader.running() as log:
        said = log.read_text("utf-8")
        assert page.take("text").strip() in said
        assert "2 disabled" in said
        jobs, why = commands_in(page.take("console", "$ .venv/bin/python -m app jobs"))
        assert "disabled by" in reader.call(jobs)
        assert "is disabled since" in reader.call(why)
        refused = reader.call(".venv/bin/python -m app run-now daily_report", code=2)
        assert "is disabled by SCHEDULER_DISABLED_JOBS=daily_report" in refused
    # A process that was started with fewer disabled goes by that.
    environment = reader.folder / ".env"
    of_staging = environment.read_text("utf-8")
    environment.write_text("SCHEDULER_DISABLED_JOBS=daily_report\n", "utf-8")
    with reader.running():
        environment.write_text(of_staging, "utf-8")
        assert page.take("text").strip() in " ".join(reader.call(jobs).split())
    page.ends()


@pytest.mark.full
def test_limit_what_runs_at_once() -> None:
    page, reader = Page("limit-what-runs-at-once"), new_project()
    reader.write(page.take("python", "# app/services/orders.py"))
    orders = page.take("python", "scheduler.add_job(import_orders")
    reader.schedule(orders, "from app.services.orders import import_orders\n")
    runs, why = commands_in(page.take("console", "$ .venv/bin/python -m app runs --job orders"))
    said = page.take("text").strip()
    with reader.running():
        wait_for(lambda: "queued" in reader.call(runs), "a tick that waits")
        assert said in " ".join(reader.call(why).split()).replace("Its", "its")
    exports = page.take("python", "for region in")
    inside = "".join(f"    {line}\n" for line in exports.splitlines())
    reader.change(MAIN, "    return scheduler\n", f"{inside}    return scheduler\n")
    main = "from everytick import AsyncIOScheduler\n"
    reader.change(MAIN, main, f"from app.services.exports import export_region\n{main}")
    reader.write(page.take("python", "# app/services/exports.py"))
    (reader.folder / ".env").touch()
    reader.add(page.take("bash", "# .env"), ".env")
    jobs, doctor = commands_in(page.take("console", "$ .venv/bin/python -m app jobs"))
    said = page.take("text").strip()
    with reader.running():
        wait_for(lambda: said in " ".join(reader.call(jobs).split()), "a run that waits for its group")
        assert "no job has the group api" in reader.call(doctor)
    page.ends()


@pytest.mark.full
def test_backfill_past_ticks() -> None:
    page, reader = Page("backfill-past-ticks"), new_project()
    reader.write(page.take("python", "# app/services/prices.py"))
    reader.schedule(page.take("python"), "from app.services.prices import load_prices\n")
    with reader.running() as log:
        begun = reader.follow(page.take("console", "$ .venv/bin/python -m app backfill prices"))
        assert page.take("text") in begun
        wait_for(lambda: "the prices of 2026-03-07 (backfill)" in log.read_text("utf-8"), "the last tick")
        assert len(re.findall(r"the prices of 2026-03-0\d \(backfill\)", log.read_text("utf-8"))) == 7
        listed, runs, why = commands_in(page.take("console"))
        wait_for(lambda: "finished" in reader.call(listed), "the end of the backfill")
        assert "7 of 7" in reader.call(listed)
        assert "for 2026-03-07 02:00:00" in reader.call(runs)
        assert "made by backfill 1, stands in for this tick (succeeded)" in reader.call(why)
        assert "backfill 1 was finished already" in reader.follow(page.take("console"))
        nothing = reader.follow(page.take("console"), code=2)
        assert "nothing to do: no tick" in nothing
        assert "is on record that did not succeed" in nothing
        reader.write(page.take("python", "# app/services/backfills.py"))
        redo = "from app.services.backfills import redo_yesterday; print(redo_yesterday())"
        assert reader.call(f'.venv/bin/python -c "{redo}"').strip() == "0"
    page.ends()


@pytest.mark.full
def test_let_people_add_jobs() -> None:
    page, reader = Page("let-people-add-jobs"), new_project()
    reader.write(page.take("python", "# app/services/reminders.py"))
    reader.schedule(page.take("python"), "from app.services.reminders import send_reminder\n")
    with reader.running(until="dashboard: http") as log:
        found = re.search(r"dashboard: http://127.0.0.1:(\d+)", log.read_text("utf-8"))
        assert found
        reader.words["8787"] = found[1]
        ask, add = commands_in(page.take("console"))
        assert '"type":"date","required":true' in reader.call(ask)
        assert "reminder-42 is added, and due next" in reader.call(add)
        said = page.take("text").strip()
        wait_for(lambda: said in log.read_text("utf-8"), "the reminder")
        why, audit, remove = commands_in(page.take("console"))
        assert re.search('was added while running by api: "the shop"', reader.call(why))
        assert re.search("add +reminder-42", reader.call(audit))
        reader.call(remove)
        # The public holidays of a country are a part that a project has by an answer.
        told = "tests/engine/dashboard/test_days_on_the_page.py tells of them"
        page.not_here("json", '{"trigger": "cron", "hour": 9, "exclude"', told)
        # A scheduler at the top of a module is not one that a project has.
        page.not_here(
            "python", "@scheduler.offer(name=", "tests/engine/api/test_offers.py tells of decorators"
        )
    page.ends()


@pytest.mark.full
def test_say_how_far_a_run_is() -> None:
    page, reader = Page("say-how-far-a-run-is"), new_project()
    reader.write(page.take("python", "# app/services/export.py"))
    reader.schedule(page.take("python"), "from app.services.export import export_orders\n")
    with reader.running():
        ask, runs = commands_in(page.take("console"))
        reader.call(ask)
        said = re.escape(page.take("text").strip()).replace("40", r"\d+")
        wait_for(lambda: re.search(said, reader.call(runs)), "how far it is")
        assert re.search(r"page \d+ of 30", reader.call(runs))
        [show] = commands_in(page.take("console"))
        result = page.take("text").strip()
        wait_for(
            lambda: re.search(r"result +" + re.escape(result.split(maxsplit=1)[1]), reader.call(show)), "it"
        )
    page.ends()


# --- looking at it, and doing without make


@pytest.mark.full
def test_use_the_dashboard() -> None:
    page, reader = Page("use-the-dashboard"), new_project()
    told = page.take("text", "dashboard: its new token is in")
    with reader.running(until="dashboard: http://") as log:
        said = log.read_text("utf-8")
    for line in told.strip().splitlines():
        pattern = re.escape(line).replace(r"\.\.\.", ".*").replace("8787", r"\d+")
        assert re.search(pattern, said), said
    name, _, value = page.take("text", "SCHEDULER_DASHBOARD_NAMES=").strip().partition("=")
    reader.environment = {
        name: value,
        "SCHEDULER_DASHBOARD_PORT": "8793",
        "SCHEDULER_DASHBOARD_TOKEN": "x" * 40,
    }
    reader.write(page.take("python", "from fastapi import APIRouter"), "app/components/dashboard/routes.py")
    reader.call("make check")
    ask = "curl --silent --header 'Host: jobs.example.org' http://127.0.0.1:8793/mine/ping"
    with reader.running(until="dashboard: http://"):
        wait_for(
            lambda: reader.call(f"{ask} --header 'Authorization: Bearer {'x' * 40}'") == '"pong"', "pong"
        )
        assert "pong" not in reader.call(ask)
    page.ends()


@pytest.mark.full
def test_windows_without_make() -> None:
    page = Page("windows-without-make")
    page.ends()
    tables = re.findall(r"^\| `make (\w+)` \| (.*) \|$", page.text, re.MULTILINE)
    reader = new_project()
    targets = re.findall(r"^([a-z]+):.*## ", (reader.folder / "Makefile").read_text(), re.MULTILINE)
    assert [name for name, _ in tables] == targets * 2
    reader.call("git add --force --all . ':!.venv' && git commit --quiet --allow-empty --message all")
    for name, commands in tables:
        # What goes on, what makes another environment, and what needs a newer template: others show these.
        if name in ("test", "check", "outdated"):
            for command in re.findall("`([^`]+)`", commands):
                reader.call(command.replace(".venv\\Scripts\\", ".venv/bin/"))
