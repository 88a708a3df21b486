"""Processes that run a Python program without loading what it imports of others: each is a fork.

For `python -m app run` that takes longer than all the rest of a start. `Warm` does as `subprocess.Popen`
does: the process is a child of the one that starts it, with a number of its own, so that signals, exit
codes and the end of Python are real. What it cannot be used for is told by `Application.is_loaded_anew`.

The process that has loaded all is a child, too. It forks twice, and the first fork ends at once: the second
one is then a child of the nearest process above it that takes orphans, which the caller is for that moment.
Linux alone knows this; elsewhere `Warm` starts a Python.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import warm_python

# What the engine loads of others where it runs a schedule and serves pages; uvicorn calls `atexit`.
_RUNS = (
    *(
        "concurrent.futures.thread",
        "fastapi",
        "fastapi.responses",
        "fastapi.staticfiles",
        "fastapi.templating",
    ),
    *("h11", "http.client", "jinja2", "logging.config", "psycopg", "ssl", "urllib.request", "uuid"),
)
_one_at_a_time = threading.Lock()
_TAKE_ORPHANS = 36
_LONGEST = 60.0


class Warm(subprocess.Popen[bytes]):
    """A process that runs `python -m MODULE ...`, for arguments that begin with this Python's path."""

    def _execute_child(self, args: list[str], *given: Any) -> None:
        """Do as the class above, whose arguments these are."""
        if sys.platform != "linux":
            super()._execute_child(args, *given)  # type: ignore[misc]
            return
        cwd, environment = given[4:6]
        pipes = given[9:15]
        streams = [own if end == -1 else end for own, end in enumerate((pipes[0], pipes[3], pipes[5]))]
        variables = os.environ if environment is None else environment
        with _one_at_a_time:
            self.pid = _forked(args, str(cwd or os.getcwd()), variables, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def _forked(arguments: list[str], folder: str, variables: Any, streams: list[int]) -> int:
    """Let the process that has loaded all fork a child of this one; return its number."""
    connection, troubles = _loaded()
    words = [folder, str(len(arguments)), *arguments]
    said = "\0".join([*words, *(f"{name}={value}" for name, value in variables.items())])
    text = said.encode("utf-8", "surrogateescape")
    _take_orphans(True)
    try:
        socket.send_fds(connection, [len(text).to_bytes(4, "big")], streams)
        connection.sendall(text)
        pid = connection.recv(4)
        assert pid, os.read(troubles, 1 << 16).decode()
        return int.from_bytes(pid, "big")
    finally:
        _take_orphans(False)


def _take_orphans(are_taken: bool) -> None:
    """Say whether this process becomes the parent of processes below it whose own parent ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(_TAKE_ORPHANS, int(are_taken), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@functools.cache
def _loaded() -> tuple[socket.socket, int]:
    """Start the process that loads all; return the connection to it, and what it says if it cannot."""
    connection, other = socket.socketpair()
    connection.settimeout(_LONGEST)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LOGURU"))}
    # Its streams are pipes, which cannot be wound: those of its forks may be some too.
    troubles, end = os.pipe()
    nothing, unused = os.pipe()
    with other:
        process = subprocess.Popen(
            [sys.executable, __file__, str(other.fileno())],
            stdin=nothing,
            stdout=end,
            stderr=end,
            pass_fds=[other.fileno()],
            env={**clean, "PYTHONUTF8": "1"},
        )
    for pipe in (end, nothing, unused):
        os.close(pipe)
    atexit.register(_end, process, connection)
    return connection, troubles


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.wait(_LONGEST)


def _asked(connection: socket.socket) -> list[str]:
    """Fork for each request until nobody is left to ask; return, in a fork, the arguments of its program."""
    while True:
        length, streams, _, _ = socket.recv_fds(connection, 4, 3)
        size = int.from_bytes(length, "big")
        said = connection.recv(size, socket.MSG_WAITALL) if size else b""
        if not size or len(said) < size:
            os._exit(0)
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            while os.getppid() == between:
                time.sleep(0.0005)
            return _become(connection, said.decode("utf-8", "surrogateescape").split("\0"), streams)
        os.waitpid(between, 0)
        for stream in streams:
            os.close(stream)


def _become(connection: socket.socket, words: list[str], streams: list[int]) -> list[str]:
    """Take the folder, variables and streams that were asked for; return the program's arguments."""
    folder, number, *rest = words
    arguments, variables = rest[: int(number)], rest[int(number) :]
    for stream, given in enumerate(streams):
        os.dup2(given, stream)
        os.close(given)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(dict(it.split("=", 1) for it in variables))
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    connection.sendall(os.getpid().to_bytes(4, "big"))
    connection.close()
    return arguments


if __name__ == "__main__":
    # The person who interrupts the tests means those.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with warm_python.loaded(Path()):
        for _name in _RUNS:
            importlib.import_module(_name)
    gc.freeze()
    _arguments = _asked(socket.socket(fileno=int(sys.argv[1])))
    warm_python.call(_arguments)
