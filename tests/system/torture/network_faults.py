"""Faults of the connection between one process and the server: it runs on, but no other one hears of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from proxy import Proxy
from torture.history import now
from torture.server_faults import Harm
from torture.supervisor import Slot

# A process looks for the server again in pauses of up to five seconds.
_COMING_BACK = 6


class WireHarm:
    """Cuts and silences. `note(kind, pid, begin)` writes down what was done to a process."""

    def __init__(
        self,
        choose: Callable[..., Slot | None],
        over: threading.Event,
        note: Callable[[str, int, int], None],
    ) -> None:
        self._choose, self._over, self._note = choose, over, note

    def deck(self) -> Sequence[Harm]:
        """Return each kind of harm as often as it is to come: for less than a lease, or for more."""
        return [
            *(partial(self.cut_off, seconds=seconds) for seconds in (0.2, 1, 3, 22)),
            *(partial(self.silence, seconds=seconds) for seconds in (1, 4, 22, 45)),
        ]

    def cut_off(self, choice: random.Random, *, seconds: float) -> None:
        """Cut all connections of one process, and let it get no other."""
        self._part(choice, "cut off", Proxy.cut, seconds)

    def silence(self, choice: random.Random, *, seconds: float) -> None:
        """Drop all data between one process and the server, without closing the connection."""
        self._part(choice, "silenced", Proxy.swallow, seconds)

    def _part(self, choice: random.Random, kind: str, part: Callable[[Proxy], None], seconds: float) -> None:
        slot = self._choose(choice, Slot.is_up, spare=True)
        if slot is None or slot.wire is None:
            return
        begin, pids = now(), {slot.pid}
        part(slot.wire)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._over.wait(0.05):
            pids.add(slot.pid)
        slot.wire.mend()
        self._over.wait(_COMING_BACK)
        for pid in pids | {slot.pid}:
            self._note(kind, pid, begin)
        slot.spared = False
