"""Render the working tree: `python scripts/render.py FOLDER --data ci=gitlab`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from app_session import SessionError, render


def main() -> int:
    """Render into a folder with the defaults and the answers given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", action="append", default=[], metavar="QUESTION=ANSWER")
    arguments = parser.parse_args()
    answers = {}
    for pair in arguments.data:
        question, equals, answer = pair.partition("=")
        if not equals:
            parser.error(f"--data wants QUESTION=ANSWER, not '{pair}'")
        answers[question] = answer
    try:
        render(arguments.folder, answers)
    except SessionError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
