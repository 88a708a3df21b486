"""From the call of a process to its exit code: which commands are meant, and how errors are told."""

from __future__ import annotations

import os
import sys

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
            application.command = name or application.command
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


def _stop(problem: Exception, code: int) -> None:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(code)
