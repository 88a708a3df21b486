"""The command `everytick`: the commands of `program`, for an application that it finds by itself."""

from __future__ import annotations

from typing import Annotated

import typer
from everytick import app as which
from everytick.errors import ConfigurationError

from .groups import Group
from .program import app as commands
from .program import check_engine, is_for_help

everytick = typer.Typer(cls=Group, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
everytick.registered_commands = commands.registered_commands


def _show_version(wanted: bool) -> None:
    if wanted:
        print(which.current().versions())
        raise typer.Exit


def _find(reference: str | None) -> None:
    # Before everything else, so that `--version` and the completion of job ids know it too.
    which.register(which.find(reference, command=True))


@everytick.callback()
def options(
    context: typer.Context,
    application: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE:FUNCTION",
            callback=_find,
            is_eager=True,
            help="The function that makes the schedule, such as shop.jobs:create_scheduler"
            " (EVERYTICK_APP, or `app` in the table tool.everytick of pyproject.toml).",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, help="Show the versions.")
    ] = False,
) -> None:
    """Run the schedule and look at what became of it."""
    if is_for_help():
        return
    if which.current().schedule is None:
        raise ConfigurationError(which.not_named())
    check_engine(context.invoked_subcommand)
