"""An error that is a group: its name, its sentence, its number of parts and what it comes from are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from everytick.engine import capture
from everytick.engine.safe_errors import safe_now


class Slow:
    """Its text is made by code of the program."""

    def __repr__(self) -> str:
        return "slow"


class ImportFailed(ExceptionGroup[Exception]):
    """A group with a name of its own, and Python's sentence."""


class WithSentence(ExceptionGroup[Exception]):
    """A group with a sentence of its own."""

    def __str__(self) -> str:
        return f"{len(self.exceptions)} rows of the import are wrong"


def group(number: int) -> ExceptionGroup[Exception]:
    return ExceptionGroup("many", [ValueError(f"row {it}") for it in range(number)])


def caused(problem: Exception, cause: Exception) -> Exception:
    problem.__cause__ = cause
    return problem


@pytest.mark.parametrize("number", [2, 99, 100, 101, 200, 5_000, 50_000])
def test_the_number_of_parts_is_true(number: int) -> None:
    said = capture.one_line(group(number))
    assert said.startswith(f"ExceptionGroup: many ({number} sub-exceptions): [ValueError: row 0; ")
    assert said.endswith(f"and {number - 99} more]") == (number > 99)
    if number > 99:
        assert "row 98; and " in said
    if number > 15:
        assert f"and {number - 15} more exceptions" in capture.trace(group(number))


def test_the_number_of_parts_of_groups_in_a_group_is_true() -> None:
    said = capture.one_line(ExceptionGroup("all", [group(150), group(70)]))
    assert said.startswith(
        "ExceptionGroup: all (2 sub-exceptions): [ExceptionGroup: many (150 sub-exceptions)"
    )
    assert "and 52 more]" in said
    assert "many (70 sub-exceptions)" in said or said.endswith("; and 1 more]")


PLAIN, OWN = lambda it: ValueError(it), lambda it: ValueError(it, Slow())


@pytest.mark.parametrize("part", [PLAIN, OWN])
def test_what_a_group_comes_from_is_said(part: Callable[[str], Exception]) -> None:
    problem = caused(ExceptionGroup("sync", [part("row 1"), part("row 2")]), OSError("the host is down"))
    said = capture.one_line(problem)
    assert said.startswith("ExceptionGroup: sync (2 sub-exceptions): [ValueError: ")
    assert said.endswith("] (from OSError: the host is down)")
    assert "the host is down" in capture.trace(problem)


def test_what_a_large_group_comes_from_is_said() -> None:
    problem = caused(group(200), OSError("the host is down"))
    assert capture.one_line(problem).endswith("more] (from OSError: the host is down)")


@pytest.mark.parametrize("part", [PLAIN, OWN])
def test_a_group_of_its_own_class_keeps_its_name_and_its_sentence(part: Callable[[str], Exception]) -> None:
    named = capture.one_line(ImportFailed("import", [part("row 1")]))
    assert named.startswith(f"{__name__}.ImportFailed: import (1 sub-exception): [ValueError: ")
    told = capture.one_line(WithSentence("import", [part("row 1")]))
    assert told.startswith(f"{__name__}.WithSentence: 1 rows of the import are wrong: [ValueError: ")
    assert f"{__name__}.WithSentence: 1 rows of the import are wrong" in capture.trace(
        WithSentence("import", [part("row 1")])
    )


def test_a_group_that_is_no_plain_error_is_told_of_too() -> None:
    problem = BaseExceptionGroup("stopped", [KeyboardInterrupt(), ValueError("row", Slow())])
    said = capture.one_line(problem)
    assert said.startswith("BaseExceptionGroup: stopped (2 sub-exceptions): [KeyboardInterrupt; ")


def test_a_copy_of_a_group_is_not_copied_again() -> None:
    copy = safe_now(group(200))
    assert safe_now(copy) is copy
