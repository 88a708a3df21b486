"""Commands about alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from everytick.notify.channels import Channel
    from everytick.notify.messages import Message

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
        reason = _send(channel, trial_message(name, page))
        failed += reason is not None
        print(f"{channel.name}: {'taken' if reason is None else f'not taken: {visible(reason)}'}")
    if failed:
        raise typer.Exit(1)


def _send(channel: Channel, message: Message) -> str | None:
    """Return None if a channel takes a message in time, else why not."""
    from everytick.system import system
    from everytick.text.durations import exact_seconds

    answers: list[str | None] = []
    # A thread, as a service may keep the line open without ever answering.
    sending = system.start_thread(lambda: answers.append(channel.send(message)), name="alert-test")
    sending.join(_PATIENCE_SECONDS)
    return answers[0] if answers else f"no answer within {exact_seconds(_PATIENCE_SECONDS)}"
