"""Signals that come while the application is about to end."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from application import Application
from waiting import PATIENCE


@pytest.mark.full
def test_repeated_stops_still_get_the_true_exit_code(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.tasks("def nothing() -> None: ...\n")
    app.schedule(
        'scheduler.add_job(nothing, "interval", hours=1, id="nothing")',
        "from app.services.my_tasks import nothing\n",
    )
    for _ in range(3):
        process = app.start()
        deadline = time.monotonic() + PATIENCE
        while process.popen.poll() is None and time.monotonic() < deadline:
            process.popen.send_signal(signal.SIGTERM)
            time.sleep(0.002)
        process.popen.kill()
        assert process.popen.wait() == 0, process.log()
        assert process.log().endswith("stopped\n")
