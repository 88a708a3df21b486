"""One folder for all that a run of the tests writes outside the repository.

Every process of a run has it as TMPDIR, so that what any program leaves there goes with it. A run that was
killed could not remove its folder: the next run does. The process that made a folder holds a lock on a file
in it for as long as it lives, so a folder in use is never removed, nor one that has no such file.

It is in memory where Linux has room there; set TMPDIR to have it elsewhere.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, and so nothing of an earlier run is removed.
    fcntl = None  # type: ignore[assignment]

PREFIX = "copier-scheduler-tests-"
LOCK = "in-use-while-locked"
_MEMORY = Path("/dev/shm")
# For environments of a hundred megabytes, of which several stand at a time, and the cache they come from.
_ROOM = 6 * 1024**3
_VARIABLE = "COPIER_SCHEDULER_TESTS_FOLDER"
_numbers = itertools.count()
_kept: list[str] = []


@cache
def of_this_run() -> Path:
    """Return the folder of this run, which its first process makes and removes."""
    inherited = os.environ.get(_VARIABLE)
    if inherited and Path(inherited).is_dir():
        return Path(inherited)
    place = _place()
    remove_abandoned(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    # PostgreSQL may have to run as another user, whose files stand in here.
    folder.chmod(0o755)
    lock = _locked(folder)
    os.environ |= {_VARIABLE: str(folder), "TMPDIR": str(folder)}
    tempfile.tempdir = None
    atexit.register(_end, folder, lock, os.getpid())
    return folder


def fresh_folder(name: str = "") -> Path:
    """Return a new folder that lasts as long as the tests run."""
    folder = of_this_run() / str(os.getpid()) / f"{next(_numbers)}{'-' if name else ''}{name}"
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def folder_for_a_server(name: str) -> Iterator[Path]:
    """Give a new folder that other users of this machine can enter; remove it afterwards."""
    folder = fresh_folder(name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(pattern: str) -> None:
    """Leave what matches when this run ends; the next run removes it."""
    _kept.append(pattern)


def remove_abandoned(place: Path) -> None:
    """Remove the folders of runs whose first process is gone, and stop the servers that they left running."""
    for lock in place.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), lock.open("rb") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop_servers(lock.parent)
                shutil.rmtree(lock.parent, ignore_errors=True)


def _place() -> Path:
    """Return the folder in memory, if it has room and programs may be run there; else that of the settings.

    Each commit to a ledger is written through to the disk, which all workers would wait for.
    """
    if "TMPDIR" not in os.environ and _MEMORY.is_dir():
        found = os.statvfs(_MEMORY)
        free, usable = found.f_bavail * found.f_frsize, not found.f_flag & os.ST_NOEXEC
        if free >= _ROOM and usable and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return Path(tempfile.gettempdir()).resolve()


def _locked(folder: Path) -> IO[bytes]:
    """Make the lock under another name first: nobody shall find it before it is locked."""
    new = folder / "new-lock"
    file = new.open("wb")
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
    new.rename(folder / LOCK)
    return file


def _end(folder: Path, lock: IO[bytes], process: int) -> None:
    if os.getpid() != process:
        return
    kept = {path for pattern in _kept for path in folder.glob(pattern)}
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
    for path in folder.iterdir() if kept else ():
        if path not in kept and path.name != LOCK:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    lock.close()


def _stop_servers(folder: Path) -> None:
    for file in folder.glob("*/*/data/postmaster.pid"):
        pid = int(file.read_text("utf-8").split("\n", 1)[0])
        # The number may belong to another program by now.
        if str(file.parent) not in _command_line(pid):
            continue
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 10
        while str(file.parent) in _command_line(pid) and time.monotonic() < deadline:
            time.sleep(0.02)


def _command_line(pid: int) -> str:
    asked = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout
