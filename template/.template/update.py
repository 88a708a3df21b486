"""Called by the `make update` of version 0.1 after its merge. Later versions do without this file.

    python .template/update.py finish      install, then let the engine do the rest
    python .template/update.py conflicts   fail if an update left something to decide

Only the standard library is used, since the engine may not be installed yet.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
UNDO = "git reset -- . && git checkout -- . && git clean -d --force -- . && make install"
# The ends of the markers that Copier leaves, so that this file is none of those it finds.
MARKER = "^(<<<<<<< before updati|>>>>>>> after updati)ng"


class UpdateError(Exception):
    """One sentence for the person at the keyboard."""


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("action", choices=["finish", "conflicts"])
    parser.add_argument("--since", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    try:
        check_conflicts()
        return finish(chosen.since) if chosen.action == "finish" else 0
    except UpdateError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


def finish(since: str | None) -> int:
    """Install what the merge brought; the engine, which is there then, does the rest."""
    for name, command in installing():
        if run(command):
            raise UpdateError(
                f"the update was taken, but `{name}` does not pass: nothing of yours is lost. See to that (is"
                " there a network?), then run `python .template/update.py finish`, and commit. To undo the"
                f" update instead: {UNDO}"
            )
    # With a commit it was called right after the merge.
    known = ["--since", since, "--merged"] if since else []
    return run([str(PYTHON), "-m", "everytick.update", "finish", *known])


def installing() -> list[tuple[str, list[str]]]:
    """Return the commands that install: by make where there is one, by the tools themselves elsewhere."""
    uv, make = shutil.which("uv"), os.environ.get("MAKE") or shutil.which("make")
    lock = [("uv lock", [uv, "lock"])] if uv and (ROOT / "uv.lock").exists() else []
    if make:
        return [*lock, ("make install", [make, "--no-print-directory", "install"])]
    if uv:
        return [*lock, ("uv sync", [uv, "sync"])]
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet"]
    return [
        ("python -m venv", [sys.executable, "-m", "venv", ".venv"]),
        # Groups came with pip 25.1.
        ("pip", [*pip, "pip>=25.1"]),
        ("pip install", [*pip, "--editable", ".", "--group", "dev"]),
    ]


def check_conflicts() -> None:
    """List the files that a merge left for a person. Copier itself ends with 0 then."""
    if not git("rev-parse", "--git-dir", ok=(0, 128)):
        return
    names = {
        *git("-c", "color.ui=false", "grep", "--untracked", "-z", "-lE", MARKER, ok=(0, 1)).split("\0"),
        *git("diff", "-z", "--name-only", "--relative", "--diff-filter=U").split("\0"),
        *git("ls-files", "-z", "--others", "--", "*.rej", ":!.venv").split("\0"),
    } - {""}
    if names:
        raise UpdateError(
            "you and the template changed the same lines. Decide in these files, `git add` them, then run"
            " `python .template/update.py finish`, and commit:\n" + "\n".join(sorted(names))
        )


def git(*arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    """Run git in the project and return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in ok:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return done.stdout


def run(command: list[str]) -> int:
    """Show a command, run it in the project, and return its exit code."""
    print(f"+ {shlex.join([Path(command[0]).name, *command[1:]])}", file=sys.stderr, flush=True)
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
