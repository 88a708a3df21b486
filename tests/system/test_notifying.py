"""Alerts of applications that run as processes: kills, several at once, and the command that tries them."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from application import Application
from bodies import AFTER_THE_START, deploy, doomed, entered, kill, let
from ledgers import found_in
from ports import free_port
from sinks import HttpSink, MailSink
from slow_hosts import SLOW, Host, drips
from waiting import wait_for


@pytest.fixture
def app(tmp_path: Path, sink: HttpSink) -> Application:
    made = Application(tmp_path)
    made.environment = {"SCHEDULER_ALERT_URLS": sink.alerts, "SCHEDULER_ALERT_WINDOW": "300"}
    return made


# --- the command


@pytest.mark.full
def test_alert_test_says_of_each_address_whether_it_took_the_message(
    app: Application, sink: HttpSink, mails: MailSink
) -> None:
    away = f"json://robot:sesame-open@127.0.0.1:{free_port()}/token-of-mine"
    app.environment["SCHEDULER_ALERT_URLS"] = f"{sink.alerts}, {mails.alerts}"
    done = app.command("alert-test")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["json (address 1 of 2): taken", "mailto (address 2 of 2): taken"]
    assert sink.titles == ["[story-app] a test of the alerts"]
    assert mails.mails[0]["Subject"] == "[story-app] a test of the alerts"

    app.environment["SCHEDULER_ALERT_URLS"] = f"{away} {sink.alerts}"
    done = app.command("alert-test")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("json (address 1 of 2): not taken: ")
    assert "*****" in first
    assert "127.0.0.1" not in first
    assert second == "json (address 2 of 2): taken"
    assert not [part for part in ("sesame", "token-of-mine") if part in done.stdout + done.stderr]


@pytest.mark.full
@pytest.mark.parametrize(
    ("addresses", "sentence"),
    [
        ("", "error: SCHEDULER_ALERT_URLS is empty: alerts would go nowhere\n"),
        ("sesame://open", "error: SCHEDULER_ALERT_URLS: address 1 of 1 is not one that"),
    ],
)
def test_alert_test_wants_addresses(app: Application, addresses: str, sentence: str) -> None:
    app.environment["SCHEDULER_ALERT_URLS"] = addresses
    done = app.command("alert-test")
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1
    assert "open" not in done.stderr


@pytest.mark.full
def test_a_wrong_address_stops_the_start_and_no_command_that_reads(app: Application) -> None:
    deploy(app, "quick, 'interval', hours=1, id='quick'")
    app.environment["SCHEDULER_ALERT_URLS"] = "sesame://open"
    assert app.refused().startswith("SCHEDULER_ALERT_URLS: address 1 of 1")
    assert app.command("jobs").returncode == 0


# --- processes that die


@pytest.mark.full
def test_a_run_that_was_lost_is_told_by_whoever_finds_it_and_that_it_went_well_after_all(
    app: Application, sink: HttpSink
) -> None:
    deploy(app, f"long, 'date', {AFTER_THE_START}, id='long'")
    with doomed(app):
        entered(app, "long")
    assert sink.requests == []
    with app.running():
        entered(app, "long", 2)
        wait_for(lambda: sink.titles == ["[story-app] long was cut off"], "the alert")
        let(app, "release")
        wait_for(lambda: len(sink.requests) == 2, "the end")
    assert "the process that ran it died; it " in sink.bodies[0]
    assert sink.titles[1] == "[story-app] long succeeded again"


LOGGING = """
import asyncio

from loguru import logger


async def long():
    logger.info("half of the work is done")
    await asyncio.sleep(600)
"""


@pytest.mark.full
def test_what_a_killed_process_had_logged_is_kept_and_told(app: Application, sink: HttpSink) -> None:
    app.tasks(LOGGING)
    calls = "scheduler.add_job(long, 'interval', seconds=1, id='long', on_crash='skip')"
    app.schedule(calls, "from app.services.my_tasks import long\n")
    with doomed(app) as process:
        query = "SELECT run_id FROM scheduler_logs"
        wait_for(lambda: found_in(app.ledger, query), "the log of a run that goes on")
        kill(process)
    run = found_in(app.ledger, query)[0]["run_id"]
    with doomed(app):
        wait_for(lambda: sink.requests, "the alert")
    assert "The end of its log:" in sink.bodies[0]
    assert "half of the work is done" in sink.bodies[0]
    assert "half of the work is done" in app.command("show", str(run)).stdout


@pytest.mark.full
def test_a_run_that_is_given_up_after_three_crashes_is_told(app: Application, sink: HttpSink) -> None:
    deploy(app, f"deadly, 'date', {AFTER_THE_START}, id='deadly'")
    for number in range(4):
        with doomed(app) as process:
            entered(app, "deadly", number + 1)
            process.popen.wait(30)
    app.environment["SCHEDULER_ALERT_WINDOW"] = "1"
    with app.running():
        wait_for(lambda: any("given up after 4 attempts" in body for body in sink.bodies), "the alert")
    assert sum("given up" in body for body in sink.bodies) == 1


@pytest.mark.full
def test_two_processes_tell_once_also_when_the_one_that_tells_dies(app: Application, sink: HttpSink) -> None:
    (app.folder / "fail").touch()
    deploy(app, "flaky, 'interval', seconds=1, id='flaky'")
    sink.down()
    with app.running() as second, doomed(app) as first:
        wait_for(lambda: "was not taken" in first.log() + second.log(), "the trouble")
        kill(first)
        sink.up()
        wait_for(lambda: sink.requests, "the alert")
        number = len(app.recorded("failed"))
        app.records(number + 3, "failed")
        assert len(sink.requests) == 1
    assert sink.titles[0].startswith("[story-app] flaky failed")


@pytest.mark.full
def test_a_stop_that_cuts_a_run_is_told_only_if_it_does_not_begin_again(
    app: Application, sink: HttpSink
) -> None:
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "0"
    deploy(
        app,
        f"long, 'date', {AFTER_THE_START}, id='goes-on'",
        f"long, 'date', {AFTER_THE_START}, id='stays-cut', on_crash='skip'",
    )
    with app.running(expect=1):
        entered(app, "goes-on")
        entered(app, "stays-cut")
    let(app, "release")
    with app.running():
        entered(app, "goes-on", 2)
        wait_for(lambda: sink.requests, "the alert")
        app.records(1, "succeeded")
    assert sink.titles == ["[story-app] stays-cut was cut off"]


@pytest.mark.full
@pytest.mark.parametrize(
    "address", ["json://127.0.0.1:{port}/x", "mailto://127.0.0.1:{port}?from=a@b.cd&to=c@d.ef&mode=insecure"]
)
def test_the_end_waits_a_moment_for_an_alert_that_nobody_takes_and_blames_no_job(
    app: Application, address: str
) -> None:
    is_mail = address.startswith("mailto")
    host = Host(drips(b"220-x\r\n") if is_mail else SLOW["headers"], is_asked_first=not is_mail)
    app.environment["SCHEDULER_ALERT_URLS"] = address.format(port=host.port)
    app.environment["SCHEDULER_SHUTDOWN_GRACE_TIME"] = "3"
    app.tasks("def fails():\n    raise RuntimeError('down')\n")
    app.schedule(
        "scheduler.add_job(fails, 'interval', seconds=1, id='fails')",
        "from app.services.my_tasks import fails\n",
    )
    process = app.launch()
    try:
        wait_for(lambda: host.begun, "the alert")
        began = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(20) == 0
        assert time.monotonic() - began < 10
    finally:
        process.popen.kill()
        process.popen.wait()
        host.close()
    assert "had left behind" not in process.log()
