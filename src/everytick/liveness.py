"""What a process tells its own machine without the ledger: that it is there, and its event loop answers.

A supervisor restarts a process that is dead or stuck. A ledger that takes no writes (a full disk, a server
that only reads) is no reason for that, so its heartbeats are no measure of it. Each process keeps an empty
file in a folder of its user's among the temporary files, and its event loop sets the time of that file;
this needs no room on a disk. Where no such file can be made or seen, the ledger's heartbeats are all there
is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from .system import system

WHAT_TO_DO = "remove it, or set TMPDIR to a folder of this user, for the application and its checks alike"
# How often the event loop tells that it answers, in seconds.
_EVERY = 2.0


@dataclass(frozen=True)
class Sign:
    """A process of this machine that lives; `silence`: seconds since its event loop answered."""

    pid: int
    silence: float


class Beacon:
    """Keeps the file of this process up to date while its event loop runs.

    Args:
        ledger: which one the process keeps, so that one of another schedule is not taken for it.
    """

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger
        self._path: Path | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin on the running event loop. A folder that is not to be trusted is told of once."""
        if (refusal := why_refused()) is not None:
            logger.warning("{}: {}", refusal, WHAT_TO_DO)
        self._path = _place() / f"{_digest(self._ledger)}.{system.pid()}"
        self._tell(asyncio.get_running_loop())

    def end(self) -> None:
        """Take the file away."""
        if self._timer is not None:
            self._timer.cancel()
        if self._path is not None:
            _remove(self._path)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._path is not None
        # Not the time of day, which may be set: the machine's processes agree on this clock.
        at = int(system.monotonic() * 1_000_000_000)
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            if _is_ours(self._path.parent):
                self._path.touch(mode=0o600)
                os.utime(self._path, ns=(at, at))
        except OSError:
            # Then there is no file, or an old one; that one would speak of a loop that is stuck.
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._timer = loop.call_later(_EVERY, self._tell, loop)


def find(ledger: str) -> list[Sign]:
    """Return the processes of this machine that live and keep a ledger; none if that cannot be seen."""
    folder, now, found = _place(), system.monotonic(), []
    for path in sorted(folder.glob(f"{_digest(ledger)}.*")) if _is_ours(folder) else ():
        try:
            pid, at = int(path.suffix[1:]), path.stat().st_mtime_ns / 1_000_000_000
        except (OSError, ValueError):
            continue
        if system.is_gone(pid):
            _remove(path)
        else:
            found.append(Sign(pid, max(0.0, now - at)))
    return found


def _remove(path: Path) -> None:
    """Take a file away, and the folder with the last one."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def _place() -> Path:
    """Return the folder of this user, which need not be there."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(system.temporary_folder()) / f"everytick-{user}"


def why_refused() -> str | None:
    """Return the sentence that says why the folder of this user's processes is not used, if so.

    Among the temporary files everybody may make it before us, and would tell which processes live.
    """
    folder = _place()
    try:
        found = folder.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        why = "is no folder"
    elif hasattr(os, "getuid") and found.st_uid != os.getuid():
        why = f"belongs to user {found.st_uid}"
    elif os.name == "posix" and found.st_mode & 0o022:
        why = "is this user's, but others may write to it"
    else:
        return None
    return f"{folder} {why}, so `health --here` goes by the heartbeats in the ledger alone"


def _is_ours(folder: Path) -> bool:
    """Return whether the folder is there, and nobody else made it for us or writes to it."""
    return folder.exists() and why_refused() is None


def _digest(ledger: str) -> str:
    return hashlib.sha256(ledger.encode("utf-8", "surrogateescape")).hexdigest()[:16]
