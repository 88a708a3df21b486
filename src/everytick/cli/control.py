"""Commands about jobs: each leaves a request in the ledger, which running schedulers obey in a second."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion
from .arguments import AsJson, JobId, Note, Yes, moment
from .output import print_aside, print_json, print_text

commands = typer.Typer()

Jobs = Annotated[
    list[str],
    typer.Argument(
        help="The ids of jobs, or patterns: 'sync_*'.", autocompletion=completion.job_ids, metavar="JOB"
    ),
]


@commands.command()
def pause(
    jobs: Jobs,
    note: Note = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it ends by itself: 2h (from now), 18:00, tomorrow, or a date (default never).",
        ),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Pause jobs until they are resumed, over restarts too.

    A running scheduler obeys at the next tick. Of several jobs a preview is shown first.
    """
    from everytick.api.client import SchedulerClient

    from . import bulk

    client = SchedulerClient()
    end = None if until is None else moment("--until", until, client.timezone, ahead=True)
    if not _is_one(jobs):
        bulk.pause_jobs(client, jobs, end, bulk.How(note, yes, as_json))
        return
    [job_id] = jobs
    changed = client.pause_job(job_id, note=note, until=end)
    end_of_it = bulk.upto(end, client.timezone)
    _done(
        job_id,
        changed,
        f"{job_id} is paused{end_of_it}" if changed else f"{job_id} was paused already{end_of_it}",
        as_json,
    )


@commands.command()
def resume(jobs: Jobs, note: Note = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Resume paused jobs.

    Their ticks during the pause are recorded as skipped, and do not run later.
    """
    from everytick.api.client import SchedulerClient

    from . import bulk

    client = SchedulerClient()
    if not _is_one(jobs):
        bulk.resume_jobs(client, jobs, bulk.How(note, yes, as_json))
        return
    [job_id] = jobs
    sentence, has_ticks = _preview_of_resuming(job_id)
    if sentence:
        print_aside(sentence)
    # A script that names one job means it.
    if has_ticks and bulk.is_at_terminal() and not bulk.is_wanted(f"Resume {job_id}?", yes):
        _done(job_id, False, f"{job_id} stays paused", as_json)
        raise typer.Exit(1)
    changed = client.resume_job(job_id, note=note)
    _done(job_id, changed, f"{job_id} is resumed" if changed else f"{job_id} was not paused", as_json)


@commands.command()
def remove(job_id: JobId, note: Note = None, as_json: AsJson = False) -> None:
    """Remove a job that was added while running.

    What is in the schedule's code is removed there.
    """
    from everytick.api.client import SchedulerClient

    SchedulerClient().remove_job(job_id, note=note)
    _done(job_id, True, f"{job_id} is removed", as_json)


def _is_one(jobs: list[str]) -> bool:
    """Return whether one job was named exactly, about which nobody needs to be asked."""
    from everytick.ledger import open_ledger
    from everytick.read.chosen import is_exact

    return len(jobs) == 1 and is_exact(open_ledger(), jobs[0])


def _done(job_id: str, changed: bool, sentence: str, as_json: bool) -> None:
    """Say what became of a job."""
    if as_json:
        print_json({"job_id": job_id, "changed": changed})
    else:
        print_text(sentence)


def _preview_of_resuming(job_id: str) -> tuple[str, bool]:
    """Return what a resume will do as a sentence, and whether it is about any tick; empty if not paused."""
    from everytick.ledger import open_ledger
    from everytick.read.resuming import preview
    from everytick.settings import settings
    from everytick.text.instants import at, when
    from everytick.text.wording import counted

    found = preview(open_ledger(), job_id)
    if found is None:
        return "", False
    zone = settings().zone
    number = "many ticks" if found.ticks is None else counted(found.ticks, "tick")
    following = "no next tick" if found.next_tick is None else f"next tick {when(found.next_tick, zone)}"
    # The pause is known to the microsecond; people read seconds.
    since = at(found.since, zone)
    if found.ticks == 0:
        return f"{job_id} has been paused since {since}: no tick fell into the pause; {following}", False
    return (
        f"{job_id} has been paused since {since}: {number} of the pause will be recorded as skipped and will"
        f" not run; {following}"
    ), True
