"""Log lines at a terminal."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import pytest
from everytick import log_to_stderr, logs
from everytick.masking import hide
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
    assert terminal.getvalue().count(text) == 2


def test_json_has_messages_as_they_were_written(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log_to_stderr(log_format="json")
    logger.info("{}", FORGED)
    [line] = terminal.getvalue().splitlines()
    assert json.loads(line)["message"] == FORGED
    assert line.isprintable()


def test_log_lines_have_no_colours_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(logged(monkeypatch))


def told(patch: pytest.MonkeyPatch, *, as_json: bool = False) -> Terminal:
    """Return what stands for a terminal that gets the log."""
    patch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    patch.setattr(sys, "stderr", terminal)
    patch.setattr(warnings, "showwarning", warnings.showwarning)
    # Not recorded, as pytest does.
    patch.setattr(warnings, "_showwarnmsg_impl", logs._SHOW_WARNING)
    log_to_stderr(log_format="json" if as_json else "text")
    return terminal


def warn(text: str) -> None:
    with warnings.catch_warnings():
        # Not the error that it is in tests.
        warnings.simplefilter("always")
        warnings.warn(text, UserWarning, stacklevel=1)


def test_a_warning_is_a_line_of_the_log_without_secrets_and_without_what_steers_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide("correct-horse-battery")
    terminal = told(monkeypatch)
    with logger.contextualize(job="nightly"):
        warn(f"correct-horse-battery {FORGED}")
    shown = terminal.getvalue()
    assert "correct-horse" not in shown
    assert not {*shown} & {*"\x1b\r\x07\u202e"}
    first, *others = shown.splitlines()
    assert "WARNING  nightly " in first
    assert "test_logs.py:" in first
    assert first.endswith("UserWarning: ***** no\\x1b[2J")
    assert all(line.startswith("    ") for line in others)


def test_a_warning_is_a_line_of_json(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = told(monkeypatch, as_json=True)
    warn("look here")
    [line] = terminal.getvalue().splitlines()
    found = json.loads(line)
    assert (found["level"], found["logger"]) == ("WARNING", "py.warnings")
    assert "UserWarning: look here" in found["message"]


def test_who_records_warnings_gets_them_also_when_the_log_begins_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warnings, "_showwarnmsg_impl", logs._SHOW_WARNING)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        log_to_stderr()
        warnings.warn("look here", UserWarning, stacklevel=1)
    assert [str(one.message) for one in seen] == ["look here"]
    assert terminal.getvalue() == ""


class Unsayable:
    """Its text cannot be made, nor that of the error which says so."""

    def __str__(self) -> str:
        class Odd(Exception):
            def __str__(self) -> str:
                raise ValueError("not this one either")

        raise Odd

    __repr__ = __str__


def test_what_cannot_be_said_is_told_with_its_place_and_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = told(monkeypatch)
    logging.getLogger("shop").warning("%s", Unsayable())
    [line] = terminal.getvalue().splitlines()
    assert "a log message cannot be shown: " in line
    assert "exception str() failed" in line
    assert "test_logs.py:" in line


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("way", ["%s of standard logging", "extra of standard logging", "bound to loguru"])
def test_a_text_that_takes_its_time_keeps_no_other_thread_from_logging(
    monkeypatch: pytest.MonkeyPatch, way: str, as_json: bool
) -> None:
    terminal = told(monkeypatch, as_json=as_json)
    begun, go_on = threading.Event(), threading.Event()

    class Slow:
        def __str__(self) -> str:
            begun.set()
            go_on.wait(30)
            return "slow"

    def log() -> None:
        if way.startswith("%s"):
            logging.getLogger("shop").warning("%s", Slow())
        elif way.startswith("extra"):
            logging.getLogger("shop").warning("a line", extra={"it": Slow()})
        else:
            logger.bind(it=Slow()).warning("a line")

    def others() -> None:
        logging.getLogger("other").warning("standard")
        logger.warning("loguru")

    slow, other = threading.Thread(target=log, daemon=True), threading.Thread(target=others, daemon=True)
    slow.start()
    if as_json or way.startswith("%s"):
        assert begun.wait(5)
    else:
        # What is bound is a part of lines of JSON alone: nobody waits for its text here.
        slow.join(5)
    other.start()
    other.join(5)
    went_on = not other.is_alive()
    go_on.set()
    slow.join(5)
    other.join(5)
    assert went_on
    assert all(word in terminal.getvalue() for word in ("standard", "loguru"))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_endless_message_is_cut_before_it_is_looked_at(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    log_to_stderr("INFO", log_format)
    long = "y\n" * 20_000_000
    begin = time.monotonic()
    logger.info(long)
    logger.bind(what=long, job=long).info("{}", "x")
    logging.getLogger("other").warning("%s", long)
    assert time.monotonic() - begin < 2.5
    logger.complete()
