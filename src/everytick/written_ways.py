"""The ways in which programs write a secret, by which it is found in a text.

As it is, percent-encoded and decoded, with the escapes of `repr`, JSON and HTML, with its white space folded,
in base64. Other encodings are not looked for.
"""

from __future__ import annotations

import base64
import html.entities
import re

# The pattern of a longer one would take long to be made: it is only looked for as it is, and line by line.
_LONGEST = 8_000
# The shortest row of letters in base64 that is taken for a part of a secret.
_SHORTEST_ENCODED = 8
# What may stand for backslashes, which are doubled with each encoding. `(?>...)` gives nothing back. So
# would `++`, but Python before 3.11.5 overlooks matches where that stands behind a group.
_BACKSLASHES = r"(?>(?i:\\(?:u00|x)5c|\\|%(?:25)?5c|&\#(?:92|x5c);)+)"
# What may stand for white space: itself folded or escaped, and what indents the traceback of a group.
_BLANK = (
    r"(?i:[\s|+>]|%(?:25)?(?:20|09|0a|0d)|" + _BACKSLASHES + r"(?:[nrt]|u00(?:20|09|0a|0d)|x(?:20|09|0a|0d))"
    r"|&\#(?:x20|x9|xa|xd|32|9|10|13);)+"
)
# What escapes a quote.
_ESCAPES = f"(?>{_BACKSLASHES}?)"


class Finder:
    """Finds one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        # Letters and digits are written in one way only: a text without these need not be looked at closer.
        self._core = max(re.findall(r"[A-Za-z0-9]+", secret), key=len, default="")
        self._pattern: re.Pattern[str] | None = None
        self._encoded = _in_base64(secret) if len(secret) <= _LONGEST else frozenset()

    def replaced(self, text: str, by: str) -> str:
        """Return a text with something else wherever the secret stands."""
        if self._core in text:
            if self._pattern is None:
                self._pattern = re.compile(_pattern(self._secret))
            text = self._pattern.sub(by, text)
        for encoded in self._encoded:
            text = text.replace(encoded, by)
        return text


def _pattern(secret: str) -> str:
    """Return the regular expression of all that a program may write in the place of a secret."""
    if len(secret) > _LONGEST:
        return re.escape(secret)
    return _BLANK.join("".join(map(_ways, re.findall(r"\\+|[^\\]", word))) for word in secret.split())


def _ways(character: str) -> str:
    """Return the regular expression of the ways in which a character is written, or a row of backslashes."""
    if character[0] == "\\":
        return _BACKSLASHES
    if character.isascii() and (character.isalnum() or character in "-_."):
        return re.escape(character)
    number = ord(character)
    utf8, utf16 = character.encode("utf-8", "surrogatepass"), character.encode("utf-16-be", "surrogatepass")
    ways = [
        rf"{_ESCAPES}{re.escape(character)}",
        _ESCAPES + "".join(f"%(?:25)?{byte:02x}" for byte in utf8),
        rf"{_BACKSLASHES}U{number:08x}",
        "".join(rf"{_BACKSLASHES}u{utf16[at]:02x}{utf16[at + 1]:02x}" for at in range(0, len(utf16), 2)),
        # As in the `repr` of bytes.
        "".join(rf"{_BACKSLASHES}x{byte:02x}" for byte in utf8),
        rf"{_ESCAPES}&\#0*{number};",
        rf"{_ESCAPES}&\#x0*{number:x};",
    ]
    if number < 256:
        ways.append(rf"{_BACKSLASHES}x{number:02x}")
    if name := html.entities.codepoint2name.get(number):
        ways.append(f"{_ESCAPES}&{name};")
    return f"(?i:{'|'.join(ways)})"


def _in_base64(secret: str) -> frozenset[str]:
    """Return what of a secret is to be seen in base64, wherever it stands in what was encoded."""
    found, given = set[str](), secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + given).decode().rstrip("=")
        # The first and the last letter may hold bits of what stands beside it.
        known = encoded[(before * 8 + 5) // 6 : (before + len(given)) * 8 // 6]
        if len(known) >= _SHORTEST_ENCODED:
            found |= {known, known.replace("+", "-").replace("/", "_")}
    return frozenset(found)
