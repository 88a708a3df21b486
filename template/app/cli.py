"""The commands of `python -m app`.

What a command needs is imported when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from app.commands import explaining, moving, outside, showing, simulating, steering, telling

# The exit code after Ctrl+C, as shells have it.
_INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def main(program: str | None = None) -> None:
    """Run a command. Exit code 2: wrong usage, settings or schedule; 1: it failed."""
    from app.components.scheduler.runtime.errors import ConfigurationError, LedgerError

    try:
        app(prog_name=program)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            print("interrupted", file=sys.stderr)
        raise
    except ConfigurationError as problem:
        _stop(problem, 2)
    except LedgerError as problem:
        _stop(problem, 1)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _show_version(wanted: bool) -> None:
    if wanted:
        from app.components.scheduler.runtime.loading import versions

        print(versions())
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the versions."),
    ] = False,
) -> None:
    """Run the schedule and look at what became of it."""


@app.command()
def run(
    role: Annotated[
        str | None,
        typer.Option(
            metavar="all|scheduler|worker",
            help="What this process does: claim ticks, run them, or both (SCHEDULER_ROLE).",
        ),
    ] = None,
    queues: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Only take runs of these queues (SCHEDULER_QUEUES)."),
    ] = None,
) -> None:
    """Run the scheduler until it is stopped (Ctrl-C or SIGTERM)."""
    from app.components.scheduler.runtime.errors import ConfigurationError, nearest
    from app.components.scheduler.runtime.loading import load_schedule
    from app.components.scheduler.runtime.roles import ROLES
    from app.components.scheduler.runtime.settings import settings
    from app.core.log import configure_logging

    if role is not None and role not in ROLES:
        raise ConfigurationError(f"--role {role!r} is none of {', '.join(ROLES)}{nearest(role, ROLES)}")
    if queues is not None and not queues.strip(" ,"):
        raise ConfigurationError("--queues names no queue: leave the option out to serve all of them")
    for name, given in (("SCHEDULER_ROLE", role), ("SCHEDULER_QUEUES", queues)):
        if given is not None:
            os.environ[name] = given
    chosen = settings()
    configure_logging(chosen.log_level, chosen.log_format)
    scheduler = load_schedule()

    from app.components.scheduler.runtime.service import run_until_stopped

    # Workers have no page: of many on one machine only one could have its address.
    beside = _dashboard() if chosen.role.claims else nullcontext
    raise typer.Exit(run_until_stopped(scheduler, beside))


def _dashboard() -> Callable[[], AbstractContextManager[None]]:
    """Return what serves the dashboard beside the schedule, if the application has one."""
    if not _is_there("app.components.dashboard.serving"):
        return nullcontext
    serving = import_module("app.components.dashboard.serving")
    # A setting that is wrong is told before anything starts.
    serving.dashboard_settings()
    beside: Callable[[], AbstractContextManager[None]] = serving.beside
    return beside


def _is_there(module: str) -> bool:
    """Tell whether the application was made with a part."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


for _module in (showing, steering, explaining, simulating, outside, telling, moving):
    app.add_typer(_module.commands)
# Parts that an application may be made without.
for _name in ("dashboard",):
    if _is_there(f"app.commands.{_name}"):
        app.add_typer(import_module(f"app.commands.{_name}").commands)


def _stop(problem: Exception, code: int) -> None:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(code)
