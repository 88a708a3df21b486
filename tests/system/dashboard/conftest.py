"""The sites that the stories are told on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from dashboard.visiting import launch
from dashboard.world import Site, troubled_site


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose schedule runs; stories share it and must not count on its being untouched."""
    made = Site.made_in(tmp_path_factory.mktemp("site"))
    with made.running():
        yield made


@pytest.fixture
def own_site(tmp_path: Path) -> Site:
    """A site that nothing serves yet."""
    return Site.made_in(tmp_path)


@pytest.fixture(scope="package")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a scheduler where much went wrong; see `troubled_site`. Nobody changes it."""
    made = troubled_site(tmp_path_factory.mktemp("troubled"))
    with made.alone():
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        started = launch(playwright.chromium)
        yield started
        started.close()


@pytest.fixture(scope="module")
def failed(site: Site) -> int:
    """A run that failed."""
    with site.client() as client:
        run = int(client.post("/api/v1/jobs/import/run-now").json()["run_id"])
    site.becomes(run, "failed")
    return run
