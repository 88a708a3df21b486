"""Settings that hold an address and are malformed: no start error shows a part of what may be a secret."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest
from everytick import masking
from everytick.dashboard.settings import DashboardSettings
from everytick.errors import ConfigurationError
from everytick.model import heartbeat_url
from everytick.model.job import Options
from everytick.notify import channels, sender
from everytick.settings import SchedulerSettings
from everytick.store.opening import ledger_at
from pydantic import field_validator

from inside import scheduler_settings

# What Apprise loads for all the services that it knows.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# A sign that was not percent-encoded stands between two halves of the secret, each of which must not be seen.
SIGNS = [
    "",
    "/",
    "@",
    ":",
    "?",
    "#",
    "%",
    "%4",
    "%41",
    " ",
    "  ",
    "\t",
    "\\",
    "'",
    '"',
    "=",
    "&",
    "//",
    "[",
    ",",
]
SIGNS += ["://", "?a=", "@/", "/@", ":1/", "?connect_timeout=", "%00", "ü"]
PARTS = ["user", "password", "host", "port", "database", "option"]
WHOLE = "{scheme}{user}:{password}@{host}:{port}/{database}?{option}"
FORMS = [
    WHOLE,
    "{scheme}{user}:{password}/{database}",
    "{scheme}:{password}@{host}",
    "{user}:{password}@{host}",
]
FORMS += ["{scheme}{host}?password={password}", "{scheme}{host}?colour={password}", "{scheme}{password}@"]
FORMS += [
    "{scheme}{host}?connect_timeout={password}",
    "{scheme}{host}?sslmode={password}",
    "{scheme}{host}:{password}",
]


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {})


def addresses(schemes: list[str]) -> list[str]:
    """Return addresses in which a sign is not percent-encoded, in each of their parts."""
    made = []
    for scheme, sign, part, form in product(schemes, SIGNS, PARTS, FORMS):
        plain = {
            "user": "me",
            "host": "127.0.0.1",
            "port": "1",
            "database": "shop",
            "option": "sslmode=prefer",
        }
        plain |= {"password": "Sesame1", "scheme": scheme}
        plain[part] = f"Sesame1{sign}seSame2" if part == "password" else f"{plain[part]}{sign}{plain[part]}"
        made.append(form.format(**plain))
    return list(dict.fromkeys(made))


def told(problem: object) -> str:
    text = str(problem)
    assert "sesame" not in text.lower()
    return text


@pytest.mark.parametrize(
    "scheme", ["postgresql://", "postgres://", "postgresql:", "postgresql:/", "mysql://", "sqlite:"]
)
def test_an_address_of_the_ledger(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = 0
    for address in addresses([scheme]):
        try:
            made = ledger_at(address, root=tmp_path)
        except ConfigurationError as problem:
            refused += told(problem).startswith("SCHEDULER_DATABASE_URL")
            continue
        # What stands alone on one side of an @ is well-formed: it is a user, or a host.
        if scheme != "sqlite:" and ("@127.0.0.1" in address or "127.0.0.1?" in address):
            told(made)
    assert refused > 100


def opened(address: str, root: Path) -> Any:
    ledger: Any = ledger_at(address, root=root)
    return ledger.open()


def test_an_option_of_the_server_with_a_wrong_value(tmp_path: Path) -> None:
    for option in ("sslmode", "keepalives", "target_session_attrs", "gssencmode", "load_balance_hosts"):
        for value in ("sesame", "12sesame", 'se"same', "sesame for", "a sesame"):
            with pytest.raises((ConfigurationError, psycopg.Error)) as caught:
                opened(f"postgresql://127.0.0.1:1/db?{option}={value}", tmp_path)
            told(caught.value)


@pytest.mark.full
def test_addresses_of_alerts(tmp_path: Path) -> None:
    schemes = [
        "mailto://",
        "mailto//",
        "slack:/",
        "slack://",
        "json://",
        "json:",
        "https://",
        "",
        "hunter://",
    ]
    plain = [
        "slack:/Sesame1/Sesame2",
        "mailto//user:Sesame@x",
        "sesame",
        "sesame1://sesame2",
        "se, sesame://x",
    ]
    for address in [*plain, *addresses(schemes)[::60]]:
        with scheduler_settings(tmp_path, SCHEDULER_ALERT_URLS=address):
            try:
                found = channels.load(SchedulerSettings(), "app")
            except ConfigurationError as problem:
                told(problem)
            else:
                told([channel.name for channel in found])


def test_addresses_of_heartbeats() -> None:
    for address in addresses(["https://", "http:/", "https:", ""]):
        try:
            heartbeat_url.check(address)
        except ValueError as problem:
            told(problem)
        with pytest.raises((TypeError, ValueError)) as caught:
            Options(misfire_grace_time=60, ping=f"x{address}").check()
        told(caught.value)


def test_a_call_of_a_malformed_address_is_told_without_it() -> None:
    for address in (
        "http://127.0.0.1:sesame/x",
        "sesame://x",
        "http://[sesame/x",
        "http://se same/x",
        "sesame",
    ):
        with pytest.raises(sender.NotTaken) as caught:
            sender.call(address, None, "app")
        told(caught.value)


class OfAShop(DashboardSettings):
    shop_page: str = ""

    @field_validator("shop_page")
    @classmethod
    def _page(cls, value: str) -> str:
        if value:
            raise ValueError(f"{value.rpartition(':')[2].lower()!r} is no port, and must begin with https")
        return value


@pytest.mark.full
@pytest.mark.parametrize(
    "variable",
    [
        *("SCHEDULER_DASHBOARD_URL", "SCHEDULER_DASHBOARD_HOST", "SCHEDULER_DASHBOARD_NAMES", "SHOP_PAGE"),
        *("SCHEDULER_ALERT_ON", "SCHEDULER_QUEUES", "SCHEDULER_ALLOWED_PACKAGES", "SCHEDULER_TIMEZONE"),
        *("SCHEDULER_DASHBOARD_PORT", "SCHEDULER_ROLE", "LOG_LEVEL", "SCHEDULER_MAX_WORKERS"),
    ],
)
def test_an_address_in_any_other_setting(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = 0
    for address in addresses(["https://", "postgresql://"])[::3]:
        if "\0" in address or "@" not in address:
            continue
        monkeypatch.setenv(variable, address)
        try:
            OfAShop()
        except ConfigurationError as problem:
            refused += told(problem).startswith(variable)
    assert refused > 50


def test_the_beginning_that_an_address_should_have_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PAGE", "https://me:sesame@shop.example")
    with pytest.raises(ConfigurationError, match="must begin with https"):
        OfAShop()
