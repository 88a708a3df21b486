"""`health` and `metrics` as commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from application import Application
from ledgers import changing
from scraping import samples
from waiting import wait_for


@pytest.mark.full
def test_the_command_tells_by_its_exit_code(tmp_path: Path) -> None:
    app = Application(tmp_path)
    done = app.command("health")
    assert done.returncode == 1
    assert done.stdout.startswith("not ready: there is no ledger at data/ledger.db yet")
    assert done.stderr == ""
    done = app.command("health", "--here")
    assert done.returncode == 0
    assert done.stdout.startswith(
        "ready, as far as can be told without the ledger\nremark: there is no ledger"
    )
    app.schedule('scheduler.add_job(print, "interval", hours=1, id="job")')
    with app.running():
        found = app.json("health")
        assert (found["ready"], found["problems"], found["schedulers"]) == (True, [], 1)
        assert app.command("health").stdout.startswith("ready: 1 scheduler up, heartbeat ")
        assert app.command("health", "--here").stdout.startswith(
            "ready: this machine's newest heartbeat was "
        )
    wait_for(lambda: app.command("health").returncode == 1, "that it is not ready")
    assert app.command("health").stdout.startswith("not ready: no scheduler is up")
    app.environment["SCHEDULER_TIMEZONE"] = "Mars/Olympus"
    assert app.command("health").returncode == 2


@pytest.mark.full
def test_the_command_prints_them_once_with_all_that_the_ledger_holds(tmp_path: Path) -> None:
    app = Application(tmp_path / "app")
    found = samples(app.command("metrics").stdout)
    assert (found["scheduler_ledger_up", ()], found["scheduler_ready", ()]) == (0, 0)
    app.tasks("def tick() -> None:\n    pass\n")
    app.schedule(
        'scheduler.add_job(tick, "date", id="once")', imports="from app.services.my_tasks import tick\n"
    )
    with app.running():
        app.records(1, "succeeded")
        target = tmp_path / "scheduler.prom"
        done = app.command("metrics", "--output", str(target))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = samples(target.read_text())
    assert found["scheduler_runs_total", ("once", "succeeded", "")] == 1
    assert found["scheduler_ready", ()] == 1
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["scheduler.prom"]
    done = app.command("metrics", "--output", str(tmp_path / "nowhere/x.prom"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot be written" in done.stderr
    # What is no file, or a link to one, stays that: as root /dev/null would else become a file.
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    target.write_text("before")
    # Somebody else who may write to that folder has put a link there, where the new file is made.
    (tmp_path / f".{target.name}.new").symlink_to(tmp_path / "of-another")
    (tmp_path / "of-another").write_text("not ours")
    assert app.command("metrics", "--output", str(link)).returncode == 0
    assert link.is_symlink()
    assert ("scheduler_ready", ()) in samples(target.read_text())
    assert (tmp_path / "of-another").read_text() == "not ours"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert app.command("metrics", "--output", str(pipe)).returncode == 0
    assert pipe.is_fifo()
    assert os.read(reader, 100)
    os.close(reader)
    for folder in (str(tmp_path), "", ".", "/"):
        done = app.command("metrics", "--output", folder)
        assert (done.returncode, done.stderr) == (2, f"error: --output {folder!r} names no file\n")
    assert not list(tmp_path.glob(".*")) + list(tmp_path.parent.glob(".*.new"))


def test_what_stands_in_a_ledger_steers_no_terminal(tmp_path: Path) -> None:
    app = Application(tmp_path)
    app.ledger.prepare()
    with changing(app.ledger) as hand:
        hand.execute("UPDATE scheduler_ledger_version SET version_num = 'x' || char(27) || '[31m'")
    for here in ((), ("--here",)):
        said = app.command("health", *here).stdout
        assert "\x1b" not in said
        assert "(ledger x\\x1b[31m, this code" in said
