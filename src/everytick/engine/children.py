"""Processes that jobs have started and that go on when the scheduler ends.

Children of `multiprocessing` are waited for and then ended, see `api.ending`. Others may be meant to go on,
such as a program that a job has started: they are named, and left alone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from everytick.system import system
from everytick.text.wording import one_line
from loguru import logger

from .context import current_run

_PROC = Path("/proc")
# The most that are named, and the most characters of how each was called.
_MOST, _LONGEST = 10, 60
# By the process id: the job that forked it.
_forked: dict[int, str] = {}
_is_ready = False


def remember() -> None:
    """Remember from now on which job forks which child. Only Linux tells that."""
    global _is_ready
    if not _is_ready and hasattr(os, "register_at_fork"):
        # A child has the hooks of its parent.
        _is_ready = True
        os.register_at_fork(after_in_parent=_note, after_in_child=_forked.clear)


def tell_of_those_left() -> None:
    """Log, in one line, the children that go on and that nobody ends."""
    found = list(_left())
    if found:
        said = [_described(pid) for pid in found[:_MOST]]
        said += [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
        logger.warning("processes that this one has started go on without it: {}", ", ".join(said))


def of_multiprocessing() -> list[Any]:
    """Return the processes that jobs have begun by `multiprocessing` and that go on."""
    # Not imported for this: then there are none.
    module = sys.modules.get("multiprocessing.process")
    return [] if module is None else sorted(module.active_children(), key=lambda it: str(it.name))


def _note() -> None:
    run = current_run()
    if run is None:
        return
    for pid in [pid for pid in list(_forked) if system.is_gone(pid)]:
        _forked.pop(pid, None)
    thread = threading.get_native_id()
    with suppress(OSError):
        # In the order in which this thread has started them.
        for newest in (_PROC / f"self/task/{thread}/children").read_text().split()[-1:]:
            _forked.setdefault(int(newest), run.job_id)


def _left() -> Iterator[int]:
    ended_elsewhere = {child.pid for child in of_multiprocessing()}
    for folder in _PROC.glob("[0-9]*"):
        pid = int(folder.name)
        with suppress(OSError, ValueError, IndexError):
            # Behind the name of the program, which may hold anything: its state, and its parent.
            state, parent = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            if int(parent) != system.pid() or state in (b"Z", b"X") or pid in ended_elsewhere:
                continue
            # Its own helpers end with this process.
            if "from multiprocessing." not in _command(pid):
                yield pid


def _described(pid: int) -> str:
    command = one_line(_command(pid))
    command = command if len(command) <= _LONGEST else f"{command[: _LONGEST - 1]}…"
    how = "a copy of this process" if _command(pid) == _command(system.pid()) else command
    by = f", forked by job {_forked[pid]}" if pid in _forked else ""
    return f"{pid} ({how}{by})"


def _command(pid: int) -> str:
    with suppress(OSError):
        return (_PROC / f"{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""
