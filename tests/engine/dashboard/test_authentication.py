"""Tokens, sessions and failures: the pieces that decide who may come in, without a server."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.dashboard.addresses import without_secret_query
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import (
    LONGEST_NAME,
    SESSION_SECONDS,
    Authenticator,
    Failures,
    Visitor,
    open_authenticator,
    token_file,
    visible_name,
)
from everytick.dashboard.settings import DashboardSettings
from everytick.errors import ConfigurationError, LedgerError
from everytick.system import use

from inside import Clock
from ledgers import found_in

TOKEN = "all-all-all-all-all-all"
READ_TOKEN = "read-read-read-read-read"


def test_a_session_ends_with_its_time_and_with_its_token() -> None:
    clock = Clock()
    authenticator = Authenticator(TOKEN, READ_TOKEN)
    with use(time_ns=clock.now):
        session = authenticator.session("all", "Anna\n<b>\x00")
    visitor = authenticator.visitor(session, "::1")
    assert visitor == Visitor("Anna <b>", "::1", True, session)
    assert visitor.who == 'dashboard: "Anna <b>" (::1)'
    assert Authenticator("another-another-another", READ_TOKEN).visitor(session, "") is None
    assert Authenticator(TOKEN).visitor(authenticator.session("read", ""), "") is None
    clock.step(SESSION_SECONDS + 1)
    with use(time_ns=clock.now):
        assert authenticator.visitor(session, "") is None


@pytest.mark.parametrize(
    "forged", ["", ".", "all.1.2.3.4", "all", "é.1", "all.1...", "read.x.y.z." + "0" * 64]
)
def test_a_forged_session_is_nobodys(forged: str) -> None:
    assert Authenticator(TOKEN, READ_TOKEN).visitor(forged, "") is None


def test_a_session_for_reading_cannot_be_turned_into_one_for_acting() -> None:
    authenticator = Authenticator(TOKEN, READ_TOKEN)
    session = authenticator.session("read", "")
    assert authenticator.visitor("all" + session.removeprefix("read"), "") is None
    for place in range(0, len(session), 7):
        changed = session[:place] + ("0" if session[place] != "0" else "1") + session[place + 1 :]
        assert authenticator.visitor(changed, "") is None


def test_failures_are_forgotten_after_a_minute_and_by_address() -> None:
    failures = Failures()
    present = 1000.0
    with use(monotonic=lambda: present):
        for _ in range(10):
            assert not failures.too_many("a")
            failures.add("a")
        assert failures.too_many("a")
        assert not failures.too_many("b")
        present += 61
        assert not failures.too_many("a")
    for number in range(3_000):
        failures.add(str(number))
    assert len(failures._seen) <= 1_000


def test_a_token_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    chosen, folder = DashboardSettings(), tmp_path / "new" / "data"
    before = os.umask(0o022)
    try:
        _authenticator, token, made = open_authenticator(chosen, folder)
    finally:
        os.umask(before)
    assert made
    assert len(token) >= 40
    assert open_authenticator(chosen, folder)[1:] == (token, False)
    if os.name == "posix":
        assert stat.S_IMODE(token_file(folder).stat().st_mode) == 0o600
        # The ledger may come into this folder only later.
        assert [stat.S_IMODE(it.stat().st_mode) for it in (folder, folder.parent)] == [0o700, 0o700]
        token_file(folder).chmod(0o644)
        open_authenticator(chosen, folder)
        assert stat.S_IMODE(token_file(folder).stat().st_mode) == 0o600
    token_file(folder).write_text("short\n")
    with pytest.raises(LedgerError, match="too short: delete the file"):
        open_authenticator(chosen, folder)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SCHEDULER_DASHBOARD_TOKEN", "short", "a token has at least 16 characters"),
        ("SCHEDULER_DASHBOARD_READ_TOKEN", "with some blanks in it", "without blanks"),
        ("SCHEDULER_DASHBOARD_PORT", "70000", "less than or equal to 65535"),
        ("SCHEDULER_DASHBOARD_NAMES", "http://x", "is not a host name"),
        ("SCHEDULER_DASHBOARD", "perhaps", "valid boolean"),
    ],
)
def test_a_wrong_setting_is_a_sentence_that_shows_no_token(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=sentence) as problem:
        DashboardSettings()
    assert str(problem.value).startswith(variable)
    if variable.endswith("TOKEN"):
        assert value not in str(problem.value)


def test_the_two_tokens_differ_and_comments_are_no_part_of_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_DASHBOARD_TOKEN", TOKEN)
    monkeypatch.setenv("SCHEDULER_DASHBOARD_READ_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="must differ"):
        DashboardSettings()
    monkeypatch.setenv("SCHEDULER_DASHBOARD_READ_TOKEN", "")
    monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", "8001  # ours")
    monkeypatch.setenv("SCHEDULER_DASHBOARD_NAMES", "Jobs.example.org, other.example")
    chosen = DashboardSettings()
    assert chosen.scheduler_dashboard_port == 8001
    assert chosen.names >= {"jobs.example.org", "other.example", "localhost", "127.0.0.1"}
    monkeypatch.setenv("SCHEDULER_DASHBOARD_HOST", "0.0.0.0")
    assert DashboardSettings().names == {"jobs.example.org", "other.example"}


def test_after_many_failures_few_tokens_a_second_are_looked_at() -> None:
    failures = Failures()
    present = 1000.0
    with use(monotonic=lambda: present):
        for _ in range(10):
            failures.add("2001:db8::1")
        turns = [failures.turn("2001:db8::ffff:2") for _ in range(4_000)]
        waits = [wait for wait in turns if wait is not None]
        assert waits == pytest.approx([number * 0.2 for number in range(len(waits))])
        assert 10 <= len(waits) <= 11
        # Another network has its own turns, and a second brings five more.
        assert failures.turn("2001:db8:0:1::1") == 0
        present += 1
        assert len([None for _ in range(100) if failures.turn("2001:db8::1") is not None]) == 5
    assert failures.too_many("::ffff:192.0.2.1") == failures.too_many("192.0.2.1")


def test_many_addresses_have_few_tokens_a_second_together_and_hold_up_nobody_who_was_in() -> None:
    failures = Failures()
    present = 1000.0
    with use(monotonic=lambda: present):
        failures.welcome("192.0.2.1")
        looked_at = 0
        for number in range(3_000):
            address = f"127.0.{number // 250}.{number % 250}"
            if not failures.too_many(address):
                failures.add(address)
                looked_at += 1
            else:
                looked_at += failures.turn(address) is not None
            present += 0.001
        # A hundred at once, then twenty a second, of which those of two seconds may wait.
        assert 100 <= looked_at <= 100 + 20 * 5 + 5
        assert not failures.too_many("192.0.2.1")
        # From there too many wrong ones wait as from everywhere.
        for _ in range(10):
            failures.add("192.0.2.1")
        assert failures.too_many("192.0.2.1")
        present += 61
        assert not failures.too_many("127.9.9.9")
    for number in range(3_000):
        failures.welcome(str(number))
    assert len(failures._welcome) <= 1_000


def test_long_names_that_begin_alike_do_not_look_alike() -> None:
    one, other = (visible_name("n" * 70 + end) for end in "ab")
    assert one != other
    assert max(len(one), len(other)) <= LONGEST_NAME
    assert visible_name(one) == one
    assert one.startswith("n" * 40)
    assert visible_name("n" * LONGEST_NAME) == "n" * LONGEST_NAME


async def test_signing_out_ends_the_session_everywhere(scheduler: AsyncIOScheduler) -> None:
    """Two processes serve the dashboard; somebody has a copy of the cookie."""
    authenticator, present = Authenticator(TOKEN, READ_TOKEN), [1000.0]
    async with scheduler:
        for role in ("all", "read"):
            session = authenticator.session(role, "Anna")
            here, there = (client(scheduler, authenticator, session) for _ in range(2))
            other = client(scheduler, authenticator, authenticator.session(role, "Anna"))
            visitor = authenticator.visitor(session, "")
            assert visitor is not None
            with use(monotonic=lambda: present[0]):
                assert [await status(it) for it in (here, there, other)] == [200, 200, 200]
                proof = {"X-CSRF-Token": authenticator.csrf_token(visitor), "Origin": "http://here"}
                assert (await here.post("/logout", headers=proof)).status_code == 204
                assert await status(here) == 401
                present[0] += 1
                assert [await status(it) for it in (here, there, other)] == [401, 401, 200]
    kept = found_in(scheduler.ledger, "SELECT session FROM scheduler_sign_outs")
    assert len(kept) == 2
    assert not any(row["session"] in session for row in kept)


@pytest.mark.parametrize(
    ("is_set", "told", "not_told"),
    [
        (False, "dashboard.token", "SCHEDULER_DASHBOARD_TOKEN"),
        (True, "SCHEDULER_DASHBOARD_TOKEN", "dashboard.token"),
    ],
)
async def test_the_sign_in_page_says_where_the_token_is(
    scheduler: AsyncIOScheduler,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_set: bool,
    told: str,
    not_told: str,
) -> None:
    async with scheduler:
        pass
    if is_set:
        monkeypatch.setenv("SCHEDULER_DASHBOARD_TOKEN", "a-token-that-was-set")
    authenticator, _token, _made = open_authenticator(DashboardSettings(), scheduler.ledger.folder)
    async with client(scheduler, authenticator, "") as browser:
        for page in (await browser.get("/login"), await browser.get("/login?token=wrong")):
            assert told in page.text
            assert not_told not in page.text


@pytest.mark.parametrize(
    "command", ["/srv/shop/.venv/bin/python -m app", "'/srv/my shop/bin/everytick' --app shop:make"]
)
async def test_the_sign_in_page_names_no_folder_of_the_machine(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    async with scheduler:
        pass
    monkeypatch.setattr(which.current(), "command", command)
    authenticator, _token, _made = open_authenticator(DashboardSettings(), scheduler.ledger.folder)
    async with client(scheduler, authenticator, "") as browser:
        said = (await browser.get("/login")).text
    named = re.search("<code>([^<]*) dashboard --link</code>", said)
    assert named is not None
    assert named[1] in ("python -m app", "everytick --app shop:make")
    assert "srv" not in said


def client(scheduler: AsyncIOScheduler, authenticator: Authenticator, session: str) -> httpx.AsyncClient:
    """Return a browser with a cookie, and a process that serves the dashboard for it alone."""
    transport = httpx.ASGITransport(create_app(scheduler.ledger, authenticator, frozenset(), 0))
    return httpx.AsyncClient(transport=transport, base_url="http://here", cookies={"scheduler_0": session})


async def status(browser: httpx.AsyncClient) -> int:
    """Return whether a page is shown."""
    return (await browser.get("/api/v1/jobs")).status_code


@pytest.mark.parametrize(
    "query", ["token=sesame-open-now", "a=b&api_key=sesame-open-now", "%74oken=sesame-open-now"]
)
def test_a_token_in_an_address_is_not_handed_on_to_the_sign_in(query: str) -> None:
    assert "sesame" not in without_secret_query(f"/runs?{query}&state=failed")
    assert without_secret_query(f"/runs?{query}&state=failed").endswith("state=failed")
