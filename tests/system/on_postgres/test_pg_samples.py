"""The sample tasks where the ledger is on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from application import Application
from waiting import wait_for


@pytest.mark.full
def test_the_sample_backup_leaves_a_server_to_pg_dump(tmp_path: Path) -> None:
    app = Application(tmp_path)
    imports = "from app.services.my_tasks import backup_database\n"
    app.schedule('scheduler.add_job(backup_database, "date", id="backup")', imports)
    with app.running() as process:
        wait_for(lambda: app.recorded("succeeded"), "the end of the job")
        assert (
            process.log().count("No backup was made: the ledger is on a server, where pg_dump copies it") == 1
        )
