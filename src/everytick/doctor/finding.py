"""One finding of an examination."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass

LEVELS = ("ok", "note", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """One thing that is in order, or is not.

    level: one of `LEVELS`. check: a stable word for what was looked at. what: a sentence. where: file and
    line of the declaration, a variable, a file or a job. right: what would be right. job_id: the job that it
    is about, where it is about one. alike: what the sentences of several jobs have in common, where they
    differ by more than numbers.
    """

    level: str
    check: str
    what: str
    where: str | None = None
    right: str | None = None
    job_id: str | None = None
    alike: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return it as plain data."""
        told = asdict(self)
        del told["alike"]
        return told


def ok(check: str, what: str, where: str | None = None) -> Finding:
    """Return that something is in order."""
    return Finding("ok", check, what, where)


def of_one_kind(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return findings with those together that say the same of different jobs, each where the first stood.

    What would be right for them is the same, too. Numbers do not count: one failure of one job and five of
    another, with one error, are of one kind.
    """
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for place, finding in enumerate(findings):
        kind = (str(place),) if finding.job_id is None else _kind(finding, finding.job_id)
        kinds.setdefault(kind, []).append(finding)
    return list(kinds.values())


def _kind(finding: Finding, job_id: str) -> tuple[str, ...]:
    # A command to paste has it quoted.
    the_job = rf"(?<!\w)({re.escape(shlex.quote(job_id))}|{re.escape(job_id)})(?!\w)"
    said = (finding.alike or finding.what, finding.right or "")
    return finding.level, finding.check, *(re.sub(r"\d+", "0", re.sub(the_job, "JOB", it)) for it in said)


def worst(findings: list[Finding]) -> str:
    """Return the highest level among findings."""
    return max((finding.level for finding in findings), key=LEVELS.index, default="ok")
