"""Log lines at a terminal."""

from __future__ import annotations

import io
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
    return terminal.getvalue().splitlines()


def test_lines_that_are_nothing_special_are_not_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    usual, special = logged(monkeypatch)
    assert usual.endswith("INFO     all is well")
    assert "\x1b[1m" not in usual
    assert "\x1b[33m\x1b[1mlook here" in special


def test_log_lines_have_no_colours_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(logged(monkeypatch))
