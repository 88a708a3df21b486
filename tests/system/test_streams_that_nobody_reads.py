"""A full or closed pipe, or a full disk, behind standard output or standard error holds up nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from application import Application
from waiting import wait_for

pytestmark = pytest.mark.full

# Where there is none, writing to that name would make a file, which then is there.
on_a_full_disk = pytest.mark.skipif(
    not Path("/dev/full").is_char_device(), reason="this system has no disk that is always full"
)

# Each run writes more than a pipe takes; `counts` shows that the event loop goes on.
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
IMPORTS_OF_ONE = "from app.services.my_tasks import shouts\n"


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    made.tasks(TASKS)
    made.schedule(SCHEDULE, IMPORTS)
    return made


@contextmanager
def started(app: Application, *command: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run the schedule with these streams inside the block, and end it in any case."""
    run = command or (sys.executable, "-m", "app", "run")
    process = subprocess.Popen(run, cwd=app.folder, env=app.variables(), **streams)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


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
    with started(app, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
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


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_pipes_whose_reader_is_gone_end_nothing(app: Application, closed: str) -> None:
    said = app.folder / "said.txt"
    with said.open("wb") as file:
        pipe_or_file = {
            name: subprocess.PIPE if closed in (name, "both") else file.fileno()
            for name in ("stdout", "stderr")
        }
        with started(app, **pipe_or_file) as process:
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            goes_on(app)
            ends(process)
    if closed == "stdout":
        assert re.search(r"\d+ line\(s\) could not be written to standard output", said.read_text())


@on_a_full_disk
def test_a_full_disk_behind_both_ends_nothing(app: Application) -> None:
    with Path("/dev/full").open("wb") as full, started(app, stdout=full, stderr=full) as process:
        goes_on(app)
        ends(process)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_not_there_at_all_end_nothing(app: Application, closed: str) -> None:
    run = ("sh", "-c", f'exec "{sys.executable}" -m app run {closed}')
    with started(app, *run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        goes_on(app)
        ends(process)


@pytest.mark.parametrize(
    "command", ["jobs", "runs", "runs --json", "--help", "audit", "doctor", "run --help"]
)
def test_a_command_whose_reader_has_seen_enough_ends_quietly(app: Application, command: str) -> None:
    app.command("migrate")
    done = app.shell(f"app {command} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")


def test_following_ends_when_the_reader_has_seen_enough(app: Application) -> None:
    with app.running():
        done = app.shell("app runs --follow | head -n 3; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


@on_a_full_disk
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["jobs", "runs --json", "--help", "metrics", "health"])
def test_a_command_that_cannot_print_says_so(app: Application, command: str, unbuffered: str) -> None:
    app.environment["PYTHONUNBUFFERED"] = unbuffered
    app.command("migrate")
    done = app.shell(f"app {command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "error: standard output cannot be written: No space left on device\n"


@on_a_full_disk
@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
def test_a_command_whose_remark_cannot_be_written_answers_all_the_same(
    app: Application, redirection: str
) -> None:
    app.environment["PYTHONUNBUFFERED"] = "1"
    done = app.shell(f"app plan --limit 1 --json {redirection}")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) == 1


@pytest.mark.parametrize("say", ["logger.info(text)", "print(text)", "print(text, file=sys.stderr)"])
def test_a_line_longer_than_what_may_wait_silences_nothing(app: Application, say: str) -> None:
    app.tasks(
        f"import sys\nfrom loguru import logger\n\ndef shouts():\n    text = 'y' * 1_200_000\n    {say}\n"
    )
    app.schedule('scheduler.add_job(shouts, "interval", seconds=0.5, id="shouts")', IMPORTS_OF_ONE)
    with app.running() as process:
        app.records(3, "succeeded")
        # What is printed is passed on as it is; of a message the log has the two ends.
        process.says("characters left out" if "logger" in say else "y" * 1_200_000)
    assert process.log().splitlines()[-1].endswith(" stopped")
    assert "stopping" in process.log()
