"""Commands that act: each leaves a request in the ledger, which a running scheduler obeys within a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.output import AsJson, JobId, RunId, moment, print_json

if TYPE_CHECKING:
    from app.components.scheduler.runtime.ledger.database import Ledger

commands = typer.Typer()


@commands.command()
def pause(
    job_id: JobId,
    note: Annotated[str | None, typer.Option(help="Why, for others.")] = None,
    until: Annotated[str | None, typer.Option(help="When it ends by itself (default never).")] = None,
) -> None:
    """Pause a job until it is resumed, over restarts too. A running scheduler obeys at its next tick."""
    from app.components.scheduler.runtime.client import SchedulerClient

    client = SchedulerClient()
    end = None if until is None else moment("--until", until)
    changed = client.pause_job(job_id, note=note, until=end)
    print(f"{job_id} is paused" if changed else f"{job_id} was paused already")


@commands.command()
def resume(
    job_id: JobId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Scripts are never asked.")] = False,
) -> None:
    """Resume a paused job. What fell into the pause is recorded, and not caught up."""
    import sys

    from app.components.scheduler.runtime.client import SchedulerClient

    client = SchedulerClient()
    sentence = _what_resuming_does(job_id)
    if sentence:
        print(sentence, file=sys.stderr)
    if sentence and not yes and sys.stdin.isatty() and not typer.confirm("Resume it?"):
        print(f"{job_id} stays paused")
        raise typer.Exit(1)
    changed = client.resume_job(job_id)
    print(f"{job_id} is resumed" if changed else f"{job_id} was not paused")


@commands.command()
def remove(job_id: JobId) -> None:
    """Remove a job that was added while running. What is in the schedule's code is removed there."""
    from app.components.scheduler.runtime.client import SchedulerClient

    SchedulerClient().remove_job(job_id)
    print(f"{job_id} is removed")


@commands.command()
def run_now(
    job_id: JobId,
    tick: Annotated[str | None, typer.Option(help="The tick that the run stands in for.")] = None,
    note: Annotated[str | None, typer.Option(help="Why, for others.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended; 1 if it failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a job now, beside its schedule. The run is on record like any other."""
    from app.components.scheduler.runtime.client import SchedulerClient

    client = SchedulerClient()
    run_id = client.run_job_now(job_id, tick=None if tick is None else moment("--tick", tick), note=note)
    _begun(run_id, f"run {run_id} of {job_id} begins", wait, as_json)


@commands.command()
def retry(
    run_id: RunId,
    note: Annotated[str | None, typer.Option(help="Why, for others.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended; 1 if it failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a run that failed, or was cut off, one more attempt."""
    from app.components.scheduler.runtime.client import SchedulerClient

    SchedulerClient().retry_run(run_id, note=note)
    _begun(run_id, f"run {run_id} begins one more attempt", wait, as_json)


@commands.command()
def cancel(run_id: RunId, note: Annotated[str | None, typer.Option(help="Why, for others.")] = None) -> None:
    """Cancel a run. A plain function cannot be stopped: it is told, and may end by itself."""
    from app.components.scheduler.runtime.client import SchedulerClient

    done = SchedulerClient().cancel_run(run_id, note=note)
    print(f"run {run_id} is cancelled" if done else f"run {run_id} was asked to end")


@commands.command()
def migrate() -> None:
    """Upgrade the ledger to this version. A start does it too; this is for deploys and updates."""
    from app.components.scheduler.runtime.ledger.database import Ledger
    from app.components.scheduler.runtime.ledger.upgrading import migrate as upgrade
    from app.components.scheduler.runtime.settings import settings

    print(upgrade(Ledger(settings().database_url)))


def _begun(run_id: int, sentence: str, wait: bool, as_json: bool) -> None:
    from app.components.scheduler.runtime.ledger.database import Ledger
    from app.components.scheduler.runtime.reading import run_row, someone_is_up
    from app.components.scheduler.runtime.settings import settings

    ledger = Ledger(settings().database_url)
    if not someone_is_up(ledger):
        sentence += " when a scheduler is started: none is up"
    if not as_json:
        print(sentence)
    row = _ended(ledger, run_id) if wait else run_row(ledger, run_id)
    if as_json:
        print_json(row)
    elif wait:
        print(f"run {run_id} {row['state']}" + (f": {row['error']}" if row["error"] else ""))
    if wait and row["state"] != "succeeded":
        raise typer.Exit(1)


def _ended(ledger: Ledger, run_id: int) -> dict[str, Any]:
    """Return a run's row as soon as it is over."""
    import time

    from app.components.scheduler.runtime.reading import run_row

    while True:
        row = run_row(ledger, run_id)
        if row["finished_at"] is not None and row["state"] != "retrying":
            return row
        time.sleep(0.2)


def _what_resuming_does(job_id: str) -> str:
    from app.components.scheduler.runtime import ticks
    from app.components.scheduler.runtime.ledger.database import Ledger
    from app.components.scheduler.runtime.reading.resuming import preview
    from app.components.scheduler.runtime.settings import settings

    found = preview(Ledger(settings().database_url), job_id)
    if found is None:
        return ""
    zone = settings().zone
    number = "many ticks" if found.ticks is None else f"{found.ticks} tick(s)"
    following = (
        "none is to come" if found.next_tick is None else f"next {ticks.moment(found.next_tick, zone)}"
    )
    return (
        f"{job_id} is paused since {ticks.moment(found.since, zone):%Y-%m-%d %H:%M:%S %Z}: {number} fell into"
        f" the pause, which are recorded as skipped and not made up; {following}"
    )
