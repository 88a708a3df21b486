"""Secrets, and their masking: one place for log lines, errors, alerts, pages, commands and the API.

The settings name their secrets here, as `hide` and `hide_secrets` do; whatever shows or keeps a text asks
`masked`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import reduce
from itertools import islice
from types import NoneType
from typing import Any, Literal, get_args, get_origin
from urllib.parse import unquote, unquote_plus, urlsplit

from .written_ways import Finder

STARS = "*****"
# The most characters of one text that are looked at: no other thread runs while a pattern is looked for.
LONGEST_TEXT = 200_000

# A shorter one would turn every text into stars.
_SHORTEST = 4
# The shortest part of a secret that is taken for a secret of its own: a line, a step of a path.
_SHORTEST_LINE, _SHORTEST_STEP = 8, 16
# How deep values are looked into, and how deep they are shown.
_DEEPEST, _DEEPEST_SHOWN = 10, 4
# So much is looked at to show it: the patterns may take the square of that. JSON is read at once.
_LONGEST_SHOWN, _LONGEST_JSON = 10_000, 1_000_000
_NO_TEXT = (bool, int, float, Decimal, date, time, timedelta, Enum, NoneType)
_NO_SECRETS = ("true", "false", "none", "null")

_SECRET_NAME = re.compile(
    r"(^|_)(\w*(passw(or)?d|secret|token|apikey)|passphrase|credential|key)s?(_|$)|(^|_)(pass|pwd)$"
)
# A password in an address, of one host of several, up to the first `@` and up to the last one.
_PASSWORD = re.compile(r"(?://|,)[^/@:,\s]*:([^/@\s]+)@")
_LONGEST_PASSWORD = re.compile(r"//[^/@:\s]*:(\S+)@")
_ALONE = re.compile(r"\A\s*[A-Za-z][\w+.-]*://[^/@:]*:(.+)@", re.DOTALL)
# `password=...`, as in the query of an address and in the words with which libpq and ODBC connect. A word is
# tried from its beginning alone, where a name may have digits before it: to try each letter of a long word
# takes the square of its length.
_PAIR = re.compile(
    r"""(?<![\w-])(?>(?:(?![A-Za-z])[\w-])*)([A-Za-z][\w-]*+)\s*+=\s*"""
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s&;]+)"""
)

# Digits behind the colon of an address that are its port.
_PORT = re.compile(r"\d{1,5}(/|$)")

# The secrets, the longest first, with what finds them, which is made when it is asked for.
_known: dict[str, Finder] = {}


def is_secret_name(name: str) -> bool:
    """Return whether a value of this name is a secret: `smtp_password`, `apiKey`, `DB-TOKEN`."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return _SECRET_NAME.search(parts) is not None


def hide(secret: str) -> None:
    """Let a value be masked from now on, and the secrets in it: its lines, or its password."""
    _add([*_with_decoded([secret]), *_parts(secret)])


def hide_secrets(value: object, name: str = "") -> None:
    """Let the secrets in a value be masked from now on.

    They are all that is of a secret type, such as `SecretStr`, or has a secret's name, in models, mappings
    and lists too, and the passwords in addresses. `name`: what the value is called.
    """
    _hide_secrets(value, is_secret_name(name), 0)


def hide_unchecked(model: Any, values: object) -> None:
    """Let the secrets be masked among the values of which a model of pydantic is to be made.

    They may be wrong, and must not be shown by the error that says so.
    """
    if isinstance(values, Mapping):
        for name, value in values.items():
            kinds = kinds_of(model, name)
            hide_secrets(value, "secret" if is_secret_kind(kinds) else name if is_text_kind(kinds) else "")
            for inner in kinds:
                for each in value if isinstance(value, list | tuple) else [value]:
                    hide_unchecked(inner, each)


def kinds_of(model: Any, name: object) -> tuple[type, ...]:
    """Return the types that the annotation of a model's field names; `name` may be an alias."""
    for own, field in getattr(model, "model_fields", {}).items():
        aliases = getattr(field.validation_alias, "choices", [field.validation_alias])
        if name in (own, field.alias, *aliases):
            return tuple(_kinds(field.annotation))
    return ()


def is_secret_kind(kinds: Iterable[type]) -> bool:
    """Return whether a value of one of these types is a secret, such as `SecretStr`."""
    return any(hasattr(kind, "get_secret_value") for kind in kinds)


def is_text_kind(kinds: Sequence[type]) -> bool:
    """Return whether a value of one of these types may be text of any kind, and no number, date or choice."""
    return not kinds or not all(issubclass(kind, _NO_TEXT) for kind in kinds)


def masked(text: str) -> str:
    """Return text with stars in the place of secrets, cut in its middle before that if it is very long."""
    if len(text) <= LONGEST_TEXT:
        return _masked(text)
    # Where it is cut, a part of a secret might be left.
    half, left = LONGEST_TEXT // 2, len(text) - LONGEST_TEXT
    edge = min(max(1, longest()), half // 2)
    begin, end = _masked(text[:half])[:-edge], _masked(text[-half:])[edge:]
    return f"{begin} ... ({left} characters left out) ... {end}"


def _masked(text: str) -> str:
    return reduce(lambda shown, finder: finder.replaced(shown, STARS), list(_known.values()), text)


def without_secrets(value: object, name: str = "", most: int = 50) -> Any:
    """Return a copy of a value, to be shown, with stars in the place of the secrets in it.

    They are values with the name of a secret, passwords in addresses, and hidden values. Call it before the
    text is cut: half of a secret is not found. `name`: what the value is called. `most`: how many entries of
    each list and mapping are shown; one more is copied, which shows that there are more.
    """
    return _without_secrets(value, is_secret_name(name), most, 0)


def longest() -> int:
    """Return how many characters a secret takes at most in a text, whichever way it is written."""
    return max((len(secret) * 12 for secret in _known), default=0)


def _add(secrets: Iterable[str]) -> None:
    global _known
    found = {each.strip() for each in secrets}
    new = {each for each in found if len(each) >= _SHORTEST and each.lower() not in _NO_SECRETS} - {*_known}
    if new:
        # Another thread may go through the old ones.
        everything = {**_known, **{secret: Finder(secret) for secret in new}}
        # The longest first: one may be a part of another.
        _known = dict(sorted(everything.items(), key=lambda item: -len(item[0])))


def _hide_secrets(value: Any, is_secret: bool, depth: int) -> None:
    value = _plain(value)
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        if is_secret:
            hide(value)
        else:
            _add(_with_decoded(_in_text(value)))
        _hide_secrets(_from_json(value), False, depth + 1)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            _hide_secrets(each, is_secret or is_secret_name(str(name)), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            _hide_secrets(each, is_secret, depth + 1)
    elif hasattr(value, "get_secret_value"):
        secret = value.get_secret_value()
        _hide_secrets(secret if isinstance(secret, bytes) else str(secret), True, depth + 1)


class _Shown:
    """Stands for an object, with the text that shows it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _without_secrets(value: Any, is_secret: bool, most: int, depth: int) -> Any:
    if is_secret:
        return STARS
    if depth > _DEEPEST_SHOWN:
        return _Shown("...")
    try:
        return _copied(value, most, depth)
    except Exception:
        # Its class is the user's, and may fail in any way: then its type is all that is told.
        return _Shown(f"<{type(value).__name__} instance>")


def _copied(value: Any, most: int, depth: int) -> Any:
    if isinstance(value, _NO_TEXT):
        return value
    if isinstance(value, str):
        return _text_without_secrets(value, most, depth)
    if isinstance(value, bytes | bytearray):
        text = value.decode("utf-8", "replace")
        shown = _text_without_secrets(text, most, depth)
        return value if shown == text else shown.encode()
    if isinstance(value, Mapping):
        return _mapping_without_secrets(value, most, depth)
    kind = type(value)
    lists = (getattr(kind, name, None) for name in ("model_fields", "__dataclass_fields__", "_fields"))
    if fields := next(filter(None, lists), None):
        told = _mapping_without_secrets({name: getattr(value, name, None) for name in fields}, most, depth)
        return _Shown(f"{kind.__name__}({', '.join(f'{name}={each!r}' for name, each in told.items())})")
    for plain in (list, tuple, set, frozenset):
        if isinstance(value, plain):
            return plain(_without_secrets(each, False, most, depth + 1) for each in islice(value, most + 1))
    return _Shown(_text_without_secrets(repr(value), most, depth))


def _mapping_without_secrets(value: Mapping[Any, Any], most: int, depth: int) -> dict[Any, Any]:
    return {
        _without_secrets(name, False, most, depth + 1): _without_secrets(
            each, is_secret_name(str(name)), most, depth + 1
        )
        for name, each in islice(value.items(), most + 1)
    }


def _text_without_secrets(text: str, most: int, depth: int) -> str:
    found = _from_json(text) if len(text) <= _LONGEST_JSON else None
    if isinstance(found, dict | list):
        shown = _without_secrets(found, False, most, depth + 1)
        if repr(shown) != repr(found):
            return json.dumps(shown, default=repr)
    text = masked(text[: _LONGEST_SHOWN + longest()])[:_LONGEST_SHOWN]
    for pattern in (_LONGEST_PASSWORD, _PASSWORD, _ALONE):
        text = pattern.sub(_starred, text)
    return _PAIR.sub(_starred_pair, text)


def _starred(found: re.Match[str]) -> str:
    """Return an address with stars in the place of its password; one without is left as it is."""
    if _PORT.match(found[1]):
        return found[0]
    begin, end = (place - found.start() for place in found.span(1))
    return f"{found[0][:begin]}{STARS}{found[0][end:]}"


def _starred_pair(found: re.Match[str]) -> str:
    if not is_secret_name(found[1]):
        return found[0]
    quote = found[2][0] if found[2][0] in "'\"" else ""
    before = found[0][: found.start(1) - found.start()]
    return f"{before}{found[1]}={quote}{STARS}{quote}"


def _plain(value: Any) -> Any:
    """Return text of bytes and of an address, a mapping of an object with fields; any other as it is."""
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if hasattr(value, "unicode_string"):
        # An address of pydantic's.
        return value.unicode_string()
    kind = type(value)
    fields = getattr(kind, "model_fields", None) or getattr(kind, "__dataclass_fields__", None)
    if fields:
        more = getattr(value, "model_extra", None) or {}
        return {**{name: getattr(value, name, None) for name in fields}, **more}
    # An address of another library.
    password = getattr(value, "password", None)
    return {"password": password} if isinstance(password, str) else value


def _from_json(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _kinds(annotation: Any) -> Iterator[type]:
    annotation = getattr(annotation, "__value__", annotation)
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    elif get_origin(annotation) is Literal:
        yield Enum
    else:
        for inner in get_args(annotation):
            yield from _kinds(inner)


def _with_decoded(secrets: Iterable[str]) -> list[str]:
    return [way for secret in secrets for way in (secret, unquote(secret), unquote_plus(secret))]


def _in_text(text: str) -> list[str]:
    """Return the passwords in a text that need not be secret as a whole."""
    longest = [*_LONGEST_PASSWORD.findall(text), *_ALONE.findall(text)]
    passwords = [one for one in longest if not _PORT.match(one)]
    found = [*_PASSWORD.findall(text), *passwords]
    for password in passwords:
        begin, end, _rest = re.match(r"([^/?#]*)([/?#]?)(.*)", password, re.DOTALL).groups()  # type: ignore[union-attr]
        # It has signs that had to be percent-encoded: programs take parts of it for a port, or a host.
        if ("@" in begin) is not bool(end):
            found += re.split("[/?#@:]", password)
    for name, value in _PAIR.findall(text):
        if is_secret_name(name):
            found.append(re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] in "'\"" else value)
    return found


def _parts(secret: str) -> list[str]:
    """Return the parts of a secret that are secrets too: its lines, the path and the query of an address."""
    found = _in_text(secret)
    lines = secret.splitlines()
    if len(lines) > 1:
        # Logs are written line by line, and only some of them may be kept.
        found += [line for line in lines if len(line.strip()) >= _SHORTEST_LINE and "-----" not in line]
    for address in secret.split():
        if "://" in address:
            with suppress(ValueError):
                parts = urlsplit(address)
                told = parts.path + (f"?{parts.query}" if parts.query else "")
                user = parts.username if not parts.password else None
                steps = [told, user or "", *parts.path.split("/"), *re.split("[&=]", parts.query)]
                found += [step for step in steps if len(step) >= _SHORTEST_STEP]
    return _with_decoded(found)
