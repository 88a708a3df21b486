"""`everytick.system` is the only module that uses clocks, threads and the like, and a test can replace it."""

from __future__ import annotations

import ast
import errno
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import everytick
import pytest
from everytick.model import ticks
from everytick.store.records import Identity
from everytick.system import put_back_signals, signals, system, use

from sources import parsed

ENGINE = Path(everytick.__file__).parent

# Modules, and parts of modules, that only `system` may use.
MODULES = {"time", "random", "secrets", "uuid", "signal", "sched", "socket", "subprocess", "multiprocessing"}
PARTS = {
    "os": {"getpid", "getppid", "kill", "_exit", "urandom", "fork"},
    "threading": {"Thread", "Timer", "Event", "Condition", "Barrier", "Semaphore"},
    "asyncio": {"to_thread", "run", "new_event_loop"},
    "queue": {"Queue", "SimpleQueue", "LifoQueue", "PriorityQueue"},
    "concurrent.futures": {"ThreadPoolExecutor", "ProcessPoolExecutor"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
_OTHER_PROGRAMS = "it runs git, pip or Copier and waits for them: nothing of that can be simulated"
# What a module may use in spite of that, and why.
EXCEPTIONS = {
    "dashboard/links.py": ({"import socket"}, "it asks whether a port is listened on before a link is shown"),
    "dashboard/server.py": ({"import socket"}, "uvicorn's method takes a list of sockets"),
    "dashboard/serving.py": ({"import socket"}, "uvicorn is handed a socket that listens already"),
    "own_process.py": (
        {"import subprocess"},
        "it runs Python, and waits for that",
    ),
    "update/copier.py": ({"import subprocess"}, _OTHER_PROGRAMS),
    "update/edits.py": ({"import subprocess"}, _OTHER_PROGRAMS),
    "update/plain_git.py": ({"import subprocess"}, _OTHER_PROGRAMS),
    "update/project.py": ({"import subprocess"}, _OTHER_PROGRAMS),
    "update/steps.py": ({"import subprocess"}, _OTHER_PROGRAMS),
    "update/versions.py": ({"import subprocess"}, _OTHER_PROGRAMS),
}


def goes_round(tree: ast.AST) -> Iterator[str]:
    """Yield each place where a module reads a clock, starts a thread or the like without `system`."""
    types_only = {
        id(part)
        for node in ast.walk(tree)
        for kind in ("annotation", "returns")
        if isinstance(found := getattr(node, kind, None), ast.AST)
        for part in ast.walk(found)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            wanted = PARTS.get(node.module or "", set())
            named = [name.name for name in node.names if node.module in MODULES or name.name in wanted]
            yield from (f"from {node.module} import {name}" for name in named)
        elif isinstance(node, ast.Attribute) and id(node) not in types_only:
            owner = ast.unparse(node.value)
            owner = owner if owner in PARTS else owner.rpartition(".")[2]
            if node.attr in PARTS.get(owner, set()):
                yield f"{owner}.{node.attr}"


@pytest.mark.full
def test_no_module_of_the_engine_goes_round_the_seam() -> None:
    found = {
        file.relative_to(ENGINE).as_posix(): set(goes_round(parsed(file))) for file in ENGINE.rglob("*.py")
    }
    seam = {name: found.pop(name) for name in sorted(found) if name.startswith("system/")}
    assert any(seam.values()), "the seam itself"
    # An exception that no module needs any more fails, too.
    assert {name: uses for name, uses in found.items() if uses} == {
        name: uses for name, (uses, _why) in EXCEPTIONS.items()
    }


def test_going_round_is_noticed() -> None:
    program = """
import time
from random import uniform
import threading, os, asyncio
from concurrent.futures import ThreadPoolExecutor
import datetime as dt
from datetime import datetime

def wait(event: threading.Event) -> threading.Thread:
    datetime.now()
    dt.datetime.today()
    os.getpid()
    return threading.Thread(target=asyncio.to_thread)
"""
    assert sorted(goes_round(ast.parse(program))) == [
        "asyncio.to_thread",
        "datetime.now",
        "datetime.today",
        "from concurrent.futures import ThreadPoolExecutor",
        "from random import uniform",
        "import time",
        "os.getpid",
        "threading.Thread",
    ]


def test_another_machine_can_take_the_place_of_this_one() -> None:
    own = system.monotonic, system.pid
    with use(time_ns=lambda: 1_000_000, monotonic=lambda: 7.0, pid=lambda: 42, host=lambda: "there"):
        assert ticks.now() == 1_000
        me = Identity.new()
        assert (me.host, me.pid) == ("there", 42)
    assert (system.monotonic, system.pid) == own
    with pytest.raises(AttributeError), use(no_such_part=print):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_of_which_only_its_exit_code_is_left_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not system.is_gone(child.pid)
        child.kill()
        deadline = time.monotonic() + 10
        # Nobody waits for it here, as a supervisor may not for a while.
        while not system.is_gone(child.pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        child.communicate()


def test_without_file_handles_no_folder_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_is_usable() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    def none_is_left(*_arguments: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(tempfile, "gettempdir", none_is_usable)
    with pytest.raises(FileNotFoundError):
        system.temporary_folder()
    monkeypatch.setattr(os, "open", none_is_left)
    with pytest.raises(OSError, match="Too many open files"):
        system.temporary_folder()


def test_a_seed_that_a_job_sets_is_the_jobs_alone() -> None:
    random.seed(7)
    before, drawn = random.getstate(), system.uniform(0, 1)
    assert random.getstate() == before
    random.seed(7)
    assert system.uniform(0, 1) != drawn


def test_a_signal_that_was_taken_over_is_given_back_and_asking_for_it_is_cheap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    monkeypatch.setattr(signals, "_heard", {})
    monkeypatch.setattr(signals, "_handlers", {})
    try:
        system.on_signal(signal.SIGUSR1, lambda: None)
        system.ignore_signal(signal.SIGUSR2)
        heard = {number: signal.getsignal(number) for number in before}
        with monkeypatch.context() as without:
            # It takes 2 microseconds for each signal, and each run asks.
            without.setattr(signal, "getsignal", None)
            assert put_back_signals() == []
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        assert put_back_signals() == ["SIGUSR1", "SIGUSR2"]
        assert {number: signal.getsignal(number) for number in before} == heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_threads_begin_while_a_job_has_deleted_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[str] = []
    monkeypatch.delattr(sys, "stderr")
    system.start_thread(began.append, args=("a thread",), name="test-thread").join()
    monkeypatch.delattr(sys, "stderr")
    pool = system.thread_pool(1, "test-pool")
    pool.submit(began.append, "one of a pool").result()
    pool.shutdown()
    assert began == ["a thread", "one of a pool"]
