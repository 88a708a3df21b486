"""Commands that explain: why something ran or did not, what a deploy changes, and what is not in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import (
    AsJson,
    JobId,
    console,
    local_with_zone,
    moment,
    print_json,
    remark_on_ledger,
    run_number,
    visible,
)

if TYPE_CHECKING:
    from everytick.doctor import Finding
    from everytick.dryrun.diff import Difference, Start

commands = typer.Typer()

# What `diff --exit-code` says of a difference: neither a failure nor wrong usage.
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
    from everytick.api.loading import load_schedule
    from everytick.errors import ConfigurationError
    from everytick.settings import ledger_of, settings

    if tick is not None and run is not None:
        raise ConfigurationError("give a time or --run, not both")
    chosen, asked = settings(), None if tick is None else moment("TICK", tick)
    declared, problem = {}, None
    try:
        declared = {job.id: job for job in load_schedule().get_jobs()}
    except ConfigurationError as trouble:
        # What happened can be explained while the schedule is broken.
        problem = str(trouble)
    found = explain.why(ledger_of(chosen), job_id, asked, run, declared, problem, chosen)
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
    from everytick.api.loading import load_schedule
    from everytick.dryrun.diff import difference

    scheduler = load_schedule()
    found = difference(scheduler.ledger, scheduler.get_jobs(), scheduler.defaults)
    if as_json:
        print_json(found.as_json())
    else:
        for line in _difference_lines(found, scheduler.timezone):
            _line(line)
    if exit_code and found.jobs:
        raise typer.Exit(DIFFERENT)


def _line(text: str) -> None:
    console().print(visible(text), markup=False, highlight=False, soft_wrap=True)


def _difference_lines(found: Difference, zone: Any) -> list[str]:
    lines = [] if found.jobs else ["the schedule is the one in force"]
    for change in found.jobs:
        lines.append(f"{change.what:8} {change.job_id}" + (" (paused)" if change.paused else ""))
        sides = (("before", change.old), ("after", change.new))
        for word, side in sides if change.what != "altered" else ():
            if side is not None:
                coming = (
                    "not known"
                    if side.next is None
                    else ", ".join(local_with_zone(t, zone) for t in side.next)
                )
                lines.append(f"  {word:7} {side.trigger} in {side.timezone}; next: {coming or 'never'}")
        lines += [f"  {name}: {old} -> {new}" for name, (old, new) in change.details.items()]
    lines.append("a start now would run at once:" if found.runs else "a start now would run nothing at once")
    for run in found.runs:
        lines.append(f"  {run.job_id} ({run.why}) {_of(run, zone)}")
    for run in found.waiting:
        lines.append(f"  {run.job_id} ({run.why}) later {_of(run, zone)}")
    for skip in found.skipped:
        upto = f" to {local_with_zone(skip['last_tick'], zone)}" if skip["last_tick"] else ""
        number = "several" if skip["count"] is None else skip["count"]
        which = f"{number} would not run ({skip['reason']}), {local_with_zone(skip['tick'], zone)}{upto}"
        lines.append(f"  {skip['job_id']}: {which}")
    lines += [f"  {job_id} cannot run: {why}" for job_id, why in found.cannot_run.items()]
    if found.alive:
        lines.append(f"it would join a running schedule ({', '.join(found.alive)}): no runs of a start")
    if found.stale:
        lines.append(
            f"runs of a start and of {', '.join(found.stale)} follow when that is given up, after 15 s"
        )
    return lines


def _of(run: Start, zone: Any) -> str:
    return f"for {local_with_zone(run.tick, zone)}" if run.tick else f"due {local_with_zone(run.at, zone)}"


@commands.command()
def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Examine settings, ledger, processes and schedule; exit with 1 if there is an error."""
    from dataclasses import asdict

    from everytick.doctor import examine, worst

    findings = examine()
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
    for it in findings:
        lines.append(f"{it.level:8} {it.check}: {it.what}")
        if it.level != "ok":
            lines += [f"{'':8} at {it.where}"] if it.where else []
            lines += [f"{'':8} right: {it.right}"] if it.right else []
    number = sum(it.level in ("warning", "error") for it in findings)
    return [*lines, f"{number} finding(s) to look at" if number else "all is in order"]
