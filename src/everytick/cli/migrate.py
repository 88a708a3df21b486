"""The commands that upgrade a ledger, and that take it to another place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from everytick.app import typed

from .arguments import AsJson
from .output import print_json, visible
from .table import print_table

if TYPE_CHECKING:
    from everytick.store.copying import Measure
    from everytick.store.database import Ledger

commands = typer.Typer()


@commands.command()
def migrate(
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over a ledger, after the application was renamed.")
    ] = False,
) -> None:
    """Upgrade the ledger to this version.

    A start does it too; this is for deploys and updates.
    """
    from everytick.api.requests import person
    from everytick.ledger import open_ledger
    from everytick.store import upgrading

    ledger = open_ledger()
    print(visible(upgrading.adopt(ledger, person()) if adopt else upgrading.migrate(ledger)))


@commands.command()
def migrate_ledger(
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="The new place, as in SCHEDULER_DATABASE_URL.")
    ] = None,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Use the old ledger again, also after a move that stopped half way."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move the ledger to an empty place.

    From SQLite to PostgreSQL, or back. Stop the application before.

    If it is interrupted, the same command goes on with it.
    """
    from everytick.api.requests import person
    from everytick.errors import ConfigurationError
    from everytick.ledger import open_ledger

    if undo == (to is not None):
        raise ConfigurationError("give --to URL, the place to move the ledger to, or --undo")
    ledger = open_ledger()
    if to is not None:
        _move(ledger, to, person(), as_json)
        return
    from everytick.store import transfer

    sentence = transfer.undo(ledger, person())
    if as_json:
        print_json({"ledger": str(ledger), "undone": sentence})
    else:
        print(visible(sentence))


def _move(source: Ledger, to: str, who: str, as_json: bool) -> None:
    from everytick.errors import ConfigurationError, LedgerError
    from everytick.store import database, opening, transfer

    from .progress import Progress

    try:
        target = opening.ledger_at(to, root=source.root, application=source.application)
    except ConfigurationError as problem:
        raise ConfigurationError(str(problem).replace(database.VARIABLE, "--to")) from None
    try:
        with Progress(f"moving the ledger to {target}") as progress:
            found = transfer.move(source, target, who, progress.at)
    except LedgerError as problem:
        advice = f"or set {database.VARIABLE} to another place"
        if target.place not in str(problem) or advice not in str(problem):
            raise
        # The target is at fault: the rows that were copied stay there, so the same command goes on.
        raise LedgerError(str(problem).replace(advice, "then the same command goes on")) from None
    except KeyboardInterrupt:
        raise LedgerError(
            "interrupted: the same command goes on where it stopped; until then the ledger stays closed, or"
            f" until `{typed('migrate-ledger --undo')}`"
        ) from None
    following = [
        f"set {database.VARIABLE} to the URL that you gave with --to, wherever the application runs",
        f"start it: {typed('run')}",
        f"see that all is well: {typed('doctor')}",
    ]
    if target.is_on_server:
        following.append("see to its backup: pg_dump; the sample job weekly_backup copies files only")
    if as_json:
        tables = [{"table": name, **vars(measure)} for name, measure in found.items()]
        print_json({"from": str(source), "to": str(target), "tables": tables, "next": following})
        return
    _print(source, target, found)
    for number, step in enumerate(following, start=1):
        print(f"{number}. {step}")


def _print(source: Ledger, target: Ledger, found: dict[str, Measure]) -> None:
    rows = [
        [name, str(one.rows), "-" if one.highest is None else str(one.highest), str(one.total)]
        for name, one in found.items()
    ]
    columns = ["table", "rows", "highest number", "sum over all numbers"]
    print(f"moved from {source} to {target}; alike in both:")
    print_table("", columns, rows)
    print(f"the old ledger ({source}) stays as it is, and is closed: no scheduler starts with it.")
