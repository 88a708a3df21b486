"""How commands and pages read the ledger: rows, values, conditions and secrets."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from everytick import masking
from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.querying import ALWAYS, NO_LIMIT, Condition, among, connect

from histories import run, write
from ledgers import change


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger with three runs of a job, the last of which failed."""
    made = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    made.prepare()
    rows = [run("a", number, "succeeded" if number < 3 else "failed") for number in (1, 2, 3)]
    write(made, "scheduler_runs", rows)
    return made


def test_a_row_has_its_columns_as_attributes_and_in_their_order(ledger: Ledger) -> None:
    with connect(ledger) as reader:
        row = reader.first(
            "SELECT run_id, job_id AS job FROM scheduler_runs WHERE tick_us = :tick", {"tick": 2}
        )
        assert (row.run_id, row.job) == tuple(row) == (2, "a")
        assert row._fields == ("run_id", "job")
        assert reader.first("SELECT run_id FROM scheduler_runs WHERE run_id = 9") is None
        assert reader.value("SELECT max(run_id) FROM scheduler_runs WHERE run_id = 9") is None
        assert reader.values("SELECT run_id FROM scheduler_runs ORDER BY run_id") == [1, 2, 3]


def test_a_walk_reads_no_further_than_it_is_asked_for(ledger: Ledger) -> None:
    looked_at: list[int] = []

    def noted(number: int) -> int:
        looked_at.append(number)
        return number

    with connect(ledger) as reader:
        assert isinstance(reader.plain, sqlite3.Connection)
        reader.plain.create_function("noted", 1, noted)
        walk = reader.walk("SELECT noted(run_id) AS number FROM scheduler_runs ORDER BY run_id")
        assert next(walk).number == 1
    assert len(looked_at) < 3


def test_secrets_are_masked_in_what_jobs_said(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {})
    change(ledger, "UPDATE scheduler_runs SET error = 'hunter22 said no' WHERE run_id = 3")
    masking.hide("hunter22")
    with connect(ledger) as reader:
        assert reader.values("SELECT error FROM scheduler_runs ORDER BY run_id") == [
            None,
            None,
            "***** said no",
        ]
        note = "SELECT 'by hunter22' AS pause_note"
        assert reader.value(note) == "by *****"


def test_conditions_are_put_together_with_their_values(ledger: Ledger) -> None:
    late = Condition("tick_us >= :since", {"since": 2})
    both = ALWAYS & late & among("state", ["failed", "lost"], "state")
    assert both.text == "tick_us >= :since AND state IN (:state_0, :state_1)"
    query = f"SELECT run_id FROM scheduler_runs WHERE {both.text} LIMIT :limit"
    with connect(ledger) as reader:
        assert reader.values(query, {**both.values, "limit": NO_LIMIT}) == [3]
        none = among("state", [], "state")
        assert reader.values(f"SELECT run_id FROM scheduler_runs WHERE {none.text}", none.values) == []
    with pytest.raises(AssertionError):
        late & Condition("tick_us < :since", {"since": 3})


def test_the_present_is_given_to_each_statement(ledger: Ledger) -> None:
    with connect(ledger) as reader:
        before = ticks.now()
        assert before <= reader.value("SELECT :at_present AS instant") <= ticks.now()


def test_one_instant_is_seen_while_others_write(ledger: Ledger) -> None:
    count = "SELECT count(*) AS number FROM scheduler_runs"
    with connect(ledger) as reader:
        with reader.at_one_instant():
            assert reader.value(count) == 3
            write(ledger, "scheduler_runs", [run("a", 4)])
            assert reader.value(count) == 3
        assert reader.value(count) == 4
