"""An application whose ledger is full of troubles."""

from __future__ import annotations

from pathlib import Path

from everytick.model import ticks

from application import Application
from troubles import IMPORTS, TASKS, Troubles, fill, schedule_body


def troubled_application(folder: Path) -> tuple[Application, Troubles]:
    """Make an application in `folder` whose ledger holds the troubles; nothing of it is running."""
    app = Application(folder)
    found = fill(app.ledger)
    app.tasks(TASKS)
    app.schedule(schedule_body(ticks.moment(found.tick).hour, "removed"), IMPORTS)
    return app, found
