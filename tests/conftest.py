"""What all tests share.

The settings of the person who runs the tests must not matter. The environment is set before Copier
is imported, which keeps a copy of it.
"""

from __future__ import annotations

import functools
import gc
import os
import re
import shutil
import sys
from pathlib import Path

import compiled_packages
import temporary
import warm_copier

for _name in [
    name
    for name in os.environ
    if name.startswith(("SCHEDULER_", "EVERYTICK_", "LOG_", "GIT_"))
    # Without bytecode every process that a test starts, and every worker, compiles all that it imports.
    or name in ("LEDGER", "PYTHONDONTWRITEBYTECODE")
]:
    del os.environ[_name]
os.environ |= {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.org",
    "GIT_COMMITTER_NAME": "Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.org",
    # An application that is installed has the same packages as the one before, whose types are known by then.
    "MYPY_CACHE_DIR": str(Path(__file__).parents[1] / ".cache" / "mypy-of-applications"),
    # What tests install comes from templates that no later run has; in the user's cache it would stay.
    "UV_CACHE_DIR": str(temporary.of_this_run() / "uv-cache"),
    # pip would compile every module of every package, of which a test loads a few. (It reads 0 as "no".)
    "PIP_NO_COMPILE": "0",
    # Whoever looks for Copier finds the one that is loaded already.
    "PATH": os.pathsep.join([str(warm_copier.program().parent), os.environ["PATH"]]),
}

from collections.abc import Generator, Iterator  # noqa: E402
from importlib.metadata import packages_distributions  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import typer.testing  # noqa: E402
from everytick import masking  # noqa: E402
from everytick.doctor import environment  # noqa: E402
from everytick.model import ticks  # noqa: E402
from everytick.testing import use_ledger  # noqa: E402
from loguru._better_exceptions import ExceptionFormatter  # noqa: E402

import ledgers  # noqa: E402
from inside import clock as clock  # noqa: E402
from inside import nothing_left_behind as nothing_left_behind  # noqa: E402
from inside import scheduler as scheduler  # noqa: E402
from made_ledgers import copy_new_ledgers  # noqa: E402
from pythons import found_pythons  # noqa: E402
from rendering import Project, TemplateHistory, choices  # noqa: E402
from servers import postgres_url as postgres_url  # noqa: E402
from servers import server as server  # noqa: E402
from shares import in_shares  # noqa: E402
from sinks import mails as mails  # noqa: E402
from sinks import sink as sink  # noqa: E402

# On a machine that does much else any example may take long: timings decide nothing.
hypothesis.settings.register_profile("everywhere", deadline=None)
hypothesis.settings.load_profile("everywhere")

# What is the same for all tests of a worker is found out once. The commands are built from the signatures of
# their functions, which takes as long as most of them run; loguru looks where the standard library lies for
# each place that log lines go to; doctor reads which files each installed distribution has.
typer.testing._get_command = functools.cache(typer.testing._get_command)  # type: ignore[attr-defined]
ExceptionFormatter._get_lib_dirs = staticmethod(  # type: ignore[method-assign]
    functools.cache(ExceptionFormatter._get_lib_dirs)
)
_packages = functools.cache(lambda path: packages_distributions())
environment.packages_distributions = lambda: _packages(tuple(sys.path))  # type: ignore[attr-defined]
copy_new_ledgers()

_settings = temporary.fresh_folder("copier") / "settings.yml"
_settings.write_text("defaults: {}\n", encoding="utf-8")
os.environ["COPIER_SETTINGS_PATH"] = str(_settings)


@pytest.fixture(scope="session", autouse=True)
def _ledgers_as_the_settings_say() -> Iterator[None]:
    """Each test names a ledger of its own in the settings of its application."""
    with use_ledger():
        yield


@pytest.fixture(autouse=True)
def _own_clock() -> Iterator[None]:
    """Let the machine's clock count again after a test that heard a server's."""
    yield
    ticks.forget()


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """Close what a test has kept open to look into ledgers on servers."""
    yield
    ledgers.let_go()


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test's secrets be masked in that test only: each text is searched for all that are known."""
    monkeypatch.setattr(masking, "_known", masking._known)


@pytest.fixture
def history() -> TemplateHistory:
    """A template with one release, 1.0.0."""
    made = TemplateHistory()
    made.release("1.0.0")
    return made


@pytest.fixture
def project(history: TemplateHistory) -> Project:
    """An application with all defaults, made from release 1.0.0."""
    return history.copy()


def pytest_configure(config: pytest.Config) -> None:
    """Look for the Pythons of this machine before workers are started, each of which would look."""
    if config.getoption("numprocesses", None):
        found_pythons()


_ALL_FULL = re.compile(r"^pytestmark = (\[[^\]]*)?pytest\.mark\.full\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare the quick suite from loading files of which no test is quick."""
    if config.option.markexpr != "not full" or not collection_path.match("test_*.py"):
        return None
    return bool(_ALL_FULL.search(collection_path.read_text("utf-8"))) or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over what is loaded and collected, all of which stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # Beside the memory of what was collected, that of some thousand objects more does not matter.
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with what takes longest, and end with what is quick."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = in_shares(items, workers, _kind)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a report be sent to xdist, which takes no half characters, such as some tests log."""
    report = yield
    report.sections = [(title, text.encode("utf-8", "replace").decode()) for title, text in report.sections]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Spare the environments of later tests from compiling what one of this test has."""
    if item.get_closest_marker("full"):
        compiled_packages.keep()


def _kind(test: pytest.Item) -> int:
    return 0 if test.get_closest_marker("long") else 1 if test.get_closest_marker("full") else 2


def pytest_sessionfinish(exitstatus: int) -> None:
    """Leave what failed tests wrote, to be looked at until the next run."""
    # pytest goes through all objects five times more; what the tests left behind was looked for after each.
    gc.freeze()
    if exitstatus:
        temporary.keep("pytest-of-*")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tried for want of a program: Pythons, and systemd's own check of the unit."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    checked = any("test_systemd_understands_the_unit" in report.nodeid for report in reports)
    if checked and not shutil.which("systemd-analyze"):
        terminalreporter.section("systemd-analyze is not here", yellow=True)
        terminalreporter.line("The unit for systemd was NOT verified, only read.")
    tried = any("test_the_applications_own_tests_pass" in report.nodeid for report in reports)
    if tried and (missing := [it for it in choices("python_version") if it not in found_pythons()]):
        terminalreporter.section("Pythons that this machine lacks", yellow=True)
        terminalreporter.line(f"The generated application was NOT tried on: {', '.join(missing)}.")
