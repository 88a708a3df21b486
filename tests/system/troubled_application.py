"""An application whose ledger is full of troubles."""

from __future__ import annotations

from pathlib import Path

from everytick.model import ticks

from application import Application
from sample_ledger import IMPORTS, TASKS, SampleLedger, fill, schedule_body


def troubled_application(folder: Path) -> tuple[Application, SampleLedger]:
    """Make an application in `folder` with the sample ledger; nothing of it is running."""
    app = Application(folder)
    found = fill(app.ledger)
    app.tasks(TASKS)
    app.schedule(schedule_body(ticks.moment(found.tick).hour, "removed"), IMPORTS)
    return app, found
