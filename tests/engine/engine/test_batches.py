"""What is due at about the same time is claimed together, and what ends then is written down together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.store import claims, runs, writer
from everytick.store.opening import ledger_at

from inside import rows, until
from waiting import wait_for


@pytest.mark.full
async def test_ticks_of_the_same_moment_are_claimed_in_one_transaction(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    claim = claims.claim

    def counted(connection: Any, me: Any, decisions: Sequence[Any], room: Any) -> Any:
        together.append(len(decisions))
        return claim(connection, me, decisions, room)

    monkeypatch.setattr(claims, "claim", counted)
    for number in range(30):
        # Each at an instant of its own, all of them within 60 ms.
        begin = f"2026-01-01T00:00:00.{620 + 2 * number:03d}+00:00"
        scheduler.add_job(lambda: None, "interval", seconds=1, start_date=begin, id=f"job{number}")
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and len(rows(scheduler, "succeeded")) >= 90)

    assert max(together) == 30
    assert not [row for row in rows(scheduler, "succeeded") if row["started_us"] < row["tick_us"]]


@pytest.mark.full
async def test_a_run_that_will_soon_have_a_slot_is_started_with_its_claim(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    start = runs.start

    def counted(connection: Any, me: Any, heads: Sequence[Any]) -> Any:
        waited.append(len(heads))
        return start(connection, me, heads)

    async def short() -> None:
        pass

    monkeypatch.setattr(runs, "start", counted)
    for number in range(100):
        scheduler.add_job(short, "interval", seconds=1, start_date="2026-01-01 00:00:00", id=f"job{number}")
    async with scheduler:
        # Of the first hundred nobody knows how long they take: those that wait for a slot are started apart.
        await until(lambda: scheduler.ledger.exists() and len(rows(scheduler, "succeeded")) >= 200)
        assert sum(waited) > 0
        waited.clear()
        await until(lambda: len(rows(scheduler, "succeeded")) >= 600)

    assert sum(waited) < 200


def test_what_is_patient_goes_with_the_next_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_GATHER_SECONDS", 60)
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    begun: list[str] = []
    writing = writer.Writer(ledger)
    writing.start()
    # Long after the last commit nothing waits.
    writing.submit(lambda _: begun.append("first"), keep=True, patient=True).result(30)

    waits = [writing.submit(lambda _: begun.append("waits"), keep=True, patient=True) for _ in range(3)]
    urgent = writing.submit(lambda _: begun.append("urgent"))
    urgent.result(30)

    assert begun == ["first", "waits", "waits", "waits", "urgent"]
    assert [future.result(30) for future in waits] == [None] * 3

    last = writing.submit(lambda _: begun.append("last"), keep=True, patient=True)
    assert writing.close() == 0
    assert last.done()
    assert begun[-1] == "last"


def test_what_ends_in_a_burst_is_written_when_the_burst_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Meanwhile the event loop has the interpreter for itself.
    monkeypatch.setattr(writer, "_BURST_SECONDS", 60)
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    writing = writer.Writer(ledger)
    writing.start()

    for let_go in (writing.end_burst, writing.hurry):
        ended = writing.submit(lambda _: "written", keep=True, patient=True, burst=True)
        wait_for(lambda: len(writing._urgent) == 1, "the ledger's thread to put it aside")
        assert not ended.done()
        let_go()
        assert ended.result(30) == "written"

    last = writing.submit(lambda _: "written", keep=True, patient=True, burst=True)
    assert writing.close() == 0
    assert last.result(0) == "written"


@pytest.mark.full
async def test_the_outcomes_of_a_burst_are_one_transaction(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_BURST_SECONDS", 60)
    together: list[int] = []
    finish_all = runs.finish_all

    def counted(connection: Any, me: Any, outcomes: Sequence[Any]) -> Any:
        together.append(len(outcomes))
        return finish_all(connection, me, outcomes)

    async def short() -> None:
        pass

    monkeypatch.setattr(runs, "finish_all", counted)
    for number in range(500):
        scheduler.add_job(short, "interval", seconds=1, start_date="2026-01-01 00:00:00", id=f"job{number}")
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and len(rows(scheduler, "succeeded")) >= 1_500)
    # All but those that are in the slots when no other one waits for a slot any more.
    assert max(together) >= 490
