"""The commands, put together.

Each command imports its modules when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from . import (
    backfill,
    control,
    dashboard,
    explain,
    logs,
    migrate,
    notifications,
    plan,
    probes,
    requests,
    show,
    simulate,
    troubles,
    update,
)
from .collecting import as_usual
from .groups import Group, grouped

if TYPE_CHECKING:
    from everytick.api.scheduler import AsyncIOScheduler

# They go on where an update was taken and not installed yet; all others say so.
_OF_AN_UPDATE = ("update", "outdated")

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from everytick.app import current

        print(current().versions())
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the versions."),
    ] = False,
) -> None:
    """Run the schedule and look at what became of it."""
    if not is_for_help():
        check_engine(context.invoked_subcommand)


def is_for_help() -> bool:
    """Return whether a command was called for its own help, which needs no application that works."""
    return "--help" in sys.argv


def check_engine(command: str | None) -> None:
    """Refuse a command where the engine is not the one which the application names."""
    from everytick.app import current
    from everytick.installed import check

    if command not in _OF_AN_UPDATE:
        check(current().root, of_the_template=current().is_of_the_template)


@app.command()
def run(
    role: Annotated[
        str | None,
        typer.Option(
            metavar="all|scheduler|worker",
            help="The role of this process: claim ticks, run them, or both (SCHEDULER_ROLE).",
        ),
    ] = None,
    queues: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Only take runs of these queues (SCHEDULER_QUEUES)."),
    ] = None,
) -> None:
    """Run the scheduler until it is stopped.

    Ctrl-C, SIGTERM or SIGHUP stop it.
    """
    from everytick.api.loading import configure_logging, load_schedule
    from everytick.errors import ConfigurationError, nearest
    from everytick.model.roles import ROLES
    from everytick.settings import settings
    from everytick.standard_streams import unblock

    unblock()
    if role is not None and role not in ROLES:
        raise ConfigurationError(f"--role {role!r} is none of {', '.join(ROLES)}{nearest(role, ROLES)}")
    if queues is not None and not queues.strip(" ,"):
        raise ConfigurationError("--queues names no queue: leave the option out to serve all of them")
    for name, given in (("SCHEDULER_ROLE", role), ("SCHEDULER_QUEUES", queues)):
        if given is not None:
            os.environ[name] = given
    chosen = settings()
    configure_logging(chosen)
    scheduler = load_schedule()

    from everytick.api.service import run_until_stopped

    as_usual()
    # Workers have no page: of many on one machine only one could have its address.
    beside = _dashboard(scheduler) if chosen.role.claims else nullcontext
    raise typer.Exit(run_until_stopped(scheduler, beside))


def _dashboard(scheduler: AsyncIOScheduler) -> Callable[[], AbstractContextManager[None]]:
    """Return the context in which the dashboard is served, if the application has one."""
    from everytick.app import current

    if not current().has_dashboard:
        return nullcontext
    from everytick.api.loading import declared
    from everytick.dashboard import serving
    from everytick.dashboard.settings import dashboard_settings

    # A setting that is wrong is told before anything starts.
    dashboard_settings()
    return partial(serving.beside, partial(declared, scheduler))


_MODULES = (
    *(show, plan, logs, control, requests, backfill, troubles, explain, simulate),
    *(probes, notifications, migrate, dashboard, update),
)
app.registered_commands = grouped(
    [*app.registered_commands, *(command for it in _MODULES for command in it.commands.registered_commands)]
)
