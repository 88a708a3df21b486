"""The ledger of the application that this process belongs to: the one that its settings name."""

from __future__ import annotations

from . import app, under_pytest
from .errors import LedgerError
from .settings import SchedulerSettings, settings
from .store import opening
from .store.database import Ledger


def open_ledger() -> Ledger:
    """Return the ledger that the settings name; nothing of it is opened yet.

    Raises:
        ConfigurationError: the URL is none that this version can use, or a setting is wrong.
    """
    return ledger_of(settings())


def ledger_place() -> Ledger:
    """Return the ledger only to say where it is.

    Tasks do that when they are imported, also by pytest before any test runs, when there is no other ledger
    than the real one.

    Raises:
        ConfigurationError: as `open_ledger` does.
    """
    try:
        return open_ledger()
    except LedgerError:
        return named_by(settings())


def ledger_of(chosen: SchedulerSettings) -> Ledger:
    """Return the ledger that these settings name; nothing of it is opened yet. In a test, that of the test.

    Raises:
        ConfigurationError: the URL is none that this version can use.
        LedgerError: pytest is running, and no test is: the real ledger is none of its business.
    """
    return for_tests(named_by(chosen))


def named_by(chosen: SchedulerSettings) -> Ledger:
    """Return the ledger that these settings name, in a test too. It must not be used without `for_tests`.

    Raises:
        ConfigurationError: the URL is none that this version can use.
    """
    application = app.current()
    return opening.ledger_at(chosen.database_url, root=application.root, application=application.owner)


def for_tests(ledger: Ledger) -> Ledger:
    """Return the ledger that counts instead of this one in a test; outside of tests this one.

    Raises:
        LedgerError: as `ledger_of` does.
    """
    url = under_pytest.ledger_url(ledger.root)
    if url is None:
        return ledger
    return opening.ledger_at(url, root=ledger.root, application=ledger.application)
