"""`make test` tries a failed test once more alone, says so, and never turns a broken one green."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shares import in_shares

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


def test_every_worker_begins_with_the_longest_tests_and_ends_with_quick_ones() -> None:
    # `l` is long, `f` full, `q` quick; the shares are those that xdist hands out.
    tests = "".join(in_shares("qqfqqlqfqflqqfqqqflqqfq", 3, "lfq".index))
    assert [tests[:7], tests[7:15], tests[15:]] == ["lffqqqq", "lffqqqqq", "lffqqqqq"]


@pytest.mark.parametrize("workers", [1, 3, 8, 30])
def test_tests_of_one_kind_keep_their_order_and_none_is_lost(workers: int) -> None:
    ordered = in_shares(range(23), workers, lambda number: number % 3)

    assert sorted(ordered) == list(range(23))
    for kind in range(3):
        assert [it for it in ordered if it % 3 == kind] == list(range(kind, 23, 3))
    assert in_shares(range(23), workers, lambda _: 2) == list(range(23))
    assert in_shares([], workers, lambda _: 2) == []
