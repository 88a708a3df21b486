"""What the tests write outside the repository is removed: at their end, or by the next run after a kill."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import temporary
from temporary import LOCK, PREFIX

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform == "win32", reason="no file is locked there, so no folder is removed"),
]

ROOT = Path(__file__).parents[2]
SUPPORT = Path(temporary.__file__).parent
BEGIN = "import sys, temporary; folder = temporary.of_this_run(); print(folder, flush=True); "

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def place() -> Path:
    """Where the runs make their folders. Not a folder of pytest's, which another user could not enter."""
    return temporary.fresh_folder("place")


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Start a run that writes below `place` and lasts until its input is closed."""
    started: list[subprocess.Popen[str]] = []
    variables = {name: it for name, it in os.environ.items() if not name.startswith("COPIER_SCHEDULER_TESTS")}
    variables |= {"PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT / "scripts")]), "TMPDIR": str(place)}

    def run(code: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", BEGIN + code + "; sys.stdin.read()"]
        process = subprocess.Popen(
            command, env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _said(process: subprocess.Popen[str]) -> Path:
    assert process.stdout
    return Path(process.stdout.readline().strip())


def test_a_run_removes_its_folder(start: Start, place: Path) -> None:
    run = start("(temporary.fresh_folder('project') / 'file').write_text('')")
    folder = _said(run)
    assert folder.parent == place
    run.communicate("")
    assert (run.returncode, list(place.iterdir())) == (0, [])


def test_what_failed_tests_wrote_stays_until_the_next_run(start: Start, place: Path) -> None:
    kept = "(folder / 'pytest-of-me/it').mkdir(parents=True); temporary.keep('pytest-of-*')"
    run = start(f"temporary.fresh_folder(); {kept}")
    folder = _said(run)
    run.communicate("")
    assert sorted(path.name for path in folder.iterdir()) == [LOCK, "pytest-of-me"]
    assert (folder / "pytest-of-me/it").exists()
    start("1").communicate("")
    assert list(place.iterdir()) == []


def test_the_folder_of_a_run_that_was_killed_goes_and_that_of_one_beside_it_stays(
    start: Start, place: Path
) -> None:
    beside, killed = start("1"), start("temporary.fresh_folder()")
    running, abandoned = _said(beside), _said(killed)
    killed.kill()
    killed.wait()
    foreign = place / f"{PREFIX}of-another-program"
    foreign.mkdir()
    assert abandoned.exists()
    next_one = _said(start("1"))
    assert sorted(place.iterdir()) == sorted([running, foreign, next_one])


def test_a_process_of_a_run_writes_into_the_folder_of_the_run(start: Start, place: Path) -> None:
    child = "import tempfile, temporary; print(tempfile.mkdtemp(), temporary.fresh_folder())"
    run = start(f"import subprocess; subprocess.run([sys.executable, '-c', {child!r}])")
    folder = _said(run)
    assert run.stdout
    made = [Path(it) for it in run.stdout.readline().split()]
    assert [folder in it.parents for it in made] == [True, True]
    # The child made no folder of its own, nor did it take that of the run with it when it ended.
    assert list(place.iterdir()) == [folder]
    assert all(it.exists() for it in made)


def test_a_server_that_a_killed_run_left_is_stopped(start: Start, place: Path) -> None:
    killed = start(
        "import servers; held = servers.running_server(); print(held.__enter__().port, flush=True)"
    )
    abandoned = _said(killed)
    assert killed.stdout
    port = int(killed.stdout.readline())
    socket.create_connection(("127.0.0.1", port)).close()
    killed.kill()
    killed.wait()
    assert _said(start("1")).exists()
    assert not abandoned.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
