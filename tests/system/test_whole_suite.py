"""`make test` tries a failed test once more alone, says so, and never turns a broken one green."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/whole_suite.py"

STUMBLES = """
from pathlib import Path

def test_that_stumbles_once():
    seen, first = Path("seen"), not Path("seen").exists()
    seen.touch()
    assert not first
"""


def suite(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder whose tests are this text."""
    (folder / "test_it.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    command = [sys.executable, str(SCRIPT), "-n", "0", "-q"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.full
def test_what_stumbled_once_is_named(tmp_path: Path) -> None:
    done = suite(tmp_path, STUMBLES + "\ndef test_good(): pass\n")

    assert done.returncode == 0, done.stdout
    assert "PASSED alone" in done.stdout
    assert done.stdout.rstrip().endswith("test_it.py::test_that_stumbles_once")
    assert "1 passed" in done.stdout.rpartition("tried once more")[2]


@pytest.mark.full
def test_what_is_broken_stays_broken(tmp_path: Path) -> None:
    done = suite(tmp_path, "def test_broken(): assert False\n")

    assert done.returncode == 1
    assert "PASSED alone" not in done.stdout


@pytest.mark.full
def test_many_failures_are_no_accident(tmp_path: Path) -> None:
    text = STUMBLES.replace("def test", "def test{0}").replace('"seen"', '"seen{0}"')
    done = suite(tmp_path, "".join(text.format(number) for number in range(9)))

    assert done.returncode == 1
    assert "9 failed" in done.stdout
    assert "once more" not in done.stdout


@pytest.mark.full
def test_a_suite_that_cannot_be_read_is_not_tried_again(tmp_path: Path) -> None:
    done = suite(tmp_path, "import nothing_of_this_name\n")

    assert done.returncode == 2
    assert "once more" not in done.stdout
