"""A ledger is that of one application: another one is refused there, and a renamed one has a way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from everytick.store.opening import ledger_at

from application import Application

pytestmark = pytest.mark.full

TASK = "from app.services.my_tasks import task\n"


def named(folder: Path, name: str, url: str) -> Application:
    made = Application(folder, name)
    made.tasks("def task() -> None: ...\n")
    made.schedule(f'scheduler.add_job(task, "interval", hours=4, id="{name}")', TASK)
    made.environment["SCHEDULER_DATABASE_URL"] = url
    return made


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger may be: each story is told of both kinds."""
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'shared.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def rename(app: Application, name: str) -> None:
    app.project_file.write_text(app.project_file.read_text().replace("shop", name))


def test_a_second_application_is_refused_and_removes_nothing(tmp_path: Path, place: str) -> None:
    shop, billing = (named(tmp_path / name, name, place) for name in ("shop", "billing"))
    with shop.running() as process:
        said = billing.refused(code=1)
        assert said.startswith(
            "the ledger is that of the application shop, with 1 job, and this one is billing"
        )
        assert "a database, a schema or a file of its own" in said
        assert f"`{billing.typed} migrate --adopt`" in said
        refused = billing.command("pause", "shop")
        assert (refused.returncode, refused.stderr.strip()) == (1, f"error: {said}")
        assert process.popen.poll() is None
    [finding] = [
        it for it in json.loads(billing.command("doctor", "--json").stdout)["findings"] if it["what"] == said
    ]
    assert finding["level"] == "error"
    assert billing.command("runs").stderr.strip() == f"remark: {said}"
    health = billing.command("health")
    assert (health.returncode, health.stdout.strip()) == (1, f"not ready: {said}")
    with shop.running() as process:
        assert "in the schedule" not in process.log()
    assert shop.command("runs").stderr == ""


def test_a_renamed_application_takes_its_ledger_over_on_purpose(tmp_path: Path, place: str) -> None:
    shop = named(tmp_path / "shop", "shop", place)
    with shop.running():
        old = named(tmp_path / "other", "store", place)
        assert (
            "uses the ledger: stop it, then take the ledger over" in old.command("migrate", "--adopt").stderr
        )
    rename(shop, "store")
    assert "that of the application shop" in shop.refused(code=1)
    done = shop.command("migrate", "--adopt")
    assert (done.returncode, done.stderr) == (0, "")
    assert "was that of shop, and is this application's now" in done.stdout
    [entry] = shop.json("audit")
    assert (entry["action"], entry["note"]) == ("adopt", "from shop to store")
    with shop.running():
        assert shop.command("doctor").returncode == 0
    assert "is this application's already: nothing was changed" in shop.command("migrate", "--adopt").stdout


def test_a_name_that_is_not_known_yet_is_the_one_of_the_first_start(tmp_path: Path) -> None:
    shop = named(tmp_path / "shop", "shop", f"sqlite:///{tmp_path / 'shared.db'}")
    assert "there is no ledger yet" in shop.command("migrate", "--adopt").stdout
    ledger_at(shop.ledger_url).prepare()
    assert "is this application's already" in shop.command("migrate", "--adopt").stdout
    billing = named(tmp_path / "billing", "billing", shop.ledger_url)
    assert "that of the application shop, with 0 jobs" in billing.refused(code=1)


def test_a_ledger_that_is_moved_stays_its_applications(tmp_path: Path, postgres_url: str) -> None:
    shop = named(tmp_path / "shop", "shop", f"sqlite:///{tmp_path / 'shared.db'}")
    with shop.running():
        pass
    billing = named(tmp_path / "billing", "billing", shop.ledger_url)
    assert "that of the application shop" in billing.command("migrate-ledger", "--to", postgres_url).stderr
    done = shop.command("migrate-ledger", "--to", postgres_url)
    assert done.returncode == 0, done.stderr
    assert "pg_dump" in done.stdout
    billing.environment["SCHEDULER_DATABASE_URL"] = postgres_url
    assert "that of the application shop" in billing.refused(code=1)
    remark = shop.command("jobs").stderr
    assert remark.startswith("remark: the ledger was moved from sqlite")
    health = shop.command("health")
    assert (health.returncode, "the ledger was moved from" in health.stdout) == (1, True)
