"""The command `doctor`: what it looks at, where nothing is broken and where much is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from application import Application
from inside import scheduler_settings
from troubled_application import troubled_application


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application in which all of it happened."""
    folder = tmp_path_factory.mktemp("app")
    with scheduler_settings(folder):
        return troubled_application(folder / "app")[0]


def by_check(app: Application, *arguments: str, code: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Return the findings of the command, by their checks."""
    done = app.command("doctor", "--json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    found: dict[str, list[dict[str, Any]]] = {}
    for it in json.loads(done.stdout)["findings"]:
        found.setdefault(it["check"], []).append(it)
    return found


@pytest.mark.full
def test_the_command_looks_at_everything_and_fails_on_an_error(story: Application) -> None:
    found = by_check(story, code=1)
    assert {"settings", "zone data", "template", "schedule", "disk", "ledger", "clock", "runs"} <= set(found)
    assert [it["level"] for it in found["function"]] == ["error"]
    assert found["daylight saving"][0]["where"].startswith("app/components/scheduler/main.py:")
    spoken = story.command("doctor")
    assert spoken.returncode == 1
    assert re.search(r"error +function: job gone cannot run.*\n +at job gone\n +right: ", spoken.stdout)


@pytest.mark.full
def test_before_the_first_start_with_a_fine_schedule_all_is_in_order(tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    app.schedule('scheduler.add_job("app.services.my_tasks:backup_database", "cron", hour=9, id="a")')
    found = by_check(app, "--strict")
    assert "there is no ledger yet" in found["ledger"][0]["what"]
    assert not (tmp_path / "app/data").exists()
    assert app.command("doctor").stdout.endswith("all is in order\n")


@pytest.mark.full
def test_warnings_fail_only_if_asked_for(tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    app.schedule(
        'scheduler.add_job("app.services.my_tasks:backup_database", "cron", hour=9, misfire_grace_time=9)'
    )
    assert "grace time" in by_check(app)
    assert by_check(app, "--strict", code=1)["grace time"][0]["level"] == "warning"


@pytest.mark.full
def test_a_broken_schedule_does_not_hide_the_rest(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path):
        app, _troubled = troubled_application(tmp_path / "app")
    app.schedule("scheduler.add_job(nothing)")
    found = by_check(app, code=1)
    assert [it["where"] for it in found["schedule"]] == ["app/components/scheduler/main.py:6"]
    assert "function" in found
    app.environment["SCHEDULER_TIMEZONE"] = "Mars"
    found = by_check(app, code=1)
    assert [it["where"] for it in found["settings"] if it["level"] == "error"] == ["SCHEDULER_TIMEZONE"]
    assert "zone data" in found


@pytest.mark.full
def test_a_trigger_object_without_a_zone_where_the_host_has_another(tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    app.environment |= {"TZ": "Asia/Tokyo"}
    call = 'scheduler.add_job("app.services.my_tasks:backup_database", {}, id="a")'
    imports = "from apscheduler.triggers.cron import CronTrigger\n"
    app.schedule(call.format("CronTrigger(hour=9)"), imports)
    assert "so UTC is meant, not this host's JST" in by_check(app)["zone"][0]["what"]
    app.schedule(call.format('CronTrigger(hour=9, timezone="UTC")'), imports)
    assert "zone" not in by_check(app)


@pytest.mark.full
def test_a_former_name_is_told_with_the_line_that_uses_it(tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    with (app.folder / "app/__init__.py").open("a") as package:
        package.write("from everytick.former_names import FORMER_NAMES, Renamed\n")
        package.write('FORMER_NAMES["Scheduler"] = Renamed("AsyncIOScheduler", "9.0")\n')
    app.schedule("", "from everytick import Scheduler\n")
    [found] = by_check(app)["former name"]
    assert "is called AsyncIOScheduler now" in found["what"]
    assert found["where"] == "app/components/scheduler/main.py:2"
