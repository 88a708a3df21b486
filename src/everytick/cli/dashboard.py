"""The command that serves the dashboard by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .collecting import as_usual
from .output import print_aside

if TYPE_CHECKING:
    from everytick.read.known_job import Declared

commands = typer.Typer()


@commands.command()
def dashboard(
    link: Annotated[
        bool, typer.Option("--link", help="Print the address with the token, and serve nothing.")
    ] = False,
) -> None:
    """Serve the dashboard alone, until it is stopped.

    It shows the ledger, also while no scheduler is up.
    """
    from everytick.api.loading import configure_logging
    from everytick.app import current
    from everytick.errors import ConfigurationError
    from everytick.settings import made_without

    if not current().has_dashboard:
        raise ConfigurationError(made_without("dashboard"))

    from everytick.dashboard.links import NoProofError, sign_in_link, trouble_with
    from everytick.dashboard.serving import Dashboard
    from everytick.dashboard.settings import dashboard_settings
    from everytick.settings import settings
    from everytick.standard_streams import unblock
    from everytick.system import HANGUP_SIGNAL, STOP_SIGNALS, system

    chosen = dashboard_settings()
    if link:
        try:
            address = sign_in_link(chosen)
            trouble = trouble_with(address)
        except NoProofError as problem:
            print_aside(f"error: {problem}")
            raise typer.Exit(1) from None
        print(address)
        if trouble is not None:
            print_aside(f"remark: {trouble}")
        return
    as_usual()
    unblock()
    configure_logging(settings())
    served = Dashboard(chosen, _declared())
    served.announce()
    for number in STOP_SIGNALS:
        # The server raises once more what stopped it: that is no reason to end in any other way.
        system.on_signal(number, served.stop if number == HANGUP_SIGNAL else lambda: None)
    served.serve()


def _declared() -> Callable[[], Declared] | None:
    """Return what tells the declarations of the code's jobs; None if the code cannot be loaded here."""
    from everytick.api.loading import declared, load_schedule
    from everytick.errors import ConfigurationError, ScheduleError
    from loguru import logger

    try:
        return partial(declared, load_schedule())
    except (ConfigurationError, ScheduleError) as problem:
        logger.warning("dashboard: it cannot show the options of the jobs in the code: {}", problem)
        return None
