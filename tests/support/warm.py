"""Programs whose modules are loaded once for all tests of a run: each call is a fork.

To load them takes longer than most calls. `program()` is a process of its own, which hands over its words,
folder, variables and streams, and ends as the fork did. The first call starts the process that loads; that
ends with the run. What is loaded and how a call is done says a module: `warm_copier`, `warm_python`.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from calling_warm import FAILED, SOCKET, STREAMS
from temporary import LOCK, of_this_run

_PROGRAM = """\
#!{python} -ISE
import sys
sys.path.append({here!r})
from calling_warm import call
sys.exit(call({folder!r}, {module!r}))
"""
# How often the process that has loaded looks whether the run goes on, in seconds.
_LOOKS = 2.0


class Warm(Protocol):
    """What such a module has."""

    loaded: Callable[[Path], AbstractContextManager[None]]
    """Load, for as long as the block lasts; the folder is there to write into."""

    call: Callable[[list[str]], None]
    """Do what these arguments ask for, and end by SystemExit as the program would."""


@cache
def program(name: str, module: str, python: Path | None = None) -> Path:
    """Return the program of that name, which has a folder for itself.

    Args:
        name: what it is called.
        module: what is loaded for it.
        python: what it is loaded by: the Python of an environment. None for the one of the tests.
    """
    kind = hashlib.sha256(bytes(python)).hexdigest()[:12] if python else ""
    path = of_this_run() / f"{module}{kind}" / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        # Under another name first: other workers call it as soon as it is there.
        new = path.with_name(f"new-{os.getpid()}")
        words = {"python": python or sys.executable, "module": module}
        here = str(Path(__file__).parent)
        new.write_text(_PROGRAM.format(here=here, folder=str(path.parent), **words), encoding="utf-8")
        new.chmod(0o755)
        new.rename(path)
    return path


def serve(module: str, folder: Path) -> None:
    """Load what the module says, and fork for each call until the run is over."""
    warm = cast(Warm, importlib.import_module(module))
    with warm.loaded(folder), socket.socket(socket.AF_UNIX) as listening:
        # Nobody waits for the forks: they tell their exit codes themselves.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        listening.bind(str(folder / f"{SOCKET}-new"))
        listening.listen(64)
        listening.settimeout(_LOOKS)
        (folder / f"{SOCKET}-new").rename(folder / SOCKET)
        while _goes_on(folder.parent):
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                with connection:
                    if os.fork() == 0:
                        listening.close()
                        _take(connection, warm)


def _goes_on(run: Path) -> bool:
    """Return whether the run still has its folder and the lock in it."""
    try:
        with (run / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def _take(connection: socket.socket, warm: Warm) -> None:
    """Become the call that waits at a connection: do what it asks for, tell the exit code, and end."""
    code = os.EX_SOFTWARE
    try:
        length, streams, _, _ = socket.recv_fds(connection, 4, len(STREAMS))
        size = int.from_bytes(length, "big")
        said = connection.recv(size, socket.MSG_WAITALL)
        if len(said) < size:
            # The program that called is gone.
            return
        folder, umask, number, *words = said.decode("utf-8", "surrogateescape").split("\0")
        arguments, variables = words[: int(number)], words[int(number) :]
        for stream, given in zip(STREAMS, streams, strict=True):
            os.dup2(given, stream)
            os.close(given)
        _end_with(connection)
        os.chdir(folder)
        os.umask(int(umask))
        os.environ.clear()
        os.environ.update(dict(it.split("=", 1) for it in variables))
        # As when a Python starts: TZ may be another.
        time.tzset()
        code = _done(warm, arguments)
    finally:
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        with suppress(OSError):
            connection.send(bytes([code]))
        os._exit(code)


def _end_with(connection: socket.socket) -> None:
    """Let this process be ended by the kernel when the one that called is killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)


def _done(warm: Warm, arguments: list[str]) -> int:
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    code = 1
    try:
        warm.call(arguments)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    return code & 0xFF


if __name__ == "__main__":
    _module, _folder = sys.argv[1:]
    try:
        serve(_module, Path(_folder))
    except BaseException:
        Path(_folder, FAILED).write_text(traceback.format_exc(), encoding="utf-8")
        raise
