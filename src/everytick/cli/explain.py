"""Commands that explain: why something ran or did not, what a deploy changes, and the doctor's findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .output import (
    AsJson,
    JobId,
    console,
    declared,
    moment,
    print_json,
    remark_on_ledger,
    run_number,
    visible,
)

if TYPE_CHECKING:
    from everytick.doctor import Finding

commands = typer.Typer()

# The exit code of `diff --exit-code` for a difference: neither a failure (1) nor wrong usage (2).
DIFFERENT = 3


@commands.command()
def why(
    job_id: JobId,
    tick: Annotated[
        str | None,
        typer.Argument(
            help="The time in question; without an offset in the job's zone (default its latest tick).",
            metavar="TICK",
        ),
    ] = None,
    run: Annotated[
        int | None, typer.Option(help="The number of the run in question.", parser=run_number, metavar="RUN")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a job ran at a time, or did not."""
    from everytick import explain
    from everytick.api.loading import load_schedule_for_command
    from everytick.errors import ConfigurationError
    from everytick.ledger import open_ledger
    from everytick.settings import settings

    if tick is not None and run is not None:
        raise ConfigurationError("give a time or --run, not both")
    asked = None if tick is None else moment("TICK", tick)
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
        _line(sentence)


@commands.command()
def diff(
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {DIFFERENT} if a job differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a start with the schedule of the working tree would change, and run at once."""
    from everytick.api.loading import load_schedule_for_command
    from everytick.dryrun.diff import difference

    from . import differences

    scheduler = load_schedule_for_command()
    found = difference(scheduler.ledger, declared(scheduler))
    if as_json:
        print_json(found.as_json())
    else:
        for line in differences.lines(found, scheduler.timezone):
            _line(line)
    if exit_code and found.jobs:
        raise typer.Exit(DIFFERENT)


def _line(text: str) -> None:
    console().print(visible(text), markup=False, highlight=False, soft_wrap=True)


@commands.command()
def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Examine settings, ledger, processes and schedule; exit with 1 if there is an error."""
    from dataclasses import asdict

    from everytick.api import loading
    from everytick.doctor import examine, worst

    findings = examine(lambda: declared(loading.load_schedule_for_command()))
    level = worst(findings)
    if as_json:
        print_json({"worst": level, "findings": [asdict(finding) for finding in findings]})
    else:
        for line in _finding_lines(findings):
            _line(line)
    if level == "error" or (strict and level == "warning"):
        raise typer.Exit(1)


def _finding_lines(findings: list[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:8} {finding.check}: {finding.what}")
        if finding.level != "ok":
            lines += [f"{'':8} at {finding.where}"] if finding.where else []
            lines += [f"{'':8} right: {finding.right}"] if finding.right else []
    number = sum(finding.level in ("warning", "error") for finding in findings)
    return [*lines, f"{number} finding(s) to look at" if number else "all is in order"]
