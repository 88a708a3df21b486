"""The sites that the stories are told on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.world import Site


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
