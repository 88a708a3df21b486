"""Commands that explain: why something ran or did not, what a deploy changes, and the doctor's findings."""

from __future__ import annotations

from typing import Annotated

import typer

from . import completion
from .arguments import AsJson, JobId, moment, run_number
from .output import print_json, print_text, remark_on_ledger
from .table import print_sentence

commands = typer.Typer()

# The exit code of `diff --exit-code` for a difference: neither a failure (1) nor wrong usage (2).
DIFFERENT = 3


@commands.command()
def why(
    job_id: JobId,
    tick: Annotated[
        list[str] | None,
        typer.Argument(
            help="The time in question: 2h (ago), 05:39, yesterday 02:30, or a date, in the job's zone"
            " (default its latest tick).",
            metavar="TIME",
        ),
    ] = None,
    run: Annotated[
        int | None,
        typer.Option(
            help="The number of the run in question.",
            parser=run_number,
            metavar="RUN",
            autocompletion=completion.runs,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a job ran at a time, or did not."""
    from functools import partial

    from everytick import explain
    from everytick.api.loading import load_schedule_for_command
    from everytick.app import typed_for
    from everytick.errors import ConfigurationError
    from everytick.ledger import open_ledger
    from everytick.settings import settings

    if tick and run is not None:
        raise ConfigurationError("give a time or --run, not both")
    # Of several words (`yesterday 02:30`), which need no quotes.
    asked = partial(moment, "TIME", " ".join(tick)) if tick else None
    if asked is not None:
        # A text that names no time is refused before anything else.
        asked(settings().zone)
    jobs, load_error = {}, None
    try:
        jobs = {job.id: job for job in load_schedule_for_command().get_jobs()}
    except ConfigurationError as problem:
        # The past can be explained while the schedule in the code is broken.
        load_error = str(problem)
    found = explain.why(open_ledger(), job_id, asked, run, jobs, load_error, settings())
    remark_on_ledger()
    if as_json:
        print_json(found.as_json())
        return
    for sentence in found.sentences:
        print_sentence(sentence, [job_id])
    if found.nearest is not None:
        print_text(f"About the nearest: {typed_for(job_id, 'why')} {found.nearest}")


@commands.command()
def diff(
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {DIFFERENT} if a job differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a start would change, and run at once.

    The schedule of the working tree is compared with the one in force.
    """
    from everytick.api.loading import declared, load_schedule_for_command
    from everytick.dryrun.diff import difference

    from . import differences

    scheduler = load_schedule_for_command()
    found = difference(scheduler.ledger, declared(scheduler))
    if as_json:
        print_json(found.as_json())
    else:
        job_ids = differences.job_ids(found)
        for line in differences.lines(found, scheduler.timezone):
            own = len(line) - len(line.lstrip())
            print_sentence(line, job_ids, label=own, indent=own + 2)
    if exit_code and found.jobs:
        raise typer.Exit(DIFFERENT)


@commands.command()
def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    wide: Annotated[
        bool, typer.Option("--wide", help="Each finding by itself, also many of one kind.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is not in order, and what would be right.

    Examines settings, ledger, processes and schedule; exits with 1 if there is an error.
    """

    from everytick.api import loading
    from everytick.doctor import examine, worst

    from . import findings as findings_for_people

    findings = examine(lambda: loading.declared(loading.load_schedule_for_command()))
    level = worst(findings)
    if as_json:
        print_json({"worst": level, "findings": [finding.as_json() for finding in findings]})
    else:
        findings_for_people.print_findings(findings, wide=wide)
    if level == "error" or (strict and level == "warning"):
        raise typer.Exit(1)
