"""The commands that show one run, and what runs logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from . import completion
from .arguments import AsJson, Wide, is_run_number, limit_option, run_number
from .output import print_json, remark_on_ledger

if TYPE_CHECKING:
    from everytick.read.schemas import RunDetails
    from everytick.store.database import Ledger

commands = typer.Typer()

# Of the jobs that a pattern means.
_MOST_NAMED = 5

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
    """Show everything about a run, or the newest run of a job.

    Its attempts, who asked for it, what it logged.

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
        limit_option("Of the job's newest N runs (default 1; with --follow: end after N)."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Of the job's runs as they go on, until Ctrl+C.")
    ] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Of a run that failed the traceback too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a run logged, or the newest run of a job.

    That of a run under way as far as it is written, which is every few seconds. Of one that failed its error
    is the last line.
    """
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
        one_run.print_log(one, settings().zone, wide=wide)


def _details(run: str, limit: int) -> list[RunDetails]:
    """Return a run by its number, or the newest runs of a job, oldest first.

    Raises:
        NotFoundError: there is no such run, no such job, or no run of the job.
        LedgerError: the ledger cannot be read.
    """
    from everytick.ledger import open_ledger
    from everytick.read.run_details import newest_details, run_details

    ledger = open_ledger()
    if is_run_number(run):
        return [run_details(ledger, run_number(run))]
    _check_no_pattern(ledger, run)
    return newest_details(ledger, run, limit)


def _check_no_pattern(ledger: Ledger, job: str) -> None:
    """Raise ConfigurationError for a pattern such as `sync_*`, with the jobs that it means."""
    from everytick.errors import ConfigurationError
    from everytick.read.chosen import is_exact
    from everytick.read.job_ids import known_job_ids, matching, natural

    if is_exact(ledger, job):
        return
    meant = sorted(matching([job], known_job_ids(ledger)), key=natural)
    named = ", ".join(meant[:_MOST_NAMED]) + (", ..." if len(meant) > _MOST_NAMED else "")
    raise ConfigurationError(f"name one job, not a pattern: {job!r} means {named}")


def _follow(job_id: str, limit: int | None, as_json: bool) -> None:
    """Print what the runs of a job log, until Ctrl+C or until `limit` of them have ended."""
    from everytick.ledger import open_ledger
    from everytick.read.following_logs import LogPart, follow_logs
    from everytick.settings import settings

    from . import one_run
    from .following import until_ctrl_c

    _check_no_pattern(open_ledger(), job_id)
    zone, number = settings().zone, 0
    shown: tuple[int, int] | None = None

    def tell(part: LogPart) -> bool:
        nonlocal number, shown
        number += part.has_ended
        if not as_json:
            one_run.print_part(part, zone, is_other=shown != (part.run["run_id"], part.attempt))
            shown = part.run["run_id"], part.attempt
        elif part.has_ended:
            print(json.dumps(_logged(part.run)), flush=True)
        return limit is None or number < limit

    until_ctrl_c(lambda is_over: follow_logs(open_ledger(), job_id, is_over), tell)


def _logged(run: RunDetails) -> dict[str, object]:
    """Return a run with what it logged, for programs."""
    return {
        "run_id": run["run_id"],
        "job_id": run["job_id"],
        "tick": run["tick"],
        "state": run["state"],
        "started_at": run["started_at"],
        "finished_at": run["finished_at"],
        "error": run["error"],
        "attempts": [
            {"attempt": one["attempt"], "state": one["state"], "log": one["log"]} for one in run["attempts"]
        ],
    }
