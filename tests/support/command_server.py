"""Commands in processes that need not load again what all of them load.

A process that has loaded the packages which the engine needs, but nothing of the engine nor of an
application, forks a child for each command. The child has the arguments, the folder, the environment and the
streams that the command would have: it is a new process all the same, for half of the time.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

# Without Loguru and Typer's part for Rich, which look into the environment when they are loaded.
_LOADED = (
    *("apscheduler.events", "apscheduler.executors.base", "apscheduler.schedulers.asyncio"),
    *("apscheduler.triggers.cron", "asyncio", "pydantic", "pydantic_settings", "rich.console", "rich.table"),
    *("sqlalchemy", "sqlalchemy.dialects.sqlite", "zoneinfo"),
)
# What Python reads at its start: each set of these has a server of its own.
_OF_THE_INTERPRETER = ("LANG", "LC_", "LD_", "PYTHON", "TZ")


def run_module(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` in a folder to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was killed.
    """
    command = [sys.executable, "-m", *arguments]
    interpreter = {name: it for name, it in environment.items() if name.startswith(_OF_THE_INTERPRETER)}
    server = _server(tuple(sorted(interpreter.items())))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, _connected(server) as asking:
        asked = json.dumps({"command": command, "folder": str(folder), "environment": dict(environment)})
        socket.send_fds(asking, [b"%16d" % len(asked)], [out.fileno(), err.fileno()])
        asking.sendall(asked.encode("ascii"))
        pid = int(asking.recv(16))
        asking.settimeout(timeout)
        try:
            code = int(asking.recv(16))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            asking.settimeout(None)
            asking.recv(16)
            raise subprocess.TimeoutExpired(command, timeout) from None
        return subprocess.CompletedProcess(command, code, _text(out.fileno()), _text(err.fileno()))


def _text(file: int) -> str:
    with open(file, encoding="utf-8", closefd=False) as stream:
        stream.seek(0)
        return stream.read()


def _connected(server: str) -> socket.socket:
    asking = socket.socket(socket.AF_UNIX)
    asking.connect(server)
    return asking


@cache
def _server(interpreter: tuple[tuple[str, str], ...]) -> str:
    """Start a server, which ends with this process; return the path of its socket."""
    path = Path(tempfile.mkdtemp()) / "commands"
    serving = subprocess.Popen(
        [sys.executable, __file__, str(path)],
        env={"PATH": os.environ["PATH"], **dict(interpreter)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert serving.stdout
    assert serving.stdout.read(1) == b"."
    # Held open for as long as this process lives: its end is the server's.
    _servers.append(serving)
    return str(path)


_servers: list[subprocess.Popen[bytes]] = []


def _serve(path: str) -> None:
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        if os.fork() == 0:
            # Waits for the end of who started it, to end the server.
            os.read(0, 1)
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(0)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.write(1, b".")
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        while True:
            asked, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _attend(asked)
                return
            asked.close()


def _attend(asked: socket.socket) -> None:
    """Fork the command, and say how it ended; in the child return, to be the command."""
    size, files, _, _ = socket.recv_fds(asked, 16, 2)
    text = b""
    while len(text) < int(size):
        text += asked.recv(1 << 16)
    request = json.loads(text)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        asked.close()
        for file, stream in zip(files, (1, 2), strict=True):
            os.dup2(file, stream)
            os.close(file)
        _become(request["command"], request["folder"], request["environment"])
        return
    asked.sendall(b"%16d" % pid)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        asked.sendall(b"%16d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(command: list[str], folder: str, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.orig_argv[:] = command
    sys.argv[:] = command[2:]
    sys.path[0] = folder


if __name__ == "__main__":
    _serve(sys.argv[1])
    # Only the child that is to be a command comes here.
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
