"""From the call of a process to its exit code: which commands are meant, and how errors are told."""

from __future__ import annotations

import errno
import os
import sys
from copy import copy
from typing import Any

import typer
from everytick.app import Application, register
from everytick.command_line import as_called
from everytick.errors import (
    NO_FILE_HANDLES,
    NO_THREADS,
    ConfigurationError,
    LedgerError,
    lacks_file_handles,
    lacks_threads,
)

from . import dashboard, program
from .groups import called
from .output import discard, print_aside
from .standalone import everytick

# The exit code after Ctrl+C, as shells have it.
INTERRUPTED = 130
# Errors of a disk, or of what else is behind standard output.
_WHILE_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run(application: Application | None, name: str | None) -> None:
    """Run the command that the process was called with; see `everytick.cli.main`."""
    _open_missing_streams()
    try:
        _command(application, name)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print_aside("interrupted")
        raise
    except ConfigurationError as problem:
        _stop(problem, 2)
    except LedgerError as problem:
        _stop(problem, 1)
    except Exception as problem:
        if lacks_threads(problem):
            _stop(LedgerError(NO_THREADS), 1)
        if not _is_asked_to_complete():
            raise
        # Typer takes for granted what its script sets, such as COMP_WORDS.
        what = f"what the shell asks to complete cannot be read ({type(problem).__name__}: {problem})"
        _stop(ConfigurationError(f"{what}: the script that --show-completion prints asks for it"), 2)


def _is_asked_to_complete() -> bool:
    asked = (value for name, value in os.environ.items() if name.endswith("_COMPLETE"))
    return any(value.startswith("complete_") for value in asked)


def _command(application: Application | None, name: str | None) -> None:
    try:
        try:
            _check_arguments()
            if application is None:
                _program(everytick)(prog_name=name)
            else:
                register(application)
                application.command = as_called() or application.command
                if not application.has_dashboard:
                    for command in dashboard.commands.registered_commands:
                        command.hidden = True
                _program(program.app)(prog_name=name)
        finally:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # Typer and Rich end with 1 where they meet that themselves.
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):
            raise
        # The reader (`| head`) has seen enough.
        discard(sys.stdout)
        sys.exit(0)
    except OSError as problem:
        raise LedgerError(_in_a_sentence(problem)) from None


def _program(app: typer.Typer) -> typer.Typer:
    """Return a program with no more commands than this process needs."""
    found = copy(app)
    found.registered_commands = called(app.registered_commands, sys.argv[1:])
    return found


def _in_a_sentence(problem: OSError) -> str:
    """Return an error of the system as a sentence for a person."""
    if lacks_file_handles(problem):
        return NO_FILE_HANDLES
    if problem.filename is None and problem.errno in _WHILE_WRITING and not _takes_a_line(sys.stdout):
        return f"standard output cannot be written: {problem.strerror}"
    try:
        os.getcwd()
    except OSError as of_folder:
        return f"the working directory cannot be used: {of_folder.strerror}"
    what = "" if problem.filename is None else f"{problem.filename}: "
    return f"{what}{problem.strerror or problem}"


def _check_arguments() -> None:
    """Refuse bytes that are no text: no job, note or ledger can have such a name."""
    for argument in sys.argv[1:]:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
            raise ConfigurationError(f"the argument '{shown}' is not UTF-8 text") from None


def _open_missing_streams() -> None:
    """Give a process that was started without them its standard streams, where all is left out.

    Or the next file that is opened, such as the ledger, gets the number of standard error, and error messages
    are written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free.
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _takes_a_line(stream: Any) -> bool:
    """Return whether a stream can be written: where nothing is buffered, no error is left to be seen."""
    try:
        stream.write("\n")
        stream.flush()
    except OSError:
        discard(stream)
        return False
    return True


def _stop(problem: Exception, code: int) -> None:
    print_aside(f"error: {problem}")
    sys.exit(code)
