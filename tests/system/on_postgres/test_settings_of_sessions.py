"""What a session takes from its role when it begins, it keeps: after a change only a new one helps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from application import Application, Running
from application_on_server import TICK, on, row_of, ticks_of
from application_on_server import app as app
from application_on_server import own as own
from bodies import deploy, entered, let, marks, more
from servers import Server
from waiting import wait_for

pytestmark = pytest.mark.full

READ_ONLY, ELSEWHERE = "default_transaction_read_only = on", "search_path = pg_catalog"


@pytest.fixture
def role(app: Application, own: Server) -> Iterator[str]:
    """A role that has a schema of its own, on which the application is; its settings are those of a test."""
    own.execute("CREATE ROLE planner LOGIN; CREATE SCHEMA planner AUTHORIZATION planner")
    own.execute("ALTER ROLE planner SET search_path = planner")
    own.execute("ALTER SYSTEM SET log_connections = on")
    own.execute("SELECT pg_reload_conf()")
    on(app, own.url(user="planner").partition("?")[0])
    yield "planner"
    own.execute("DROP OWNED BY planner CASCADE; DROP ROLE planner")


def begin_anew(own: Server, role: str, setting: str, *processes: Running) -> None:
    """Have all sessions of a role begin with a setting, until all processes are in trouble with it."""
    own.execute(f"ALTER ROLE {role} SET {setting}")

    def are_in_trouble() -> bool:
        # One that was about to begin when the setting changed may have the old one.
        own.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
        return all("the ledger does not answer" in process.log() for process in processes)

    wait_for(are_in_trouble, "the trouble of all processes")


def take_back(own: Server, role: str) -> None:
    own.execute(f"ALTER ROLE {role} RESET default_transaction_read_only")
    own.execute(f"ALTER ROLE {role} SET search_path = planner")


def sessions_begun(own: Server, role: str) -> int:
    """Return how many sessions of a role the server has let begin."""
    return (own.folder / "log").read_text().count(f"connection authorized: user={role} ")


def count_of(process: Running, words: str) -> int:
    return process.log().count(words)


@pytest.mark.parametrize("setting", [READ_ONLY, ELSEWHERE])
def test_the_schedule_goes_on_when_the_server_lets_new_sessions_write_again(
    app: Application, own: Server, role: str, setting: str
) -> None:
    deploy(app, TICK)
    with app.running() as one, app.running() as other:
        more(app, "tick", 2)
        begin_anew(own, role, setting, one, other)
        before = sessions_begun(own, role)
        wait_for(lambda: sessions_begun(own, role) >= before + 12, "some tries, each by a session of its own")
        assert [count_of(process, "the ledger answers again") for process in (one, other)] == [0, 0]
        take_back(own, role)
        for process in (one, other):
            process.says("the ledger answers again")
        more(app, "tick", 3)
    ticks_of(app)
    for process in (one, other):
        assert count_of(process, "the ledger does not answer") == 1
        assert count_of(process, "the ledger answers again") == 1
        assert "Traceback" not in process.log()


def test_a_stop_writes_its_outcomes_by_a_new_session(app: Application, own: Server, role: str) -> None:
    deploy(app, TICK, 'short, "date", id="short"')
    with app.running() as process:
        entered(app, "short")
        begin_anew(own, role, READ_ONLY, process)
        let(app, "soon")
        wait_for(lambda: marks(app, "short", "end"), "the end of its body")
        before = sessions_begun(own, role)
        process.popen.terminate()
        wait_for(lambda: sessions_begun(own, role) >= before + 2, "the tries of the stop")
        take_back(own, role)
        assert process.popen.wait(30) == 0
    assert row_of(app, "short")["state"] == "succeeded"
    assert "could not be written" not in process.log()
