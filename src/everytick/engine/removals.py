"""Removes jobs that the code declares no more, when it has had the time to declare them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

from everytick.store import joining
from everytick.store.connections import Connection, Scope
from everytick.store.records import Identity, Registration
from everytick.store.writer import Writer
from loguru import logger

from .registry import Registry

# How long code that starts first and declares after may take for that, in seconds. A job of the last start
# that it declares later was removed by then, and begins anew: ticks that it missed are not made up for.
DECLARED_WITHIN = 30.0


class Removals:
    """The jobs of the ledger whose declaration is awaited. `is_taking`: whether the schedule goes on."""

    def __init__(
        self, me: Identity, registry: Registry, writer: Writer, is_taking: Callable[[], bool]
    ) -> None:
        self._me, self._registry, self._writer, self._is_taking = me, registry, writer, is_taking

    def joined(self, registration: Registration) -> None:
        """Take over what the start found in the ledger."""
        self._registration = registration

    def wait_for(self, job_ids: list[str]) -> None:
        """Remove the jobs that are not declared in time. Called on the event loop."""
        # A worker takes the schedule as it is in force.
        if job_ids and self._me.role.claims:
            asyncio.get_running_loop().call_later(DECLARED_WITHIN, self._settle, job_ids)

    def _settle(self, awaited: list[str]) -> None:
        def remove(connection: Connection) -> list[str]:
            # Asked here, on the ledger's thread: a declaration may have waited for the ledger until now.
            left = [job_id for job_id in awaited if not self._registry.is_declared(job_id)]
            return joining.settle(connection, self._me, self._registration, left)

        if self._is_taking():
            self._writer.submit(remove, scope=Scope.RARE).add_done_callback(_tell_removed)


def _tell_removed(removing: Future[list[str]]) -> None:
    """Say which jobs the code declares no more, once that is written down; else the next start does it."""
    if not removing.cancelled() and removing.exception() is None and removing.result():
        logger.info("removed from the schedule: {}", ", ".join(removing.result()))
