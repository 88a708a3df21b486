"""Commands for supervisors and monitoring, which probe the application."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .arguments import AsJson
from .output import print_json, visible
from .table import print_sentence

commands = typer.Typer()

_STYLES = {"ready": "green", "not ready": "red", "remark": "yellow"}


@commands.command()
def health(
    here: Annotated[
        bool,
        typer.Option(
            "--here", help="Judge this machine's own process, or this container's, not the whole schedule."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether the schedule is alive.

    The exit code is 1 if it is not.
    """
    from everytick.ledger import open_ledger
    from everytick.telemetry.health import check, check_here
    from everytick.text.durations import duration_of_seconds
    from everytick.text.wording import counted

    health = (check_here if here else check)(open_ledger())
    if as_json:
        print_json(health.as_data())
    else:
        age = None if health.heartbeat_age is None else duration_of_seconds(round(health.heartbeat_age))
        if health.ready and age is None:
            _say("ready", ", as far as can be told without the ledger")
        elif health.ready and here:
            _say("ready", f": this machine's newest heartbeat was {age} ago")
        elif health.ready:
            _say("ready", f": {counted(health.schedulers, 'scheduler')} up, heartbeat {age} ago")
        for problem in health.problems:
            _say("not ready", f": {problem.sentence}")
        for remark in health.remarks:
            _say("remark", f": {remark.sentence}")
    raise typer.Exit(0 if health.ready else 1)


def _say(word: str, rest: str) -> None:
    if sys.stdout.isatty():
        print_sentence(word + rest, label=len(word), style=_STYLES[word], indent=2)
    else:
        # A probe is called every few seconds: it is not to load Rich for a line without colours.
        print(visible(word + rest))


@commands.command()
def metrics(
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file to put in place at once, for node_exporter.")
    ] = None,
) -> None:
    """Print the metrics for Prometheus, once.

    Counters are what the ledger holds.
    """
    from everytick.errors import ConfigurationError, LedgerError
    from everytick.ledger import open_ledger
    from everytick.store.file_owners import refuse_link
    from everytick.telemetry.metrics import Metrics

    if output is not None and (not output or Path(output).is_dir()):
        raise ConfigurationError(f"--output {output!r} names no file")
    text = Metrics(open_ledger(), history=True).exposition().decode()
    if output is None:
        print(text, end="")
        return
    refuse_link(Path(output), output)
    try:
        _write(text, Path(output))
    except OSError as problem:
        raise LedgerError(f"{output} cannot be written: {problem.strerror}") from None


def _write(text: str, target: Path) -> None:
    """Put a file in place as a whole, since node_exporter may read it at any moment."""
    if target.exists() and not target.is_file():
        # A device, such as /dev/stdout, stays one.
        target.write_text(text, encoding="utf-8")
        return
    target = target.resolve()
    beside = target.with_name(f".{target.name}.new")
    # One that is there may be a link of somebody who may write here as well.
    beside.unlink(missing_ok=True)
    with beside.open("x", encoding="utf-8") as file:
        file.write(text)
    beside.replace(target)
