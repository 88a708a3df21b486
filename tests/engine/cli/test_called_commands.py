"""Of which commands the options are made: of the one that is called, or of all."""

from __future__ import annotations

import pytest
from everytick.cli import program
from everytick.cli.groups import called


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("jobs --wide", ["jobs"]),
        ("run-now jobs", ["run_now"]),
        ("--app shop:create_scheduler why jobs", ["why"]),
        ("--app jobs", None),
        ("jobz runs", None),
        ("--help", None),
        ("", None),
    ],
)
def test_a_command_that_is_surely_called_is_made_alone(arguments: str, names: list[str] | None) -> None:
    every = program.app.registered_commands
    found = called(every, arguments.split())
    if names is None:
        assert found == every
    else:
        assert [command.callback.__name__ for command in found if command.callback] == names
