"""What a command that only reads loads: people wait for each module, many times a day."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from everytick.model import ticks
from everytick.store.opening import ledger_at

from histories import MINUTE, run, write

SCHEDULE = """
from everytick import AsyncIOScheduler


def nothing() -> None:
    pass


def create_scheduler() -> AsyncIOScheduler:
    scheduler = AsyncIOScheduler()
    scheduler.add_job(nothing, "cron", minute="*", id="a")
    return scheduler
"""
PROGRAM = """
import atexit, sys
from pathlib import Path

before = set(sys.modules)
atexit.register(lambda: Path("loaded").write_text("\\n".join(sys.modules.keys() - before)))
from everytick import cli

cli.main()
"""
# Whatever these import themselves is theirs.
COMMON = {"apscheduler", "loguru", "pydantic", "pydantic_core", "pydantic_settings", "typer", "tzlocal"}
THEIRS = {
    *("annotated_doc", "annotated_types", "dotenv", "shellingham", "typing_extensions", "typing_inspection"),
    "tzdata",
}
# Where the schedule is made; all others take of APScheduler how it reads the fields of cron.
DECLARING = "apscheduler.schedulers"
PRINTING = "rich"
# Of Rich what it takes to print text in colours.
HEAVY = {"live", "markdown", "pretty", "progress", "prompt", "status", "syntax", "table", "traceback", "tree"}
LOWER = {
    *("api", "cli", "engine", "model", "notify", "read", "settings", "store", "system", "telemetry", "text")
}

# What runs a schedule: a command that reads starts none.
RUNNING = {"everytick.engine.process", "everytick.engine.clock", "everytick.engine.runner"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an application, whose ledger has a run that failed."""
    made = tmp_path_factory.mktemp("application")
    (made / "shop.py").write_text(SCHEDULE)
    (made / "program.py").write_text(PROGRAM)
    ledger = ledger_at(f"sqlite:///{made / 'ledger.db'}")
    ledger.prepare()
    write(ledger, "scheduler_runs", [run("a", ticks.now() - MINUTE, "failed", error="it failed")])
    return made


def loaded(folder: Path, *arguments: str) -> set[str]:
    """Return the modules that a command has loaded at its end."""
    variables = {**os.environ, "SCHEDULER_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}"}
    done = subprocess.run(
        [sys.executable, "program.py", "--app", "shop:create_scheduler", *arguments],
        cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "error:" not in done.stderr, done.stderr
    return set((folder / "loaded").read_text().splitlines())


@pytest.mark.full
@pytest.mark.parametrize(
    ("command", "more", "rooms"),
    [
        ("jobs", {DECLARING, PRINTING}, set()),
        ("jobs --json", {DECLARING}, set()),
        ("runs", {PRINTING}, set()),
        ("runs --json", set(), set()),
        ("show 1", {PRINTING}, set()),
        ("why a", {DECLARING, PRINTING}, {"explain"}),
        ("plan", {DECLARING, PRINTING}, set()),
        ("doctor", {DECLARING, PRINTING}, {"doctor"}),
        ("health", set(), set()),
    ],
)
def test_a_command_that_reads_loads_no_more_than_it_uses(
    folder: Path, command: str, more: set[str], rooms: set[str]
) -> None:
    found = loaded(folder, *command.split())
    tops = {name.partition(".")[0] for name in found if not name.startswith("_")} - sys.stdlib_module_names
    assert tops - THEIRS - {"everytick", "shop"} <= COMMON | {PRINTING} & more
    assert DECLARING not in found or DECLARING in more
    assert {name.split(".")[1] for name in found if name.startswith("rich.")} & HEAVY == set()
    own = {name.split(".")[1] for name in found if name.count(".") > 1 and name.startswith("everytick.")}
    assert own <= LOWER | rooms
    assert {"everytick.store.schema", "everytick.store.migrations", *RUNNING} & found == set()
