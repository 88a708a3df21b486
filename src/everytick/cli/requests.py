"""Commands about runs: each leaves a request in the ledger, which running schedulers obey in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from everytick.app import typed, typed_for

from . import completion
from .arguments import AsJson, JobId, Note, OfJobs, Since, Until, Yes, is_run_number, moment, run_number, span
from .output import print_aside, print_json, print_text
from .table import print_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everytick.api.client import SchedulerClient
    from everytick.read.schemas import RunOutline, RunRow
    from everytick.store.database import Ledger

commands = typer.Typer()

Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; 1 unless it succeeded.")]

_POLL_SECONDS = 0.2
# A scheduler that is restarted while a command waits is back by then.
_GIVE_UP_SECONDS = 15.0


@commands.command()
def run_now(
    job_id: JobId,
    tick: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The past tick that the run stands in for: 05:39, yesterday 02:30, or a date.",
        ),
    ] = None,
    note: Note = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Run a job now, beside its schedule.

    The run is on record like any other.
    """
    from everytick.api.client import SchedulerClient

    client = SchedulerClient()
    for_tick = None if tick is None else moment("--tick", tick, client.timezone)
    run_id = client.run_job_now(job_id, tick=for_tick, note=note)
    _asked(run_id, _said(run_id, "begins", f" of {job_id}"), wait=wait, as_json=as_json)


@commands.command()
def retry(
    run: Annotated[
        str | None,
        typer.Argument(
            help="The number of the run; with --failed a job, or a pattern such as 'sync_*'.",
            metavar="RUN|JOB",
            autocompletion=completion.ended_runs,
        ),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Instead: all that failed, timed_out, were lost or interrupted.")
    ] = False,
    job: OfJobs = None,
    since: Since = None,
    until: Until = None,
    note: Note = None,
    wait: Wait = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Try a run again that failed, or with --failed many.

    Each gets one more attempt, now. Of many a preview is shown first.
    """
    from everytick.api.client import SchedulerClient
    from everytick.errors import ConfigurationError
    from everytick.read.chosen import failed_runs

    from . import bulk

    client = SchedulerClient()
    if run is None or not is_run_number(run):
        if not failed:
            raise ConfigurationError(_not_failed(run))
        _check_no_wait(wait)
        begin, end = span(since, until, client.timezone)
        patterns = [*([] if run is None else [run]), *(job or ())]
        rows = failed_runs(client.ledger, bulk.MOST + 1, patterns, begin, end)
        bulk.retry_runs(client, rows, bulk.How(note, yes, as_json))
        return
    if failed or job or since or until:
        raise ConfigurationError("give the number of a run, or --failed with what else narrows it, not both")
    run_id = run_number(run)
    client.retry_run(run_id, note=note)
    _asked(run_id, _said(run_id, "begins one more attempt"), wait=wait, as_json=as_json)


def _not_failed(run: str | None) -> str:
    """Return the sentence for who wants to try again neither one run nor, by --failed, many."""
    if run is None:
        return "say which run: its number, or --failed for all that failed"
    from everytick.text.wording import not_a_run

    command = typed_for(run, "retry --failed")
    return f"{not_a_run(run)}; if it is a job, all of its runs that failed: {command}"


@commands.command()
def cancel(
    run: Annotated[
        str | None,
        typer.Argument(
            help="The number of the run; or a job, or a pattern such as 'sync_*': all its runs under way.",
            metavar="RUN|JOB",
            autocompletion=completion.runs_under_way_or_jobs,
        ),
    ] = None,
    job: OfJobs = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE", help="Only those in this state.", autocompletion=completion.states_under_way
        ),
    ] = None,
    note: Note = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it has ended; 1 unless it was cancelled.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Cancel a run, or many.

    A plain function cannot be stopped: it is told, and may end by itself. Of many a preview is shown first.
    """
    from everytick.api.client import SchedulerClient
    from everytick.errors import ConfigurationError
    from everytick.read.processes import someone_is_up
    from everytick.text.wording import PLAIN_GOES_ON

    from . import bulk

    client = SchedulerClient()
    if run is None and not job and not state:
        raise ConfigurationError("say which run: its number, a job, or --state")
    if run is None or not is_run_number(run):
        _check_no_wait(wait)
        rows = _under_way(client, [*([] if run is None else [run]), *(job or ())], state or ())
        of = f"{run} has no run under way"
        if run is None or job or state:
            of = "no run under way is like that"
        bulk.cancel_runs(client, rows, bulk.How(note, yes, as_json), f"nothing to do: {of}")
        return
    if job or state:
        raise ConfigurationError("give the number of a run, or jobs and states, not both")
    run_id = run_number(run)
    if client.cancel_run(run_id, note=note):
        _over(run_id, as_json)
    else:
        sentence = f"run {run_id} was asked to end; {PLAIN_GOES_ON}"
        if not someone_is_up(client.ledger):
            later = f"run {run_id} ends as cancelled when a scheduler is started"
            sentence = f"{later}; {nobody_up(client.ledger)}"
        _asked(run_id, sentence, wait=wait, as_json=as_json, wanted="cancelled")


def _under_way(client: SchedulerClient, patterns: list[str], states: Sequence[str]) -> list[RunOutline]:
    """Return the runs that can be cancelled.

    Raises:
        ConfigurationError: a state is none in which a run can be, or a pattern means no job.
    """
    from everytick.errors import ConfigurationError, nearest
    from everytick.read.chosen import runs_under_way
    from everytick.read.run_filter import UNDER_WAY

    from . import bulk

    for state in states:
        if state not in UNDER_WAY:
            hint = nearest(state, UNDER_WAY)
            raise ConfigurationError(f"--state {state}: use one of {', '.join(UNDER_WAY)}{hint}")
    return runs_under_way(client.ledger, bulk.MOST + 1, patterns, states)


def _check_no_wait(wait: bool) -> None:
    from everytick.errors import ConfigurationError

    if wait:
        raise ConfigurationError("--wait is for one run: leave it out")


def _over(run_id: int, as_json: bool) -> None:
    """Say what became of a run that was cancelled at once; of one that waited for a retry, how it ended."""
    from everytick.ledger import open_ledger
    from everytick.read.runs import run_row

    row = run_row(open_ledger(), run_id)
    if as_json:
        print_json(row)
    elif row["state"] == "cancelled":
        print_text(f"run {run_id} is cancelled")
    else:
        error = f" ({row['error']})" if row["error"] else ""
        print_text(f"the retry of run {run_id} is cancelled: it is {row['state']} as before{error}")


def _said(run_id: int, begins: str, of: str = "") -> str:
    """Return the sentence about a run that was asked for: that it `begins`, or what it waits for."""
    from everytick.ledger import open_ledger
    from everytick.read.prospects import prospect_in
    from everytick.settings import settings

    return f"run {run_id}{of} {prospect_in(open_ledger(), run_id, settings(), begins).sentence}"


def _asked(run_id: int, sentence: str, *, wait: bool, as_json: bool, wanted: str = "succeeded") -> None:
    """Say whether the run begins now, or later; wait for its end.

    Exits with 1 if it was to be waited for, and the run did not end in the state that is `wanted`.
    """
    from everytick.ledger import open_ledger
    from everytick.read.processes import someone_is_up
    from everytick.read.runs import run_row

    ledger = open_ledger()
    if not as_json:
        print_sentence(sentence)
    row = _ended(ledger, run_id) if wait and someone_is_up(ledger) else run_row(ledger, run_id)
    if as_json:
        print_json(row)
    elif wait and _is_over(row):
        print_text(f"run {run_id} {row['state']}" + (f": {row['error']}" if row["error"] else ""))
    if wait and not _is_over(row):
        print_aside(_why_not_waited_for(ledger, run_id))
    if wait and row["state"] != wanted:
        raise typer.Exit(1)


def _why_not_waited_for(ledger: Ledger, run_id: int) -> str:
    from everytick.read.processes import someone_is_up
    from everytick.read.prospects import prospect_in
    from everytick.read.resuming import paused_job
    from everytick.settings import settings

    on_record = "is not waited for, and the request stays on record"
    if paused := paused_job(ledger, run_id):
        resuming = typed_for(paused, "resume")
        return f"error: the job {paused} is paused: run {run_id} {on_record} until it is resumed ({resuming})"
    if someone_is_up(ledger):
        waits = prospect_in(ledger, run_id, settings()).sentence
        return f"error: run {run_id} {waits}; it {on_record}"
    return f"error: {nobody_up(ledger)}: run {run_id} {on_record} until one is started ({typed('run')})"


def nobody_up(ledger: Ledger) -> str:
    """Return the clause that no scheduler is up, and since when."""
    from everytick.read.processes import processes_in
    from everytick.settings import settings

    return processes_in(ledger).nobody_up(settings().zone)


def _ended(ledger: Ledger, run_id: int) -> RunRow:
    """Return a run's row as soon as it is over, or cannot end: no process takes it, or its job is paused."""
    from everytick.read.processes import someone_is_up
    from everytick.read.prospects import prospect_in
    from everytick.read.resuming import paused_job
    from everytick.read.runs import run_row
    from everytick.settings import settings
    from everytick.system import system

    seen = system.monotonic()
    while True:
        row = run_row(ledger, run_id)
        if _is_over(row) or paused_job(ledger, run_id) is not None:
            return row
        if someone_is_up(ledger) and not prospect_in(ledger, run_id, settings()).is_held:
            seen = system.monotonic()
        elif system.monotonic() - seen > _GIVE_UP_SECONDS:
            return row
        system.sleep(_POLL_SECONDS)


def _is_over(row: RunRow) -> bool:
    return row["finished_at"] is not None and row["state"] != "retrying"
