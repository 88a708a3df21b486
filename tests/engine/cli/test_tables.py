"""Tables at the terminal: no wider than it."""

from __future__ import annotations

import sys

import pytest
from everytick.cli.colours import STATES, coloured
from everytick.cli.output import print_aside, print_text, visible_text
from everytick.cli.table import Column, print_lines, print_sentence, print_table
from rich.text import Text

ERROR = "HTTPStatusError: Server error '503 Service Unavailable' for url 'https://api.example.org/v1/plants'"
COLUMNS = [Column("id", is_id=True), Column("seconds", left_out=1), Column("error", least=24)]


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def printed(
    capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, width: int, *rows: list[str], **more: bool
) -> list[str]:
    """Return the rows of a table on a terminal of a width."""
    patch.setenv("COLUMNS", str(width))
    print_table("title", COLUMNS, rows, **more)
    title, _head, _rule, *lines, last = capsys.readouterr().out.splitlines()
    assert (title, last) == ("title", "")
    return lines


def test_text_is_cut_where_its_room_ends_and_columns_go_for_which_there_is_no_room(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    assert printed(capsys, columns, 60, ["a", "1.5", ERROR]) == [
        "a   1.5      HTTPStatusError: Server error '503 Service…"
    ]
    assert printed(capsys, columns, 34, ["a", "1.5", ERROR]) == ["a   HTTPStatusError: Server error…"]
    assert printed(capsys, columns, 30, ["a", "1", "it waits for the beginning of it"]) == [
        "a   it waits for the…"
    ]
    name = "ServiceUnavailableForMaintenanceError: no"
    assert printed(capsys, columns, 34, ["a", "1.5", name]) == ["a   ServiceUnavailableForMaintena…"]


def test_a_refusal_is_bent_at_a_terminal_and_one_line_elsewhere(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    columns.setenv("COLUMNS", "40")
    sentence = "error: there is no job 'nigth'; did you mean 'night'?"
    print_aside(sentence)
    assert capsys.readouterr().err == f"{sentence}\n"
    columns.setattr(sys.stderr, "isatty", lambda: True)
    print_aside(sentence)
    assert capsys.readouterr().err == "error: there is no job 'nigth'; did you\nmean 'night'?\n"


def test_a_sentence_is_not_bent_between_a_number_and_its_unit(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    columns.setenv("COLUMNS", "30")
    columns.setenv("FORCE_COLOR", "1")
    columns.setenv("NO_COLOR", "1")
    print_sentence("ready: 1 scheduler up, beat 6.32 s ago")
    assert capsys.readouterr().out.splitlines() == ["ready: 1 scheduler up, beat", "6.32 s ago"]


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("no scheduler was running from 02:10:00 on", []),
        ("ledger: nothing was lost", []),
        ("It timed out after 3 s; run 7 succeeded", ["timed out", "succeeded"]),
        ("that is run 9 for 11:00:00 (failed)", ["failed"]),
        ("attempt 1 began at 11:00:00 and was lost", ["lost"]),
        ("run 9 of invoices: failed", ["failed"]),
    ],
)
def test_only_a_state_that_is_told_of_a_run_has_its_colour(sentence: str, told: list[str]) -> None:
    text = coloured(sentence)
    found = [text.plain[it.start : it.end] for it in text.spans if it.style in STATES.values()]
    assert sorted(found) == sorted(told)


def test_an_id_is_never_broken_and_lets_the_rest_of_its_row_follow_in_the_next_line(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    long = "the_job_with_the_very_long_name_that_somebody_gave_it"
    assert printed(capsys, columns, 40, ["short", "1.5", "E"], [long, "1.5", ERROR]) == [
        "short           E",
        long,
        "                HTTPStatusError: Server…",
    ]


def test_a_wide_table_has_all_of_it_in_one_line_a_row(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    assert printed(capsys, columns, 40, ["a", "1.5", f"{ERROR}\nand more"], wide=True) == [
        f"a   1.5      {ERROR} and more"
    ]


@pytest.mark.parametrize("wide", [True, False])
def test_one_huge_id_leaves_the_other_rows_readable(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch, wide: bool
) -> None:
    huge, *_, usual = printed(capsys, columns, 60, ["x" * 200_000, "1.5", "E"], ["a", "2", ERROR], wide=wide)
    assert huge.startswith("x" * 499 + "…")
    assert len(huge) < 600
    assert usual.split()[0] == "a"
    assert len(usual) < 700


def test_the_longest_id_that_there_can_be_is_whole(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    [line] = printed(capsys, columns, 60, ["x" * 500, "1.5", ERROR], wide=True)
    assert line == f"{'x' * 500}  1.5      {ERROR}"


def test_what_would_steer_the_terminal_is_written_out_and_a_terminal_without_signs_gets_dots(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    columns.setenv("TERM", "dumb")
    assert printed(capsys, columns, 40, ["\x1b[31m[bold]", "1.5", ERROR]) == [
        "\\x1b[31m[bold]  HTTPStatusError..."
    ]


_STEERING = "\x1b]0;mine\x9b2J\u202e\n  ok  "
_WRITTEN_OUT = "\\x1b]0;mine\\x9b2J\\x202e   ok"


def test_what_would_steer_the_terminal_is_written_out_wherever_it_stands(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    """Also in cells with a colour of their own, in sentences aside, and as the end of a line."""
    columns.setenv("COLUMNS", "200")
    coloured_cell = Text(_STEERING, "red")
    print_table(_STEERING, [Column("state", is_whole=True)], [[coloured_cell]])
    title, _forged, _head, _rule, cell, *_ = capsys.readouterr().out.splitlines()
    assert (title, cell) == (_WRITTEN_OUT.removesuffix("   ok"), _WRITTEN_OUT)
    print_sentence(f"warning  {_STEERING}", label=9, style="yellow")
    assert capsys.readouterr().out.rstrip() == f"warning  {_WRITTEN_OUT}"
    print_lines([_STEERING])
    assert capsys.readouterr().out.rstrip() == f"  {_WRITTEN_OUT}"
    print_text(Text(_STEERING.strip(), "red"))
    print_aside(_STEERING)
    said = capsys.readouterr()
    assert said.out.startswith("\\x1b]0;mine\\x9b2J\\x202e\n")
    assert said.err.startswith("\\x1b]0;mine\\x9b2J\\x202e\n")


def test_what_is_written_out_leaves_the_rest_its_colours() -> None:
    text = Text.assemble(("a\x1bb", "red"), ("c\n", "blue"))
    shown = visible_text(text, in_one_line=True)
    assert shown.plain == "a\\x1bbc "
    assert [(shown.plain[it.start : it.end], it.style) for it in shown.spans if it.style == "blue"] == [
        ("c", "blue"),
        (" ", "blue"),
    ]


def test_sentences_are_bent_between_their_words(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    columns.setenv("COLUMNS", "24")
    print_lines(["water_the_plants: every ten seconds"])
    assert capsys.readouterr().out.splitlines() == ["  water_the_plants:", "    every ten seconds"]


def test_in_a_pipe_each_row_is_one_line_and_nothing_is_cut(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    columns.delenv("COLUMNS", raising=False)
    address = "https://api.example.org/v1/plants/" + "very_" * 40 + "long"
    print_table("title", COLUMNS, [["a" * 90, "1.5", f"{ERROR}\n{address}"]])
    print_lines(["word " * 40])
    *_, row, _end, line = capsys.readouterr().out.splitlines()
    assert row == f"{'a' * 90}  1.5      {ERROR} {address}"
    assert line.strip() == ("word " * 40).strip()


def test_a_number_is_not_cut_so_that_it_may_go_on(
    capsys: pytest.CaptureFixture[str], columns: pytest.MonkeyPatch
) -> None:
    for number, shown in ((6, "run 6 …"), (66, "run 66 …"), (6612345, "run…"), (661234567, "run…")):
        text = f"waiting for run {number} (max_instances=1)"
        [line] = printed(capsys, columns, 26, ["a", "1", text])
        assert line == f"a   waiting for {shown}"
