"""A ledger is taken to another place: from SQLite to PostgreSQL and back, with all that is in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from everytick.errors import LedgerError
from everytick.model import ticks
from everytick.store import claims, copying, migration_fence, requests, schema, transfer
from everytick.store.connections import Unavailable, transaction
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.records import Identity, Room
from everytick.system import use

from histories import write
from moved_ledgers import cleaned, content, fill, move, newest_number, sqlite
from servers import Server


@pytest.fixture(autouse=True)
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server's clock be no matter of the tests that follow in this process."""
    monkeypatch.setattr(ticks, "hear", lambda _server: None)


def let_use(ledger: Ledger, host: str, pid: int, process_id: str = "other") -> None:
    """Write down a process that uses the ledger."""
    row = {"process_id": process_id, "host": host, "pid": pid, "beat": 1, "beat_us": ticks.now()}
    write(ledger, "scheduler_processes", [{**row, "started_us": 0, "start_number": 1}])


def refused(source: Ledger, target: Ledger) -> str:
    """Try to move a ledger, and return why it was refused."""
    with pytest.raises(LedgerError) as problem:
        move(source, target)
    return str(problem.value)


# --- what is moved


@pytest.mark.full
def test_every_row_is_moved_to_postgresql_and_back(tmp_path: Path, postgres_url: str) -> None:
    source, server = fill(sqlite(tmp_path)), ledger_at(postgres_url)
    before = content(source)
    assert all(before[table.name] for table in copying.TABLES), "each table has something to be moved"
    measures = move(source, server)
    assert content(server) == cleaned(before)
    assert content(source) == before
    assert measures["scheduler_runs"].rows == 22
    back = ledger_at(f"sqlite:///{tmp_path / 'back.db'}")
    move(server, back)
    assert content(back) == cleaned(before)


@pytest.mark.full
def test_new_rows_get_numbers_that_nothing_has_had(tmp_path: Path, postgres_url: str) -> None:
    source, server = fill(sqlite(tmp_path)), ledger_at(postgres_url)
    write(source, "scheduler_audit", [{"at_us": 1, "who": "x", "action": "run now", "run_id": 900}])
    move(source, server)
    # The run 900 is gone, and its number stands in the audit trail.
    assert newest_number(server) == 901
    back = ledger_at(f"sqlite:///{tmp_path / 'back.db'}")
    move(server, back)
    assert newest_number(back) == 902
    write(back, "scheduler_incidents", [dict.fromkeys(("job_id", "kind", "detail"), "x") | _INSTANTS])
    with copying.reading(back) as connection:
        incidents = schema.incidents.select()
        assert [row.incident_id for row in connection.execute(incidents)] == [1, 2]


_INSTANTS = dict.fromkeys(("first_us", "last_us", "count", "mark_us", "changed_us"), 1)


@pytest.mark.full
def test_a_ledger_is_moved_from_one_server_to_another(tmp_path: Path, server: Server) -> None:
    source, target = fill(ledger_at(_prepared(server.new_ledger()))), ledger_at(server.new_ledger())
    before = content(source)
    move(source, target)
    assert content(target) == before
    assert newest_number(target) == 23


def _prepared(url: str) -> str:
    ledger_at(url).prepare()
    return url


@pytest.mark.full
def test_an_empty_ledger_is_moved_too(tmp_path: Path, postgres_url: str) -> None:
    move(sqlite(tmp_path), ledger_at(postgres_url))
    assert newest_number(ledger_at(postgres_url)) == 1


# --- what is refused


@pytest.mark.full
def test_a_place_that_holds_something_is_left_as_it_is(tmp_path: Path, postgres_url: str) -> None:
    source, other, server = (
        fill(sqlite(tmp_path)),
        fill(sqlite(tmp_path, "other.db")),
        ledger_at(postgres_url),
    )
    before = content(other)
    assert "holds a ledger already (4 jobs, 22 runs)" in refused(source, other)
    assert content(other) == before
    server.prepare()
    let_use(server, "elsewhere", 1)
    assert "holds a ledger already" in refused(source, server)
    with closing(source.connect(read_only=True)) as connection:
        assert migration_fence.why_closed(connection) is None, "a move that was refused has not begun"


@pytest.mark.full
def test_a_ledger_that_is_not_there_cannot_be_moved(tmp_path: Path, postgres_url: str) -> None:
    source = ledger_at(f"sqlite:///{tmp_path / 'none.db'}")
    assert "there is nothing to move" in refused(source, ledger_at(postgres_url))
    assert not ledger_at(postgres_url).exists()


def test_a_process_of_another_machine_that_still_beats_is_found(tmp_path: Path, postgres_url: str) -> None:
    source = sqlite(tmp_path)
    let_use(source, "elsewhere/boot/space", 77)

    def beat(_seconds: float) -> None:
        with closing(source.connect()) as connection, transaction(connection):
            connection.execute("UPDATE scheduler_processes SET beat = beat + 1")

    with use(sleep=beat):
        said = refused(source, ledger_at(postgres_url))
    assert said.startswith("process 77 on elsewhere uses the ledger")
    assert not ledger_at(postgres_url).exists()


@pytest.mark.full
def test_a_process_of_another_machine_that_is_silent_for_a_lease_is_dead(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sqlite(tmp_path)
    let_use(source, "elsewhere/boot/space", 77)
    monkeypatch.setattr(transfer, "LEASE_SECONDS", 0.3)
    move(source, ledger_at(postgres_url))
    # Should it only have been frozen, it cannot come back into the old ledger.
    frozen = Identity("other", "elsewhere/boot/space", 77)
    with (
        closing(source.connect()) as connection,
        pytest.raises(Unavailable, match="was moved"),
        transaction(connection),
    ):
        claims.claim(connection, frozen, [], Room(1))


@pytest.mark.full
def test_a_second_place_is_refused_while_a_move_is_under_way(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, server, third = fill(sqlite(tmp_path)), ledger_at(postgres_url), tmp_path / "third.db"
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "_compared", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            move(source, server)
    assert "the ledger is being moved from sqlite" in refused(source, ledger_at(f"sqlite:///{third}"))
    assert "this ledger is not complete" in refused(server, ledger_at(f"sqlite:///{third}"))
    with pytest.raises(LedgerError, match="this ledger is not complete"):
        transfer.undo(server, "somebody")
    assert "is given up" in transfer.undo(source, "somebody")
    assert "holds a part of another move" in refused(source, server)
    assert "was not moved" in transfer.undo(source, "somebody")


def before_comparing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something when all is copied and nothing is compared yet."""
    compared = transfer._compared

    def acting(*arguments: Any) -> Any:
        act()
        return compared(*arguments)

    monkeypatch.setattr(transfer, "_compared", acting)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.full
def test_a_copy_that_differs_is_not_taken_into_use(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, server = fill(sqlite(tmp_path)), ledger_at(postgres_url)

    def spoil() -> None:
        with closing(server.connect()) as connection, transaction(connection):
            connection.execute("UPDATE scheduler_runs SET tick_count = 5 WHERE tick_count = 6")

    before_comparing(monkeypatch, spoil)
    assert "the copy of scheduler_runs is not what it should be" in refused(source, server)
    with closing(server.connect()) as connection, pytest.raises(LedgerError, match="not complete"):
        migration_fence.refuse_if_closed(connection)


@pytest.mark.full
def test_what_was_taken_back_meanwhile_is_not_opened_elsewhere(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, server = fill(sqlite(tmp_path)), ledger_at(postgres_url)
    before_comparing(monkeypatch, lambda: transfer.undo(source, "somebody else"))
    refused(source, server)
    with closing(server.connect()) as connection, pytest.raises(LedgerError, match="not complete"):
        migration_fence.refuse_if_closed(connection)


# --- interrupted


@pytest.mark.full
@pytest.mark.parametrize("at", ["_close_target", "_copy", "_compared", "_finish", "_set_numbers"])
def test_a_move_that_was_interrupted_goes_on(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    source, server = fill(sqlite(tmp_path)), ledger_at(postgres_url)
    before = content(source)
    with monkeypatch.context() as patch:
        patch.setattr(transfer, at, _interrupt)
        with pytest.raises(KeyboardInterrupt):
            move(source, server)
    move(source, server)
    assert content(server) == cleaned(before)
    assert newest_number(server) == 23


@pytest.mark.full
def test_a_move_of_which_only_the_last_word_is_missing_is_ended(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, server = fill(sqlite(tmp_path)), ledger_at(postgres_url)
    note_down = requests.note_down

    def not_this_one(connection: Any, who: str, action: str, **more: Any) -> None:
        if action == migration_fence.LEFT:
            raise KeyboardInterrupt
        note_down(connection, who, action, **more)

    with monkeypatch.context() as patch:
        patch.setattr(requests, "note_down", not_this_one)
        with pytest.raises(KeyboardInterrupt):
            move(source, server)
    # The new ledger is in use already: its new rows are not touched.
    assert newest_number(server) == 23
    assert move(source, server)["scheduler_runs"].rows == 22
    assert newest_number(server) == 24
    assert "the ledger was moved from sqlite" in refused(source, server)
