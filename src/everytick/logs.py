"""Where log lines go: to standard error, the standard library's logging included.

Every line that a run writes carries its job, tick and attempt. All times are in the scheduler's zone. The
secrets of the settings are masked.
"""

from __future__ import annotations

import inspect
import json
import logging
import math
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, TextIO

from everytick.engine import capture
from everytick.masking import masked
from everytick.standard_streams import unblocked
from everytick.text.wording import one_line, storable, with_further_lines_indented
from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

# Servers that give these loggers handlers of their own, which write lines without a time.
_OF_SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
# Each record of the standard library's logging has these attributes; the others came with `extra=`. The last
# is of uvicorn: its message once more, with the colours of a terminal.
_OF_EACH_RECORD = frozenset([*logging.makeLogRecord({}).__dict__, "message", "asctime", "color_message"])

# What Python does with a warning while nobody records warnings.
_SHOW_WARNING = getattr(warnings, "_showwarnmsg_impl", None)


def log_to_stderr(level: str = "INFO", log_format: str = "text") -> None:
    """Send all logs to standard error and nowhere else: text for a terminal, or (`json`) an object a line.

    Times are in the zone that SCHEDULER_TIMEZONE names, with their offset. A line of JSON has the keys
    `time`, `level`, `message`, `job`, `tick`, `attempt`, `run` and `logger` (null where there is none),
    `exception` where there is one, and what `logger.bind`, or `extra=` of standard logging, added.
    The secrets of the settings are shown as stars.
    Standard error that is not read holds up nothing: lines are left out, and their number is logged later.
    A sink that is added to loguru is called by the thread that logs, the scheduler's own too; a handler of
    standard logging by the thread that logs there, which no thread of the scheduler does.

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
    lines = unblocked(sys.stderr)
    # There is none in a process that was started without one.
    if lines is not None and log_format == "json":

        def write(message: Message) -> None:
            lines.write(str(message))

        logger.add(write, level=level, format=_json_line, backtrace=False, diagnose=False)
    elif lines is not None:
        # Loguru looks by itself whether this is a terminal, and not at NO_COLOR.
        in_colour = False if os.environ.get("NO_COLOR") else None
        logger.add(
            _Masked(lines), level=level, format=_line, colorize=in_colour, backtrace=False, diagnose=False
        )
    logging.basicConfig(handlers=[_ToLoguru()], level=logger.level(level).no, force=True)
    for name in _OF_SERVERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # Python itself writes these, with the secrets that are in them.
    threading.excepthook = _log_end_of_thread
    sys.unraisablehook = _log_unraisable
    warnings.showwarning = _log_warning
    capture.attach(level)
    # Tells of each migration step; the scheduler says itself what it does to the ledger.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _line(record: Record) -> str:
    capture.prepare(record)
    for name in ("job", "tick"):
        if isinstance(record["extra"].get(name), str):
            record["extra"][name] = one_line(masked(record["extra"][name]))
    run = ""
    if "job" in record["extra"]:
        run = " <cyan>{extra[job]}</cyan>"
        if record["extra"].get("tick"):
            run += " <dim>{extra[tick]}</dim>"
        elif record["extra"].get("kind"):
            run += " <dim>{extra[kind]}</dim>"
        if record["extra"].get("attempt", 1) != 1:
            run += " <yellow>attempt {extra[attempt]}</yellow>"
    # Loguru's colour of INFO is bold: where nearly all lines are, nothing stands out.
    begin, end = ("", "") if record["level"].name == "INFO" else ("<level>", "</level>")
    # A message that is shown as it was written keeps the colours that its writer gave it.
    said = with_further_lines_indented(record["message"])
    message = "{message}" if said == record["message"] else capture.in_template(said)
    trace = with_further_lines_indented(f"\n{capture.trace_of(record)}".rstrip())
    return (
        f"<dim>{capture.TIME_OF_LINE}</dim> {begin}{{level: <8}}{end}"
        f"{run} {begin}{message}{end}{capture.in_template(trace)}\n"
    )


def _json_line(record: Record) -> str:
    """Return the template of a line of JSON. All in it is made here, where no lock of the log is held.

    Its values are objects of jobs, whose text may take its time.
    """
    capture.prepare(record)
    record["as_json"] = _as_json(record)  # type: ignore[typeddict-unknown-key]
    return "{as_json}\n"


def _as_json(record: Record) -> str:
    extra = {name: value for name, value in record["extra"].items() if name != "kind"}
    line: dict[str, Any] = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **{name: extra.pop(name, None) for name in ("job", "tick", "attempt", "run")},
        "logger": record["name"],
    }
    if trace := capture.trace_of(record):
        line["exception"] = trace
    return json.dumps({name: _plain(value) for name, value in {**extra, **line}.items()})


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: as text, without secrets, if it is neither text nor a number."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    try:
        return storable(masked(str(value)))
    except Exception:
        # The `__str__` of a value that a program has bound may raise.
        return f"<{type(value).__name__}>"


class _Masked:
    """A stream of text, to which secrets are written as stars."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write a line, or some."""
        self._stream.write(masked(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _ToLoguru(logging.Handler):
    """Hands a record of the standard library's logging to loguru, with its place in the code."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Hand a record over, without the lock of other handlers: its message is made by code of a job."""
        # Since Python 3.12 a filter may return another record.
        kept: Any = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelno
        if record.levelname in logger._core.levels:  # type: ignore[attr-defined]
            level = record.levelname
        frame: Any = inspect.currentframe()
        depth = 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1

        added = {key: value for key, value in record.__dict__.items() if key not in _OF_EACH_RECORD}

        def complete(made: Record) -> None:
            made["name"] = record.name
            # The run's own job, tick, attempt and number stay.
            made["extra"] = {**added, **made["extra"]}

        logger.patch(complete).opt(depth=depth, exception=record.exc_info).log(level, _message_of(record))


def _message_of(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as problem:
        # As with Python's own handlers, a wrong call is told and does not stop the program that made it.
        said = capture.one_line(problem)
        message = f"a log message cannot be shown: {said} ({record.pathname}:{record.lineno})"
    return f"{message}\n{record.stack_info}" if record.stack_info else message


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log what `warnings.warn` says, which Python writes to standard error as it is."""
    show: Any = getattr(warnings, "_showwarnmsg_impl", _SHOW_WARNING)
    if show is not _SHOW_WARNING:
        # Somebody records them, by `warnings.catch_warnings(record=True)`.
        show(warnings.WarningMessage(message, category, filename, lineno, file, line))
        return
    said = warnings.formatwarning(message, category, filename, lineno, line).rstrip()
    if file is not None:
        file.write(f"{said}\n")
        return

    def complete(made: Record) -> None:
        made["name"] = "py.warnings"

    logger.patch(complete).warning("{}", said)


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    # As Python itself does: a thread may end itself so.
    if ended.exc_type is not SystemExit:
        name = ended.thread.name if ended.thread else "unknown"
        logger.opt(exception=ended.exc_value).error("the thread {} ended with an error", name)


def _log_unraisable(ignored: Any) -> None:
    # Not by its `repr`, which is code of the job.
    what = getattr(ignored.object, "__qualname__", type(ignored.object).__qualname__)
    logger.opt(exception=ignored.exc_value).error(
        "{}: {}", ignored.err_msg or "an error was ignored in", what
    )
