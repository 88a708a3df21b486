"""Shared by all commands: how they print results."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from everytick.masking import masked

from .colours import coloured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.text import Text


def remark_on_ledger() -> None:
    """Warn on standard error if the ledger that is shown was moved, or is another application's."""
    from everytick.ledger import open_ledger
    from everytick.store.querying import remark

    if (sentence := remark(open_ledger())) is not None:
        print_aside(f"remark: {sentence}")


def print_json(rows: Any) -> None:
    """Print rows for programs."""
    print(json.dumps(rows, indent=2))


def print_text(text: str | Text, job_ids: Iterable[str] = ()) -> None:
    """Print text for people as it is, without markup and without a bend where the terminal ends.

    Times, states and these ids are in colour, unless the text has colours of its own.
    """
    shown = coloured(visible(text), job_ids) if isinstance(text, str) else visible_text(text)
    console().print(shown, soft_wrap=True, highlight=False)


def print_aside(sentence: str) -> None:
    """Print a sentence to standard error, without secrets and without what would steer the terminal.

    At a terminal it is bent between its words. That it cannot be written keeps no answer back.
    """
    try:
        print(_bent_at_terminal(visible(masked(sentence))), file=sys.stderr)
    except OSError:
        discard(sys.stderr)


def _bent_at_terminal(sentence: str) -> str:
    if not sys.stderr.isatty():
        return sentence
    from rich.text import Text

    terminal = console(aside=True)
    lines = [
        line
        for part in sentence.split("\n")
        for line in bent(Text(part), terminal, terminal.width) or [Text()]
    ]
    return "\n".join(line.plain.rstrip() for line in lines)


def discard(stream: Any) -> None:
    """Leave out what a stream cannot write, now and when Python flushes it at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def visible(text: str) -> str:
    """Return text without what would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def visible_text(text: Text, *, in_one_line: bool = False) -> Text:
    """Return the same of text with colours, which it keeps; on request with a blank for the end of a line."""
    from rich.text import Text

    plain = text.plain
    if plain.isprintable() or (not in_one_line and visible(plain) == plain):
        return text
    between = range(1, len(plain))
    shown = Text()
    for part in text.divide(between):
        line = " " if in_one_line and part.plain == "\n" else visible(part.plain)
        part.plain = line[0]
        shown.append_text(part).append(line[1:])
    return shown


# A number and its unit, and a length of two units, belong together; between them stands this sign while a
# sentence is bent.
_MEASURED = re.compile(
    r"(?<=\d) (?=(?:ms|s|min|h|days?)\b)"
    r"|(?<=\d min) (?=\d+ s\b)|(?<=\d h) (?=\d+ min\b)"
    r"|(?<=\d day) (?=\d+ (?:h|min)\b)|(?<=\d days) (?=\d+ (?:h|min)\b)"
)
_BOUND = "\ue000"


def bent(text: Text, terminal: Console, width: int) -> list[Text]:
    """Return the lines of a sentence, bent between its words but not within a length of time."""
    bound = text.copy()
    bound.plain = _MEASURED.sub(_BOUND, text.plain)
    lines = list(bound.wrap(terminal, width))
    for line in lines:
        line.plain = line.plain.replace(_BOUND, " ")
    return lines


def can_show(characters: str) -> bool:
    """Return whether the terminal can show characters that are none of ASCII."""
    if os.environ.get("TERM") in ("dumb", "linux"):
        return False
    try:
        characters.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def room_of(terminal: Console) -> int | None:
    """Return how many characters a line may have; None in a pipe or a file, unless COLUMNS says it."""
    is_bounded = terminal.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return terminal.width if is_bounded else None


def console(*, aside: bool = False) -> Console:
    """Return a console that never fails on a character, and has no colours in a pipe or with NO_COLOR.

    `aside`: that of standard error.
    """
    from rich.console import Console

    stream = sys.stderr if aside else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    # Rich alone would leave bold and dim text as it is with NO_COLOR.
    return Console(stderr=aside, color_system=None if os.environ.get("NO_COLOR") else "auto")
