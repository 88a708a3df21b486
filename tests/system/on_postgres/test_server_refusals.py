"""What a PostgreSQL refuses, and one that is away at the start, is one sentence."""

from __future__ import annotations

import time

import pytest

from application import Application
from application_on_server import TICK, hasten, on
from application_on_server import app as app
from application_on_server import own as own
from bodies import deploy, entered
from servers import Server
from waiting import wait_for

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def strict(own: Server) -> Server:
    """A server that asks some roles for a password, and has a role that may read only."""
    own.execute("CREATE ROLE careful LOGIN PASSWORD 'right'")
    own.execute("CREATE ROLE reader LOGIN")
    own.execute("CREATE SCHEMA others")
    own.execute("GRANT USAGE ON SCHEMA others TO reader")
    rules = own.folder / "data/pg_hba.conf"
    rules.write_text("host all careful all scram-sha-256\n" + rules.read_text())
    own.execute("SELECT pg_reload_conf()")
    return own


def said_at_start(app: Application, url: str) -> str:
    deploy(app, TICK)
    begin = time.monotonic()
    line = on(app, url).refused(code=1)
    # What only a person can change is not waited for.
    assert time.monotonic() - begin < 20
    assert "the ledger on PostgreSQL, 127.0.0.1:" in line
    return line


def test_a_wrong_password_is_one_sentence_which_does_not_repeat_it(app: Application, strict: Server) -> None:
    url = strict.url(user="careful:wrong-one")
    line = said_at_start(app, url)
    assert "cannot be used: connection failed: " in line
    assert 'password authentication failed for user "careful"' in line
    assert "wrong-one" not in line


def test_an_unknown_database_is_one_sentence(app: Application, own: Server) -> None:
    line = said_at_start(app, own.url().replace("/postgres?", "/nowhere?"))
    assert 'database "nowhere" does not exist' in line


def test_a_schema_that_is_not_there_is_one_sentence(app: Application, own: Server) -> None:
    assert "cannot be used: " in said_at_start(app, own.url("no_such_schema"))


def test_a_role_that_may_not_create_tables_is_one_sentence(app: Application, strict: Server) -> None:
    line = said_at_start(app, strict.url("others", user="reader"))
    assert "cannot be used: permission denied for schema others" in line


def test_a_server_that_is_down_is_one_sentence_after_a_while(app: Application, own: Server) -> None:
    own.stop()
    deploy(app, TICK)
    hasten(app)
    begin = time.monotonic()
    try:
        done = on(app, own.url()).command("run")
    finally:
        own.start()
    assert time.monotonic() - begin > 3
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.splitlines()[-1].startswith("error: the ledger on PostgreSQL, 127.0.0.1:")


def test_a_standby_is_one_sentence_and_can_be_read(app: Application, own: Server) -> None:
    url = on(app, own.new_ledger()).environment["SCHEDULER_DATABASE_URL"]
    deploy(app, TICK)
    with app.running():
        entered(app, "tick", 2)
    hasten(app)
    with own.standby() as copy:
        standby = url.replace(f":{own.port}/", f":{copy.port}/")
        wait_for(lambda: on(app, standby).recorded("succeeded"), "the copy of what was written")
        assert app.command("jobs").returncode == 0
        assert app.command("runs").returncode == 0
        done = app.command("run")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "recovery" in done.stderr.splitlines()[-1] or "read-only" in done.stderr.splitlines()[-1]
        assert done.stderr.splitlines()[-1].startswith("error: ")
        pause = app.command("pause", "tick")
        assert pause.returncode == 1
        assert len(pause.stderr.splitlines()) == 1
