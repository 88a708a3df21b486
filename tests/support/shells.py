"""What a shell asks of an application when somebody presses the Tab key, and what it does with the answer."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from everytick.cli import program
from typer.testing import CliRunner


def completed(shell: str, line: str) -> str:
    """Return what the application answers a shell that completes a new word at the end of a line."""
    words = f"app {line} ".split(" ")
    asked = {"_TYPER_COMPLETE_ARGS": " ".join(words), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    asked |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    environment = {"_APP_COMPLETE": f"complete_{shell}", **asked}
    return CliRunner().invoke(program.app, [], prog_name="app", env=environment).stdout.strip("\n")


def evaluated(answer: str, folder: Path) -> list[Path]:
    """Do with an answer for zsh what its function `_arguments` does, with the shells that are here.

    Return the files that this left in an empty folder, which is made inside of the given one.
    """
    empty = folder / "empty"
    empty.mkdir()
    actions = re.findall(r"\(\((.*)\)\)", answer, re.DOTALL)
    for shell in filter(shutil.which, ("bash", "zsh") if actions else ()):
        command = [shell, "-c", 'eval "ws=( $1 )"', shell, actions[0]]
        subprocess.run(command, cwd=empty, check=False, capture_output=True)
    return list(empty.iterdir())
