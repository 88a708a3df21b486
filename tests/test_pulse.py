"""The pulse of a process, which takes over what waits for another attempt."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from app.components.scheduler.runtime.ledger.database import Ledger
from app.components.scheduler.runtime.ledger.writer import Writer
from application import wait_for


@pytest.mark.full
def test_the_pulse_keeps_no_step_with_the_ticks(tmp_path: Path) -> None:
    # In step with a job's ticks it finds the job's only place reserved for the next one, every time: what was
    # cut off would wait for as long as the schedule runs.
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    beats: list[float] = []
    writer = Writer(ledger, lambda _: beats.append(time.monotonic()), pulse_seconds=0.1)
    writer.start()
    wait_for(lambda: len(beats) > 20, "the pulse")
    writer.close()
    # A busy machine makes it late, and never early.
    assert min(later - earlier for earlier, later in pairwise(beats)) < 0.095
