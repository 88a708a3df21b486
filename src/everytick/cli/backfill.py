"""The command about backfills: it asks for one, stops it, lets it go on, and shows how far each is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from everytick.app import typed

from . import completion
from .arguments import AsJson, Limit, Note, Yes, moment, number_from
from .colours import ID, TIME
from .output import print_aside, print_json, print_text
from .table import Column, print_sentence, print_table

if TYPE_CHECKING:
    from datetime import datetime

    from everytick.api.backfills import BackfillPreview
    from everytick.api.client import SchedulerClient
    from everytick.read.schemas import Backfill
    from everytick.store.database import Ledger

commands = typer.Typer()

# As `SchedulerClient.backfill_job` takes them, which is not loaded for the help.
_MOST_RATE, _MOST_INSTANCES = 6_000, 100


@commands.command()
def backfill(
    job_id: Annotated[
        str | None,
        typer.Argument(help="The id of the job.", autocompletion=completion.job_ids, metavar="JOB"),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="The first time: 2h (ago), yesterday 02:30, or a date."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The last time, included (default now).")
    ] = None,
    only_missed: Annotated[
        bool, typer.Option("--only-missed", help="Only ticks on record that did not succeed.")
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(
            parser=number_from("--rate", 1, _MOST_RATE),
            metavar="N",
            help="At most so many runs begin in a minute (default as many as can).",
        ),
    ] = None,
    max_instances: Annotated[
        int | None,
        typer.Option(
            parser=number_from("--max-instances", 1, _MOST_INSTANCES),
            metavar="N",
            help="So many of its runs may be under way at once (default 1).",
        ),
    ] = None,
    list_them: Annotated[
        bool, typer.Option("--list", help="Instead: show the backfills, as without a JOB.")
    ] = False,
    stop: Annotated[
        int | None,
        typer.Option(
            parser=number_from("--stop", 1, 2**62),
            metavar="NUMBER",
            help="Instead: let a backfill make no more runs.",
            autocompletion=completion.backfills_that_go_on,
        ),
    ] = None,
    go_on: Annotated[
        int | None,
        typer.Option(
            "--continue",
            parser=number_from("--continue", 1, 2**62),
            metavar="NUMBER",
            help="Instead: let one go on that was stopped.",
            autocompletion=completion.stopped_backfills,
        ),
    ] = None,
    limit: Limit = None,
    note: Note = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Run a job for its past ticks, or show how far that is.

    Each tick gets one run, the oldest first, beside the schedule. A preview is shown first.
    """
    from everytick.api.client import SchedulerClient
    from everytick.errors import ConfigurationError

    client = SchedulerClient()
    if (stop is not None) + (go_on is not None) + (start is not None) + list_them > 1:
        raise ConfigurationError("give one of --from, --list, --stop and --continue")
    for_one = {
        "--to": end,
        "--only-missed": only_missed or None,
        "--rate": rate,
        "--max-instances": max_instances,
    }
    if stop is not None or go_on is not None:
        _refuse({**for_one, "--limit": limit}, "--stop and --continue")
        if job_id is not None:
            raise ConfigurationError("--stop and --continue take the number of a backfill: leave the job out")
        _change(client, stop, go_on, note, as_json)
    elif list_them or (job_id is None and start is None):
        _refuse({**for_one, "--note": note}, "the list of backfills")
        _show(client, limit or 20, job_id, as_json)
    elif job_id is None:
        raise ConfigurationError("say which job is to run for its past ticks: backfill JOB --from TIME")
    elif start is None:
        raise ConfigurationError("say from when: --from TIME, or --list to see the backfills of the job")
    else:
        _refuse({"--limit": limit}, "a backfill that begins")
        zone, at_once = client.timezone, max_instances or 1
        span = moment("--from", start, zone), None if end is None else moment("--to", end, zone)
        found = client.preview_backfill(job_id, *span, only_missed=only_missed)
        if found.count and not _is_wanted(found, rate, at_once, yes):
            print_text("nothing was changed")
            raise typer.Exit(1)
        # What was shown, though ticks have come since.
        number = client.backfill_job(
            job_id,
            found.start,
            found.end,
            only_missed=only_missed,
            rate=rate,
            max_instances=at_once,
            schedule=found.schedule,
            note=note,
        )
        _begun(client.ledger, number, as_json)


def _refuse(given: Mapping[str, object], beside: str) -> None:
    """Refuse an option that would have no effect; None stands for one that was not given."""
    from everytick.errors import ConfigurationError

    for option, value in given.items():
        if value is not None:
            right = "leave it out" if option == "--limit" else "it goes with backfill JOB --from TIME"
            raise ConfigurationError(f"{option} has no effect beside {beside}: {right}")


def _is_wanted(found: BackfillPreview, rate: int | None, max_instances: int, yes: bool) -> bool:
    from everytick.text.durations import duration_of_seconds
    from everytick.text.wording import counted

    from . import bulk

    first, last = (_shown(it) for it in (found.first, found.last))
    between = first if found.count == 1 else f"from {first} to {last}"
    print_aside(f"{found.job_id}: {counted(found.count, 'tick')}, {between}")
    how = "one run after another" if max_instances == 1 else f"up to {max_instances} runs at once"
    print_aside(f"each gets a run, beside the schedule; {how}")
    if rate is not None:
        least = duration_of_seconds((found.count - 1) * 60 / rate)
        print_aside(f"at most {rate:,} of them begin in a minute, so it takes {least} at least")
    return bulk.is_wanted(f"Backfill {found.job_id} with {counted(found.count, 'run')}?", yes)


def _shown(moment: datetime | None) -> str:
    from everytick.model import ticks
    from everytick.text.instants import when

    assert moment is not None
    assert moment.tzinfo is not None
    return when(ticks.instant(moment), moment.tzinfo)


def _begun(ledger: Ledger, number: int, as_json: bool) -> None:
    """Say that a backfill begins, or what it waits for."""
    from everytick.read.backfills import backfill_row, waits
    from everytick.read.processes import someone_is_up
    from everytick.text.wording import counted

    from .requests import nobody_up

    row = backfill_row(ledger, number)
    if as_json:
        print_json(row)
        return
    sentence = f"backfill {number} of {row['job_id']} begins: {counted(row['ticks'], 'run')}"
    if why := waits(row):
        sentence = f"backfill {number} {why}"
    elif not someone_is_up(ledger):
        sentence += f" when a scheduler is started; {nobody_up(ledger)}"
    print_sentence(sentence)
    print_aside(f"to stop it: {typed('backfill')} --stop {number}")


def _change(
    client: SchedulerClient, stop: int | None, go_on: int | None, note: str | None, as_json: bool
) -> None:
    from everytick.read.backfills import backfill_row

    if stop is not None:
        number, changed = stop, client.stop_backfill(stop, note=note)
    else:
        assert go_on is not None
        number, changed = go_on, client.continue_backfill(go_on, note=note)
    row = backfill_row(client.ledger, number)
    if as_json:
        print_json(row)
    elif not changed:
        was = "goes on already" if row["state"] == "running" else f"was {row['state']} already"
        print_sentence(f"backfill {number} {was}")
    elif stop is not None:
        print_sentence(
            f"backfill {number} of {row['job_id']} is stopped, with {_progress(row)} runs made; what is under"
            " way goes on"
        )
    else:
        print_sentence(f"backfill {number} of {row['job_id']} goes on, with {_progress(row)} runs made")


def _show(client: SchedulerClient, number: int, job_id: str | None, as_json: bool) -> None:
    from everytick.read.backfills import backfill_rows
    from everytick.text.instants import local

    from . import listed
    from .output import remark_on_ledger

    # One more than is shown: it tells whether there are more.
    rows = backfill_rows(client.ledger, number + 1, job_id)
    remark_on_ledger()
    if as_json:
        print_json(rows[:number])
        return
    if not rows:
        print_text("none")
        return
    zone = client.timezone
    print_table(
        f"{listed.newest(rows, number, 'backfill')}, times in {zone}",
        [
            Column("number", is_whole=True, style=ID),
            Column("job", is_id=True),
            Column("state", is_whole=True),
            Column("made", is_whole=True),
            Column("runs", least=16),
            Column("from", is_whole=True, left_out=2, style=TIME),
            Column("to", is_whole=True, left_out=2, style=TIME),
            Column("asked", is_whole=True, left_out=1, style=TIME),
            Column("who", left_out=3),
            Column("note", left_out=4),
        ],
        [
            [
                str(row["backfill_id"]),
                row["job_id"],
                _state(row),
                _progress(row),
                ", ".join(f"{count:,} {state}" for state, count in row["runs"].items()),
                local(row["from"], zone),
                local(row["to"], zone),
                local(row["asked_at"], zone),
                row["asked_by"],
                row["note"] or "",
            ]
            for row in rows[:number]
        ],
    )
    for row in rows[:number]:
        if row["why"]:
            print_sentence(f"backfill {row['backfill_id']} was stopped: {row['why']}")


def _state(row: Backfill) -> str:
    from everytick.read.backfills import obstacle

    why = obstacle(row).removeprefix("is ")
    return f"waits: job {why}" if why else row["state"]


def _progress(row: Backfill) -> str:
    return f"{row['made']:,} of {row['ticks']:,}"
