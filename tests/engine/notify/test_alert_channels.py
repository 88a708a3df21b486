"""Channels that are down, slow or wrong, what they are sent, and what is asked of the settings."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from everytick import ConfigurationError
from everytick import log_to_stderr as configure_logging
from everytick.notify import channels, messages
from everytick.store import notices
from loguru import logger

from alerting import Moody, alerting, arrived, configured_zone, ended, never_due, run_now, settled, until
from alerting import log as log
from alerting import quick_looks as quick_looks
from inside import rows, rows_of, scheduler_settings
from ports import free_port
from sinks import HttpSink, MailSink

# What Apprise loads for all the services that it knows.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# --- channels that are down, slow or wrong


@pytest.mark.full
async def test_a_channel_that_was_down_is_told_where_things_stand(
    tmp_path: Path, sink: HttpSink, mails: MailSink, log: list[str]
) -> None:
    body = Moody()
    with alerting(tmp_path, sink, mails, SCHEDULER_ALERT_WINDOW=1) as scheduler:
        never_due(scheduler, "job", body)
        sink.down()
        async with scheduler:
            for number in range(3):
                await run_now("job")
                await until(ended(scheduler, number + 1))
                await until(arrived(mails, number + 1))
            sink.up()
            await until(lambda: sink.requests)
            body.problem = ""
            await run_now("job")
            await until(lambda: len(sink.requests) == 2 and len(mails.mails) == 4)
            await until(lambda: any("are taken again" in line for line in log))
    assert sink.titles == ["[app] job failed 3 times", "[app] job succeeded again"]
    troubles = [line for line in log if "was not taken" in line]
    assert len(troubles) == 1
    assert troubles[0].startswith("ERROR an alert by json (address 1 of 2) was not taken; trying again from")
    assert str(sink.port) not in "".join(log)


@pytest.mark.full
async def test_a_channel_that_refuses_is_tried_again_more_and_more_seldom(
    tmp_path: Path, sink: HttpSink, log: list[str]
) -> None:
    sink.code = 503
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            await run_now("job")
            begun = time.monotonic()
            await until(lambda: sink.refused == 4)
            # 0.2, 0.4 and 0.8 s lie between the four.
            assert time.monotonic() - begun > 1.3
            sink.code = 200
            await until(lambda: sink.requests)
    assert sink.titles == ["[app] job failed"]
    assert len([line for line in log if "was not taken" in line]) == 1


@pytest.mark.full
async def test_a_channel_that_never_answers_delays_nothing_else(
    tmp_path: Path, sink: HttpSink, mails: MailSink
) -> None:
    sink.answering.clear()
    starts: list[int] = []
    with alerting(tmp_path, sink, mails) as scheduler:
        never_due(scheduler, "job", Moody())
        scheduler.add_job(lambda: starts.append(time.time_ns()), "interval", seconds=0.1, id="tick")
        async with scheduler:
            await run_now("job")
            await until(lambda: mails.mails)
            number = len(starts)
            await until(lambda: len(starts) > number + 20)
            assert not sink.answering.is_set()
            begun = time.monotonic()
        assert time.monotonic() - begun < 30, "the end waited for the channel"
        assert {row["state"] for row in rows_of(scheduler, "tick")} == {"succeeded"}


@pytest.mark.full
async def test_a_ledger_that_is_held_delays_alerts_and_loses_none(
    tmp_path: Path, sink: HttpSink, log: list[str]
) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "one", Moody())
        begun, held = threading.Event(), threading.Event()

        def fails_while_it_is_held() -> None:
            begun.set()
            assert held.wait(60)
            raise RuntimeError("the disk is full")

        never_due(scheduler, "two", fails_while_it_is_held)
        async with scheduler:
            await run_now("one")
            await until(lambda: sink.requests)
            await until(settled(scheduler))
            await run_now("two")
            await until(begun.is_set)
            with closing(sqlite3.connect(scheduler.ledger.path, isolation_level=None, timeout=60)) as other:
                other.execute("BEGIN IMMEDIATE")
                held.set()
                await until(lambda: any("the ledger does not answer" in line for line in log))
                assert len(sink.requests) == 1
                other.execute("ROLLBACK")
            await until(lambda: len(sink.requests) == 2)
    assert sink.titles == ["[app] one failed", "[app] two failed"]


@pytest.mark.full
async def test_a_channel_that_sends_elsewhere_is_not_followed(
    tmp_path: Path, sink: HttpSink, log: list[str]
) -> None:
    elsewhere = HttpSink()
    elsewhere.up()
    sink.code, sink.location = 307, f"http://localhost:{elsewhere.port}/stolen"
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            await run_now("job")
            await until(lambda: any("was not taken" in line for line in log))
            assert elsewhere.arrived == 0
            sink.code = 200
            await until(lambda: sink.requests)
    assert elsewhere.arrived == 0
    elsewhere.down()


# --- text that somebody else wrote


@pytest.mark.full
async def test_hostile_text_arrives_as_text(tmp_path: Path, sink: HttpSink, mails: MailSink) -> None:
    hostile = (
        "\r\nBcc: thief@example.org\r\n\r\n<script>alert(1)</script> \x1b[31m\0\ud800 :bomb: " + "x" * 9_999
    )
    with alerting(tmp_path, sink, mails, API_TOKEN="sesame-open") as scheduler:
        never_due(scheduler, "<b>[job]</b> %s {0} ünïcode", Moody(hostile))
        async with scheduler:
            await run_now("<b>[job]</b> %s {0} ünïcode")
            await until(lambda: sink.requests and mails.mails)
    [mail] = mails.mails
    assert mail["Subject"] == "[app] <b>[job]</b> %s {0} ünïcode failed"
    assert mail["Bcc"] is None
    assert mail.get_content_type() == "text/plain"
    content = mail.get_content()
    assert "Bcc: thief@example.org <script>alert(1)</script>" in content
    assert "\x1b" not in content
    assert len(content) < 1_000
    assert all(line == line.strip("\r") and line.isprintable() for line in sink.bodies[0].split("\n"))


@pytest.mark.full
async def test_no_secret_of_the_settings_is_sent_or_logged(
    tmp_path: Path, sink: HttpSink, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"json://robot:sesame-open@127.0.0.1:{free_port()}/token-of-mine"
    body = Moody(f"cannot reach {url} with sesame-open")
    configure_logging("TRACE")
    logger.add(log.append, level="TRACE", format="{message}")
    with alerting(tmp_path, SCHEDULER_ALERT_URLS=f"{url} {sink.alerts}") as scheduler:
        never_due(scheduler, "job", body)
        async with scheduler:
            await run_now("job")
            await until(lambda: sink.requests)
            await until(lambda: any("was not taken" in line for line in log))
    assert "cannot reach *****" in sink.bodies[0]
    assert "sesame" not in sink.bodies[0]
    own = [line for line in log if "cannot reach" not in line]
    assert not [line for line in own if "sesame" in line or "token-of-mine" in line]


def test_a_message_is_short_whatever_it_tells_of() -> None:
    item = notices.Item(1, "j" * 500, "failed", 0, 0, 10**12, "d" * 5_000, None, None, None, None, 7)
    page, log = messages.Page("https://jobs.example.org/" + "p" * 200), ("x" * 3_000 + "\n") * 50
    made = messages.message([item] * 500, "a" * 90, configured_zone(), page, {})
    assert len(made.title) <= 120
    assert len(made.body) < 2_100
    alone = messages.message([item], "app", configured_zone(), page, {7: log})
    assert len(alone.title) <= 120
    assert len(alone.body) < 2_000


# --- what is asked for


@pytest.mark.full
async def test_a_job_may_be_left_out(tmp_path: Path, sink: HttpSink) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "quiet", Moody(), alert=False)
        never_due(scheduler, "loud", Moody())
        async with scheduler:
            await run_now("quiet")
            await until(lambda: rows(scheduler, "failed"))
            await run_now("loud")
            await until(lambda: sink.requests)
            await until(settled(scheduler))
    assert sink.titles == ["[app] loud failed"]


async def test_apprise_is_needed_where_there_is_an_address_and_only_there(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with (
        alerting(tmp_path, sink) as scheduler,
        pytest.raises(
            ConfigurationError,
            match=r"^SCHEDULER_ALERT_URLS is set, but Apprise, .*: install everytick\[alerts\] \(made from",
        ),
    ):
        await scheduler.__aenter__()
    assert not (tmp_path / "ledger.db").exists()
    with alerting(tmp_path) as scheduler:
        async with scheduler:
            pass


@pytest.mark.full
@pytest.mark.parametrize(
    ("addresses", "which"),
    [
        ("json://localhost/x, sesame://open-it", "address 2 of 2 is not one"),
        ("mailto://", "address 1 of 1, which begins with mailto://"),
    ],
)
async def test_a_wrong_address_is_told_by_its_place_and_not_shown(
    tmp_path: Path, addresses: str, which: str
) -> None:
    with (
        alerting(tmp_path, SCHEDULER_ALERT_URLS=addresses) as scheduler,
        pytest.raises(ConfigurationError) as problem,
    ):
        await scheduler.__aenter__()
    assert which in str(problem.value)
    assert "open-it" not in str(problem.value)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", []),
        (" , ", []),
        ("json://a", ["json://a"]),
        ("json://a,mailto://b?to=x@y.z,u@v.w xml://c", ["json://a", "mailto://b?to=x@y.z,u@v.w", "xml://c"]),
        ("json://a\n  json://b,\tjson://c", ["json://a", "json://b", "json://c"]),
    ],
)
def test_addresses_stand_between_commas_or_blanks(text: str, addresses: list[str]) -> None:
    assert channels.split(text) == addresses


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SCHEDULER_ALERT_ON", "failed, loss", "SCHEDULER_ALERT_ON: 'loss' is none of failed, lost, missed"),
        ("SCHEDULER_ALERT_WINDOW", "0", "SCHEDULER_ALERT_WINDOW=0: "),
        ("SCHEDULER_ALERT_LATE_AFTER", "soon", "SCHEDULER_ALERT_LATE_AFTER=soon: "),
    ],
)
def test_a_wrong_setting_is_told_in_a_sentence(
    tmp_path: Path, variable: str, value: str, sentence: str
) -> None:
    with (
        pytest.raises(ConfigurationError) as problem,
        scheduler_settings(tmp_path, **{variable: value}),
    ):
        raise AssertionError("taken")
    assert str(problem.value).startswith(sentence)


@pytest.mark.full
async def test_without_an_address_there_is_neither_a_thread_nor_apprise(tmp_path: Path) -> None:

    with alerting(tmp_path) as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            await run_now("job")
            await until(lambda: rows(scheduler, "failed"))
            names = {thread.name for thread in threading.enumerate()}
    assert not [name for name in names if "alert" in name or "ping" in name]
    code = "import sys, everytick.api.scheduler as s; print('apprise' in sys.modules)"
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=Path(__file__).parents[3] / "template", stdout=asyncio.subprocess.PIPE
    )
    assert (await done.communicate())[0] == b"False\n"
