"""How the doctor's findings are shown to people: those of one kind once, with their jobs."""

from __future__ import annotations

from collections.abc import Sequence

from everytick.doctor import Finding, of_one_kind
from everytick.text.wording import counted

from .colours import LEVELS
from .output import print_text
from .table import print_sentence

_INDENT = 9
_ORDER = ("ok", "error", "warning", "note")
# More ids of the same kind are not read by anybody.
_MOST_SHOWN = 12


def print_findings(findings: Sequence[Finding], *, wide: bool) -> None:
    """Print findings and their number, those first that are in order; with `wide` each by itself."""
    kinds = [[finding] for finding in findings] if wide else of_one_kind(findings)
    # Lines that need no look first, then what weighs most: its details are not among them.
    kinds.sort(key=lambda kind: _ORDER.index(kind[0].level))
    for kind in kinds:
        _print_kind(kind)
    number = sum(kind[0].level in ("warning", "error") for kind in kinds)
    print_text(f"{counted(number, 'finding')} to look at" if number else "all is in order")


def _print_kind(kind: list[Finding]) -> None:
    first, *others = kind
    job_ids = [finding.job_id for finding in kind if finding.job_id is not None]
    _print(first.level, f"{first.check}: {first.what}", job_ids)
    if others:
        shown = job_ids[1 : _MOST_SHOWN + 1]
        rest = len(job_ids) - 1 - len(shown)
        more = f" and {rest:,} more (--wide shows each)" if rest else ""
        _print("", f"likewise {counted(len(others), 'job')}: {', '.join(shown)}{more}", job_ids)
    if first.level != "ok":
        if first.where:
            _print("", f"at {first.where}", job_ids)
        if first.right:
            _print("", f"right: {first.right}", job_ids)


def _print(level: str, sentence: str, job_ids: Sequence[str]) -> None:
    line, style = f"{level:<{_INDENT}}{sentence}", LEVELS.get(level, "")
    print_sentence(line, job_ids, label=_INDENT, style=style, indent=_INDENT)
