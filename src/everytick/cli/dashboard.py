"""The command that serves the dashboard by itself."""

from __future__ import annotations

from typing import Annotated

import typer

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

    from everytick.dashboard.serving import Dashboard, sign_in_link
    from everytick.dashboard.settings import dashboard_settings
    from everytick.settings import settings
    from everytick.standard_streams import unblock
    from everytick.system import HANGUP_SIGNAL, STOP_SIGNALS, system

    chosen = dashboard_settings()
    if link:
        print(sign_in_link(chosen))
        return
    unblock()
    configure_logging(settings())
    served = Dashboard(chosen)
    served.announce()
    for number in STOP_SIGNALS:
        # The server raises once more what stopped it: that is no reason to end in any other way.
        system.on_signal(number, served.stop if number == HANGUP_SIGNAL else lambda: None)
    served.serve()
