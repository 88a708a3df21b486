"""A client that adds jobs by the hundred opens no connection for each."""

from __future__ import annotations

from pathlib import Path

import pytest
from everytick import SchedulerClient

from inside import scheduler_settings
from servers import Server

pytestmark = pytest.mark.full


def note() -> None:
    """What the jobs call."""


def test_a_client_keeps_its_connection_and_finds_another_when_that_is_cut(
    tmp_path: Path, server: Server, postgres_url: str
) -> None:
    url = f"{postgres_url}&application_name=a-client"
    with scheduler_settings(tmp_path, SCHEDULER_DATABASE_URL=url):
        client = SchedulerClient()

        def backends() -> list[int]:
            client.add_job(note, "interval", hours=1)
            found = "SELECT pid FROM pg_stat_activity WHERE application_name = 'a-client'"
            return [row[0] for row in server.execute(found)]

        first = backends()
        assert len(first) == 1
        assert backends() == first
        server.execute(f"SELECT pg_terminate_backend({first[0]})")
        assert len(backends()) == 1
        assert backends() != first
