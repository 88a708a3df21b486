"""`runs --follow` in a shell."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from application import Application


@pytest.fixture
def app(tmp_path: Path) -> Application:
    """An application with a task that ticks, and one that is not due for long."""
    made = Application(tmp_path)
    made.tasks("def tick() -> None:\n    pass\n\n\ndef broken() -> None:\n    raise ValueError('no')\n")
    made.schedule(
        'scheduler.add_job(tick, "interval", seconds=0.5, id="tick")\n'
        'scheduler.add_job(broken, "interval", seconds=0.5, id="broken")',
        "from app.services.my_tasks import broken, tick\n",
    )
    return made


@pytest.mark.full
def test_following_in_a_shell_until_ctrl_c(app: Application) -> None:
    def follower() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "app", "runs", "--follow", "--job", "broken", "--json"],
            cwd=app.folder,
            env=app.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with app.running(), follower() as process:
        try:
            assert process.stdout is not None
            rows = [json.loads(process.stdout.readline()) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            _rest, complaint = process.communicate(timeout=30)
        finally:
            process.kill()
    assert {(row["job_id"], row["state"], row["error"]) for row in rows} == {
        ("broken", "failed", "ValueError: no")
    }
    ids = [row["run_id"] for row in rows]
    assert ids == sorted(set(ids))
    assert (process.returncode, complaint) == (0, "")
    assert app.command("runs", "--failed", "--job", "broken").returncode == 0
