"""Told once more on PostgreSQL: see `tests/engine/explain`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from everytick import AsyncIOScheduler

from inside import scheduler_settings
from sample_ledger import SampleLedger, fill
from servers import Server
from test_why import *  # noqa: F403
from test_why_nothing_ran import *  # noqa: F403

pytestmark = pytest.mark.full

# Which index SQLite takes is SQLite's own.
del test_no_question_reads_through_the_history  # noqa: F821


@pytest.fixture(scope="module", name="troubled")
def troubled_on_a_server(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleLedger]:
    """A ledger full of troubles; nothing is running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEDGER", server.new_ledger())
        with scheduler_settings(tmp_path_factory.mktemp("troubles")):
            yield fill(AsyncIOScheduler().ledger)


del troubled  # noqa: F821
