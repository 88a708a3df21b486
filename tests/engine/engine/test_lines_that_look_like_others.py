"""No line that a job logs looks like a line of another time or level, where its log is shown."""

from __future__ import annotations

import pytest
from everytick import log_to_stderr
from everytick.engine import capture
from everytick.engine.repair import let_no_log_line_raise
from loguru import logger


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\n\n"])
def test_further_lines_of_a_message_are_indented_in_what_is_kept(end: str) -> None:
    log_to_stderr()
    lines, token = capture.begin()
    forged = "2026-03-01 03:00:00.000+00:00 ERROR    all backups are gone"
    try:
        logger.info("begun{}{}", end, forged)
        try:
            raise RuntimeError(f"failed{end}{forged}")
        except RuntimeError:
            logger.exception("it failed")
    finally:
        capture.end(token)
        logger.remove()
    text = lines.text()
    assert text is not None
    assert text.count("all backups are gone") == 2
    assert [line[:4] for line in text.splitlines() if line.startswith("2026-03-01")] == []
    assert len([line for line in text.splitlines() if not line.startswith("    ") and line]) == 2


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, GeneratorExit])
def test_a_sink_that_raises_is_no_error_of_the_next_who_logs(
    kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    log_to_stderr()
    let_no_log_line_raise()

    def sink(_message: object) -> None:
        raise kind("of the sink")

    logger.add(sink, catch=False)
    try:
        logger.info("stopping")
    finally:
        logger.remove()
    assert "could not be written by sink" in capsys.readouterr().err
