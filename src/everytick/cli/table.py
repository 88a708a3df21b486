"""Tables for people: no wider than the terminal.

Where a table does not fit, columns that can be left out go first. Then text is bent between its words, or cut
where its column ends. Ids, states and numbers stay whole: an id that is too long for its column ends the
line, and the cells behind it follow in the next one, in their own columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .colours import ID, coloured
from .output import bent, can_show, console, room_of, visible, visible_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2
# Columns that can be left out go before text gets shorter than this,
_READABLE = 24
# and before more than every fifth id has a line of its own, or one that is no longer than this.
_USUAL = 20

# The longest id that a job can be given. A longer one was written into the ledger by hand, and would make
# each row as wide. JSON has it whole.
_WIDEST = 500


@dataclass(frozen=True)
class Column:
    """A column, and what becomes of it where the table has no room; by default it is bent between its words.

    is_whole: its cells are never shortened and never bent.
    is_id: nor are these; and the column need not be as wide as the longest of them.
    least: its cells are shortened at their end, to no fewer columns of the terminal than this.
    left_out: not 0 if it can be left out, as it is when it is empty; the highest number goes first.
    style: the colour of its cells; ids have their own.
    """

    title: str
    is_whole: bool = False
    is_id: bool = False
    least: int | None = None
    left_out: int = 0
    style: str = ""


@dataclass
class _Laid:
    """A column with its cells, the width that it gets, and the ones that are fair and possible."""

    column: Column
    cells: list[Text]
    width: int = 0
    fair: int = 0
    least: int = 0


def print_table(
    title: str,
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[str | Text]],
    *,
    wide: bool = False,
    aside: bool = False,
) -> None:
    """Print rows for people; a cell that is `Text` keeps its colours.

    Args:
        title: a sentence above them.
        columns: the columns; one that is no `Column` is bent between its words.
        rows: the cells.
        wide: each row is one line with all that there is, however long that gets; but for the last column
            no cell is longer than 500 characters. So it is in a pipe, too.
        aside: print to standard error, as a remark beside the answer.
    """
    from rich.text import Text

    terminal = console(aside=aside)
    room = None if wide else room_of(terminal)
    wide = room is None
    # Not bent where the terminal ends: it is one sentence.
    terminal.print(Text(visible(title), style="italic"), soft_wrap=True)
    named = [Column(column) if isinstance(column, str) else column for column in columns]
    cells = [
        [_text(cell, it, in_one_line=wide or _is_one_line(it)) for it, cell in zip(named, row, strict=True)]
        for row in rows
    ]
    laid = [_Laid(column, [row[place] for row in cells]) for place, column in enumerate(named)]
    for it in laid:
        if _is_whole(it.column) or (wide and it is not laid[-1]):
            _bound(it.cells)
    kept = _measured(laid, room)
    for row in [*_head(kept, wide=wide), *zip(*(it.cells for it in kept), strict=True)]:
        for line in _lines(row, kept, terminal, room):
            terminal.print(line, soft_wrap=True)
    terminal.print()


def _head(columns: Sequence[_Laid], *, wide: bool) -> list[list[Text]]:
    """Return the titles of the columns, and the rule below them."""
    from rich.text import Text

    sign = "─" if can_show("─") else "-"
    widths = [it.width for it in columns]
    if wide:
        # The last cells may be very long, and so would the rule.
        widths[-1] = len(columns[-1].column.title)
    return [
        [Text(it.column.title, style="bold") for it in columns],
        [Text(sign * width, style="dim") for width in widths],
    ]


def print_lines(lines: Iterable[str], job_ids: Sequence[str] = ()) -> None:
    """Print sentences, each indented, at a terminal bent between its words where that ends."""
    from rich.text import Text

    terminal = console()
    room = room_of(terminal)
    for line in lines:
        text = coloured(_in_one_line(line), job_ids)
        first, *rest = [text] if room is None else bent(text, terminal, room - 4) or [Text()]
        for indent, part in [("  ", first), *(("    ", part) for part in rest)]:
            part.rstrip()
            terminal.print(Text(indent) + part, soft_wrap=True)


def print_sentence(
    sentence: str, job_ids: Iterable[str] = (), *, label: int = 0, style: str = "", indent: int = 0
) -> None:
    """Print a sentence, at a terminal bent between its words where that ends; elsewhere it is one line.

    Args:
        sentence: the sentence.
        job_ids: the ids that have their colour in it.
        label: how many characters at its beginning are no part of it, and have the colour `style`.
        style: that colour.
        indent: of the lines that follow the first.
    """
    from rich.text import Text

    terminal = console()
    text = coloured(_in_one_line(sentence), job_ids)
    text.stylize(style, 0, label)
    if not terminal.is_terminal:
        terminal.print(text, soft_wrap=True)
        return
    head, rest = text[:label], text[label:]
    for number, part in enumerate(bent(rest, terminal, max(_READABLE, terminal.width - indent)) or [rest]):
        part.rstrip()
        terminal.print((Text(" " * indent) if number else head) + part, soft_wrap=True)


def _in_one_line(sentence: str) -> str:
    # A name with an end of a line in it would make another sentence of what follows.
    return visible(" ".join(sentence.splitlines()))


def _is_whole(column: Column) -> bool:
    return column.is_whole or column.is_id


def _is_one_line(column: Column) -> bool:
    return _is_whole(column) or column.least is not None


def _bound(cells: list[Text]) -> None:
    end = "…" if can_show("…") else "..."
    for cell in cells:
        if len(cell.plain) > _WIDEST:
            cell.right_crop(len(cell.plain) - _WIDEST + len(end))
            cell.append(end)


def _text(cell: str | Text, column: Column, *, in_one_line: bool) -> Text:
    # As text, never as markup: a name or an error may hold square brackets.
    from rich.text import Text

    if not isinstance(cell, str):
        return visible_text(cell, in_one_line=in_one_line)
    shown = _in_one_line(cell) if in_one_line else visible(cell)
    return Text.assemble((shown, ID if column.is_id else column.style))


# --- widths


def _measured(columns: list[_Laid], room: int | None) -> list[_Laid]:
    """Return the columns for which there is room, with their widths; all with anything if `room` is None."""
    kept = [it for it in columns if not it.column.left_out or any(cell.plain for cell in it.cells)]
    for it in kept:
        _measure(it, room or 0)
    if room is None:
        return kept
    for next_out in sorted({it.column.left_out for it in columns} - {0}, reverse=True):
        if _total(it.fair for it in kept) > room:
            kept = [it for it in kept if it.column.left_out != next_out]
    text, ids = [[it for it in kept if it.column.is_id is kind] for kind in (False, True)]
    for floor in (lambda it: it.fair, lambda it: it.least):
        _narrow(text, floor, kept, room)
        _narrow(ids, floor, kept, room)
    return kept


def _measure(it: _Laid, room: int) -> None:
    from rich.cells import cell_len

    title = len(it.column.title)
    widths = sorted(line.cell_len for cell in it.cells for line in cell.split("\n", allow_blank=True))
    it.width = max([title, *widths])
    if it.column.is_whole:
        it.fair = it.least = it.width
        return
    if it.column.is_id:
        usual = widths[len(widths) * 4 // 5] if widths else 0
        it.fair, it.least = min(it.width, max(title, usual, _USUAL)), title
        return
    if it.column.least is not None:
        it.least = min(it.width, max(it.column.least, title))
    else:
        longest = max((cell_len(word) for cell in it.cells for word in cell.plain.split()), default=0)
        # A word longer than that, such as an address, has to be broken somewhere.
        it.least = max(title, min(room // 2, longest))
    it.fair = min(it.width, max(it.least, _READABLE))


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + _GAP * (len(found) - 1)


def _narrow(some: list[_Laid], floor: Callable[[_Laid], int], all_of_them: list[_Laid], room: int) -> None:
    """Take from the widest of some columns, bit by bit, until all fit or none of them can give more."""
    for _ in range(_total(it.width for it in all_of_them) - room):
        yielding = [it for it in some if it.width > floor(it)]
        if not yielding:
            return
        max(yielding, key=lambda it: it.width).width -= 1


# --- lines


def _lines(row: Sequence[Text], columns: Sequence[_Laid], terminal: Console, room: int | None) -> list[Text]:
    """Return the lines of a row."""
    found: list[Text] = []
    together: list[tuple[int, list[Text]]] = []
    begin = 0
    for cell, it in zip(row, columns, strict=True):
        parts = _parts(cell, it, terminal)
        is_too_long = bool(parts) and parts[0].cell_len > it.width
        if is_too_long and begin and room is not None and begin + parts[0].cell_len > room:
            found += _beside(together)
            together = [(_GAP, parts)]
        else:
            together.append((begin, parts))
        if is_too_long:
            found += _beside(together)
            together = []
        begin += it.width + _GAP
    # Where nothing stands behind an id, no empty line follows it.
    return found + [line for line in _beside(together) if line.plain]


def _parts(cell: Text, it: _Laid, terminal: Console) -> list[Text]:
    """Return the lines of a cell."""
    if it.column.least is not None:
        return [shortened(cell, it.width)]
    if _is_whole(it.column):
        return [cell]
    return list(cell.wrap(terminal, it.width))


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


def shortened(cell: Text, width: int) -> Text:
    """Return text cut where its room ends: between two words, or within one that takes half of it."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    if cell.cell_len <= width:
        return cell
    end = "…" if can_show("…") else "..."
    head = set_cell_size(cell.plain, max(0, width - len(end)))
    before = head.rfind(" ")
    if cell.plain[len(head) : len(head) + 1] != " " and before * 2 >= width:
        head = head[:before]
    head = head.rstrip(" ,;:(")
    if head[-1:].isdigit() and " " in head:
        # Of a number with that sign behind it nobody sees whether it goes on.
        is_whole = not cell.plain[len(head) : len(head) + 1].isdigit()
        has_room = cell_len(head) + 1 + len(end) <= width
        head = f"{head} " if is_whole and has_room else head[: head.rfind(" ")].rstrip(" ,;:(")
    return Text(head + end)
