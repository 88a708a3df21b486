"""Addresses that are wrong, servers that say no for good, and starts that need not wait for them."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from application import Application
from servers import Server

pytestmark = pytest.mark.full


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    made.schedule("")
    return made


def at(app: Application, url: str) -> Application:
    app.environment["SCHEDULER_DATABASE_URL"] = url
    return app


WRONG = {
    "postgresql://h:nonsense/db": "its port is not a number",
    "postgresql://h:70000/db": "its port is not a number from 1 to 65535",
    "postgresql://127.0.0.1:1/db?sslmode=nonsense": "invalid sslmode value",
    "postgresql://127.0.0.1:1/db?keepalives=no": 'invalid integer value for connection option "keepalives"',
    "postgresql://127.0.0.1:1/db?colour=red": "PostgreSQL knows no option colour",
    "postgresql://127.0.0.1:1/db?connect_timeout=soon": "its connect_timeout is not a number of seconds",
    "postgresql://": "names neither a server nor a database",
}


@pytest.mark.parametrize("url", WRONG)
def test_an_address_that_makes_no_sense_is_refused_at_once(app: Application, url: str) -> None:
    said = at(app, url).refused()
    assert said.startswith("SCHEDULER_DATABASE_URL")
    assert WRONG[url] in said


def test_a_server_without_tls_is_not_waited_for(app: Application, server: Server) -> None:
    app.environment["PGSSLMODE"] = "require"
    assert "SSL was required" in at(app, server.url()).refused(code=1)


def test_a_role_that_may_only_read_is_not_waited_for(
    app: Application, server: Server, postgres_url: str
) -> None:
    with at(app, postgres_url).running():
        pass
    schema = postgres_url.rpartition("%3D")[2]
    server.execute("DROP ROLE IF EXISTS onlooker")
    server.execute("CREATE ROLE onlooker LOGIN SUPERUSER")
    server.execute("ALTER ROLE onlooker SET default_transaction_read_only = on")
    assert "read-only transaction" in at(app, server.url(schema, user="onlooker")).refused(code=1)


def test_a_standby_is_waited_for(app: Application, server: Server, postgres_url: str) -> None:
    with at(app, postgres_url).running():
        pass
    with server.standby() as standby:
        process = at(app, standby.url(postgres_url.rpartition("%3D")[2])).launch()
        try:
            process.says("waiting up to 30 seconds")
        finally:
            process.popen.kill()
            process.popen.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("silent", [False, True])
def test_a_start_that_waits_for_the_server_ends_when_it_is_asked_to(
    app: Application, number: signal.Signals, silent: bool
) -> None:
    app.environment |= {"SCHEDULER_DASHBOARD": "true", "SCHEDULER_DASHBOARD_PORT": "0"}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        at(app, f"postgresql://u@127.0.0.1:{listening.getsockname()[1] if silent else 1}/db")
        process = app.launch()
        try:
            if silent:
                # It has a connection by now, on which nothing is ever said.
                answering, _address = listening.accept()
            else:
                process.says("waiting up to 30 seconds")
            began = time.monotonic()
            process.popen.send_signal(number)
            assert process.popen.wait(20) == 0
            assert time.monotonic() - began < 5
        finally:
            process.popen.kill()
            process.popen.wait()
            if silent:
                answering.close()
    assert "stopped before the start" in process.log()
    assert "dashboard" not in process.log()
    assert "Traceback" not in process.log()
