"""What the commands say of versions: of the ledger's, and of the template's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from everytick.store import database

from application import Application


@pytest.fixture
def app(tmp_path: Path) -> Application:
    """An application with one job."""
    made = Application(tmp_path)
    made.tasks("def task() -> None: ...\n")
    imports = "from app.services.my_tasks import task\n"
    made.schedule('scheduler.add_job(task, "interval", hours=4, id="fine")', imports)
    return made


@pytest.mark.full
def test_the_command_says_what_there_is_to_do(app: Application) -> None:
    done = app.command("migrate")
    assert done.returncode == 0
    assert re.fullmatch(r"there is no ledger yet \(sqlite .+\): the first start makes one\n", done.stdout)
    assert not app.ledger_file.exists()
    with app.running():
        pass
    done = app.command("migrate")
    assert done.returncode == 0
    assert done.stdout.endswith(f"is up to date: {database.REVISION}\n")


def test_the_version_names_the_template(app: Application) -> None:
    (app.folder / "app/core/template.toml").write_text('answers = ".copier-answers.yml"\n', encoding="utf-8")
    (app.folder / ".copier-answers.yml").write_text("_commit: 1.2.3\n_src_path: x\n", encoding="utf-8")
    done = app.command("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"\S+ \S.* \(template 1\.2\.3, Python 3\.\d+\.\d+\S*\)\n", done.stdout)
