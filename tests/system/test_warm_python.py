"""The Pythons that have loaded much already do as the one that a user calls: a program, and a child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import warm_python
from application import Application
from waiting import wait_for
from warm_children import Warm

pytestmark = pytest.mark.full

PROGRAM = str(warm_python.program())
Way = tuple[type[subprocess.Popen[bytes]], str]
"""How a Python is started, and what stands for its program."""

REAL: Way = (subprocess.Popen, sys.executable)
CHILD: Way = (Warm, sys.executable)
BOTH = pytest.mark.parametrize("warm", [(subprocess.Popen, PROGRAM), CHILD], ids=["program", "child"])
# What a program can tell of how it was started.
TELLS = """
import json, os, sys
print(json.dumps([sys.argv, sys.orig_argv, sys.path, os.getcwd(), __name__, __file__]))
print(json.dumps(dict(os.environ), sort_keys=True))
print(sys.stdin.read(), sys.stdout.encoding, sys.stderr.encoding, file=sys.stderr)
print(os.umask(0), sys.flags.utf8_mode, file=sys.stderr)
print(sys.modules["__main__"].json.__name__, sys.executable, sys.stdout.isatty())
sys.exit(int(sys.argv[1]))
"""


def called(way: Way, folder: Path, *arguments: str) -> tuple[int, bytes, bytes]:
    popen, program = way
    given = {
        "PYTHONUTF8": "1",
        "ONLY": "thi\udcffs",
        "PYTHONPATH": os.pathsep.join(["elsewhere", "/else/where"]),
    }
    variables = {**os.environ, **given}
    with popen(
        [program, *arguments], cwd=folder, env=variables,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        out, err = process.communicate(b"given", timeout=60)
    return process.returncode, out, err


@BOTH
@pytest.mark.parametrize(
    "arguments", [["tells", "0"], ["tells", "7", "a b"], ["tells", "x"], ["no_such_module"]], ids=" ".join
)
def test_a_program_is_started_as_by_any_python(tmp_path: Path, arguments: list[str], warm: Way) -> None:
    (tmp_path / "tells.py").write_text(TELLS)
    wanted, got = (called(way, tmp_path, "-m", *arguments) for way in (REAL, warm))
    if b"Traceback" in wanted[2]:
        # Which names the files that were passed through.
        wanted, got = ((code, out, err.splitlines()[-1]) for code, out, err in (wanted, got))
    assert got == wanted


@BOTH
def test_code_is_run_as_by_any_python(tmp_path: Path, warm: Way) -> None:
    code = TELLS.replace("__file__", "'nothing'")
    wanted, got = (called(way, tmp_path, "-c", code, "3", "a b") for way in (REAL, warm))
    assert got == wanted
    assert wanted[0] == 3


@BOTH
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_the_zone_of_the_machine_is_that_of_who_called(
    tmp_path: Path, zone: str, warm: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    code = "import time; from tzlocal import get_localzone; print(time.tzname, get_localzone())"
    wanted, got = (called(way, tmp_path, "-c", code) for way in (REAL, warm))
    assert got == wanted
    assert zone.encode() in wanted[1]


@BOTH
@pytest.mark.parametrize("arguments", [["jobs"], ["jobbs"], ["jobs", "--json"], ["--help"]], ids=" ".join)
def test_a_command_says_the_same(tmp_path: Path, arguments: list[str], warm: Way) -> None:
    app = Application(tmp_path)
    app.schedule('scheduler.add_job(print, "cron", hour=3, id="nightly")')
    wanted, got = (called(way, app.folder, "-m", "app", *arguments) for way in (REAL, warm))
    assert got == wanted


def test_who_kills_the_program_ends_what_it_does(tmp_path: Path) -> None:
    (tmp_path / "stays.py").write_text(
        "import os, time\nopen('pid-new', 'w').write(str(os.getpid()))\nos.rename('pid-new', 'pid')\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([PROGRAM, "-m", "stays"], cwd=tmp_path) as process:
        wait_for((tmp_path / "pid").exists, "the program")
        process.kill()
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not _lives(pid), "the end of the fork")


def test_the_child_is_one_of_this_process_and_its_signals_are_its_own(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), os.getppid(), os.getpgrp(), flush=True); time.sleep(600)"
    with Warm([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        said = [int(number) for number in process.stdout.readline().split()]
        assert said == [process.pid, os.getpid(), os.getpgrp()]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT


def test_the_child_ends_as_python_does(tmp_path: Path) -> None:
    code = """
import atexit, threading, time
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
print("the last line")
"""
    wanted, got = (called(way, tmp_path, "-c", code) for way in (REAL, CHILD))
    assert got == wanted == (0, b"the last line\na thread\nat exit\n", b"")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is kept for its forks")
def test_what_has_loaded_all_ends_with_who_started_it_also_amid_a_request(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
import warm_children
warm_children.Warm([sys.executable, "-c", ""]).wait()
connection, _ = warm_children._loaded()
connection.sendall((1000).to_bytes(4, "big") + b"a part")
print(Path("/proc/self/task", str(os.getpid()), "children").read_text(), flush=True)
os._exit(0)
"""
    variables = {**os.environ, "PYTHONPATH": str(Path(warm_python.__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, check=True)
    [pid] = map(int, done.stdout.split())
    wait_for(lambda: not _lives(pid), "the end of what has loaded all")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
