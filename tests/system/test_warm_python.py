"""The Python that has loaded much already does as the one that a user calls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import warm_python
from application import Application
from waiting import wait_for

PROGRAMS = (sys.executable, str(warm_python.program()))
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


def called(program: str, folder: Path, *arguments: str) -> tuple[int, bytes, bytes]:
    variables = {**os.environ, "PYTHONUTF8": "1", "ONLY": "thi\udcffs"}
    command = [program, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=variables, input=b"given", capture_output=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.full
@pytest.mark.parametrize(
    "arguments", [["tells", "0"], ["tells", "7", "a b"], ["tells", "x"], ["no_such_module"]], ids=" ".join
)
def test_a_program_is_started_as_by_any_python(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "tells.py").write_text(TELLS)
    real, warm = (called(program, tmp_path, "-m", *arguments) for program in PROGRAMS)
    if b"Traceback" in real[2]:
        # Which names the files that were passed through.
        real, warm = ((code, out, err.splitlines()[-1]) for code, out, err in (real, warm))
    assert warm == real


@pytest.mark.full
def test_code_is_run_as_by_any_python(tmp_path: Path) -> None:
    code = TELLS.replace("__file__", "'nothing'")
    real, warm = (called(program, tmp_path, "-c", code, "3", "a b") for program in PROGRAMS)
    assert warm == real
    assert real[0] == 3


@pytest.mark.full
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_the_zone_of_the_machine_is_that_of_who_called(
    tmp_path: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    code = "import time; from tzlocal import get_localzone; print(time.tzname, get_localzone())"
    real, warm = (called(program, tmp_path, "-c", code) for program in PROGRAMS)
    assert warm == real
    assert zone.encode() in real[1]


@pytest.mark.full
@pytest.mark.parametrize("arguments", [["jobs"], ["jobbs"], ["jobs", "--json"], ["--help"]], ids=" ".join)
def test_a_command_says_the_same(tmp_path: Path, arguments: list[str]) -> None:
    app = Application(tmp_path)
    app.schedule('scheduler.add_job(print, "cron", hour=3, id="nightly")')
    real, warm = (app.call(program, "-m", "app", *arguments) for program in PROGRAMS)
    assert (warm.returncode, warm.stdout, warm.stderr) == (real.returncode, real.stdout, real.stderr)


@pytest.mark.full
def test_who_kills_it_ends_what_it_does(tmp_path: Path) -> None:
    (tmp_path / "stays.py").write_text(
        "import os, time\nopen('pid-new', 'w').write(str(os.getpid()))\nos.rename('pid-new', 'pid')\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([PROGRAMS[1], "-m", "stays"], cwd=tmp_path) as process:
        wait_for((tmp_path / "pid").exists, "the program")
        process.kill()
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: not _lives(pid), "the end of the fork")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
