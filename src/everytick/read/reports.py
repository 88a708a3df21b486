"""What runs said of themselves: how far they are, and what their functions returned."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from everytick.store.querying import Reader, among, pieces
from everytick.text.instants import iso
from everytick.text.wording import storable

if TYPE_CHECKING:
    from .schemas import RunReport

# By the primary key, which begins with the run.
_OF_RUNS = "SELECT run_id, attempt, share, note, at_us, result, is_json FROM scheduler_reports WHERE {}"
# The states of runs whose latest attempt has begun.
_BEGUN = ("running", "succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost")
_WHOLE = 10_000
# How deep JSON may be nested that is handed on: what writes it has a limit of its own.
_DEEPEST = 100


@dataclass(frozen=True)
class Report:
    """What the latest attempt of a run said.

    share: how far it is, in ten-thousandths; note: in words; at_us: when it said so. result: what its
    function returned, as JSON if `is_json`, else described in words.
    """

    share: int | None
    note: str | None
    at_us: int | None
    result: str | None
    is_json: bool

    @property
    def has_progress(self) -> bool:
        """Whether it said how far it is."""
        return self.share is not None or bool(self.note)

    @property
    def percent(self) -> str:
        """How far it is, such as `40 %`; empty if it did not say."""
        return "" if self.share is None else f"{self.share * 100 // _WHOLE} %"

    def put_into(self, run: RunReport) -> None:
        """Add it to a run as it is shown."""
        if self.at_us is not None:
            share = None if self.share is None else self.share / _WHOLE
            run["progress"] = {"share": share, "note": self.note, "at": iso(self.at_us)}
        if self.result is not None and self.is_json:
            run["result"] = _value(self.result)
        elif self.result is not None:
            run["result_described"] = self.result


def reports_of(connection: Reader, rows: Sequence[Any]) -> dict[int, Report]:
    """Return what the latest attempts of runs said, by their numbers; not of those that said nothing."""
    attempts = {row.run_id: row.attempt for row in rows if row.state in _BEGUN}
    found: dict[int, Report] = {}
    for some in pieces(list(attempts)):
        those = among("run_id", some, "run")
        for one in connection.rows(_OF_RUNS.format(those.text), those.values):
            if one.attempt == attempts[one.run_id]:
                is_json = bool(one.is_json) and _is_json(one.result)
                found[one.run_id] = Report(one.share, one.note, one.at_us, one.result, is_json)
    return found


def report_of(connection: Reader, row: Any) -> Report | None:
    """Return the same of one run; None if it said nothing."""
    return reports_of(connection, [row]).get(row.run_id)


def _is_json(text: str | None) -> bool:
    # Masked anew when it is read: of a secret that is a number, or a part of a word of JSON, stars are left.
    try:
        _value(text or "")
    except (ValueError, RecursionError):
        return False
    return True


def _value(text: str) -> Any:
    """Return the value of JSON, as it can be handed on; ValueError if it cannot."""
    return _storable(json.loads(text), _DEEPEST)


def _storable(value: Any, depth: int) -> Any:
    # A row may be older than the care with which results are kept now, or somebody else's.
    if not depth:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(each, depth - 1) for each in value]
    if isinstance(value, dict):
        return {storable(name): _storable(each, depth - 1) for name, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it has a number that is none")
    return value
