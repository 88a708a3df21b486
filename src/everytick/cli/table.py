"""Tables for people: no wider than the terminal, and no word in them is broken.

Where a table does not fit, columns that can be left out go first. Then text is shortened or bent between its
words. Ids, states and numbers stay whole: a cell of them that is too long for its column ends the line, and
the cells behind it follow in the next one, in their own columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .output import can_show, console, visible

if TYPE_CHECKING:
    from rich.text import Text

_GAP = 2


@dataclass(frozen=True)
class Column:
    """A column, and what becomes of it where the table has no room; by default it is bent between its words.

    is_whole: its cells are never shortened and never bent.
    least: its cells are shortened at their end, to no fewer columns of the terminal than this.
    left_out: not 0 if it can be left out; the highest number goes first.
    """

    title: str
    is_whole: bool = False
    least: int | None = None
    left_out: int = 0


@dataclass
class _Laid:
    """A column with its cells and the widths that it would like, can do with, and gets."""

    column: Column
    cells: list[Text]
    width: int = 0
    least: int = 0


def print_table(
    title: str,
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[str | Text]],
    *,
    wide: bool = False,
) -> None:
    """Print rows for people; a cell that is `Text` keeps its colours.

    `wide`: each row is one line with all that there is, however long that gets.
    """
    from rich.text import Text

    # Not bent where the terminal ends: it is one sentence.
    console().print(Text(title, style="italic"), soft_wrap=True)
    named = [Column(column) if isinstance(column, str) else column for column in columns]
    cells = [
        [_text(cell, in_one_line=wide or _is_one_line(it)) for it, cell in zip(named, row, strict=True)]
        for row in rows
    ]
    laid = [_Laid(column, [row[place] for row in cells]) for place, column in enumerate(named)]
    kept = _measured(laid, None if wide else console().width)
    head = [Text(it.column.title, style="bold") for it in kept]
    rule = [Text(("─" if can_show("─") else "-") * it.width, style="dim") for it in kept]
    lines = [head, rule, *([it.cells[number] for it in kept] for number in range(len(cells)))]
    for row in lines:
        for line in _lines(row, kept):
            console().print(line, soft_wrap=True)
    console().print()


def print_lines(lines: Iterable[str]) -> None:
    """Print sentences, each indented, and bent between its words where the terminal ends."""
    from rich.text import Text

    room = console().width - 4
    for line in lines:
        first, *rest = Text(visible(line)).wrap(console(), room) or [Text()]
        for indent, part in [("  ", first), *(("    ", part) for part in rest)]:
            part.rstrip()
            console().print(Text(indent) + part, soft_wrap=True)


def _is_one_line(column: Column) -> bool:
    return column.is_whole or column.least is not None


def _text(cell: str | Text, *, in_one_line: bool) -> Text:
    # As text, never as markup: a name or an error may hold square brackets.
    from rich.text import Text

    if not isinstance(cell, str):
        return cell
    return Text(visible(" ".join(cell.splitlines()) if in_one_line else cell))


# --- widths


def _measured(columns: list[_Laid], room: int | None) -> list[_Laid]:
    """Return the columns for which there is room, with their widths; all of them if `room` is None."""
    for it in columns:
        lines = [line.cell_len for cell in it.cells for line in cell.split("\n", allow_blank=True)]
        it.width = max([len(it.column.title), *lines])
        it.least = _least(it, room) if room is not None else it.width
    if room is None:
        return columns
    kept = list(columns)
    for it in sorted(columns, key=lambda it: -it.column.left_out):
        if it.column.left_out and _total(one.least for one in kept) > room:
            kept.remove(it)
    _narrow([it for it in kept if not it.column.is_whole], kept, room)
    for it in kept:
        it.least = len(it.column.title)
    _narrow([it for it in kept if it.column.is_whole], kept, room)
    return kept


def _least(it: _Laid, room: int) -> int:
    """Return the least width of a column in which no word of it is broken."""
    from rich.cells import cell_len

    if it.column.is_whole:
        return it.width
    if it.column.least is not None:
        return min(it.width, max(it.column.least, len(it.column.title)))
    longest = max((cell_len(word) for cell in it.cells for word in cell.plain.split()), default=0)
    # A word longer than that, such as an address, has to be broken somewhere.
    return max(len(it.column.title), min(room // 2, longest))


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + _GAP * (len(found) - 1)


def _narrow(flexible: list[_Laid], all_of_them: list[_Laid], room: int) -> None:
    """Take from the widest of some columns, one by one, until all fit or all are at their least."""
    for _ in range(_total(it.width for it in all_of_them) - room):
        yielding = [it for it in flexible if it.width > it.least]
        if not yielding:
            return
        max(yielding, key=lambda it: it.width).width -= 1


# --- lines


def _lines(row: Sequence[Text], columns: Sequence[_Laid]) -> list[Text]:
    """Return the lines of a row."""
    found: list[Text] = []
    together: list[tuple[int, list[Text]]] = []
    begin = 0
    for cell, it in zip(row, columns, strict=True):
        parts = _parts(cell, it)
        together.append((begin, parts))
        begin += it.width + _GAP
        if parts and parts[0].cell_len > it.width:
            found += _beside(together)
            together = []
    return found + _beside(together)


def _parts(cell: Text, it: _Laid) -> list[Text]:
    """Return the lines of a cell."""
    if it.column.least is not None:
        return [_shortened(cell, it.width)]
    if it.column.is_whole:
        return [cell]
    return list(cell.wrap(console(), it.width))


def _beside(cells: list[tuple[int, list[Text]]]) -> list[Text]:
    """Return lines in which cells stand beside each other, each from its own column of the terminal on."""
    from rich.text import Text

    found = []
    for number in range(max((len(parts) for _begin, parts in cells), default=0)):
        line = Text()
        for begin, parts in cells:
            if number < len(parts):
                line.append(" " * (begin - line.cell_len)).append(parts[number])
        line.rstrip()
        found.append(line)
    return found


def _shortened(cell: Text, width: int) -> Text:
    """Return a cell cut at its end where it is too long: between two words, or else at a sign within one."""
    from rich.cells import set_cell_size
    from rich.text import Text

    if cell.cell_len <= width:
        return cell
    end = "…" if can_show("…") else "..."
    text = cell.plain
    head = set_cell_size(text, max(0, width - len(end)))
    if not text[len(head) :].startswith(" "):
        whole = re.match(r".*(?= )", head) or re.match(r".*\W", head)
        head = whole[0] if whole else head
    return Text(head.rstrip(" ,;:(") + end)
