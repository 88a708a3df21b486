"""Copier, wherever the user has it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from functools import cached_property
from pathlib import Path

from . import plain_git
from .problem import UpdateError, without_credentials
from .project import Project

FLOOR = "9.19.1"
_REQUIREMENT = f"copier>={FLOOR}"
_TRACEBACK = "Traceback (most recent call last):"


class Copier:
    """The program, for one project.

    Args:
        project: what it is to work on.
        source: where the template is now, if that is not where the project says.
    """

    def __init__(self, project: Project, source: str | None = None) -> None:
        self._project = project
        self._source = source

    @cached_property
    def command(self) -> list[str]:
        """The command that runs Copier: of PATH, this environment or the template's, or by uv or pipx.

        Raises:
            UpdateError: there is none, or only one that is too old.
        """
        old = None
        for program in self._programs():
            version = _version(program)
            if version is not None and version >= _numbers(FLOOR):
                return [program]
            old = old or (program if version is not None else None)
        for runner, arguments in (
            ("uvx", [_REQUIREMENT]),
            ("uv", ["tool", "run", _REQUIREMENT]),
            ("pipx", ["run", "--spec", _REQUIREMENT, "copier"]),
        ):
            if found := shutil.which(runner):
                return [found, *arguments]
        if old:
            raise UpdateError(f"{old} is too old for the template: pipx install --force '{_REQUIREMENT}'")
        raise UpdateError(f"an update needs Copier: pipx install '{_REQUIREMENT}', or install uv")

    def _programs(self) -> list[str]:
        """Return the programs of that name that are here."""
        programs = [shutil.which("copier"), shutil.which("copier", path=sysconfig.get_path("scripts"))]
        binaries = "Scripts" if os.name == "nt" else "bin"
        for place in filter(None, (self._source, self._project.answer("_src_path"))):
            template = Path(place).expanduser()
            if template.is_dir():
                programs += [
                    shutil.which("copier", path=str(template / name / binaries)) for name in (".venv", "venv")
                ]
        return [program for program in programs if program]

    def update(self, ref: str | None) -> None:
        """Merge a version, the newest release if none is named, into the working tree.

        Raises:
            UpdateError: it could not.
        """
        named = ["--answers-file", self._project.answers_file.name]
        code, printed = self._run("update", "--defaults", *named, *(["--vcs-ref", ref] if ref else []))
        if code == 0:
            return
        made_from = self._project.answer("_commit")
        if re.search(r"unknown revision|did not match any file", printed, re.IGNORECASE) and not (
            ref and ref in printed and made_from not in printed
        ):
            raise UpdateError(
                "this project was made from a state of the template that its repository does not have,"
                f" {made_from}: write the release nearest to it behind `_commit:` in"
                f" {self._project.answers_file.name}, commit that, and try again"
            )
        if _TRACEBACK in printed:
            # The message of git stands behind a bar in the last line.
            last = printed.strip().splitlines()[-1].rpartition("| ")[2]
            raise UpdateError(f"Copier could not update this project ({last}); nothing was committed")
        raise UpdateError("Copier could not update this project, see above; nothing was committed")

    def render(self, source: str, ref: str, answers: str, into: Path) -> None:
        """Render a version anew with answers, into a folder.

        Args:
            source: where the template is.
            ref: a tag or commit of it.
            answers: the text of a file of answers.
            into: the folder, which is made.

        Raises:
            UpdateError: it could not; with the last line of what Copier said.
        """
        file = into.with_name(f"{into.name}-answers.yml")
        # Keys that begin with an underscore are Copier's own; they are given as arguments.
        kept = re.sub(r"^_.*\n(?: .*\n)*", "", answers, flags=re.MULTILINE)
        file.write_text(kept, encoding="utf-8")
        chosen = ["--defaults", "--quiet", "--data-file", str(file), "--vcs-ref", ref]
        # Where the answers are recorded, is an answer as well.
        named = ["--answers-file", self._project.answers_file.name]
        command = [*self.command, "copy", *chosen, *named, source, str(into)]
        done = subprocess.run(
            command,
            cwd=into.parent,
            env=plain_git.environment(self._project.root),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UpdateError(last)

    def _run(self, *arguments: str) -> tuple[int, str]:
        """Show the command and run it; return its exit code and its error output.

        The error output is shown too, without a traceback.
        """
        command = [*self.command, *arguments]
        shown = without_credentials(shlex.join([Path(command[0]).name, *command[1:]]))
        print(f"+ {shown}", file=sys.stderr, flush=True)
        with subprocess.Popen(
            command,
            cwd=self._project.root,
            env=plain_git.environment(self._project.root),
            stderr=subprocess.PIPE,
        ) as process:
            printed = ""
            for line in process.stderr or ():
                text = line.decode(errors="replace")
                printed += text
                if _TRACEBACK not in printed:
                    print(without_credentials(text), end="", file=sys.stderr, flush=True)
        return process.returncode, printed


def _version(program: str) -> tuple[int, ...] | None:
    """Return the version of a program; None if it does not run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(\d+(?:\.\d+)+)", done.stdout)
    return _numbers(found[1]) if found and done.returncode == 0 else None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))
