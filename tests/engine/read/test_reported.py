"""How far runs are and what they returned, as commands, pages, the API and `why` show it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from everytick import AsyncIOScheduler, masking
from everytick.model import ticks

import added_tasks
from dashboards import api, page
from histories import MINUTE, SECOND, ask, ask_json, prepared, run, write


@pytest.fixture
def found(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """A ledger with one run that goes on, one that failed, and two that returned something."""
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="export")
    ledger = prepared(scheduler)
    now = ticks.now() // MINUTE * MINUTE
    states = ("succeeded", "succeeded", "failed", "running")
    ends = {"finished_us": None, "error": None}
    rows = [run("export", now + (at - 5) * MINUTE, state) for at, state in enumerate(states)]
    rows[3] |= ends
    write(ledger, "scheduler_runs", rows)
    said: dict[str, Any] = {"attempt": 1, "share": None, "note": None, "at_us": None, "result": None}
    how_far = {"share": 4_000, "note": "page 12 of 30", "at_us": now - SECOND}
    reports = [
        {
            "run_id": 1,
            "is_json": 1,
            **said,
            "result": json.dumps({"rows": 12, "name": "ä"}, ensure_ascii=False),
        },
        {"run_id": 2, "is_json": 0, **said, "result": "a DataFrame, 3.0 MB"},
        {"run_id": 3, "is_json": 0, **said, **how_far, "share": 9_999},
        {"run_id": 4, "is_json": 0, **said, **how_far},
        # Of an attempt that is not its latest.
        {"run_id": 4, "is_json": 0, **said, **how_far, "attempt": 7, "share": 1},
    ]
    write(ledger, "scheduler_reports", reports)
    return scheduler


def test_a_list_of_runs_has_it(found: AsyncIOScheduler) -> None:
    shown = ask(found, "runs")
    assert "running (40 %)" in shown
    assert "page 12 of 30" in shown
    rows = {row["run_id"]: row for row in ask_json(found, "runs")}
    assert rows[4]["progress"]["share"] == 0.4
    assert rows[4]["progress"]["note"] == "page 12 of 30"
    assert rows[1]["result"] == {"rows": 12, "name": "ä"}
    assert rows[2]["result_described"] == "a DataFrame, 3.0 MB"
    assert not {"progress", "result_described"} & rows[1].keys()
    listed = api(found.ledger, "runs")["runs"]
    for one in listed:
        for name in ("progress", "result", "result_described"):
            assert one.get(name) == rows[one["run_id"]].get(name)


def test_one_run_has_it(found: AsyncIOScheduler) -> None:
    shown = " ".join(ask(found, "show", "4").split())
    assert "outcome running (40 %)" in shown
    assert "progress 40 %: page 12 of 30 (" in shown
    assert "progress 99 %: page 12 of 30 (" in " ".join(ask(found, "show", "3").split())
    assert 'result {"rows": 12, "name": "ä"}' in " ".join(ask(found, "show", "1").split())
    assert "result a DataFrame, 3.0 MB" in " ".join(ask(found, "show", "2").split())
    assert (
        api(found.ledger, "runs/1")["result"]
        == ask_json(found, "show", "1")["result"]
        == {
            "rows": 12,
            "name": "ä",
        }
    )


def test_pages_have_it(found: AsyncIOScheduler) -> None:
    for path in ("/running", "/run/4"):
        shown = page(found.ledger, path)
        assert '<progress max="10000" value="4000"' in shown
        assert "page 12 of 30" in shown
    for path, query in (("/runs", {}), ("/job", {"id": "export"})):
        shown = page(found.ledger, path, **query)
        assert "40 %" in shown
        assert "page 12 of 30" in shown
    assert "Got to" in page(found.ledger, "/run/3")
    assert "{&#34;rows&#34;: 12, &#34;name&#34;: &#34;ä&#34;}" in page(found.ledger, "/run/1")
    assert "a DataFrame, 3.0 MB" in page(found.ledger, "/run/2")


def test_why_tells_how_far_a_run_got(found: AsyncIOScheduler) -> None:
    for run_id, percent in ((3, "99 %"), (4, "40 %")):
        said = ask(found, "why", "export", "--run", str(run_id))
        assert f": {percent}: page 12 of 30." in said
        assert "It said how far it was at " in said


def test_a_secret_that_was_named_later_is_not_shown(found: AsyncIOScheduler) -> None:
    masking.hide("page 12 of")
    masking.hide('"rows": 12')
    assert "page 12" not in ask(found, "show", "4")
    assert "page 12" not in page(found.ledger, "/running")
    row = ask_json(found, "show", "1")
    assert (row.get("result"), row["result_described"]) == (None, '{*****, "name": "ä"}')
