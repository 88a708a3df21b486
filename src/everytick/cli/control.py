"""Commands that act: each leaves a request in the ledger, which a running scheduler obeys within a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from everytick.app import typed

from .output import AsJson, JobId, Note, RunId, moment, print_aside, print_json, print_text, visible

if TYPE_CHECKING:
    from everytick.read.schemas import RunRow
    from everytick.store.database import Ledger

commands = typer.Typer()

Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; 1 unless it succeeded.")]

_POLL_SECONDS = 0.2
# A scheduler that is restarted while a command waits is back by then.
_GIVE_UP_SECONDS = 15.0


@commands.command()
def pause(
    job_id: JobId,
    note: Note = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="When it ends by itself; without an offset in the scheduler's zone (default never)."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pause a job until it is resumed, over restarts too. A running scheduler obeys at its next tick."""
    from everytick.api.client import SchedulerClient

    client = SchedulerClient()
    end = None if until is None else moment("--until", until)
    changed = client.pause_job(job_id, note=note, until=end)
    _done(job_id, changed, f"{job_id} is paused" if changed else f"{job_id} was paused already", as_json)


@commands.command()
def resume(
    job_id: JobId,
    note: Note = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Scripts are never asked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Resume a paused job. Its ticks during the pause are recorded as skipped, and do not run later."""
    import sys

    from everytick.api.client import SchedulerClient

    client = SchedulerClient()
    sentence = _preview_of_resuming(job_id)
    if sentence:
        print_aside(sentence)
    if sentence and not yes and sys.stdin.isatty() and not typer.confirm("Resume it?", err=True):
        _done(job_id, False, f"{job_id} stays paused", as_json)
        raise typer.Exit(1)
    changed = client.resume_job(job_id, note=note)
    _done(job_id, changed, f"{job_id} is resumed" if changed else f"{job_id} was not paused", as_json)


@commands.command()
def remove(job_id: JobId, note: Note = None, as_json: AsJson = False) -> None:
    """Remove a job that was added while running. What is in the schedule's code is removed there."""
    from everytick.api.client import SchedulerClient

    SchedulerClient().remove_job(job_id, note=note)
    _done(job_id, True, f"{job_id} is removed", as_json)


@commands.command()
def run_now(
    job_id: JobId,
    tick: Annotated[
        str | None,
        typer.Option(
            help="The past tick that the run stands in for; without an offset in the scheduler's zone."
        ),
    ] = None,
    note: Note = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Run a job now, beside its schedule. The run is on record like any other."""
    from everytick.api.client import SchedulerClient

    client = SchedulerClient()
    run_id = client.run_job_now(job_id, tick=None if tick is None else moment("--tick", tick), note=note)
    sentence = f"run {run_id} of {job_id} begins"
    _asked(run_id, sentence, sentence, wait=wait, as_json=as_json)


@commands.command()
def retry(
    run_id: RunId,
    note: Note = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Give a run that failed, or was cut off, one more attempt."""
    from everytick.api.client import SchedulerClient

    SchedulerClient().retry_run(run_id, note=note)
    sentence = f"run {run_id} begins one more attempt"
    _asked(run_id, sentence, sentence, wait=wait, as_json=as_json)


@commands.command()
def cancel(
    run_id: RunId,
    note: Note = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it has ended; 1 unless it was cancelled.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Cancel a run. A plain function cannot be stopped: it is told, and may end by itself."""
    from everytick.api.client import SchedulerClient

    if SchedulerClient().cancel_run(run_id, note=note):
        _over(run_id, f"run {run_id} is cancelled", as_json)
    else:
        sentence, later = f"run {run_id} was asked to end", f"run {run_id} ends"
        _asked(run_id, sentence, later, wait=wait, as_json=as_json, wanted="cancelled")


def _done(job_id: str, changed: bool, sentence: str, as_json: bool) -> None:
    """Say what became of a job."""
    if as_json:
        print_json({"job_id": job_id, "changed": changed})
    else:
        print_text(sentence)


def _over(run_id: int, sentence: str, as_json: bool) -> None:
    """Say what became of a run that is over already."""
    from everytick.read.runs import run_row

    if as_json:
        print_json(run_row(_ledger(), run_id))
    else:
        print(sentence)


def _asked(
    run_id: int,
    sentence: str,
    later: str,
    *,
    wait: bool,
    as_json: bool,
    wanted: str = "succeeded",
) -> None:
    """Say what a running scheduler does now, or one that is started `later`; wait for the end of the run.

    Exits with 1 if it was to be waited for, and the run did not end in the state that is `wanted`.
    """
    from everytick.read.processes import someone_is_up
    from everytick.read.resuming import paused_job
    from everytick.read.runs import run_row

    ledger = _ledger()
    is_up, paused = someone_is_up(ledger), paused_job(ledger, run_id)
    if not as_json and paused is not None:
        print_text(f"run {run_id} waits until the job {paused} is resumed")
    elif not as_json:
        print_text(sentence if is_up else f"{later} when a scheduler is started: none is up")
    row = _ended(ledger, run_id) if wait and is_up else run_row(ledger, run_id)
    if as_json:
        print_json(row)
    elif wait and _is_over(row):
        print_text(f"run {run_id} {row['state']}" + (f": {row['error']}" if row["error"] else ""))
    if wait and not _is_over(row):
        print_aside(visible(_why_not_waited_for(ledger, run_id)))
    if wait and row["state"] != wanted:
        raise typer.Exit(1)


def _why_not_waited_for(ledger: Ledger, run_id: int) -> str:
    import shlex

    from everytick.read.resuming import paused_job

    not_waited = f"so run {run_id} is not waited for: the request stays on record until"
    paused = paused_job(ledger, run_id)
    if paused is None:
        return f"error: no scheduler is up, {not_waited} one is started ({typed('run')})"
    resuming = f"{typed('resume')} {shlex.quote(paused)}"
    return f"error: the job {paused} is paused, {not_waited} it is resumed ({resuming})"


def _ended(ledger: Ledger, run_id: int) -> RunRow:
    """Return a run's row as soon as it is over, or cannot end: no process is up, or its job is paused."""
    from everytick.read.processes import someone_is_up
    from everytick.read.resuming import paused_job
    from everytick.read.runs import run_row
    from everytick.system import system

    seen = system.monotonic()
    while True:
        row = run_row(ledger, run_id)
        if _is_over(row) or paused_job(ledger, run_id) is not None:
            return row
        if someone_is_up(ledger):
            seen = system.monotonic()
        elif system.monotonic() - seen > _GIVE_UP_SECONDS:
            return row
        system.sleep(_POLL_SECONDS)


def _is_over(row: RunRow) -> bool:
    return row["finished_at"] is not None and row["state"] != "retrying"


def _ledger() -> Ledger:
    from everytick.ledger import open_ledger

    return open_ledger()


def _preview_of_resuming(job_id: str) -> str:
    from everytick.read.resuming import preview
    from everytick.settings import settings
    from everytick.text.instants import at, when

    found = preview(_ledger(), job_id)
    if found is None:
        return ""
    zone = settings().zone
    number = "many ticks" if found.ticks is None else f"{found.ticks} tick(s)"
    following = "no next tick" if found.next_tick is None else f"next tick {when(found.next_tick, zone)}"
    # The pause is known to the microsecond; people read seconds.
    since = at(found.since, zone)
    return (
        f"{job_id} has been paused since {since}: {number} of the pause will be recorded as skipped and will"
        f" not run; {following}"
    )
