"""The pytest plugin in an application from the template, with the tests that it is made with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from application import TEMPLATE, Application
from child_pytest import LOADED_PYTEST, PYTEST


@pytest.fixture
def app(tmp_path: Path) -> Application:
    """An application with the tests that it is made with."""
    made = Application(tmp_path)
    shutil.copytree(TEMPLATE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    options = "\n[tool.pytest.ini_options]\nasyncio_mode = 'auto'\nfilterwarnings = ['error']\n"
    scope = "asyncio_default_fixture_loop_scope = 'function'\n"
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text() + options + scope)
    return made


def run_tests(app: Application, *arguments: str, program: tuple[str, ...] = LOADED_PYTEST) -> str:
    done = subprocess.run(
        [*program, *arguments],
        cwd=app.folder, env=app.variables(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("arguments", [[], ["tests"], ["tests/test_schedule.py"]])
def test_the_tests_of_a_new_application_pass_and_touch_no_ledger(
    app: Application, arguments: list[str]
) -> None:
    # What is loaded already warns of nothing any more; here each warning is an error.
    assert " passed" in run_tests(app, *arguments, program=PYTEST)
    assert not app.ledger_file.parent.exists()


@pytest.mark.full
def test_a_ledger_that_is_there_is_left_alone(app: Application) -> None:
    with app.running():
        pass
    before = {path: path.read_bytes() for path in app.ledger_file.parent.iterdir()}
    run_tests(app, "tests/test_schedule.py")
    assert {path: path.read_bytes() for path in app.ledger_file.parent.iterdir()} == before


SHIM = '''"""The plugin, where 0.1.0 had it."""

from everytick.testing import schedule as schedule
'''


@pytest.mark.full
@pytest.mark.parametrize(
    "conftest",
    [
        None,
        "",
        'pytest_plugins = ["everytick.testing"]\n',
        'pytest_plugins = ["app.components.scheduler.runtime.testing"]\n',
        'pytest_plugins = ["everytick.testing", "app.components.scheduler.runtime.testing"]\n',
    ],
    ids=["none", "empty", "names it", "names it where 0.1.0 had it", "names both"],
)
def test_whatever_a_conftest_says_the_fixture_is_there(app: Application, conftest: str | None) -> None:
    runtime = app.folder / "app/components/scheduler/runtime"
    runtime.mkdir(exist_ok=True)
    (runtime / "__init__.py").touch()
    (runtime / "testing.py").write_text(SHIM)
    (app.folder / "tests/conftest.py").unlink()
    if conftest is not None:
        (app.folder / "tests/conftest.py").write_text(conftest)
    for more in ([], ["-p", "everytick.testing"]):
        assert "4 passed" in run_tests(app, *more, "tests/test_schedule.py")


@pytest.mark.full
def test_tests_that_are_called_from_another_folder_find_the_application(app: Application) -> None:
    elsewhere = app.folder / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [*LOADED_PYTEST, "-c", "../pyproject.toml", "../tests/test_schedule.py"],
        cwd=elsewhere, env=app.variables(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
