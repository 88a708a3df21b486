"""What cannot be meant is refused in one plain sentence, also where Typer or Click find it."""

from __future__ import annotations

import sys

import pytest
from everytick import app as which
from everytick.cli import entry, program, standalone
from everytick.cli.refusals import sentence
from typer.main import get_command
from typer.testing import CliRunner

PROGRAM = "python -m app"
# As all other messages name it.
TYPED = "bin/python -m app"
REFUSALS = {
    "runs --limt 3": "there is no option --limt; did you mean '--limit'?",
    "runs --xyz": "there is no option --xyz: bin/python -m app runs --help lists those that there are",
    "rums": "there is no command 'rums'; did you mean 'runs'?",
    "frobnicate": "there is no command 'frobnicate': bin/python -m app --help lists those that there are",
    "--quiet": "there is no option --quiet: bin/python -m app --help lists those that there are",
    "--versoin": "there is no option --versoin; did you mean '--version'?",
    "run-now": "JOB is missing: bin/python -m app run-now JOB",
    "show": "RUN|JOB is missing: bin/python -m app show RUN|JOB",
    "logs --follow": "RUN|JOB is missing: bin/python -m app logs RUN|JOB",
    "runs --limit": "--limit takes a value: --limit N",
    "runs --since": "--since takes a value: --since TIME",
    "runs --json=yes": "--json takes no value",
    "runs --limit ten": "--limit takes a whole number from 1 to 1,000,000, and not 'ten'",
    "runs -n 0": "--limit takes a whole number from 1 to 1,000,000, and not '0'",
    "plan --days 1.5": "--days takes a whole number from 1 to 36,600, and not '1.5'",
    "runs yesterday": "'yesterday' is one word too many: bin/python -m app runs [OPTIONS]",
    "runs --since yesterday 22:00": "put it in quotes: --since 'yesterday 22:00'",
    "runs --since=yesterday 22:00": "put it in quotes: --since 'yesterday 22:00'",
    "retry --failed --since 2h ago": "put it in quotes: --since '2h ago'",
    "pause a --until in 2h": "put it in quotes: --until 'in 2h'",
    "run-now a --tick 2026-11-28 22:00": "put it in quotes: --tick '2026-11-28 22:00'",
    "run-now a b c": "'b c' are 2 words too many: bin/python -m app run-now [OPTIONS] JOB",
}


@pytest.mark.parametrize("command", REFUSALS)
def test_it_is_one_sentence_that_says_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    def run(_application: object, _name: object) -> None:
        program.app(command.split(), prog_name=PROGRAM)

    monkeypatch.setattr(entry, "_command", run)
    monkeypatch.setattr(which.current(), "command", TYPED)
    with pytest.raises(SystemExit) as ended:
        entry.run(None, None)
    told = capsys.readouterr()
    assert (ended.value.code, told.out, told.err) == (2, "", f"error: {REFUSALS[command]}\n")


def test_the_command_everytick_refuses_in_the_same_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["everytick", "--ap", "shop:create"])
    with pytest.raises(SystemExit) as ended:
        entry.run(None, "everytick")
    assert (ended.value.code, capsys.readouterr().err) == (
        2,
        "error: there is no option --ap; did you mean '--app'?\n",
    )


def test_without_a_command_the_help_is_shown() -> None:
    done = CliRunner().invoke(program.app, [], prog_name=PROGRAM)
    assert "Usage: python -m app" in done.output
    assert get_command(standalone.everytick).no_args_is_help


def test_a_refusal_that_is_not_known_is_told_in_the_librarys_words() -> None:
    class Unknown(Exception):
        message = "The moon is in the way."

        def format_message(self) -> str:
            return self.message

    assert sentence(Unknown(), None) == "the moon is in the way"
