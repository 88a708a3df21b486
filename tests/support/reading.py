"""Somebody who follows a page of the documentation word by word: its code blocks are what is done.

A story takes the blocks of a page in their order and says what becomes of each. It must take all of them, so
that a block which is added, moved or put into another language does not slip by.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import warm_copier
import warm_python
from app_session import ROOT
from pythons import clean_environment
from rendering import Project, TemplateHistory, fresh_folder, git
from waiting import wait_for

DOCS = ROOT / "docs"
PAGES = DOCS / "how-to"
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Page:
    """A page, whose blocks are taken one after the other: a how-to, or one in another folder below `docs`."""

    def __init__(self, name: str, folder: Path = PAGES) -> None:
        self.text = (folder / f"{name}.md").read_text(encoding="utf-8")
        self._left = [
            (language, re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))
            for indent, language, body in _BLOCK.findall(self.text)
        ]
        # Each fence belongs to a block that was found.
        assert len(re.findall(r"^ *```", self.text, re.MULTILINE)) == 2 * len(self._left)

    def take(self, language: str, begins: str = "") -> str:
        """Take the next block, which is of this language and begins so."""
        assert self._left, f"the page has no further block ({language}: {begins})"
        found, body = self._left.pop(0)
        assert found == language, f"the next block is {found}:\n{body}"
        assert body.startswith(begins), f"the next block does not begin with {begins!r}:\n{body}"
        return body

    def not_here(self, language: str, begins: str, why: str) -> None:
        """Take a block that cannot be done on this machine; `why` is for who reads the story."""
        assert why
        self.take(language, begins)

    def ends(self) -> None:
        """Fail if a block was not taken."""
        assert self._left == [], f"{len(self._left)} block(s) of the page are not followed"


def commands_in(block: str) -> list[str]:
    """Return what stands behind the prompts of a block, comments and continued lines included."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)


class Reader:
    """Somebody with a project, a shell in its folder, and no active environment.

    Args:
        folder: the folder of the project.
        words: what stands for something of the reader's own on the page, with what that is.
        is_loaded: whether commands of the application that end by themselves have what they import of others
            loaded already. What they are of must stay in the environment.
    """

    def __init__(self, folder: Path, words: dict[str, str] | None = None, *, is_loaded: bool = False) -> None:
        self.folder = folder
        self._is_loaded = is_loaded
        self.words = words or {}
        self.environment: dict[str, str] = {}
        self._last_file = folder

    def variables(self) -> dict[str, str]:
        """Return the variables of the shell."""
        clean = {
            name: value
            for name, value in clean_environment().items()
            if not name.startswith(("SCHEDULER_", "EVERYTICK_"))
        }
        here = str(Path(sys.executable).parent)
        outside = [it for it in clean["PATH"].split(os.pathsep) if it != here]
        path = os.pathsep.join([str(_tools()), *outside])
        more = {"COLUMNS": "200", "PYTHONUTF8": "1", "SCHEDULER_DASHBOARD_PORT": "0"}
        return clean | {"PATH": path} | more | self.environment

    def in_own_words(self, text: str) -> str:
        """Return a text with what is the reader's own in its places."""
        for word, meaning in self.words.items():
            text = text.replace(word, meaning)
        return text

    def call(self, command: str, *, code: int = 0) -> str:
        """Call a command, and return what it printed."""
        typed = self.in_own_words(command)
        if self._is_loaded:
            loaded = warm_python.program(self.folder / ".venv/bin/python")
            typed = typed.replace(".venv/bin/python -m app ", f"{loaded} -m app ")
        done = subprocess.run(
            ["bash", "-c", typed], cwd=self.folder, env=self.variables(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{command}: exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def follow(self, block: str, *, code: int = 0) -> str:
        """Call the commands of a block; the last one ends with `code`. Return all that they printed."""
        *before, last = commands_in(block)
        said = "".join(self.call(command) for command in before)
        return said + self.call(last, code=code)

    def write(self, block: str, name: str = "") -> None:
        """Write a block into the file that its first line names, or that the page tells of."""
        named = re.match(r"# (\S+\.\w+)\n", block)
        name = name or (named[1] if named else "")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, encoding="utf-8")

    def add(self, block: str, name: str) -> None:
        """Put a block at the end of a file."""
        path = self.folder / name
        path.write_text(path.read_text(encoding="utf-8") + "\n" + block, encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        """Change a place of a file, as the page tells in its text."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def schedule(self, lines: str, imports: str = "") -> None:
        """Put lines into create_scheduler(), before its last one."""
        main = "app/components/scheduler/main.py"
        inside = "".join(f"    {line}\n" if line else "\n" for line in lines.splitlines())
        self.change(main, "    return scheduler\n", f"{inside}\n    return scheduler\n")
        self.change(
            main,
            "from everytick import AsyncIOScheduler\n",
            f"{imports}from everytick import AsyncIOScheduler\n",
        )

    @contextmanager
    def running(
        self, command: str = ".venv/bin/python -m app run", until: str = "| ledger "
    ) -> Iterator[Path]:
        """Let a command go on meanwhile, from when it says `until`; then end it as Ctrl+C does."""
        log = self.folder.with_name(f"{self.folder.name}.log")
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.variables(),
                stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            wait_for(lambda: process.poll() is not None or until in log.read_text("utf-8"), f"{until!r}")
            assert process.poll() is None, log.read_text("utf-8")
            yield log
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, log.read_text("utf-8")
        finally:
            process.kill()
            process.wait()


def in_a_program(reader: Reader, block: str, imports: str, before: str = "") -> str:
    """Run a block that stands in a coroutine of some program."""
    lines = "".join(f"    {line}\n" for line in f"{before}{block}".splitlines())
    reader.write(
        f"import asyncio\n{imports}\n\n\nasync def main():\n{lines}\n\nasyncio.run(main())\n", "try_it.py"
    )
    return reader.call(".venv/bin/python try_it.py")


def ledger(reader: Reader) -> dict[str, bytes]:
    """Return what is in the data of the application."""
    folder = reader.folder / "data"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@cache
def _tools() -> Path:
    """Return what a user has on PATH beside the system's own programs. No environment is active."""
    folder = fresh_folder("tools")
    for program in (warm_copier.program(), *(Path(sys.executable).with_name(name) for name in ("uv", "uvx"))):
        (folder / program.name).symlink_to(program)
    return folder


@cache
def template() -> TemplateHistory:
    """Return the template with one release, for all pages that do not release another."""
    made = TemplateHistory(engine=True)
    made.release("0.2.0")
    return made


@cache
def _installed() -> Project:
    project = template().copy(project_name="my-scheduler")
    Reader(project.folder).call("make install")
    return project


def new_project() -> Reader:
    """Return somebody with a project that was just made and installed.

    It is one folder for all pages, brought back to what it was: nothing is installed anew.
    """
    folder = _installed().folder
    git(folder, "reset", "--quiet", "--hard", git(folder, "rev-list", "--max-parents=0", "HEAD").strip())
    git(folder, "clean", "--quiet", "-d", "--force", "-x", "--exclude", ".venv")
    return Reader(folder, is_loaded=True)
