"""How the help lists the commands, by what they are for, and their options, in words that people know."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo

from .refusals import check_quotes, in_a_sentence

# In the order of the help.
GROUPS = {
    "Run": ("run", "dashboard"),
    "Look": ("jobs", "runs", "show", "logs", "plan", "audit"),
    "Ask": ("troubles", "why", "doctor", "diff", "simulate"),
    "Act": ("run-now", "backfill", "retry", "cancel", "pause", "resume", "remove"),
    "Operate": ("health", "metrics", "alert-test", "migrate", "migrate-ledger", "outdated", "update"),
}


class Group(TyperGroup):
    """All commands; the help names no types of Python, and refusals are sentences."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options."""
        return _without_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options that stand before the command; raise ConfigurationError where one is wrong."""
        with in_a_sentence(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; raise ConfigurationError if there is none of that name."""
        with in_a_sentence(ctx):
            return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        _keep_plain()
        super().format_help(ctx, formatter)


class Command(TyperCommand):
    """One command; the help names no types of Python, and refusals are sentences."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options."""
        return _without_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments and options; raise ConfigurationError where one is wrong."""
        check_quotes(args, ctx)
        with in_a_sentence(ctx):
            return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        _keep_plain()
        super().format_help(ctx, formatter)


def _keep_plain() -> None:
    """Let the help have no bold and dim text with NO_COLOR: Rich would leave out the colours alone."""
    if os.environ.get("NO_COLOR"):
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None


def _without_types(parameters: list[Any]) -> list[Any]:
    """Let Typer name what an option takes (`TIME`), where it would add `<bool>`, `<str>`, `1<=x<=1000000`.

    Versions of Typer that do not ask for these texts here are not disturbed.
    """
    for parameter in parameters:
        is_option = parameter.param_type_name == "option"
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        named = parameter.metavar if is_option else ""
        if named is not None:
            parameter.display_type_rich = partial(_text, named)
            parameter._get_number_range_help_str = partial(_text, "")
    return parameters


def _text(text: str, ctx: Any = None) -> str:
    return text


def grouped(commands: Iterable[CommandInfo]) -> list[CommandInfo]:
    """Return commands in the order of the help, each with its group."""
    by_name = {_name(command): command for command in commands}
    found = []
    for group, names in GROUPS.items():
        for name in names:
            command = by_name.pop(name)
            command.cls, command.rich_help_panel = Command, group
            found.append(command)
    assert not by_name, f"each command is in a group: {', '.join(by_name)}"
    return found


def called(commands: list[CommandInfo], arguments: Sequence[str]) -> list[CommandInfo]:
    """Return the one command that is surely called; all of them where it may be another, or none.

    Typer makes the options of all commands that it is given, which takes as long as a query or two.
    """
    rest = arguments[2:] if arguments[:1] == ["--app"] else arguments
    return [command for command in commands if [_name(command)] == rest[:1]] or commands


def _name(command: CommandInfo) -> str:
    assert command.callback is not None
    return command.name or command.callback.__name__.replace("_", "-")
