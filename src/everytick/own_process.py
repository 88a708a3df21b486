"""Calls a function in a process of its own, so that nothing of what it loads stays in this one."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from base64 import b64decode, b64encode
from collections import deque
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from everytick.system import STOP_SIGNALS, system

# What the new process is told comes by its standard input: everybody on a machine may read a command line.
_PROGRAM = """
import json, sys
told = json.loads(sys.stdin.readline())
sys.path[:] = told["path"]
from everytick import own_process
own_process.answer(told["function"], told["values"])
"""


# Begins the line of the answer: anything else may be printed before, by what the function loads.
_ANSWER = b"everytick answers: "
# The most lines that are kept of that.
_MOST_LINES = 20


class NoOwnProcess(Exception):
    """There can be no further process here, or it ended without an answer.

    In the second case the function may have done its work, or a part of it.
    """


def call(function: str, *values: str) -> Any:
    """Call a function in a new process of this Python; return what it returns, and raise what it raises.

    Signals are left to this process: the new one goes on until it has an answer, or this process is gone.

    Args:
        function: `module:name`.
        values: its arguments.

    Raises:
        NoOwnProcess: it must be called here instead, if it is one that may be called twice.
    """
    # A program that was made from Python, or has it inside, would begin a second time.
    if getattr(sys, "frozen", False) or not Path(sys.executable or "").name.lower().startswith("py"):
        raise NoOwnProcess(f"{sys.executable or 'this program'} is not Python itself")
    told = {"path": [str(place) for place in sys.path], "function": function, "values": values}
    try:
        child = subprocess.Popen(
            # The folder in which it begins is no place for modules.
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as problem:
        raise NoOwnProcess(f"{sys.executable} cannot be started: {problem.strerror}") from None
    with child:
        try:
            said = _talk(child, f"{json.dumps(told)}\n".encode())
        except BaseException:
            child.kill()
            raise
    return _result(said, child.returncode)


def _talk(child: subprocess.Popen[bytes], told: bytes) -> list[bytes]:
    """Return the last lines that it printed; the answer is the last one, if there is any."""
    assert child.stdin is not None
    assert child.stdout is not None
    # One that ended already has said why.
    with suppress(OSError):
        child.stdin.write(told)
        child.stdin.flush()
    lines: deque[bytes] = deque(maxlen=_MOST_LINES)
    # Its standard input stays open meanwhile: by its end the child knows that this process is gone. Its
    # output may stay open for longer than it lives, in what it has started.
    for line in child.stdout:
        if line.strip():
            lines.append(line.strip())
        if line.startswith(_ANSWER):
            break
    return list(lines)


def _result(lines: list[bytes], code: int) -> Any:
    try:
        returned, raised = pickle.loads(b64decode(lines[-1].removeprefix(_ANSWER), validate=True))
    except Exception:
        last = lines[-1].decode(errors="replace") if lines else f"exit code {code}"
        raise NoOwnProcess(f"its own process ended without an answer ({last})") from None
    if raised is not None:
        raise raised
    return returned


def answer(function: str, values: list[str]) -> NoReturn:
    """Call the function, in the new process, and tell the other one what it returned or raised."""
    for number in STOP_SIGNALS:
        system.ignore_signal(number)
    system.start_thread(_end_with_the_other, name="other-process")
    module, _, name = function.partition(":")
    found = getattr(import_module(module), name)
    returned, raised = None, None
    try:
        returned = found(*values)
    except Exception as problem:
        raised = problem
    line = b64encode(pickle.dumps((returned, raised)))
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\n" + _ANSWER + line + b"\n")
    sys.stdout.buffer.flush()
    system.end_process(0)


def _end_with_the_other() -> None:
    sys.stdin.read()
    system.end_process(1)
