"""A command that is forked from a server says and does what it does in a Python of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from application import Application
from command_server import run_module

pytestmark = pytest.mark.full


@pytest.mark.parametrize(
    "words", ["plan --summary", "jobs --no-such-option", "show nothing", "run --role odd"]
)
def test_streams_and_exit_code_are_the_same(tmp_path: Path, words: str) -> None:
    app = Application(tmp_path)
    app.schedule('scheduler.add_job(print, "cron", hour=3, id="nightly")')
    app.environment["SCHEDULER_TIMEZONE"] = "Asia/Tokyo"
    here, alone = app.command(*words.split()), app.call(sys.executable, "-m", "app", *words.split())
    assert (here.returncode, here.stdout, here.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_a_command_that_does_not_end_is_killed_and_told(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(99)\n"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        run_module(["hangs"], tmp_path, {}, timeout=3)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_signal_that_ends_it_is_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert run_module(["dies"], tmp_path, {}, timeout=30).returncode == -9
