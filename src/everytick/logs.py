"""Where log lines go: to standard error, the standard library's logging included.

Every line that a run writes carries its job, tick and attempt.
"""

from __future__ import annotations

import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any

from everytick.engine import capture
from loguru import logger

if TYPE_CHECKING:
    from loguru import Record


def log_to_stderr(level: str = "INFO", log_format: str = "text") -> None:
    """Send all logs to standard error and nowhere else: text for a terminal, or (`json`) an object a line.

    Raises:
        ValueError: no such level; LOG_LEVEL, which is where it comes from, is checked before.

    Example:
        from everytick import log_to_stderr

        def configure_logging(level: str, log_format: str) -> None:
            log_to_stderr(level, log_format)
    """
    # A terminal that is not UTF-8 shows an emoji as an escape instead of failing on it.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logger.remove()
    if log_format == "json":
        logger.add(sys.stderr, level=level, serialize=True, backtrace=False, diagnose=False)
    else:
        logger.add(sys.stderr, level=level, format=_line, backtrace=False, diagnose=False)
    logging.basicConfig(handlers=[_ToLoguru()], level=logger.level(level).no, force=True)
    capture.attach(level)
    # Tells of each migration step; the scheduler says itself what it does to the ledger.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _line(record: Record) -> str:
    run = ""
    if "job" in record["extra"]:
        run = " <cyan>{extra[job]}</cyan>"
        if record["extra"].get("tick"):
            run += " <dim>{extra[tick]}</dim>"
        if record["extra"].get("attempt", 1) > 1:
            run += " <yellow>attempt {extra[attempt]}</yellow>"
    return (
        "<dim>{time:YYYY-MM-DD HH:mm:ss.SSS}</dim> <level>{level: <8}</level>"
        f"{run} <level>{{message}}</level>\n{{exception}}"
    )


class _ToLoguru(logging.Handler):
    """Hands a record of the standard library's logging to loguru, with its place in the code."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelno
        if record.levelname in logger._core.levels:  # type: ignore[attr-defined]
            level = record.levelname
        frame: Any = inspect.currentframe()
        depth = 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1
        logger.opt(depth=depth, exception=record.exc_info).log(level, record.getMessage())
