"""The server has no room for notifications: they are hints, and what they tell of is done all the same."""

from __future__ import annotations

import math
from contextlib import closing
from functools import partial

import pytest
from everytick import AsyncIOScheduler
from everytick.engine.listening import Listening
from everytick.read.audit import audit_rows
from everytick.store import connections, notifications, requests
from everytick.store.connections import Scope, in_transaction
from everytick.system import system

from inside import log as log
from servers import Server

# As the server does it: the notification is taken, and the end of its transaction is refused.
_REFUSING = """
CREATE TABLE {0}.notified (number integer);
CREATE FUNCTION {0}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'too many notifications in the NOTIFY queue' USING ERRCODE = 'program_limit_exceeded';
END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {0}.notified DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {0}.refuse()
"""


@pytest.fixture
def full(scheduler: AsyncIOScheduler, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each notification of the schedulers fail as one for which there is no room."""
    scheduler.ledger.prepare()
    schema = str(scheduler.settings.database_url).rpartition("%3D")[2]
    server.execute(_REFUSING.format(schema))
    monkeypatch.setattr(notifications, "_TELL", "INSERT INTO notified VALUES (1)")
    monkeypatch.setattr(notifications, "_left_out_until", -math.inf)
    monkeypatch.setattr(connections, "_CONTENDED_SECONDS", 5.0)


@pytest.mark.usefixtures("full")
def test_what_they_would_tell_of_is_done_all_the_same(scheduler: AsyncIOScheduler, log: list[str]) -> None:
    with closing(scheduler.ledger.connect(resolving=True)) as connection:
        for action in ("pause", "resume"):
            note = partial(requests.note_down, who="ann", action=action, job_id="often")
            in_transaction(connection, note, scope=Scope.RARE)
    assert [row["action"] for row in audit_rows(scheduler.ledger, 10)] == ["resume", "pause"]
    # One transaction found it out, and the other one did not ask again.
    assert len([line for line in log if "queue of notifications is full" in line]) == 1
    assert not [line for line in log if "does not answer" in line]


@pytest.mark.usefixtures("full")
def test_outside_of_a_transaction_it_is_no_trouble_either(scheduler: AsyncIOScheduler) -> None:
    with closing(scheduler.ledger.connect()) as connection:
        notifications.tell(connection)
        assert notifications.are_left_out()
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.usefixtures("full")
def test_who_would_rely_on_them_looks_each_second_until_they_are_sent_again(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = Listening(scheduler.ledger, None, None)  # type: ignore[arg-type]
    listening._hear("self")
    heard = [listening.hears]
    notifications.leave_out()
    heard.append(listening.hears)
    later = system.monotonic() + 61
    monkeypatch.setattr(system, "monotonic", lambda: later)
    heard.append(listening.hears)
    assert heard == [True, False, True]
