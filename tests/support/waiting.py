"""Waiting for what another thread or process does, never for a length of time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0


def wait_for(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Return the first true value of `condition()`; fail with `what` when patience ends."""
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < patience:
        value = condition()
        if value:
            return value
        # What takes long is asked for less often: other tests need the processor.
        time.sleep(min(0.05 + waited / 20, 0.2))
    raise AssertionError(f"waited {patience:g} s in vain for {what}")
