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
from tempfile import TemporaryDirectory

from everytick.text.wording import without_control

from . import plain_git
from .never_taken import GITS_OWN
from .problem import UpdateError, without_credentials
from .project import Project

FLOOR = "9.19.1"
_REQUIREMENT = f"copier>={FLOOR}"
# Wherever Copier renders, it runs git.
_WITHOUT_GITS_OWN = [it for pattern in GITS_OWN for it in ("--exclude", pattern)]
_TRACEBACK = "Traceback (most recent call last):"
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


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

    def update(self, ref: str | None, into: Path) -> None:
        """Merge a version, the newest release if none is named, into a working tree of the project.

        Raises:
            UpdateError: it could not.
        """
        named = ["--answers-file", self._project.answers_file.name]
        chosen = [*named, *(["--vcs-ref", ref] if ref else [])]
        # Quietly, as nothing is merged for the user yet.
        code, printed = self._run(into, "update", "--defaults", "--quiet", *chosen)
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
        done = self._copy(source, ref, answers, into, "--quiet", *_WITHOUT_GITS_OWN)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UpdateError(last)

    def names(self, ref: str | None) -> list[str]:
        """Return the paths that a version, the newest release if none is named, says that it would write.

        A template can name them otherwise when it comes to that; none if these answers are refused.
        """
        source = self._project.check_source()
        answers = self._project.answers_file.read_text(encoding="utf-8")
        with TemporaryDirectory(prefix="everytick-names-") as name:
            done = self._copy(source, ref, answers, Path(name).resolve() / "made", "--pretend")
        return re.findall(r"^ +create  (.+)$", _COLOURS.sub("", done.stderr), re.MULTILINE)

    def _copy(
        self, source: str, ref: str | None, answers: str, into: Path, *options: str
    ) -> subprocess.CompletedProcess[str]:
        """Render with answers that were given before, and without asking."""
        file = into.with_name(f"{into.name}-answers.yml")
        # Keys that begin with an underscore are Copier's own; they are given as arguments.
        kept = re.sub(r"^_.*\n(?: .*\n)*", "", answers, flags=re.MULTILINE)
        file.write_text(kept, encoding="utf-8")
        chosen = ["--defaults", "--data-file", str(file), *(["--vcs-ref", ref] if ref else [])]
        # Where the answers are recorded, is an answer as well.
        named = ["--answers-file", self._project.answers_file.name]
        return subprocess.run(
            [*self.command, "copy", *options, *chosen, *named, source, str(into)],
            cwd=into.parent,
            env=plain_git.environment(self._project.root),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )

    def _run(self, into: Path, *arguments: str) -> tuple[int, str]:
        """Show the command and run it; return its exit code and its error output.

        The error output is shown too, without a traceback. Where it works, and what it must leave out
        there, is not shown.
        """
        command = [*self.command, *arguments]
        shown = without_credentials(shlex.join([Path(command[0]).name, *command[1:]]))
        print(f"+ {shown}", file=sys.stderr, flush=True)
        with subprocess.Popen(
            [*command, *_WITHOUT_GITS_OWN, str(into)],
            # A template's relative address is seen from here.
            cwd=self._project.root,
            env=plain_git.environment(into),
            stderr=subprocess.PIPE,
        ) as process:
            printed = ""
            for line in process.stderr or ():
                text = line.decode(errors="replace")
                printed += text
                if _TRACEBACK not in printed:
                    # Copier colours it, and repeats what the template has.
                    plain = without_control(_COLOURS.sub("", text.replace("\r\n", "\n")))
                    print(without_credentials(plain), end="", file=sys.stderr, flush=True)
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
