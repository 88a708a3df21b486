"""The colours of ids, times and states at a terminal. No colour is the only sign of anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

ID = "cyan"
TIME = "magenta"
# In the order of legends. Runs that have not ended come last.
STATES = {
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "lost": "red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "skipped": "dim",
    "running": "blue",
    "retrying": "yellow",
    "claimed": "blue",
    "queued": "blue",
}
LEVELS = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "red"}

_TIMES = re.compile(
    r"\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[+-]\d\d:?\d\d| [A-Z]{2,5}\b)?)?"
)
_STATE = rf"({'|'.join(STATES)}|timed out)\b"
# Where a state of a run is told: `run 7 failed`, `it was lost`, `3 skipped`, `: failed`, `(failed)`. The same
# words stand in other sentences too: that no scheduler was running is no state of a run.
_TOLD = (
    re.compile(rf"(?:\b(?:it|and|run \d+|attempt \d+) (?:is |was )?|\b\d+ ){_STATE}", re.IGNORECASE),
    re.compile(rf"(?:^|: |\(){_STATE}(?=$|[),;:.]| \()"),
)


def coloured(sentence: str, job_ids: Iterable[str] = ()) -> Text:
    """Return a sentence with its times and states in colour, and with these ids of jobs."""
    from rich.text import Text

    text = Text(sentence)
    for pattern in _TOLD:
        for found in pattern.finditer(sentence):
            text.stylize(STATES[found[1].lower().replace(" ", "_")], *found.span(1))
    for job_id in job_ids:
        for found in re.finditer(rf"(?<!\w){re.escape(job_id)}(?!\w)", sentence):
            text.stylize(ID, *found.span())
    for found in _TIMES.finditer(sentence):
        text.stylize(TIME, *found.span())
    return text
