"""How a call is handed over to the process that has loaded what it needs: see `warm`.

Only what is quick to load is imported here.
"""

from __future__ import annotations

import _socket
import os
import sys
import time
from array import array

SOCKET, STARTED, FAILED = "socket", "started", "failed"
STREAMS = (0, 1, 2)


def call(folder: str, module: str) -> int:
    """Let the process of that folder do what this one was called for; start it, if there is none.

    Returns:
        The exit code.
    """
    connection = _connected(folder, module)
    variables = [f"{name}={value}" for name, value in os.environ.items()]
    umask = os.umask(0)
    os.umask(umask)
    words = [os.getcwd(), str(umask), str(len(sys.argv)), *sys.argv, *variables]
    said = "\0".join(words).encode("utf-8", "surrogateescape")
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", STREAMS))
    connection.sendmsg([len(said).to_bytes(4, "big")], [rights])
    connection.sendall(said)
    answer = connection.recv(1)
    return answer[0] if answer else os.EX_SOFTWARE


def _connected(folder: str, module: str) -> _socket.socket:
    end = time.monotonic() + 60
    while True:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.connect(f"{folder}/{SOCKET}")
        except OSError:
            connection.close()
            if os.path.exists(f"{folder}/{FAILED}") or time.monotonic() > end:
                sys.exit(f"what {module} loads could not be loaded: see {folder}/{FAILED}")
            _start(folder, module)
            time.sleep(0.05)
        else:
            return connection


def _start(folder: str, module: str) -> None:
    """Start the process of that folder, unless another call has."""
    try:
        os.close(os.open(f"{folder}/{STARTED}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    here = os.path.dirname(os.path.abspath(__file__))
    # Its streams are pipes, which cannot be wound: those of a call may be some too.
    _, end = os.pipe()
    streams = [(os.POSIX_SPAWN_DUP2, end, stream) for stream in STREAMS]
    # Away from the terminal and the tests: it outlives who calls it.
    command = [sys.executable, "-X", "utf8", "-E", os.path.join(here, "warm.py"), module, folder]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=streams, setsid=True)
