"""Log lines at a terminal."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import pytest
from everytick import log_to_stderr
from loguru import logger


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _own_logger() -> Iterator[None]:
    yield
    logger.remove()


def logged(patch: pytest.MonkeyPatch) -> list[str]:
    """Return a usual line and a warning, as a terminal gets them."""
    terminal = Terminal()
    patch.setattr(sys, "stderr", terminal)
    log_to_stderr()
    logger.info("all is well")
    logger.warning("look here")
    logger.complete()
    return terminal.getvalue().splitlines()


def test_lines_that_are_nothing_special_are_not_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    usual, special = logged(monkeypatch)
    assert usual.endswith("INFO     all is well")
    assert "\x1b[1m" not in usual
    assert "\x1b[33m\x1b[1mlook here" in special


FORGED = "no\x1b[2J\r\n2026-11-29 09:00:00.000+0000 INFO     backup succeeded\x07\u202e"


def logged_by_a_job(patch: pytest.MonkeyPatch) -> str:
    """Return what a terminal gets from a line and an error with text that came from elsewhere."""
    patch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    patch.setattr(sys, "stderr", terminal)
    log_to_stderr()
    logger.warning(f"got: {FORGED}")
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("failed: {} <red>", FORGED)
    logger.complete()
    return terminal.getvalue()


def test_text_from_elsewhere_neither_steers_the_terminal_nor_looks_like_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = logged_by_a_job(monkeypatch)
    assert not {*shown} & {*"\x1b\r\x07\u202e"}
    assert shown.count("no\\x1b[2J\n") == 3
    first = [line for line in shown.splitlines() if not line.startswith("    ")]
    assert [line.partition("+")[2].split(" ", 1)[1] for line in first] == [
        "WARNING  got: no\\x1b[2J",
        "ERROR    failed: no\\x1b[2J",
    ]
    assert shown.count("\n    2026-11-29 09:00:00.000+0000 INFO     backup succeeded\\x07\\u202e") == 3
    assert "    Traceback (most recent call last):\n      File " in shown


def test_letters_and_signs_of_all_languages_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log_to_stderr()
    persian, family = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f468\u200d\U0001f469"
    text = f"5\u00a0\u20ac {persian} {family} a\tb {{x}} <red>"
    logger.info("{}", text)
    logger.info("{}\nmore {{}}", text)
    logger.complete()
    assert terminal.getvalue().count(text) == 2


def test_json_has_messages_as_they_were_written(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log_to_stderr(log_format="json")
    logger.info("{}", FORGED)
    logger.complete()
    [line] = terminal.getvalue().splitlines()
    assert json.loads(line)["message"] == FORGED
    assert line.isprintable()


def test_log_lines_have_no_colours_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(logged(monkeypatch))
