"""The help: commands in groups, options in words that people know; and what the shell completes."""

from __future__ import annotations

import pytest
from everytick import AsyncIOScheduler
from everytick.cli import completion, program
from everytick.cli.groups import GROUPS
from everytick.cli.standalone import everytick
from typer import rich_utils
from typer.main import get_command
from typer.testing import CliRunner

from histories import prepared, run, write

COMMANDS = [name for names in GROUPS.values() for name in names]


def help_of(*arguments: str) -> str:
    return CliRunner().invoke(program.app, [*arguments, "--help"], env={"COLUMNS": "80"}).stdout


@pytest.mark.parametrize("arguments", [[], ["jobs"]])
def test_with_no_color_the_help_has_no_escapes(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(rich_utils, "COLOR_SYSTEM", "auto")
    monkeypatch.setattr(rich_utils, "FORCE_TERMINAL", True)
    environment = {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "80"}
    shown = CliRunner().invoke(program.app, [*arguments, "--help"], env=environment, color=True).stdout
    assert "Usage" in shown
    assert "\x1b" not in shown


def test_commands_are_listed_in_groups_by_what_they_are_for() -> None:
    shown = help_of()
    titles = [line.split()[1] for line in shown.splitlines() if line.startswith("╭─")]
    assert titles == ["Options", *GROUPS]
    listed = [line.split()[1] for line in shown.splitlines() if line.startswith("│ ") and line[2] != " "]
    assert [name for name in listed if not name.startswith("-")] == COMMANDS


def test_the_command_everytick_has_the_same_ones() -> None:
    for typer_app in (program.app, everytick):
        assert list(getattr(get_command(typer_app), "commands")) == COMMANDS  # noqa: B009


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_names_no_types_of_a_programming_language(command: str) -> None:
    shown = help_of(command)
    assert "--help" in shown
    for word in ("<", "bool", "[1", "int range", "INTEGER", "TEXT ...", "[[", "...]..."):
        assert word not in shown, shown


def test_short_options_follow_and_limit(scheduler: AsyncIOScheduler) -> None:
    for command in ("runs", "logs"):
        shown = help_of(command)
        assert "--follow" in shown
        assert " -f " in shown
    for command in ("runs", "audit", "plan", "logs"):
        assert " -n " in help_of(command)


def test_the_shell_completes_runs_and_jobs(scheduler: AsyncIOScheduler) -> None:
    for complete in (completion.runs_or_jobs, completion.ended_runs, completion.runs_under_way_or_jobs):
        assert complete("") == []  # there is no ledger yet
    scheduler.add_job(print, "cron", hour=3, id="report")
    ledger = prepared(scheduler)
    waiting = {"started_us": None, "finished_us": None}
    states = [("failed", {}), ("succeeded", {}), ("queued", waiting)]
    write(
        ledger,
        "scheduler_runs",
        [run("report", n + 1, state, **more) for n, (state, more) in enumerate(states)],
    )
    assert completion.runs_or_jobs("") == [
        *(("3", "report, queued"), ("2", "report, succeeded"), ("1", "report, failed")),
        ("report", "a job"),
    ]
    assert completion.runs_or_jobs("2") == [("2", "report, succeeded")]
    assert completion.runs_or_jobs("re") == [("report", "a job")]
    assert completion.ended_runs("") == [("1", "report, failed")]
    assert completion.runs_under_way_or_jobs("3") == [("3", "report, queued")]
    ledger.path.write_text("nothing that a shell should ever show")
    assert completion.runs_or_jobs("") == []
