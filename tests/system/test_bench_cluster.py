"""The benchmark of many processes: its arithmetic, its document, and that it runs."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cluster.document import milliseconds, number, put, table
from benchmarks.cluster.load import Lateness, Load, lateness, median, percentile, read_records, throughput

ROOT = Path(__file__).parents[2]
LOAD = Load(1_000.0, ((0.0, 2), (2.0, 4)), idle=10)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]

    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (50.0, 99.0, 7.0)
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([1.0, 2.0]) == 1.5
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_lateness_is_that_of_one_burst() -> None:
    records = [(1_000.0, 1_000.1), (1_000.0, 1_000.3), (1_002.0, 1_009.0)]

    first = lateness(records, LOAD, 0)

    assert (first.due, first.ran) == (2, 2)
    assert first.p50 == pytest.approx(0.1)
    assert first.p99 == pytest.approx(0.3)
    assert lateness([], LOAD, 1) == Lateness(4, 0, math.inf, math.inf)


def test_who_is_done_early_is_timed_by_the_last_run_and_who_is_not_by_the_whole_span() -> None:
    load = Load(1_000.0, ((0.0, 2), (2.0, 4)))
    first = [(1_000.0, 1_000.1)] * 2

    assert throughput([*first, *[(1_002.0, 1_002.5)] * 4], load, 5.0) == pytest.approx(8.0)
    assert throughput([*first, *[(1_002.0, 1_002.5)] * 3], load, 5.0) == pytest.approx(0.6)
    assert throughput(first, load, 5.0) == 0.0


def test_a_load_counts_the_jobs_of_all_who_have_it() -> None:
    assert LOAD.jobs == 16
    assert Load(0.0, ((0.0, 3),), copies=2).jobs == 6


def test_records_are_read_in_the_order_in_which_the_runs_began(tmp_path: Path) -> None:
    (tmp_path / "ran-1").write_text("5.0 7.5\n6.0 6.5\n", encoding="ascii")
    (tmp_path / "ran-2").write_text("5.0 5.5\n6.0 6.", encoding="ascii")

    assert read_records(tmp_path) == [(5.0, 5.5), (6.0, 6.5), (5.0, 7.5)]


def test_a_table_takes_the_place_of_the_one_before() -> None:
    page = "before\n<!-- measured: speed -->\nold\n<!-- end -->\nafter\n"

    once = put(page, "speed", table(["", "runs/s"], [["ours", number(1234.5)]]))

    assert "| ours | 1,234 |" in once
    assert "old" not in once
    assert put(once, "speed", "new").count("<!-- end -->\nafter") == 1
    with pytest.raises(ValueError, match="no place for the table 'cost'"):
        put(page, "cost", "")


def test_numbers_have_the_digits_that_count() -> None:
    assert [number(value) for value in (0.0312, 5.59, 99.7, None)] == ["0.03", "5.6", "100", "-"]
    assert [milliseconds(value) for value in (0.0016, 0.0871, 2.34, math.inf)] == [
        "1.6 ms",
        "87 ms",
        "2.3 s",
        "-",
    ]


@pytest.mark.full
@pytest.mark.long
def test_the_small_form_measures_the_application(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    parts = ("tests/support", "tests/system", "scripts", "template", ".")
    paths = os.pathsep.join(str(ROOT / part) for part in parts)
    only = ["--quick", "--only", "copier-scheduler", "--figures", str(figures)]

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster", *only],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text(encoding="utf-8"))
    measured = {title.partition(":")[0] for title in found["throughput"]}
    assert measured == {"copier-scheduler"}
    for title, [result] in found["throughput"].items():
        # How fast is not for a test to judge: only that it ran.
        assert result["failed"] is None, title
        assert result["jobs"] == 1_110, title
        assert result["runs"] > 0, title
    assert found["limits"]["commits_one"] > 0
