"""The smallest pieces of sentences: lists, ordinals, the names of days and months."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from everytick.errors import nearest

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Longer lists are not read by anybody.
MOST_LISTED = 6

# What becomes of a run on a thread that is asked to end.
PLAIN_GOES_ON = "a plain function cannot be stopped: it goes on, and its outcome counts when it ends"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def cut_list(words: Iterable[str], most: int = 10) -> str:
    """Return `a, b, c`, at most ten of them, and how many more there are."""
    found = list(words)
    more = f", and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def ordinal(number: int) -> str:
    """Return `1st`, `2nd`, `3rd`, `4th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: float, unit: str) -> str:
    """Return `1 hour`, `4 hours`, `0.25 seconds`; of things rather than lengths, an int, `12,000 runs`."""
    # Not by `:g`, which would make a million of it `1e+06`.
    shown = f"{number:,}" if isinstance(number, int) else f"{number:.6f}".rstrip("0").rstrip(".")
    return f"{shown} {unit}{'' if shown == '1' else 's'}"


def of_each(outcomes: Iterable[str], unit: str) -> str:
    """Return what became of each of many, with their numbers: `paused: 3 jobs; refused: 1 job`."""
    return "; ".join(f"{outcome}: {counted(number, unit)}" for outcome, number in Counter(outcomes).items())


def is_run(values: Sequence[int], step: int = 1) -> bool:
    """Return whether sorted numbers follow each other in equal steps."""
    return all(later - earlier == step for earlier, later in pairwise(values))


def quoted(note: str | None) -> str:
    """Return a note in brackets, or that there is none."""
    return f'(note: "{note}")' if note else "(without a note)"


def one_line(text: str) -> str:
    """Return text in one line, without what would steer a display or a protocol."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def without_control(text: str) -> str:
    """Return text, perhaps of several lines, in which what would steer a terminal is written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or _is_harmless(c) else ascii(c)[1:-1] for c in text)


def with_further_lines_indented(text: str) -> str:
    """Return a message or a traceback as people get it.

    Names of jobs and errors come from elsewhere: they must not steer a terminal, and none of their lines may
    look like a line of the log.
    """
    return re.sub(r"\n(?=[^\n])", "\n    ", without_control(text.replace("\r\n", "\n")))


def _is_harmless(c: str) -> bool:
    # Blanks of all widths, and what joins signs to one, as in Persian or in an emoji of a family.
    return c in "\n\t\u200c\u200d" or unicodedata.category(c) == "Zs"


def cut_in_the_middle(text: str, length: int) -> str:
    """Return text cut in the middle, where it says by how much, if it has more characters than `length`."""
    if len(text) <= length:
        return text
    return f"{text[: length // 2]} ... ({len(text) - length} characters left out) ... {text[-length // 2 :]}"


def storable(text: str) -> str:
    """Return text as any database takes it: without lone surrogates and NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def is_storable(text: str) -> bool:
    """Return whether any database takes a text as it is."""
    return storable(text) == text


def of_attempts(first: int, last: int) -> str:
    """Return `attempt 2`, or `attempts 2 to 4`."""
    return f"attempt {first}" if first == last else f"attempts {first} to {last}"


def skipped(numbers: Iterable[tuple[str, int | None]], unit: str = "tick") -> str:
    """Return how many were skipped for which reasons: `12 ticks (10 outage, 2 coalesced)`.

    `numbers`: reasons, which may come several times, each with a number; None if that is not known.
    """
    of_each: dict[str, int | None] = {}
    for reason, number in numbers:
        before = of_each.get(reason, 0)
        of_each[reason] = None if number is None or before is None else before + number
    known = [number for number in of_each.values() if number is not None]
    whole = counted(sum(known), unit) if len(known) == len(of_each) else f"several {unit}s"
    if len(of_each) == 1:
        return f"{whole} ({next(iter(of_each))})"
    parts = (f"{'several' if number is None else number} {reason}" for reason, number in of_each.items())
    return f"{whole} ({', '.join(parts)})"


def not_a_run(text: str) -> str:
    """Return the error sentence for a text that is not the number of a run."""
    return f"{text!r} is not the number of a run such as 4711"


def no_run(run_id: int) -> str:
    """Return the sentence for the number of a run that there is not."""
    return f"there is no run {run_id}, or it is not kept any more"


def no_backfill(backfill_id: object) -> str:
    """Return the sentence for the number of a backfill that there is not."""
    return f"there is no backfill {backfill_id!r:.40}, or it is not kept any more"


def not_for_requests(job_id: str) -> str:
    """Return the sentence for an id that is not storable: a row may have it that was written by hand."""
    return f"nothing can be asked of a job with the id {job_id!r}: it has NUL or half a character in it"


def no_job(job_id: object, known: Iterable[str], where: str = "") -> str:
    """Return the sentence for a job that there is not, with the id that is meant if one is near.

    `where`: where it was looked for, such as ` in the schedule`, if that needs to be said.
    """
    hint = nearest(job_id, known) if isinstance(job_id, str) else ": an id is text"
    return f"there is no job {job_id!r}{where}{hint}"
