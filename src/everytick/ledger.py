"""The ledger of the application that this process belongs to: that which its settings name."""

from __future__ import annotations

from . import app
from .settings import SchedulerSettings, settings
from .store import opening
from .store.database import Ledger


def open_ledger() -> Ledger:
    """Return the ledger that the settings name; nothing of it is opened yet.

    Raises:
        ConfigurationError: the URL is none that this version can use, or a setting is wrong.
    """
    return ledger_of(settings())


def ledger_of(chosen: SchedulerSettings) -> Ledger:
    """Return the ledger that these settings name; nothing of it is opened yet.

    Raises:
        ConfigurationError: the URL is none that this version can use.
    """
    application = app.current()
    return opening.open_ledger(chosen.database_url, root=application.root, application=application.owner)
