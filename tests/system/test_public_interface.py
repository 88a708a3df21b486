"""What `everytick` offers: each name has an example that runs, and all of them are typed for users."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import everytick
import pytest
from everytick import cli

from app_session import ROOT
from pythons import clean_environment

DOCUMENTED = {**{name: getattr(everytick, name) for name in everytick.__all__}, "cli.main": cli.main}
SHOP = {
    "__init__": "",
    "tasks": "def remind(who: str) -> None:\n    print('dear', who)\n",
    "schedule": "from everytick import AsyncIOScheduler\n\n\n"
    "def create_scheduler() -> AsyncIOScheduler:\n    return AsyncIOScheduler()\n",
}


def example(name: str) -> str:
    """Return the example in the docstring of a public name."""
    found = re.search(r"^Example:\n((?:    .*\n?|\n)+)", inspect.getdoc(DOCUMENTED[name]) or "", re.MULTILINE)
    assert found, f"{name} has no example"
    return textwrap.dedent(found[1])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the package that the examples speak of."""
    (tmp_path / "shop").mkdir()
    for name, text in SHOP.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text)
    return tmp_path


@pytest.mark.full
@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_example_of_each_name_runs_and_uses_it(shop: Path, name: str) -> None:
    text = example(name)
    assert re.search(rf"\b{re.escape(name)}\b", text.partition("import")[2])
    (shop / "program.py").write_text(text)
    clean = {key: it for key, it in os.environ.items() if not key.startswith(("SCHEDULER_", "EVERYTICK_"))}
    done = subprocess.run(
        [sys.executable, "program.py", "--version"],
        cwd=shop, env=clean, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # What is shown to be caught is caught.
    assert ("Error" in name and name != "LedgerError") == bool(
        re.search(r"hour=25|SCHEDULER_MAX", done.stdout)
    )


@pytest.mark.full
def test_all_of_it_is_typed_for_who_installed_the_wheel(
    shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Strictly, from the wheel in an environment of its own, and a wrong use is found."""
    uv = [sys.executable, "-m", "uv"]
    environment = tmp_path_factory.mktemp("environment")
    for command in (
        [*uv, "build", "--quiet", "--wheel", "--out-dir", str(shop), str(ROOT)],
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)],
    ):
        subprocess.run(command, check=True, cwd=shop, env=clean_environment())
    [wheel] = shop.glob("*.whl")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run(
        [*uv, "pip", "install", "--quiet", "--python", str(python), str(wheel)], check=True, cwd=shop
    )
    for number, name in enumerate(DOCUMENTED):
        (shop / f"example_{number}.py").write_text(example(name))
    wrong = shop / "wrong.py"
    wrong.write_text(
        "from everytick import AsyncIOScheduler, SchedulerClient, current_run\n\n"
        "AsyncIOScheduler().no_such_method()\n"
        "SchedulerClient(who=3)\n"
        "current_run().job_id\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "."],
        cwd=shop, env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line.partition(": error")[0] for line in lines] == [f"wrong.py:{n}" for n in (3, 4, 5)], lines
