"""What goes in and out of the ledger's operations."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from ..catch_up import Decision


@dataclass(frozen=True)
class Identity:
    """One start of one process. With an attempt's number it is the token of every write after a claim."""

    process_id: str
    host: str
    pid: int

    @staticmethod
    def new() -> Identity:
        return Identity(uuid.uuid4().hex, _host(), os.getpid())


@dataclass(frozen=True)
class Claim:
    """A run that this process holds. `started`: the ledger has it as started already."""

    run_id: int
    job_id: str
    kind: str
    tick: int | None
    due: int
    attempt: int = 1
    crashes: int = 0
    started: bool = False


@dataclass(frozen=True)
class Outcome:
    """How the attempt of a claimed run ended.

    `retry_at`: when the next attempt is due, after a failure. `rerun_until`: until when a run that was cut
    off may begin its next attempt.
    """

    claim: Claim
    state: str
    reason: str | None = None
    started: int | None = None
    finished: int | None = None
    error: str | None = None
    traceback: str | None = None
    retry_at: int | None = None
    rerun_until: int | None = None


@dataclass(frozen=True)
class Answer:
    """What the ledger said to a decision.

    `verdict` is `claimed`, `moved` (another process was first), `paused`, `changed` (another definition is
    in force) or `removed`; `watermark` is where the ledger stands now.
    """

    decision: Decision
    verdict: str
    watermark: int
    claims: list[Claim] = field(default_factory=list)
    overlapped: tuple[int, ...] = ()


@dataclass
class Registration:
    """What a process learns when it joins."""

    start_number: int
    peers: set[str]
    lost: int
    watermarks: dict[str, int] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    claims: list[Claim] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def _host() -> str:
    """Return what tells apart two hosts, two boots of one, and two containers on one."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()}/{boot.read_text().strip()}/{os.readlink(space)}"
    except OSError:
        return socket.gethostname()
