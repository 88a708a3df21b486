"""The project that is updated: its folder, its answers, its git repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from everytick.answers import answer_in, answers_name
from everytick.command_line import as_called, typed_in
from everytick.installed import EngineLine, engine_line

from . import plain_git
from .problem import UpdateError

UNDO = "git reset -- . && git checkout -- . && git clean -d --force -- . && make install"


class Project:
    """A project that was made from the template.

    Args:
        root: its folder, which has the `pyproject.toml`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        # Another template may have a file of answers of its own beside it.
        self.answers_file = root / (answers_name(root / "app") or ".copier-answers.yml")

    def git(self, *arguments: str, ok: tuple[int, ...] = (0,), given: str = "") -> str:
        """Run git in the project, whatever its user has configured; return what it prints.

        Args:
            ok: the exit codes that are no failure.
            given: what it reads.

        Raises:
            UpdateError: there is no git, or it ended with another code than those that are `ok`.
        """
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env=plain_git.environment(self.root),
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
        if done.returncode not in ok:
            last_line = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise UpdateError(f"git {arguments[0]} failed: {last_line}")
        return done.stdout

    def names(self, *arguments: str, ok: tuple[int, ...] = (0,), given: str = "") -> list[str]:
        """Run a git command that lists paths with `-z`; return them, seen from the project's folder."""
        return [name for name in self.git(*arguments, ok=ok, given=given).split("\0") if name]

    def answer(self, name: str) -> str:
        """Return what the file of answers says.

        Raises:
            UpdateError: there is no such file, or it does not say.
        """
        shown = self.answers_file.name
        if not self.answers_file.exists():
            raise UpdateError(f"there is no {shown}: this project does not know the template it came from")
        found = answer_in(self.answers_file.read_text(encoding="utf-8"), name)
        if found is None:
            raise UpdateError(f"{shown} has no line {name}: the template was no git repository then")
        return found

    def engine_line(self) -> EngineLine | None:
        """Return where `pyproject.toml` says that the engine comes from."""
        file = self.root / "pyproject.toml"
        return engine_line(file.read_text(encoding="utf-8")) if file.exists() else None

    def check_repository(self) -> None:
        """Refuse an update where no commit is to go back to.

        Raises:
            UpdateError: there is no git, no repository, or nothing is committed.
        """
        if not self.git("rev-parse", "--quiet", "--verify", "HEAD", ok=(0, 1, 128)):
            raise UpdateError("an update needs git: run git init, then commit everything")

    def check_working_tree(self) -> None:
        """Refuse to mix the update with changes that are not committed.

        Raises:
            UpdateError: something is not committed, or there is no git.
        """
        self.check_repository()
        changed = self.git("-c", "core.quotePath=false", "status", "--porcelain", "--", ".").rstrip()
        if changed:
            raise UpdateError(
                "commit or stash your changes first, so that the update can be told apart from them:\n"
                + changed
            )

    def check_source(self) -> str:
        """Return where the template is.

        Raises:
            UpdateError: it is recorded as a folder, and is not there.
        """
        source = self.answer("_src_path")
        if is_remote(source):
            return source
        # Seen from here, where a relative one was meant to be seen from where Copier was called.
        folder = self.root / source
        if (folder / "copier.yml").exists() or (folder.is_dir() and Path(source).is_absolute()):
            return str(folder.resolve())
        how = "not an absolute one, and seen from here" if not Path(source).is_absolute() else "and"
        raise UpdateError(
            f"the template was recorded as the folder {source}, {how} it is not there: say where it is now,"
            " an absolute path or a git address, with"
            f" `{as_called() or typed_in(self.root, '').rstrip()} update --source ADDRESS`"
        )


def is_remote(source: str) -> bool:
    """Return whether an address is more than the path of a folder (`~/...` is none that moves with us).

    By the rule of the template, which makes the engine's line: a URL, or `host:path` as scp has it, where a
    single letter is a drive. The forges' abbreviations look like the latter.
    """
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|([^/\\:@]+@)?[^/\\:@]{2,}:|~", source))
