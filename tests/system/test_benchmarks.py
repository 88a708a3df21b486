"""The benchmarks: their arithmetic, their document, and that they run from end to end. No time decides."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks import document, instructions
from benchmarks.arithmetic import lateness, percentile
from benchmarks.measures.capacity import highest
from benchmarks.measures.windows import window
from benchmarks.registry import BARE, OURS, Field
from benchmarks.results import Results
from benchmarks.servers import running_servers
from benchmarks.targets import Target


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile([1, 2, 3, 4], 0.99) == 4
    assert percentile([], 0.5) == math.inf


def test_each_run_is_as_late_as_its_tick_is_past() -> None:
    records = [(0, 100.5, 0.0), (0, 101.1, 0.0), (0, 102.3, 0.0), (1, 101.2, 0.0), (1, 100.0, 0.0)]
    found = lateness(records, [100.0, 100.0], warm=1, ticks=2)
    # Job 0 was late by 0.1 and 0.3, job 1 by 0.2, and its last run was not done.
    assert found.done == 0.75
    assert found.p50 == pytest.approx(0.2)
    assert found.p99 == math.inf


def test_a_run_that_knows_its_tick_is_not_taken_for_the_next_one() -> None:
    # Always one and a half seconds late: without its tick each would look like half a second.
    records = [(0, tick + 1.5, tick) for tick in (99.0, 100.0, 101.0, 102.0)]
    found = lateness(records, [100.0], warm=0, ticks=3)
    assert (found.p50, found.p99, found.done) == (1.5, 1.5, 1.0)


@pytest.mark.parametrize("true", [0, 1, 2, 93, 22_500])
@pytest.mark.parametrize("guess", [1, 100, 20_000])
def test_the_highest_number_is_found_from_any_guess(true: int, guess: int) -> None:
    found = highest(lambda number: number <= true, guess, 1.4, 1.2)
    assert found <= true <= max(found * 1.2, found + 1)


def test_targets_say_whether_they_are_met() -> None:
    results = Results()
    most = Target("cost", 2.0, 1.0, lambda found: found.ratio("cost", "ours", "other"), reason="it is big")
    assert most.verdict(results) == "not measured: it is big"
    for value, verdict in ((0.9, "goal met"), (2.0, "met"), (2.1, "**not met**: it is big")):
        results.values = {"cost": {"ours": [value], "other": [1.0]}}
        assert most.verdict(results) == verdict
    unknown = Target("cost", 2.0, 1.0, lambda found: 3.0)
    assert unknown.verdict(results) == "**not met**; the reason was not looked for yet"


def test_the_document_shows_what_was_measured_and_what_is_missing(tmp_path: Path) -> None:
    results = Results(failures={"celery": "no redis could be had"}, about={"Remark": "The machine was busy."})
    for key, value in (("ours", 9_000.0), ("ours", 11_000.0), ("apscheduler-sqlite", 100.0)):
        results.add("capacity", key, value)
    for jobs, late in ((1, 0.002), (100, 0.004), (1_000, math.inf)):
        results.add(f"p50-{jobs}", "ours", late)
        results.add(f"p99-{jobs}", "ours", late)
    document.write(results, tmp_path / "performance.md", tmp_path)
    text = (tmp_path / "performance.md").read_text("utf-8")
    assert "store as shipped | ≥ 30 | ≥ 80 | 100 | goal met |" in text
    assert "| this template, SQLite | 10,000 (9,000…11,000) |" in text
    assert "| this template, SQLite | 2 / 2 | 4 / 4 | over / over | over |" in text
    assert "- celery: no redis could be had" in text
    assert text.index("The machine was busy.") < text.index("## Targets")
    assert "10,000 /s" in (tmp_path / "performance-runs.svg").read_text("utf-8")


def test_measurements_can_be_kept(tmp_path: Path) -> None:
    results = Results(about={"Python": "3"})
    results.add("capacity", "ours", 1.5)
    results.save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json") == results


def test_more_instructions_than_the_tolerance_are_a_regression() -> None:
    assert instructions.judged(2.0, 2.0)[0] == 0
    assert instructions.judged(2.1, 2.0)[0] == 0
    assert instructions.judged(2.4, 2.0)[0] == 1
    assert "Keep it" in instructions.judged(1.0, 2.0)[1]


@pytest.mark.full
@pytest.mark.long
def test_a_run_costs_no_more_calls_than_before() -> None:
    code, said = instructions.judged(instructions.calls_quotient(), instructions.kept("calls"))

    assert code == 0, said


@pytest.mark.full
def test_the_smallest_form_runs_from_end_to_end() -> None:
    with running_servers(set()) as servers:
        runs = [window(Field(servers), peer, 5, ticks=1).runs for peer in (BARE, OURS)]

    assert runs == [5, 5]
