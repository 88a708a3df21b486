"""Copier, loaded once for all tests of a run: each call is a fork of that process, with all that a call has.

To load it takes longer than most calls of it. `program()` is what tests put before others on a PATH, or call
themselves: a process of its own, which hands over its arguments, folder, variables and streams, and ends as
the fork did. The first call starts the process that has Copier loaded; that ends with the run.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import signal
import socket
import sys
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path

from calling_copier import FAILED, SOCKET, STREAMS
from compiled_once import quickly
from temporary import LOCK, of_this_run

_PROGRAM = """\
#!{python} -ISE
import sys
sys.path.append({here!r})
from calling_copier import call
sys.exit(call({folder!r}))
"""
_TRACES = shutil.ignore_patterns("__pycache__", ".*_cache")
# How often the process that has Copier loaded looks whether the run goes on, in seconds.
_LOOKS = 2.0


@cache
def program() -> Path:
    """Return the program `copier`, which has a folder for itself."""
    path = of_this_run() / "warm-copier" / "copier"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        # Under another name first: other workers call it as soon as it is there.
        new = path.with_name(f"new-{os.getpid()}")
        here, folder = str(Path(__file__).parent), str(path.parent)
        new.write_text(_PROGRAM.format(python=sys.executable, here=here, folder=folder), encoding="utf-8")
        new.chmod(0o755)
        new.rename(path)
    return path


def serve(folder: Path) -> None:
    """Load Copier and the template of this repository, and fork for each call until the run is over."""
    with quickly():
        _warm_up(folder)
        _serve(folder)


def _warm_up(folder: Path) -> None:
    """Render once: what was compiled for it is there for each fork."""
    import copier
    from copier._cli import CopierApp  # noqa: F401

    root, template = Path(__file__).parents[2], folder / "template"
    for part in ("includes", "template"):
        shutil.copytree(root / part, template / part, ignore=_TRACES)
    shutil.copy2(root / "copier.yml", template)
    copier.run_copy(str(template), folder / "made", defaults=True, quiet=True, pretend=True)


def _serve(folder: Path) -> None:
    # Nobody waits for the forks: they tell their exit codes themselves.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
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
                        _take(connection)


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


def _take(connection: socket.socket) -> None:
    """Become the call that waits at a connection: do what it asks for, tell the exit code, and end."""
    code = os.EX_SOFTWARE
    try:
        length, streams, _, _ = socket.recv_fds(connection, 4, len(STREAMS))
        said = b""
        while len(said) < int.from_bytes(length, "big"):
            said += connection.recv(1 << 16)
        folder, number, *words = said.decode("utf-8", "surrogateescape").split("\0")
        arguments, variables = words[: int(number)], words[int(number) :]
        for stream, given in zip(STREAMS, streams, strict=True):
            os.dup2(given, stream)
            os.close(given)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = _call(folder, arguments, dict(it.split("=", 1) for it in variables))
    finally:
        with suppress(OSError):
            connection.send(bytes([code]))
        os._exit(code)


def _call(folder: str, arguments: list[str], variables: dict[str, str]) -> int:
    from copier._cli import CopierApp
    from plumbum import local

    os.chdir(folder)
    local.cwd.chdir(folder)
    # plumbum has variables of its own, for all that Copier calls.
    for known in (os.environ, local.env):
        known.clear()
        known.update(variables)
    sys.argv = arguments
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    code = 1
    try:
        CopierApp.run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    return code


if __name__ == "__main__":
    try:
        serve(Path(sys.argv[1]))
    except BaseException:
        (Path(sys.argv[1]) / FAILED).write_text(traceback.format_exc(), encoding="utf-8")
        raise
