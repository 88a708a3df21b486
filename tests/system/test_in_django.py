"""A scheduler in Django: in AppConfig.ready(), under servers, and as a management command."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from waiting import wait_for
from web_programs import BIN, NOTES, Program

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn needs a system that forks"),
]

MANAGE = """
import os, sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""
SETTINGS = """
SECRET_KEY = "only for this test"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["reports.apps.ReportsConfig"]
USE_TZ = True
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
from reports.apps import scheduler
from reports.tasks import note

def add(request, name):
    scheduler.add_job(note, "interval", seconds=0.5, args=[name], id=name, replace_existing=True)
    return HttpResponse(f"added {name}")

urlpatterns = [path("add/<name>", add)]
"""
APPS = """
import sys
from django.apps import AppConfig
from everytick import BackgroundScheduler

scheduler = BackgroundScheduler(timezone="UTC")

class ReportsConfig(AppConfig):
    name = "reports"

    def ready(self):
        from .tasks import note
        if "keep_schedule" not in sys.argv:
            scheduler.start()
        scheduler.add_job(note, "interval", seconds=0.5, args=["often"], id="often")
        scheduler.add_job(note, args=["startup"], id="startup")
"""
COMMAND = """
from django.core.management.base import BaseCommand
from everytick import BlockingScheduler
from reports.tasks import note

class Command(BaseCommand):
    help = "Keep the schedule until it is asked to stop"

    def handle(self, *args, **options):
        scheduler = BlockingScheduler(timezone="UTC")
        scheduler.add_job(note, "interval", seconds=0.5, args=["often"], id="often")
        scheduler.start()
        self.stdout.write("the command is over")
"""


@pytest.fixture
def site(tmp_path: Path) -> Program:
    program = Program(tmp_path)
    program.write("manage.py", MANAGE)
    program.write("site_settings.py", SETTINGS)
    program.write("urls.py", URLS)
    for folder in ("reports", "reports/management", "reports/management/commands"):
        program.write(f"{folder}/__init__.py", "")
    program.write("reports/apps.py", APPS)
    program.write("reports/tasks.py", NOTES)
    program.write("reports/management/commands/keep_schedule.py", COMMAND)
    for kind in ("wsgi", "asgi"):
        program.write(
            f"site_{kind}.py",
            'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")\n'
            f"from django.core.{kind} import get_{kind}_application\n"
            f"application = get_{kind}_application()\n",
        )
    return program


def check(program: Program, *names: str) -> None:
    for name in names:
        ticks = Counter(tick for what, tick, _pid in program.done() if what == name)
        assert ticks, name
        assert set(ticks.values()) == {1}, name
    assert "Traceback" not in program.log(), program.log()
    assert [row for row in program.rows() if row["state"] in ("claimed", "running", "lost")] == []


def number(program: Program, name: str) -> int:
    return sum(what == name for what, _tick, _pid in program.done())


SERVERS = {
    "gunicorn": (
        BIN / "gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "site_wsgi:application",
    ),
    "uvicorn": (
        BIN / "python", "-m", "uvicorn", "--port", "0", "site_asgi:application",
    ),
}  # fmt: skip


@pytest.mark.parametrize("server", SERVERS)
def test_started_when_django_is_ready_each_tick_runs_once(site: Program, server: str) -> None:
    listening = r"(?:Listening at:|running on) http://127.0.0.1:(\d+)"
    with site.running(*SERVERS[server], until=listening, code=0 if server == "gunicorn" else -15):
        wait_for(lambda: number(site, "often") > 4, "a job of the code")
        assert site.get("/add/asked") == "added asked"
        wait_for(lambda: number(site, "asked") > 4, "a job of a request")
    check(site, "often", "asked")
    assert number(site, "startup") == 1


def test_under_the_development_server_each_tick_runs_once_and_the_new_code_alone(site: Program) -> None:
    command = (sys.executable, "manage.py", "runserver", "0")
    with site.running(*command, until="Quit the server with", stop=signal.SIGINT):
        wait_for(lambda: "which runs the schedule" in site.log(), "that the parent leaves it to its child")
        wait_for(lambda: number(site, "often") > 2, "a job")
        changed = APPS.replace('args=["often"]', 'args=["changed"]')
        site.write("reports/apps.py", changed)
        wait_for(lambda: number(site, "changed"), "the new code")
        old = number(site, "often")
        wait_for(lambda: number(site, "changed") > 4, "the new code")
        assert number(site, "often") == old
    check(site, "often", "changed")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_management_command_keeps_the_schedule_until_it_is_stopped(site: Program, how: int) -> None:
    command = (sys.executable, "manage.py", "keep_schedule")
    with site.running(*command, until=r"\| ledger ", stop=how):
        wait_for(lambda: number(site, "often") > 2, "a job")
    assert "the command is over" in site.log()
    check(site, "often")
