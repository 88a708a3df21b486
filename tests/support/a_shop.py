"""An application of somebody else: a folder with a package and a schedule, and no template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from everytick import app as which

import warm_python

SHOP = """
from everytick import AsyncIOScheduler


def task() -> None: ...


def create_scheduler() -> AsyncIOScheduler:
    scheduler = AsyncIOScheduler()
    scheduler.add_job(task, "cron", hour=9, id="{job}")
    return scheduler


def forgets() -> None: ...


number = 3
"""


OTHER = SHOP.format(job="of_other")


TABLE = '[project]\nname = "the-shop"\n\n[tool.everytick]\napp = "shop:create_scheduler"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two schedules in which nothing says which is meant."""
    (tmp_path / "shop.py").write_text(SHOP.format(job="of_shop"))
    (tmp_path / "other.py").write_text(OTHER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(which, "_current", None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv(which.VARIABLE, raising=False)
    # Of the folder of another test.
    monkeypatch.delitem(sys.modules, "own", raising=False)
    return tmp_path


def called(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command `everytick`, as its script does."""
    code = "import sys; sys.path.pop(0); from everytick.__main__ import main; main()"
    clean = {name: it for name, it in os.environ.items() if not name.startswith(("SCHEDULER_", "EVERYTICK"))}
    return subprocess.run(
        [warm_python.program(), "-c", code, *arguments],
        cwd=folder,
        env=clean | {"COLUMNS": "200"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def job_ids(folder: Path, *arguments: str, **variables: str) -> list[str]:
    done = called(folder, *arguments, "jobs", "--json", **variables)
    assert done.returncode == 0, done.stderr
    return [job["id"] for job in json.loads(done.stdout)]
