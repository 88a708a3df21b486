"""`python -m everytick.update`, in the folder of a project: the steps that must not import the application.

Its files may have markers of conflicts in them, or be those of another version than the engine's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import conflicts
from .finish import finish
from .problem import UpdateError
from .project import Project


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m everytick.update")
    parser.add_argument(
        "action",
        choices=["conflicts", "finish"],
        help="fail if something is left to decide; end an update that was installed",
    )
    parser.add_argument("--since", default="HEAD", help="the commit before the update")
    parser.add_argument("--known", type=Path, help="the changelog as it was")
    parser.add_argument("--merged", action="store_true", help="nobody has changed anything since the merge")
    chosen = parser.parse_args()
    project = Project(Path.cwd())
    try:
        if chosen.action == "conflicts":
            conflicts.check(project)
            return 0
        return finish(project, chosen.since, chosen.known, merged_just_now=chosen.merged)
    except UpdateError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
