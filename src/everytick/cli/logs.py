"""The commands that show one run, and what runs logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from . import completion
from .arguments import MOST, AsJson, Wide, is_run_number, run_number
from .output import print_json, remark_on_ledger

if TYPE_CHECKING:
    from everytick.read.schemas import RunDetails, RunRow

commands = typer.Typer()

RunOrJob = Annotated[
    str,
    typer.Argument(
        metavar="RUN|JOB",
        help="The number of a run, or the id of a job: its newest run.",
        autocompletion=completion.runs_or_jobs,
    ),
]


@commands.command()
def show(run: RunOrJob, wide: Wide = False, as_json: AsJson = False) -> None:
    """Show everything about a run: its attempts, who asked for it, what it logged.

    Long tracebacks and logs are shortened, and what attempts have in common is shown once, without --wide.
    """
    from everytick.settings import settings

    from . import one_run

    [found] = _details(run, 1)
    remark_on_ledger()
    if as_json:
        print_json(found)
    else:
        one_run.print_run(found, settings().zone, wide=wide)


@commands.command()
def logs(
    run: RunOrJob,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-n",
            min=1,
            max=MOST,
            metavar="N",
            help="Of the job's newest N runs (default 1; with --follow: end after N).",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Of the job's runs to come, as they end, until Ctrl+C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a run logged, or the newest run of a job. A log is kept when an attempt ends."""
    from everytick.errors import ConfigurationError
    from everytick.settings import settings

    from . import one_run

    if is_run_number(run) and (follow or limit is not None):
        raise ConfigurationError("--follow and --limit are about the runs of a job: name the job, not a run")
    if follow:
        _follow(run, limit, as_json)
        return
    found = _details(run, limit or 1)
    remark_on_ledger()
    if as_json:
        print_json([_logged(one) for one in found])
        return
    for one in found:
        one_run.print_log(one, settings().zone)


def _details(run: str, limit: int) -> list[RunDetails]:
    """Return a run by its number, or the newest runs of a job, oldest first.

    Raises:
        NotFoundError: there is no such run, no such job, or no run of the job.
        LedgerError: the ledger cannot be read.
    """
    from everytick.ledger import open_ledger
    from everytick.read.run_details import newest_details, run_details

    ledger = open_ledger()
    return (
        [run_details(ledger, run_number(run))] if is_run_number(run) else newest_details(ledger, run, limit)
    )


def _follow(job_id: str, limit: int | None, as_json: bool) -> None:
    from everytick.ledger import open_ledger
    from everytick.read.run_details import run_details
    from everytick.read.runs import RUN_STATES, RunFilter
    from everytick.settings import settings

    from . import one_run
    from .following import follow_runs

    ledger, zone = open_ledger(), settings().zone

    def tell(row: RunRow) -> None:
        found = run_details(ledger, row["run_id"])
        if as_json:
            print(json.dumps(_logged(found)), flush=True)
        else:
            one_run.print_log(found, zone)

    follow_runs(RunFilter(job_id, RUN_STATES), limit, tell)


def _logged(run: RunDetails) -> dict[str, object]:
    """Return a run with what it logged, for programs."""
    return {
        "run_id": run["run_id"],
        "job_id": run["job_id"],
        "tick": run["tick"],
        "state": run["state"],
        "started_at": run["started_at"],
        "finished_at": run["finished_at"],
        "attempts": [
            {"attempt": one["attempt"], "state": one["state"], "log": one["log"]} for one in run["attempts"]
        ],
    }
