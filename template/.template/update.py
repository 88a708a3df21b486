"""Bring this project up to the newest version of the template that it was made from.

    python .template/update.py             take it, install, check; what `make update` runs
    python .template/update.py --ref REF   take that tag, branch or commit instead of the newest release
    python .template/update.py outdated    say whether there is a newer one; exit code 3 if so
    python .template/update.py finish      only install, upgrade the ledger, check and test
    python .template/update.py conflicts   fail if an update left something to decide; part of `make check`

Needs git, and Copier or uv. Only the standard library is used, since it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Another template may have a file of its own beside this one's.
TEMPLATE = ROOT / "app/core/template.toml"
NAMED = re.search(
    r'^answers = "(.+)"$', TEMPLATE.read_text("utf-8") if TEMPLATE.exists() else "", re.MULTILINE
)
ANSWERS = ROOT / (NAMED[1] if NAMED else ".copier-answers.yml")
CHANGES = ".template/CHANGELOG.md"
COPIER = "copier>=9.19.1"
OUTDATED = 3
UNDO = "git reset -- . && git checkout -- . && git clean -d --force -- ."
# The ends of the markers that Copier leaves, so that this file is none of those it finds.
MARKER = "^(<<<<<<< before updati|>>>>>>> after updati)ng"


class UpdateError(Exception):
    """One sentence for the person at the keyboard."""


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "action", nargs="?", default="take", choices=["take", "outdated", "finish", "conflicts"]
    )
    parser.add_argument("--ref", help="a tag, branch or commit of the template instead of its newest release")
    parser.add_argument("--since", default="HEAD", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    try:
        if chosen.action == "finish":
            return finish(chosen.since)
        if chosen.action == "conflicts":
            check_conflicts()
            return 0
        return outdated() if chosen.action == "outdated" else take(chosen.ref)
    except UpdateError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1


def outdated() -> int:
    """Say whether a newer version of the template exists."""
    check_source()
    current, latest = versions()
    if latest is None:
        print(newest(current))
        return 0
    print(f"Version {latest} of the template is out; this project is at {current}. Take it with: make update")
    return OUTDATED


def take(ref: str | None) -> int:
    """Merge the newest version into the working tree, then install and check what came out."""
    check_working_tree()
    check_source()
    if ref is None:
        current, latest = versions()
        if latest is None:
            print(newest(current))
            return 0
    before = git("rev-parse", "HEAD").strip()
    done = run(
        copier(), "update", "--defaults", "--answers-file", ANSWERS.name, *(["--vcs-ref", ref] if ref else [])
    )
    if done:
        raise UpdateError("Copier could not update this project, see above; nothing was committed")
    # The new version's own steps, which may be others than those of this file.
    return run([sys.executable, __file__], "finish", "--since", before)


def finish(since: str) -> int:
    """Install, upgrade the ledger, check and test; print what the update brought."""
    check_conflicts()
    for name, command in steps():
        if run(command):
            raise UpdateError(
                f"the update was taken, but `{name}` does not pass: mend that, run"
                f" `python .template/update.py finish` again, then commit. To undo the update instead: {UNDO}"
            )
    print(f"\nUpdated to {answer('_commit')}. What changed for you:\n\n{news(since)}\n")
    print("Look at it with `git diff`, then commit it.")
    return 0


def steps() -> list[tuple[str, list[str]]]:
    """Return what follows a merge: by make where there is one, by the tools themselves elsewhere."""
    python = str(ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    make = os.environ.get("MAKE") or shutil.which("make")
    if make:
        install = [("make install", [make, "--no-print-directory", "install"])]
        checks = [(f"make {it}", [make, "--no-print-directory", it]) for it in ("check", "test")]
    else:
        uv = shutil.which("uv")
        pip = [python, "-m", "pip", "install", "--quiet"]
        everything = ("pip install", [*pip, "--editable", ".", "--group", "dev"])
        # Groups came with pip 25.1.
        newer = [("python -m venv", [sys.executable, "-m", "venv", ".venv"]), ("pip", [*pip, "pip>=25.1"])]
        install = [("uv sync", [uv, "sync"])] if uv else [*newer, everything]
        tools = ("ruff check .", "ruff format --check .", "mypy", "pytest")
        checks = [(it, [python, "-m", *it.split()]) for it in tools]
    return [*install, ("python -m app migrate", [python, "-m", "app", "migrate"]), *checks]


def check_working_tree() -> None:
    """Refuse to mix the update with changes that are not committed."""
    try:
        git("rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        raise UpdateError("an update needs git: run git init, then commit everything") from None
    changed = git("status", "--porcelain", "--", ".").rstrip()
    if changed:
        raise UpdateError(
            "commit or stash your changes first, so that the update can be told apart from them:\n" + changed
        )


def check_source() -> None:
    """Refuse a template that is recorded as a folder, and is not there."""
    source = answer("_src_path")
    remote = re.match(r"[a-z+]+:|[^/\\]+@[^/\\]+:|~", source) and not re.match(r"[A-Za-z]:[/\\]", source)
    if remote or (ROOT / source / "copier.yml").exists():
        return
    how = "not an absolute one, and seen from here" if not Path(source).is_absolute() else "and"
    raise UpdateError(
        f"the template was recorded as the folder {source}, {how} it is not there: write where it is now, an"
        f" absolute path or a git address, behind `_src_path:` in {ANSWERS.name}, commit that, and try again"
    )


def versions() -> tuple[str, str | None]:
    """Return the version that is here and, if there is a newer release, that."""
    command = [*copier(), "check-update", "--answers-file", ANSWERS.name, "--output-format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
    if not found:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if "Unknown revision" in said:
            raise UpdateError(
                f"this project was made from a state of the template that its repository does not have,"
                f" {answer('_commit')}: write the release nearest to it behind `_commit:` in {ANSWERS.name},"
                " commit that, and try again"
            )
        raise UpdateError(f"Copier cannot tell what the newest version of the template is: {said}")
    told = json.loads(found.group())
    return answer("_commit"), told["latest_version"] if told["update_available"] else None


def newest(current: str) -> str:
    """Return the sentence for a project that has the newest release, or more than that."""
    if re.search(r"-\d+-g[0-9a-f]+$|^[0-9a-f]{7,40}$", current):
        return (
            f"This project is at {current}, past the newest release of the template, and will take the next"
            " one. Until then `make update REF=HEAD` (or --ref HEAD) takes what the template has now."
        )
    return f"This project has the newest version of the template, {current}."


def check_conflicts() -> None:
    """List the files that a merge left for a person. Copier itself ends with 0 then."""
    if not (ROOT / ".git").exists() and git("rev-parse", "--git-dir", ok=(0, 128)) == "":
        return
    marked = git("grep", "--untracked", "-lE", MARKER, ok=(0, 1))
    unmerged = git("diff", "--name-only", "--relative", "--diff-filter=U")
    rejected = git("ls-files", "--others", "--", "*.rej", ":!.venv")
    names = sorted({*marked.splitlines(), *unmerged.splitlines(), *rejected.splitlines()})
    if names:
        raise UpdateError(
            "you and the template changed the same lines. Decide in these files, `git add` them, then run"
            " `python .template/update.py finish`, and commit:\n" + "\n".join(names)
        )


def news(since: str) -> str:
    """Return what the changelog has now and had not at that commit."""
    old = git("show", f"{since}:./{CHANGES}", ok=(0, 128))
    known = set(old.splitlines())
    lines = (ROOT / CHANGES).read_text(encoding="utf-8").splitlines()
    sections = re.split(r"^(?=## )", "\n".join(lines), flags=re.MULTILINE)[1:]
    # A heading alone is no news: what was unreleased may have got its version.
    fresh = [it.strip() for it in sections if any(line[:1] not in ("", "#") for line in news_in(it, known))]
    return "\n\n".join(fresh) or "nothing that its changelog speaks of"


def news_in(section: str, known: set[str]) -> list[str]:
    """Return the lines of a part of the changelog that were not there before."""
    return [line for line in section.splitlines() if line not in known]


def copier() -> list[str]:
    """Return the command that runs Copier."""
    if program := shutil.which("copier"):
        return [program]
    if uvx := shutil.which("uvx"):
        return [uvx, COPIER]
    raise UpdateError("an update needs Copier: pipx install copier, or install uv")


def answer(name: str) -> str:
    """Return what the answers file says."""
    if not ANSWERS.exists():
        raise UpdateError(f"there is no {ANSWERS.name}: this project does not know the template it came from")
    found = re.search(rf"^{name}: *(.+)$", ANSWERS.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise UpdateError(f"{ANSWERS.name} has no line {name}: the template was no git repository then")
    return found.group(1).strip().strip("'\"")


def git(*arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    """Run git in the project and return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in ok:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return done.stdout


def run(command: list[str], *arguments: str) -> int:
    """Show a command, run it in the project, and return its exit code."""
    whole = [*command, *arguments]
    print(f"+ {shlex.join([Path(whole[0]).name, *whole[1:]])}", file=sys.stderr, flush=True)
    return subprocess.run(whole, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
