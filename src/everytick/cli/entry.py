"""From the call of a process to its exit code: which commands are meant, and how errors are told."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from everytick.app import Application, register
from everytick.errors import ConfigurationError, LedgerError

from . import dashboard, program
from .standalone import everytick

# The exit code after Ctrl+C, as shells have it.
INTERRUPTED = 130


def run(application: Application | None, name: str | None) -> None:
    """Run the command that the process was called with; see `everytick.cli.main`."""
    try:
        if application is None:
            everytick(prog_name=name)
        else:
            register(application)
            application.command = as_called() or name or application.command
            if not application.has_dashboard:
                for command in dashboard.commands.registered_commands:
                    command.hidden = True
            program.app(prog_name=name)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("interrupted", file=sys.stderr)
        raise
    except ConfigurationError as problem:
        _stop(problem, 2)
    except LedgerError as problem:
        _stop(problem, 1)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def as_called() -> str | None:
    """Return how a person called this process, up to the command: `.venv/bin/python -m app`.

    Returns:
        None if another program called these commands, whose own arguments are not known.
    """
    before = len(sys.orig_argv) - len(sys.argv) + 1
    if sys.orig_argv[before:] != sys.argv[1:]:
        return None
    words = sys.orig_argv[:before]
    if "-m" not in words:
        # The script of a virtual environment, which is run by the Python that lies beside it.
        words = sys.argv[:1]
        if Path(words[0]).absolute().parent != Path(sys.executable).parent:
            return None
    return shlex.join([_short(words[0]), *words[1:]])


def _short(program: str) -> str:
    """Return the path of a program as a person in this folder would write it."""
    path = Path(program)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return path.name if shutil.which(path.name) == program else program


def _stop(problem: Exception, code: int) -> None:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(code)
