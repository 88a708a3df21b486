"""For your tests: a pytest plugin. Each test has a ledger of its own, and there is the fixture `schedule`.

pytest finds it where the package is installed, so nothing has to be named.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest

from .under_pytest import ROOT_VARIABLE, VARIABLE, plugins, tell_children
from .under_pytest import use_ledger as use_ledger

if TYPE_CHECKING:
    from .schedule_under_test import ScheduleUnderTest

_LEDGERS = "everytick-ledgers"


@pytest.fixture
def schedule(pytestconfig: pytest.Config) -> ScheduleUnderTest:
    """Your schedule, as `create_scheduler()` declares it. No ledger is read or written.

    Raises:
        ConfigurationError: no test has imported your application, and `[tool.everytick]` names none.
    """
    # Imported when it is asked for: pytest loads this file in every suite of the environment.
    from everytick import app

    from .schedule_under_test import ScheduleUnderTest

    app.current(pytestconfig.rootpath)
    return ScheduleUnderTest()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Keep the real ledger out of this session, from its first conftest.py on."""
    pytest_configure(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Do so at the latest here, if a conftest.py has named this plugin."""
    if not config.pluginmanager.has_plugin(_LEDGERS):
        config.pluginmanager.register(_LedgersOfTests(config.rootpath), _LEDGERS)


class _LedgersOfTests:
    """Gives each test a ledger, which is made when something uses it.

    A fixture that lives longer than a test (of a class, a module, the session) and uses a ledger has one too,
    for as long as it lives. The tests that use the fixture share that ledger, as they share the fixture.
    """

    def __init__(self, root: Path) -> None:
        self._folder: Path | None = None
        self._numbers = count(1)
        self._own: Path | None = None
        # The test at work, and the fixtures that it uses, by name.
        self._node_id = ""
        self._used: set[str] = set()
        # Of fixtures that live longer than a test, in the order of their beginnings.
        self._wider: dict[pytest.FixtureDef[Any], Path] = {}
        self._beginning: list[pytest.FixtureDef[Any]] = []
        # Those of them that end, each with the ledger that counted when it had begun.
        self._ending: list[tuple[pytest.FixtureDef[Any], str | None]] = []
        self._before = {name: os.environ.get(name) for name in (VARIABLE, ROOT_VARIABLE)}
        os.environ[ROOT_VARIABLE] = str(root.resolve())
        plugins.append(self._url)
        tell_children()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        self._own = self._new()
        self._node_id = item.nodeid
        self._used = set(getattr(item, "fixturenames", ()))
        tell_children()
        yield
        tell_children()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        yield
        self._own = None
        tell_children()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        if fixturedef.scope == "function":
            yield
            return
        self._wider[fixturedef] = self._new()
        self._beginning.append(fixturedef)
        # Also one that the test asks for by getfixturevalue().
        self._used.add(fixturedef.argname)
        tell_children()
        yield
        url = self._url()
        # Called before what the fixture itself does at its end: the finalizers go from the last to the first.
        fixturedef.addfinalizer(lambda: self._begin_end(fixturedef, url))
        self._beginning.pop()
        tell_children()

    def _begin_end(self, fixturedef: pytest.FixtureDef[Any], url: str | None) -> None:
        self._ending.append((fixturedef, url))
        tell_children()

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        self._wider.pop(fixturedef, None)
        self._ending = [(it, url) for it, url in self._ending if it is not fixturedef]
        tell_children()

    def pytest_unconfigure(self) -> None:
        plugins.remove(self._url)
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _new(self) -> Path:
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="everytick-tests-"))
        return self._folder / str(next(self._numbers)) / "ledger.db"

    def _url(self) -> str | None:
        """Return the ledger that counts now; None between tests."""
        if self._ending:
            return self._ending[-1][1]
        if self._own is None:
            return None
        wider = [path for it, path in self._wider.items() if self._is_used(it) and path.exists()]
        beginning = [self._wider[it] for it in self._beginning[-1:]]
        return f"sqlite:///{[*wider, *beginning, self._own][0]}"

    def _is_used(self, fixturedef: pytest.FixtureDef[Any]) -> bool:
        """Return whether the test at work uses a fixture, and not another one of that name."""
        return fixturedef.argname in self._used and self._node_id.startswith(fixturedef.baseid)
