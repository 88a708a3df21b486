"""Secrets are masked whichever way they are written, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import pytest
from everytick import masking
from everytick.masking import STARS, hide, hide_secrets, masked
from pydantic import AnyUrl, BaseModel, HttpUrl, PostgresDsn, RedisDsn, SecretBytes, SecretStr

KEY = """-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
-----END PRIVATE KEY-----
"""


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {})


SECRETS = {
    "two blanks": "correct  horse  battery",
    "lines": KEY.strip(),
    "for an address": "p@ss/w:rd?&=%+#1",
    "quotes": 'it\'s "quoted" \\ and `so`',
    "accents": "pässwörd-naïve",
    "beyond the plane": "key-\N{LOCK}-of-mine",
    "control characters": "esc\x1bape\x07d-one",
    "markup": "<b>&amp;</b>-secret",
    "backslashes": "domain\\\\user\\name",
    "only signs": "!$%&/()=?",
}
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "folded": lambda text: " ".join(text.split()),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "repr twice": lambda text: repr(repr(text)),
    "repr of a dictionary": lambda text: repr({"a": [text]}),
    "ascii": ascii,
    "JSON": json.dumps,
    "JSON with its letters": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "percent": lambda text: quote(text, safe=""),
    "percent in a path": quote,
    "percent in a form": quote_plus,
    "percent in small letters": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%3A", "%3a"),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "a query": lambda text: urlencode({"q": text}),
    "HTML": html.escape,
    "indented": lambda text: "\n".join(f"  | {line}" for line in text.splitlines()),
    "backslashreplace": lambda text: text.encode("ascii", "backslashreplace").decode(),
    "base64 behind a name": lambda text: base64.b64encode(b"user:" + text.encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_masked_whichever_way_it_is_written(kind: str, way: str) -> None:
    secret = SECRETS[kind]
    hide(secret)
    written = WAYS[way](secret)
    shown = masked(f"cannot log in with {written} at all")
    assert masking.STARS in shown
    if way.startswith("base64"):
        # Of what stands beside it a letter or two hold a part of the secret's first and last byte.
        assert len(shown) < len("cannot log in with  at all") + 20
    else:
        # Beside the stars are only the quotes and names that were put around it.
        around = r"""[b'"\\{}\[\]:| aq=]*"""
        assert re.fullmatch(rf"cannot log in with {around}\*{{5}}{around} at all", shown), shown


def test_each_line_of_a_secret_is_masked_alone() -> None:
    hide(KEY)
    for line in KEY.splitlines()[1:3]:
        assert masked(f"read {line}!") == "read *****!"
    assert masked("no -----BEGIN PRIVATE KEY----- found") == "no -----BEGIN PRIVATE KEY----- found"


def test_a_secret_of_several_lines_is_masked_in_the_traceback_of_a_group() -> None:
    hide("first half\nother half")
    group = ExceptionGroup("all", [ValueError("first half\nother half is wrong")])
    shown = masked("".join(traceback.format_exception(group)))
    assert "half" not in shown
    assert "is wrong" in shown


class Mail(BaseModel):
    host: str = "mail.example.org"
    password: str = "nested-hunter2"
    word: SecretStr = SecretStr("typed-hunter2")


@dataclass
class Login:
    user: str
    passwd: str


class Settings(BaseModel):
    value: Any = None


HOLDERS = {
    "text": ("password", "plain-hunter2", "plain-hunter2"),
    "secret bytes": ("value", SecretBytes(b"bytes-hunter2"), "bytes-hunter2"),
    "model": ("value", Mail(), "nested-hunter2"),
    "secret type in a model": ("value", Mail(), "typed-hunter2"),
    "models in a list": ("value", [Mail()], "nested-hunter2"),
    "list of secrets": ("value", [SecretStr("a-hunter2"), SecretStr("b-hunter2")], "b-hunter2"),
    "list by name": ("api_keys", ["a-hunter2", "b-hunter2"], "b-hunter2"),
    "dictionary": ("value", {"db": {"apiKey": "dict-hunter2"}}, "dict-hunter2"),
    "dictionary by name": ("tokens", {"github": "dict-hunter2"}, "dict-hunter2"),
    "dataclass": ("value", Login("me", "data-hunter2"), "data-hunter2"),
    "address of pydantic": ("value", PostgresDsn("postgresql://me:dsn-hunter2@db/x"), "dsn-hunter2"),
    "several hosts": ("value", PostgresDsn("postgresql://a:x-hunter2@h1,b:y-hunter2@h2/x"), "y-hunter2"),
    "any address": ("value", AnyUrl("amqp://me:any-hunter2@mq/x"), "any-hunter2"),
    "address without a user": ("value", RedisDsn("redis://:redis-hunter2@cache/0"), "redis-hunter2"),
    "encoded in an address": ("value", AnyUrl("amqp://me:p%40ss-hunter2@mq/x"), "p@ss-hunter2"),
    "to be encoded": ("value", AnyUrl("amqp://me:p ss-hunter2@mq/x"), "p ss-hunter2"),
    "query": ("value", HttpUrl("https://h/x?a=1&api_key=query-hunter2"), "query-hunter2"),
    "text with an address": ("value", "see https://me:text-hunter2@h/x", "text-hunter2"),
    "a slash in it": ("value", "postgresql://me:a/b@c-hunter2@h/x", "a/b@c-hunter2"),
    "words of libpq": ("value", "host=db user=me password='two  words-hunter2'", "two  words-hunter2"),
    "words of ODBC": ("value", "Server=db;Uid=me;Pwd=odbc-hunter2;Encrypt=yes", "odbc-hunter2"),
    "split address": ("value", urlsplit("amqp://me:split-hunter2@mq/x"), "split-hunter2"),
    "JSON": ("value", SecretStr('{"private_key": "json\\nhunter2", "type": "x"}'), "json\nhunter2"),
    "password of a secret address": ("value", SecretStr("amqp://me:only-hunter2@mq/x"), "only-hunter2"),
    "path of a secret address": (
        "value",
        SecretStr("https://hooks.example.org/services/T0/B0/hunter2hunter2"),
        "/services/T0/B0/hunter2hunter2",
    ),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_secrets_are_found_wherever_settings_hold_them(kind: str) -> None:
    name, value, secret = HOLDERS[kind]
    hide_secrets({name: value})
    assert "hunter2" not in masked(f"cannot use {secret} here")


@pytest.mark.parametrize("password", ["hunter2/x1y2", "hunter2@x1y2", "hunter2#x1y2", "hunter2?x1y2@z3z4"])
def test_the_parts_of_a_password_are_masked_that_are_taken_for_a_port_or_a_host(password: str) -> None:
    hide_secrets({"dsn": f"postgresql://me:{password}@db.example.org:5432/shop"})
    shown = masked("'hunter2' is not a port, and x1y2@db.example.org:5432/shop cannot be resolved")
    assert shown == "'*****' is not a port, and *****@db.example.org:5432/shop cannot be resolved"


def test_what_is_no_secret_stays() -> None:
    hide_secrets(
        {
            "smtp_host": "mail.example.org",
            "address": "https://example.org:8443/@scope/package?page=2",
            "is_secret": "true",
            "queue": "amqp://me:hunter2@broker/path?mail=owner@example.org",
            "mail": Mail(),
            "pin": SecretStr("123"),
        }
    )
    text = "mail.example.org https://example.org:8443/@scope/package?page=2"
    text += " is true, 123 times at broker/path, owner"
    assert masked(text) == text


def test_masking_is_quick_on_long_texts_that_nearly_hold_a_secret() -> None:
    hide("a\\b  c\\\\d!!")
    hide("  x y z w \\ v")
    begin = time.monotonic()
    for text in ("\\" * 20_000, "a\\b " * 20_000, "x " * 50_000, "a" * 1_000_000):
        masked(text)
    assert time.monotonic() - begin < 5


@dataclass(frozen=True)
class Argument:
    """What a task may be given."""

    user: str
    password: str


class Plain:
    """An object that shows what it holds."""

    def __repr__(self) -> str:
        return "Plain(user='me', password='hunter22')"


@pytest.mark.parametrize(
    "value",
    [
        {"password": "hunter22"},
        [{"to": {"smtp_password": "hunter22"}}],
        ({"api_keys": ["hunter22", {"of": "hunter22"}]},),
        {"dsn": "postgresql://me:hunter22@db/shop"},
        "postgresql://me:hunter22@db/shop",
        "host=db password=hunter22 user=me",
        "postgresql://me:" + "hunter22" * 500 + "@db/shop",
        b"redis://:hunter22@cache",
        json.dumps({"password": "hunter22"}),
        Argument("me", "hunter22"),
        [Argument("me", "hunter22")],
        Plain(),
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"password": "hunter22"}}}}}}}},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_value_is_copied_without_the_secrets_in_it(value: Any) -> None:
    assert "hunter22" not in repr(masking.without_secrets(value))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1password=hunter22", "1password=*****"),
        ("-user-é_password = 'hunter22', x=1", "-user-é_password='*****', x=1"),
        ("12=password=hunter22&page=2", "12=password=*****&page=2"),
        ("page=1;pwd='a b'pwd=\"hunter22\"", "page=1;pwd='*****'pwd=\"*****\""),
    ],
)
def test_the_name_of_a_secret_may_have_digits_and_signs_before_it(text: str, shown: str) -> None:
    assert masking.without_secrets(text) == shown


def test_no_pattern_has_what_python_before_3_11_5_overlooks() -> None:
    """On Debian 12, with Python 3.11.2, `++` behind a group that may end in several ways missed secrets."""
    package = Path(masking.__file__).parent
    behind_a_group = re.compile(r"\)(?:[*+?]|\{[\d,]+\})\+")
    assert behind_a_group.search(r"(?:a|ab)++")
    assert not behind_a_group.search(r"(?>(?:a|ab)+)\s*+")
    assert [path for path in package.rglob("*.py") if behind_a_group.search(path.read_text("utf-8"))] == []


def test_a_secret_is_found_behind_a_word_of_a_million_letters() -> None:
    # A pattern that tries each letter of the word needs minutes for it.
    hide_secrets(f"{'x1' * 500_000} password=hunter22")
    assert masked("hunter22") == STARS


def test_what_is_no_secret_is_copied_as_it_is() -> None:
    for value in (
        {"limit": 3, "to": ["a@b.example", ("x", None)], "ids": {1, 2}},
        "https://shop.example:8080/a@b",
        "https://shop.example/?page=2",
        b"\x00\xff",
        json.dumps({"a": 1}),
        5,
        None,
    ):
        assert masking.without_secrets(value) == value
    assert (
        repr(masking.without_secrets(Argument("me", "hunter22"))) == "Argument(user='me', password='*****')"
    )
    assert masking.without_secrets(1234, "pin_token") == masking.STARS


def test_a_large_value_is_copied_as_far_as_it_is_shown() -> None:
    endless: list[Any] = []
    endless += [endless] * 50
    began = time.monotonic()
    repr(masking.without_secrets([*range(1_000_000)], most=8))
    repr(masking.without_secrets({"a": endless}, most=8))
    assert time.monotonic() - began < 2
    assert masking.without_secrets([1, 2, 3], most=2) == [1, 2, 3]


@pytest.mark.parametrize(
    "secret", ['se"same-open', "se'same-open", "se\\same-open", 'a\\"b<c>&d', "sés\"ame\n'open"]
)
def test_a_secret_with_quotes_is_masked_in_json_on_a_page(secret: str) -> None:
    masking.hide(secret)
    outside: list[Callable[[str], str]] = [html.escape, quote, json.dumps, repr]
    for outer, inner in product(outside, [json.dumps, repr]):
        shown = masked(f"begin {outer(inner(secret))} end")
        assert STARS in shown
        assert "ame" not in shown.replace("name", "")
        assert "<c>" not in shown


def test_an_endless_text_is_masked_in_a_moment_and_cut() -> None:
    masking.hide("sesame-open")
    begin = time.monotonic()
    for text in ("y\n" * 20_000_000, "sesame-open " * 3_000_000, "sesame-" * 5_000_000):
        shown = masked(text)
        assert len(shown) < 1_000_000
        assert "sesame-open" not in shown
        assert "characters left out" in shown
    assert time.monotonic() - begin < 2
