"""The sentence about a value that is wrong: which variable has it and why, and no part of a secret."""

from __future__ import annotations

import re
from collections.abc import Container

from everytick.masking import STARS, is_secret_kind, is_secret_name, is_text_kind, kinds_of, masked
from pydantic import ValidationError
from pydantic_settings import BaseSettings


def sentence_of(model: type[BaseSettings], own: Container[str], problem: ValidationError) -> str:
    """Return the fault of the first wrong value, which is shown only if a number or a choice is due.

    own: the names of the engine's own settings; `model` may have others.
    """
    first = problem.errors()[0]
    value, place = first["input"], [str(part) for part in first["loc"]]
    variable = place[0].upper() if place else "the settings"
    reason = re.sub(r"^(Value error|Assertion failed), ", "", first["msg"])
    if first["type"] == "missing":
        return f"{variable}: this setting is required and has no value"
    kinds = kinds_of(model, place[0]) if len(place) == 1 else ()
    is_secret = is_secret_kind(kinds) or any(map(is_secret_name, place))
    if is_secret and isinstance(value, str) and value:
        # Also one that is too short to be masked elsewhere.
        reason = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", STARS, reason)
    reason = " ".join(masked(reason).split())
    if first["type"] in ("value_error", "assertion_error"):
        # The sentences of the engine have examples of addresses, which share short words with any address.
        is_own = bool(place) and place[0] in own
        # The names of settings are no part of a value, though all the values come with their names.
        names = "|".join(sorted((name.upper() for name in model.model_fields if "_" in name), key=len)[::-1])
        pieces = re.split(rf"\b({names})\b", reason) if names and not place else [reason]
        pieces[::2] = [_without_address(piece, str(value), 4 if is_own else 2) for piece in pieces[::2]]
        return f"{variable}: {''.join(pieces)}"
    reason = reason[0].lower() + reason[1:] if reason[1:2].islower() else reason
    if is_secret or is_text_kind(kinds) or re.search("[@:]", str(value)):
        return f"{variable}: {reason}"
    return f"{variable}={masked(str(value))}: {reason}"


def _without_address(reason: str, value: str, shortest: int) -> str:
    """Return why a value is wrong, with stars for all parts of it if it is an address, or looks like one.

    shortest: of how many characters a part has to be.
    Which part is the password is not known where a sign in it was not percent-encoded.
    """
    if "@" not in value and "://" not in value:
        return reason
    scheme = re.match(r"([\w+.-]*)://", value)
    parts = {part for part in re.split(r"\W+", value) if len(part) >= shortest} - {
        *re.split(r"\W+", scheme[1] if scheme else "")
    }
    for part in sorted(parts, key=len, reverse=True):
        # What the sentence is made of may have a short one in a word of its own.
        found = part if len(part) >= 4 else rf"(?<!\w){part}(?!\w)"
        reason = re.sub(found, STARS, reason, flags=re.IGNORECASE)
    return reason
