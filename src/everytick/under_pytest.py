"""Which ledger a process uses that belongs to a test: never the real one, unless the test asks for it.

The pytest plugin `testing` says which ledger the test at work has, and tells the processes that the test
starts. In pytest without the plugin no ledger is used at all.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LedgerError

# For processes that a test starts: the URL; empty for the ledger that the settings name.
VARIABLE = "EVERYTICK_TEST_LEDGER"
# For them too: the root of the tests.
ROOT_VARIABLE = "EVERYTICK_TEST_ROOT"
_NO_LEDGER = "none"
# pytest sets the first for as long as it runs (since 8.2), and the other one in each test.
_OF_PYTEST = ("PYTEST_VERSION", "PYTEST_CURRENT_TEST")
_PLUGIN = "everytick.testing"

_OUTSIDE = (
    "pytest is running, but no test is: what uses the ledger here would use the real one, so do it in a test"
    f" or in a fixture, which have a ledger of their own, or ask for one with {_PLUGIN}.use_ledger"
)
_WITHOUT_PLUGIN = (
    "pytest is running without everytick's plugin, which gives each test a ledger of its own: what uses the"
    f" ledger here would use the real one, so call pytest with `-p {_PLUGIN}`"
)

# Those that were asked for, the latest last; an empty URL is the ledger that the settings name.
_asked_for: list[str] = []
# Each returns the plugin's URL for the test at work, or None between tests. There is more than one plugin
# where a test runs pytest in its own process.
plugins: list[Callable[[], str | None]] = []


@contextmanager
def use_ledger(url: str | None = None) -> Iterator[None]:
    """Use this ledger meanwhile, instead of one that each test has for itself.

    Args:
        url: as for SCHEDULER_DATABASE_URL; without one, the ledger that the settings name.

    Example:
        import pytest
        from everytick.testing import use_ledger

        @pytest.fixture(scope="session", autouse=True)
        def on_postgresql():
            with use_ledger("postgresql://tester:secret@localhost/tests"):
                yield
    """
    _asked_for.append(url or "")
    tell_children()
    try:
        yield
    finally:
        _asked_for.pop()
        tell_children()


def tell_children() -> None:
    """Tell the processes that are started from now on which ledger is theirs."""
    if not _asked_for and not plugins:
        os.environ.pop(VARIABLE, None)
    else:
        url = _said()
        os.environ[VARIABLE] = _NO_LEDGER if url is None else url


def ledger_url(root: Path) -> str | None:
    """Return the URL of the ledger that counts in a test; None where that of the settings counts.

    Args:
        root: the folder of the application.

    Raises:
        LedgerError: this is pytest, and no ledger but the real one is known.
    """
    if _asked_for or plugins:
        url = _said()
    elif VARIABLE in os.environ:
        told = os.environ[VARIABLE]
        url = "" if _is_made_by_tests(root) else None if told == _NO_LEDGER else told
    else:
        is_pytest = "_pytest" in sys.modules and any(map(os.environ.get, _OF_PYTEST))
        url = None if is_pytest else ""
    if url is None:
        raise LedgerError(_OUTSIDE if VARIABLE in os.environ else _WITHOUT_PLUGIN)
    return url or None


def _is_made_by_tests(root: Path) -> bool:
    """Return whether an application is not the one under test: it lies where tests put what they make."""
    below = root.resolve().is_relative_to
    return below(Path(tempfile.gettempdir()).resolve()) and not below(os.environ.get(ROOT_VARIABLE, "/-"))


def _said() -> str | None:
    if _asked_for:
        return _asked_for[-1]
    return plugins[-1]() if plugins else None
