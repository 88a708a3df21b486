"""A full or closed pipe, or a full disk, behind standard output or standard error holds up nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from application import Application
from waiting import wait_for

# Each run writes more than a pipe takes; `counts` shows that the event loop goes on.
pytestmark = pytest.mark.full

TASKS = """
import sys

async def talks():
    for _ in range(20):
        print("x" * 10_000)
        print("y" * 10_000, file=sys.stderr)


def shouts():
    for _ in range(20):
        print("x" * 10_000)
        sys.stderr.write("y" * 10_000 + "\\n")
        sys.stdout.buffer.write(b"z\\n")


async def counts():
    pass
"""
SCHEDULE = """
scheduler.add_job(talks, "interval", seconds=0.5, id="talks")
scheduler.add_job(shouts, "interval", seconds=0.5, id="shouts")
scheduler.add_job(counts, "interval", seconds=0.2, id="counts")
"""
IMPORTS = "from app.services.my_tasks import counts, shouts, talks\n"


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    made.tasks(TASKS)
    made.schedule(SCHEDULE, IMPORTS)
    return made


def start(app: Application, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "app", "run"], cwd=app.folder, env=app.variables(), **streams
    )


def goes_on(app: Application) -> None:
    """Wait for runs of all jobs that began after the pipes must have been full."""
    wait_for(lambda: len([r for r in app.recorded("succeeded") if r["job_id"] == "shouts"]) >= 8, "loud runs")
    wait_for(
        lambda: len([r for r in app.recorded("succeeded") if r["job_id"] == "counts"]) >= 20, "quiet runs"
    )
    assert app.recorded("failed") == []


def ends(process: subprocess.Popen[bytes]) -> None:
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert time.monotonic() - begin < 15


def test_pipes_that_are_full_hold_up_nothing_and_what_was_left_out_is_counted(app: Application) -> None:
    process = start(app, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        goes_on(app)
        # Once somebody reads again, the number is told.
        os.set_blocking(process.stderr.fileno(), False)
        heard = b""

        def told() -> bool:
            nonlocal heard
            heard += process.stderr.read(10_000_000) or b""  # type: ignore[union-attr]
            return b"could not be written to standard error and were left out" in heard

        wait_for(told, "the number of lines that were left out")
        number = re.search(rb"WARNING +(\d+) line\(s\) could not be written to standard error", heard)
        assert number is not None
        assert int(number[1]) > 20
        # Nothing of what came before is missing, and no line is cut in two. The last may be read only half.
        lines = heard.split(b"\n")[:-1]
        assert {len(line) for line in lines if line.startswith(b"y")} == {10_000}
        ends(process)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_pipes_whose_reader_is_gone_end_nothing(app: Application, closed: str) -> None:
    with (app.folder / "said.txt").open("wb") as said:
        pipe_or_file = {
            name: subprocess.PIPE if closed in (name, "both") else said.fileno()
            for name in ("stdout", "stderr")
        }
        process = start(app, **pipe_or_file)
    try:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        goes_on(app)
        ends(process)
        if closed == "stdout":
            lines = (app.folder / "said.txt").read_text()
            assert re.search(r"\d+ line\(s\) could not be written to standard output", lines)
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_behind_both_ends_nothing(app: Application) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(app, stdout=full.fileno(), stderr=full.fileno())
    try:
        goes_on(app)
        ends(process)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_not_there_at_all_end_nothing(app: Application, closed: str) -> None:
    process = subprocess.Popen(
        ["sh", "-c", f'exec "{sys.executable}" -m app run {closed}'],
        cwd=app.folder, env=app.variables(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        goes_on(app)
        ends(process)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "command", ["jobs", "runs", "runs --json", "--help", "audit", "doctor", "run --help"]
)
def test_a_command_whose_reader_has_seen_enough_ends_quietly(app: Application, command: str) -> None:
    app.command("migrate")
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m app {command} | true; exit ${{PIPESTATUS[0]}}'],
        cwd=app.folder, env=app.variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_following_ends_when_the_reader_has_seen_enough(app: Application) -> None:
    with app.running():
        done = subprocess.run(
            ["bash", "-c", f'"{sys.executable}" -m app runs --follow | head -n 3; exit ${{PIPESTATUS[0]}}'],
            cwd=app.folder, env=app.variables(), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["jobs", "runs --json", "--help", "metrics", "health"])
def test_a_command_that_cannot_print_says_so(app: Application, command: str, unbuffered: str) -> None:
    app.environment["PYTHONUNBUFFERED"] = unbuffered
    app.command("migrate")
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m app {command} > /dev/full'],
        cwd=app.folder, env=app.variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_a_command_whose_remark_cannot_be_written_answers_all_the_same(
    app: Application, redirection: str
) -> None:
    app.environment["PYTHONUNBUFFERED"] = "1"
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m app plan --limit 1 --json {redirection}'],
        cwd=app.folder, env=app.variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 1
