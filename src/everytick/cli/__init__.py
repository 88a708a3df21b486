"""The commands, by what they do."""

from __future__ import annotations

import sys

from everytick.app import Application


def main(application: Application, program: str | None = None) -> None:
    """Run the command that the process was called with, for an application.

    Exit code 2: wrong usage, settings or schedule; 1: it failed; 130: Ctrl+C, also at the very start.
    """
    try:
        from .program import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run(application, program)
