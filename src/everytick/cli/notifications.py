"""Commands about alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    pass

commands = typer.Typer()

_PATIENCE_SECONDS = 60.0


@commands.command()
def alert_test() -> None:
    """Send a test message to all addresses of alerts.

    Those of SCHEDULER_ALERT_URLS; the exit code is 1 if one did not take it.
    """
    from everytick import app
    from everytick.errors import ConfigurationError
    from everytick.notify.channels import load
    from everytick.notify.messages import Page, trial_message
    from everytick.settings import settings

    from .output import visible

    name = app.current().name
    channels, page = load(settings(), name), Page(settings().scheduler_dashboard_url)
    if not channels:
        raise ConfigurationError("SCHEDULER_ALERT_URLS is empty: alerts would go nowhere")
    failed = 0
    for channel in channels:
        reason = channel.send(trial_message(name, page))
        failed += reason is not None
        print(f"{channel.name}: {'taken' if reason is None else f'not taken: {visible(reason)}'}")
    if failed:
        raise typer.Exit(1)
