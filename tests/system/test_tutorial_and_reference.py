"""The tutorial, the reference and the first page are followed word by word: their blocks are what is done."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler, former_names
from everytick.model import ticks

from histories import SECOND, ask, prepared, run, write
from ledgers import rows_in
from reading import DOCS, Page, Reader, commands_in, new_project, template
from rendering import fresh_folder
from waiting import wait_for

MAIN = "app/components/scheduler/main.py"
TASKS = "app/services/my_tasks.py"
REFERENCE = DOCS / "reference"


def test_each_page_is_followed() -> None:
    followed = re.findall(r'Page\("([\w-]+)", (?:REFERENCE|DOCS)', Path(__file__).read_text(encoding="utf-8"))
    pages = [DOCS / "index.md", *(DOCS / "tutorial").glob("*.md"), *REFERENCE.glob("*.md")]
    assert sorted(followed) == sorted(path.stem for path in pages)


def at_home() -> Reader:
    """Return somebody whose project is `~/my-scheduler`, with its environment active."""
    reader = new_project()
    reader.words = {"~/my-scheduler": str(reader.folder), "python -m app": ".venv/bin/python -m app"}
    return reader


def started(reader: Reader, block: str) -> str:
    """Run the command of a block that goes on, until it has started; return its log."""
    [command] = commands_in(block)
    with reader.running(reader.in_own_words(command)) as log:
        return log.read_text("utf-8")


# --- the first page and the tutorial


@pytest.mark.full
def test_the_first_page() -> None:
    page, reader = Page("index", DOCS), at_home()
    declared = page.take("python", "scheduler.add_job(")
    assert declared.strip().removesuffix(")") in " ".join(
        (reader.folder / MAIN).read_text("utf-8").split()
    ).replace("( ", "(")
    go, look = page.take("console").strip().splitlines()
    assert "3 jobs" in started(reader, go)
    # The jobs are due at night: one may have run by now, or none.
    assert ", newest first" in (said := reader.follow(look)) or said.startswith("none\n")
    page.ends()


@pytest.mark.full
def test_the_tutorial() -> None:
    page, reader = Page("first-schedule", DOCS / "tutorial"), at_home()
    page.not_here("console", "$ make setup\n$ .venv/bin/copier copy", "the project is there")
    enter, install, go = page.take("console").strip().splitlines()
    assert (enter, install, go) == ("$ cd ~/my-scheduler", "$ make install", "$ make run")
    reader.follow(f"{enter}\n{install}\n")
    assert f"`{go.removeprefix('$ ')}` is short for `.venv/bin/python -m app run`" in page.text
    assert "3 jobs" in started(reader, "$ python -m app run")
    reader.add(page.take("python", "async def say_hello"), TASKS)
    declared = page.take("python", "    scheduler.add_job(say_hello").strip()
    reader.schedule(declared, "from app.services.my_tasks import say_hello\n")
    with reader.running() as log:
        wait_for(lambda: "👋 Hello" in log.read_text("utf-8"), "a greeting")
    said = reader.call("\n".join(commands_in(page.take("console", "$ . .venv/bin/activate\n"))))
    # A tick of today has no date.
    assert re.search(r"hello +(?:\S+ )?\S\S:\S\S:\S0 +succeeded", said), said
    wrong = page.take("python", "    scheduler.add_job(say_hello").strip()
    reader.change(MAIN, declared, wrong)
    error = reader.call("python -m app run", code=2)
    assert re.fullmatch(rf"error: {MAIN}:\d+: .*25.*\n", error), error
    page.ends()


# --- the reference


@pytest.mark.full
async def test_the_commands(scheduler: AsyncIOScheduler) -> None:
    page = Page("commands", REFERENCE)
    scheduler.add_job(_report, "cron", hour=9, id="daily_report")
    scheduler.add_job(_report, "cron", hour=2, id="nightly_export")
    ledger = prepared(scheduler)
    steer = page.take("console", "$ python -m app run-now daily_report")
    filling = page.take("console", "$ python -m app backfill prices")
    many = page.take("console", "$ python -m app pause 'sync_*'")
    page.not_here("text", "$ python -m app troubles", "`test_gone_wrong` has such a night")
    reason = page.take("text", "$ python -m app why nightly_export")
    simulate = page.take("console", "$ python -m app simulate")
    page.ends()

    began = _instant("2027-03-03T02:00")
    ended = began + ticks.DAY + 600 * SECOND
    write(
        ledger,
        "scheduler_runs",
        [
            run("nightly_export", began, run_id=812, claimed_us=began, finished_us=ended),
            run(
                "nightly_export", began + ticks.DAY, "skipped", claimed_us=None, run_id=813, reason="overlap"
            ),
            run("daily_report", began, "failed", claimed_us=began, run_id=4698),
        ],
    )
    [command], printed = commands_in(reason), reason.partition("\n")[2]
    assert _called(scheduler, command).split() == printed.split()
    [command] = commands_in(simulate)
    assert "The account balances: 730 ticks" in _called(scheduler, command)

    now, retry, cancel = commands_in(steer)
    # What it prints while nobody is there to run it; `test_request_commands` waits for the end of a run.
    assert _called(scheduler, now.replace(" --wait", "")).startswith("run 4699 of daily_report begins")
    [asked] = [row for row in rows_in(ledger) if row["run_id"] == 4699]
    assert (asked["kind"], asked["state"]) == ("manual", "queued")
    assert "run 4698" in _called(scheduler, retry)
    assert "run 4699" in _called(scheduler, cancel.replace("4712", "4699"))
    assert [row["state"] for row in rows_in(ledger) if row["run_id"] == 4698] == ["queued"]

    begin, look, stop = commands_in(filling)
    # It asks only at a terminal.
    said = _called(scheduler, f"{begin.replace('prices', 'nightly_export')} --yes")
    assert said.startswith("backfill 1 of nightly_export begins: 7 runs")
    assert "0 of 7" in _called(scheduler, look)
    assert "is stopped" in _called(scheduler, stop)
    for line in ("backfill 1 of prices begins: 7 runs", "Backfill prices with 7 runs? [y/N]: y"):
        assert line in filling

    typed = [one.partition("#")[0].replace("sync_", "*ly_") for one in commands_in(many)]
    paused, *done = [_called(scheduler, f"{one} --yes") for one in typed]
    assert re.fullmatch(r"paused until \d{4}-\d\d-\d\d 00:00:00 UTC: 2 jobs\n", paused)
    assert done == [
        "resumed: 2 jobs\n",
        *("nothing to do: there is no such run\n", "failed as before: 1 run\n"),
    ]


def _report(*_: Any, **__: Any) -> None:
    """Stand for the function of any job."""


def _instant(text: str) -> int:
    return ticks.instant(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _called(scheduler: AsyncIOScheduler, command: str) -> str:
    begin = "python -m app "
    assert command.startswith(begin)
    return ask(scheduler, *shlex.split(command.removeprefix(begin), comments=True))


@pytest.mark.full
def test_the_schedule(scheduler: AsyncIOScheduler) -> None:
    page = Page("schedule", REFERENCE)
    names: dict[str, Any] = {"scheduler": scheduler, "send_daily_report": _report, "job": _report}

    def times(block: str, begin: str, days: int) -> list[list[str]]:
        before = {job.id for job in scheduler.get_jobs()}
        exec(block, names)
        first = _instant(begin)
        found = []
        for job in scheduler.get_jobs():
            if job.id not in before:
                due = job.ticks_between(ticks.moment(first), ticks.moment(first + days * ticks.DAY))
                found.append([f"{tick:%d %H:%M}" for tick in due])
        return found

    assert times(page.take("python", "scheduler.add_job("), "2027-01-01", 1) == [["01 09:00"]]
    prepared(scheduler)
    exec(
        page.take("python", "scheduler.add_job(send_daily_report"), {**names, "scheduler": AsyncIOScheduler()}
    )
    task = page.take("python", "from everytick import current_run")
    exec(task, names)
    assert names["send_daily_report"]() is None
    daily, weekdays, last, first_workday, hours = times(page.take("python"), "2027-01-30", 3)
    assert daily == ["30 06:30", "31 06:30", "01 06:30"]
    assert weekdays == ["01 09:00"]
    assert last == ["31 23:00"]
    assert first_workday == ["01 09:00"]
    assert hours[:6] == ["30 08:00", "30 10:00", "30 12:00", "30 14:00", "30 16:00", "30 18:00"]
    [halves] = times(page.take("python"), "2027-01-01", 1)
    assert halves[:3] == ["01 00:00", "01 00:30", "01 01:00"]
    assert times(page.take("python"), "2027-01-31", 1) == [["31 09:30"]]
    page.ends()


@pytest.mark.full
def test_the_settings() -> None:
    page, reader = Page("settings", REFERENCE), at_home()
    own = page.take("python", "class Settings(SchedulerSettings):")
    config = reader.folder / "app" / "core" / "config.py"
    ours = r"class Settings\(SchedulerSettings\):\n(?:    .*\n|\n)+?(?=\n\n\S)"
    text, number = re.subn(ours, own, config.read_text())
    assert number == 1, text
    config.write_text(text)
    use = page.take("python", "from app.core.config import settings").strip()
    page.ends()
    reader.write(use.replace("settings.smtp_host", "print(settings.smtp_host)"), "try_it.py")
    reader.environment["SMTP_HOST"] = "mail.example.org"
    assert reader.call(".venv/bin/python try_it.py") == "mail.example.org\n"


@pytest.mark.full
def test_the_api() -> None:
    page, reader = Page("api", REFERENCE), at_home()
    jobs, pause = page.take("console", "$ curl -H"), page.take("console", "$ curl -X POST")
    schedule = json.loads(page.take("json"))
    page.ends()
    reader.schedule("scheduler.offer(send_daily_report)")
    with reader.running(until="dashboard: http://") as log:
        [port] = re.findall(r"dashboard: http://127\.0\.0\.1:(\d+)", log.read_text("utf-8"))
        reader.words = {"8787": port, "2026-12-24": f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"}
        assert '"id":"daily_report"' in reader.follow(jobs.replace("curl", "curl --silent"))
        reader.environment["TOKEN"] = (reader.folder / "data" / "dashboard.token").read_text().strip()
        said = reader.follow(pause.replace("curl", "curl --silent"))
        wanted = {"function": "app.services.my_tasks:send_daily_report", "schedule": schedule}
        preview = httpx.post(
            f"http://127.0.0.1:{port}/api/v1/jobs/preview",
            json=wanted,
            headers={"Authorization": f"Bearer {reader.environment['TOKEN']}"},
        )
        assert preview.json()["trigger_in_words"].startswith("at 09:00 every day, except sat-sun,")
    assert json.loads(said) == json.loads(pause.splitlines()[-1])


@pytest.mark.full
def test_the_ledger(scheduler: AsyncIOScheduler) -> None:
    page = Page("ledger", REFERENCE)
    statement = page.take("sql", "-- The slowest runs of a job, on SQLite")
    page.ends()
    scheduler.add_job(_report, "cron", hour=2, id="weekly_backup")
    ledger, at = prepared(scheduler), _instant("2026-03-01T02:00")
    slow = run("weekly_backup", at, finished_us=at + 5 * SECOND)
    write(ledger, "scheduler_runs", [run("weekly_backup", at + ticks.DAY), slow])
    with sqlite3.connect(ledger.folder / "ledger.db") as connection:
        assert connection.execute(statement).fetchall() == [
            ("2026-03-01 02:00:00", 5.0),
            ("2026-03-02 02:00:00", 1.0),
        ]
    connection.close()


def test_the_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page("interface", REFERENCE)
    [warning] = page.take("text", "DeprecationWarning: ").splitlines()
    page.ends()
    monkeypatch.setitem(former_names.FORMER_NAMES, "OldName", former_names.Renamed("NewName", "1.3.0"))
    with pytest.warns(DeprecationWarning, match=re.escape(warning.removeprefix("DeprecationWarning: "))):
        assert former_names.present_name("everytick", "OldName") == "NewName"


@pytest.mark.full
def test_the_versions() -> None:
    page, reader = Page("versions", REFERENCE), Reader(fresh_folder("newest"))
    reader.words = {"TEMPLATE": str(template().folder)}
    reader.follow(page.take("console", "$ copier copy").replace("copier copy", "copier copy --defaults"))
    page.ends()
    assert (reader.folder / "my-scheduler" / MAIN).exists()
