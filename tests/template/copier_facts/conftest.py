"""A fact that has changed says what is built on it."""

from __future__ import annotations

import inspect
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the test's docstring where it fails."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        report.sections.append(("What the template relies on this for", inspect.getdoc(item.obj) or ""))
    return report
