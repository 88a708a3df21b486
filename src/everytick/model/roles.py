"""The role of a process: it claims ticks, runs what was claimed, or does both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DEFAULT_QUEUE = "default"
ROLES = ("all", "scheduler", "worker")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")


@dataclass(frozen=True)
class Role:
    """`all` claims ticks and runs them, `scheduler` only claims, `worker` only runs.

    queues: those whose runs this process takes; empty for all. A process that claims a
        run of another queue leaves it in the ledger, for a process that serves that queue.
    """

    name: str = "all"
    queues: tuple[str, ...] = ()

    @property
    def claims(self) -> bool:
        """Whether it claims ticks."""
        return self.name != "worker"

    @property
    def runs(self) -> bool:
        """Whether it runs anything."""
        return self.name != "scheduler"

    def serves(self, queue: str) -> bool:
        """Return whether runs of a queue may begin here."""
        return self.name != "scheduler" and (not self.queues or queue in self.queues)

    def without_a_job(self, queues: Iterable[str]) -> list[str]:
        """Return the queues that this process is to take runs of and that are none of some jobs' queues."""
        return sorted(set(self.queues) - set(queues)) if self.runs else []

    @staticmethod
    def kept(name: str | None, queues: str | None) -> Role:
        """Return the role that the ledger keeps of a process in two columns."""
        return Role(name or "all", tuple(queues.split(",")) if queues else ())

    def __str__(self) -> str:
        served = f", queues {', '.join(self.queues)}" if self.runs and self.queues else ""
        return self.name + served


ALL = Role()


def unserved(queues: Mapping[str, str | None], roles: Iterable[Role]) -> dict[str, list[str]]:
    """Return the queues that none of some processes serves, each with its jobs.

    queues: by job the name of its queue; None for the default one.
    """
    found: dict[str, list[str]] = {}
    known = list(roles)
    for job_id, queue in queues.items():
        name = queue or DEFAULT_QUEUE
        if not any(role.serves(name) for role in known):
            found.setdefault(name, []).append(job_id)
    return dict(sorted(found.items()))


def check_queue(name: object) -> str:
    """Return a queue's name. Raises ValueError if it is none."""
    return check_name("queue", name)


def check_name(what: str, name: object) -> str:
    """Return the name of a queue or a group. Raises ValueError if it is none."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{what}={name!r} must be a name of letters, digits, '.' and '-', such as 'reports'")
    return name
