"""The how-to for the package alone is followed word by word: its blocks are what runs here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from app_session import ROOT, copy_source
from pythons import clean_environment
from rendering import fresh_folder, git
from waiting import wait_for

PAGE = ROOT / "docs" / "how-to" / "use-everytick-alone.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What goes on until it is stopped.
ENDLESS = (" run", "python -m shop")


@dataclass
class Section:
    """What stands below one heading: blocks of a language."""

    heading: str
    blocks: list[tuple[str, str]]

    @property
    def begins_anew(self) -> bool:
        """Whether it tells of another application than the sections before."""
        return self.heading.startswith("From ")


def sections() -> list[Section]:
    _, *parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [Section(part.partition("\n")[0], BLOCK.findall(part)) for part in parts]


class Reader:
    """Somebody who does what the page says, in an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.said: dict[str, str] = {}
        venv.create(folder / "env", with_pip=True)
        self._binaries = folder / "env" / "bin"
        self._last_file = Path()
        self._template = copy_source(fresh_folder("template"))
        git(self._template, "init", "--quiet", "--initial-branch", "main")
        git(self._template, "add", "--all")
        git(self._template, "commit", "--quiet", "--message", "as it is")

    def variables(self) -> dict[str, str]:
        clean = {name: it for name, it in clean_environment().items() if not name.startswith("SCHEDULER_")}
        path = f"{self._binaries}{os.pathsep}{clean['PATH']}"
        return clean | {"PATH": path, "COLUMNS": "200", "SCHEDULER_DASHBOARD_PORT": "0"}

    def follow(self, language: str, text: str) -> None:
        """Do what one block says: write a file, change the last one, or call commands."""
        if language == "diff":
            old, new = ("".join(re.findall(rf"^\{sign}(.*\n)", text, re.MULTILINE)) for sign in "-+")
            before = self._last_file.read_text(encoding="utf-8")
            assert before.count(old) == 1
            self._last_file.write_text(before.replace(old, new), encoding="utf-8")
        elif language == "console":
            for command in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
                self.call(command)
        else:
            [name] = re.findall(r"\A# (\S+)\n", text)
            self._last_file = self.folder / name
            self._last_file.parent.mkdir(exist_ok=True)
            self._last_file.write_text(text, encoding="utf-8")

    def call(self, command: str) -> None:
        """Call a command, which must succeed; one that goes on is stopped when a run of it is recorded."""
        typed = command.replace("TEMPLATE", f"file://localhost{self._template}")
        if command.endswith(ENDLESS):
            self._run_a_while(typed)
            return
        done = subprocess.run(
            ["bash", "-c", typed], cwd=self.folder, env=self.variables(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        self.said[command] = done.stdout

    def _run_a_while(self, command: str) -> None:
        """Let a schedule go on until a run of it is recorded and, by the command, its dashboard is up."""
        before, log = self.succeeded(), self.folder.with_suffix(".log")
        is_ours = command.startswith("everytick")
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.variables(),
                stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip

        def has_run() -> bool:
            is_up = not is_ours or "dashboard: http://" in log.read_text("utf-8")
            return process.poll() is not None or (is_up and self.succeeded() > before)

        try:
            wait_for(has_run, f"a run of `{command}`")
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
        finally:
            process.kill()
            process.wait()
        self.said[command] = log.read_text("utf-8")
        # A program of one's own ends by Ctrl+C as any other; the command stops in order.
        assert code in ((0,) if is_ours else (130, -signal.SIGINT)), self.said[command]
        assert self.succeeded() > before, self.said[command]

    def succeeded(self) -> int:
        """Return how many runs the ledger has that succeeded."""
        if not (self.folder / "data" / "ledger.db").exists():
            return 0
        code = (
            "import sqlite3; print(sqlite3.connect('data/ledger.db').execute("
            "\"SELECT count(*) FROM scheduler_runs WHERE state = 'succeeded'\").fetchone()[0])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.folder, capture_output=True, text=True, check=False
        )
        return int(done.stdout or 0)

    def begin_anew(self) -> None:
        self.folder = self.folder.with_name(f"{self.folder.name}-and-another")
        self.folder.mkdir()


@pytest.fixture
def reader() -> Reader:
    return Reader(fresh_folder("reader"))


def test_the_page_is_what_is_followed() -> None:
    found = sections()
    assert [it.heading for it in found if it.begins_anew] == [
        "From a BlockingScheduler",
        "From a BackgroundScheduler",
    ]
    languages = [language for it in found for language, _ in it.blocks]
    assert set(languages) == {"python", "toml", "diff", "console"}
    # Every block that the page has was found.
    assert len(languages) == PAGE.read_text(encoding="utf-8").count("```") / 2


@pytest.mark.full
def test_who_follows_the_page_has_a_schedule_with_a_ledger(reader: Reader) -> None:
    for section in sections():
        if section.begins_anew:
            reader.begin_anew()
        for language, text in section.blocks:
            reader.follow(language, text)
            if language == "console" and section.heading == "Install it":
                reader.call("pip install --quiet pytest")
    said = reader.said
    assert "it is " in said["python -m shop"]
    run = said["everytick --app shop.schedule:create_scheduler run"]
    assert "1 job: next time in " in run
    assert "dashboard: http://" in run
    assert "succeeded" in said["everytick --app shop.schedule:create_scheduler runs --limit 3"]
    assert "time" in said["everytick jobs"]
    # The schedule does not run at that moment, and all else is in order.
    assert "no scheduler is up" in said["everytick doctor"]
    assert "\n1 finding to look at" in said["everytick doctor"]
    assert said["everytick --version"].startswith("shop (not installed) (everytick ")
    assert "1 passed" in said["python -m pytest tests"]
    assert "all is clean" in said["everytick --app nightly:create_scheduler run"]
    assert "hello" in said[next(it for it in said if it.startswith("python -c"))]
    assert "succeeded" in said["everytick --app background:create_scheduler runs"]


# --- what cannot go on as it was is a sentence ---


def python(folder: Path, text: str) -> str:
    """Run a program that fails, and return its last line."""
    (folder / "old.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "old.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("TornadoScheduler", "AsyncIOScheduler"),
        ("TwistedScheduler", "BackgroundScheduler"),
        ("QtScheduler", "BackgroundScheduler"),
        ("GeventScheduler", "AsyncIOScheduler"),
    ],
)
def test_the_other_classes_are_answered_with_what_to_do(tmp_path: Path, name: str, instead: str) -> None:
    said = python(tmp_path, f"from everytick import {name}\n")
    assert said.startswith(f"ImportError: everytick has no {name}: take {instead}, ")


@pytest.mark.full
def test_a_start_without_an_event_loop_is_a_sentence(tmp_path: Path) -> None:
    said = python(
        tmp_path,
        "from everytick import AsyncIOScheduler\nscheduler = AsyncIOScheduler()\nscheduler.start()\n",
    )
    # With its folder where that is not on the PATH.
    assert re.sub(r"`/\S+/everytick run`", "`everytick run`", said) == (
        "everytick.errors.ScheduleError: old.py:3: start() needs a running event loop: call it in a"
        " coroutine, or leave it out and let a function return the scheduler, for `everytick run`"
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.full
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "AsyncIOScheduler(jobstores={'default': 1})",
            "jobstores= cannot work with a ledger: it keeps the jobs",
        ),
        (
            "AsyncIOScheduler(executors={'default': 1})",
            "executors= cannot work with a ledger: coroutines run on",
        ),
        ("AsyncIOScheduler().add_jobstore('memory')", "add_jobstore() cannot work with a ledger"),
        ("AsyncIOScheduler().add_executor('x')", "add_executor() cannot work with a ledger"),
    ],
)
def test_what_goes_round_the_ledger_is_refused_at_its_line(tmp_path: Path, line: str, sentence: str) -> None:
    said = python(tmp_path, f"from everytick import AsyncIOScheduler\n\n{line}\n")
    assert said.startswith(f"everytick.errors.ScheduleError: old.py:3: {sentence}")
