"""The one seam between the engine and the machine: nothing goes round it, and a test can take its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import everytick
import pytest
from everytick.model import ticks
from everytick.store.records import Identity
from everytick.system import system, use

ENGINE = Path(everytick.__file__).parent
ROOMS = ("model", "store", "engine", "notify", "api")

# Modules of which the engine needs nothing but what `system` has, and parts of others.
MODULES = {"time", "random", "secrets", "uuid", "signal", "sched", "socket", "multiprocessing"}
PARTS = {
    "os": {"getpid", "getppid", "kill", "_exit", "urandom", "fork"},
    "threading": {"Thread", "Timer", "Event", "Condition", "Barrier", "Semaphore"},
    "asyncio": {"to_thread", "run", "new_event_loop"},
    "queue": {"Queue", "SimpleQueue", "LifoQueue", "PriorityQueue"},
    "concurrent.futures": {"ThreadPoolExecutor", "ProcessPoolExecutor"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


def goes_round(tree: ast.AST) -> Iterator[str]:
    """Give what of a module reads a clock, starts a thread or the like by itself."""
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
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in PARTS.get(owner, set()):
                yield f"{owner}.{node.attr}"


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_of_the_engine_goes_round_the_seam(room: str) -> None:
    files = list((ENGINE / room).rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(ENGINE)}: {what}"
        for file in files
        for what in goes_round(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not found


def test_going_round_is_noticed() -> None:
    program = """
import time
from random import uniform
import threading, os, asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

def wait(event: threading.Event) -> threading.Thread:
    datetime.now()
    os.getpid()
    return threading.Thread(target=asyncio.to_thread)
"""
    assert sorted(goes_round(ast.parse(program))) == [
        "asyncio.to_thread",
        "datetime.now",
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
