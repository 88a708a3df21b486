"""The torture test in its short form, with three schedulers and three workers on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers import running_server
from torture.__main__ import torture
from torture.checker import violations
from torture.report import explained, summary


@pytest.mark.full
@pytest.mark.long
def test_a_tormented_cluster_breaks_no_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A server of its own: it is stopped and crashed.
    monkeypatch.delenv("LEDGER")
    with running_server() as server:
        history = torture(tmp_path, 25, seed=7, quiet=25, server=server)
    found = list(violations(history))
    assert not found, "\n".join([*summary(history), *explained(history, found)])
    assert {fault.kind for fault in history.faults} & {"restart", "crash", "cut", "lock"}
    assert {life.role for life in history.lives} == {"scheduler", "worker"}
    assert any(row["state"] == "succeeded" for row in history.runs)
