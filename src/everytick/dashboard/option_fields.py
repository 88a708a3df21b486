"""The options of a job that people add or change: their fields in the form, and what a preview shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from everytick.model.job import ON_CRASH, OPTION_NAMES, OVERLAPS, Options

from .forms import Form
from .problems import Problem

# What the field of an option takes: a number, text, or one of these words.
OPTIONS: Mapping[str, type | tuple[str, ...]] = {
    "timeout": float,
    "retries": int,
    "retry_delay": float,
    "misfire_grace_time": float,
    "coalesce": ("True", "False"),
    "max_catch_up": int,
    "max_instances": int,
    "overlap": OVERLAPS,
    "group": str,
    "queue": str,
    "on_crash": ON_CRASH,
    "alert": ("True", "False"),
}
# All options of a job but the one that stands in the code alone.
assert OPTIONS.keys() == OPTION_NAMES - {"ping"}
_IS_SAID: Mapping[str, Any] = {"True": True, "False": False}
# What the fields of these say for None, where the schedule's default is another value: no name of a group has
# a blank.
_NONE: Mapping[str, str] = {"timeout": "none", "misfire_grace_time": "none", "group": "no group"}
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")


def given_options(form: Form) -> dict[str, Any]:
    """Return the options that a form gives.

    Raises:
        Problem: one is no number.
    """
    found: dict[str, Any] = {}
    for name, kind in OPTIONS.items():
        text = form.get(f"options.{name}").strip()
        if not text:
            continue
        if text == _NONE.get(name):
            found[name] = None
        elif kind is str or isinstance(kind, tuple):
            found[name] = text if kind is str else _IS_SAID.get(text, text)
        else:
            found[name] = number("options", name, text, whole=kind is int)
    return found


def emptied_options(form: Form, known: Mapping[str, Any]) -> frozenset[str]:
    """Return which options of a job that is changed the form showed, and gives no more."""
    return frozenset(
        name.removeprefix("options.") for name in shown_options(known) if not form.get(name).strip()
    )


def shown_options(known: Mapping[str, Any]) -> dict[str, str]:
    """Return what the fields hold for the options that a job was given."""
    return {f"options.{name}": shown for name in OPTIONS if (shown := _shown(name, known))}


def usual_options(usual: Options) -> dict[str, str]:
    """Return by names what holds where a field is empty; nothing for what a field cannot say."""
    found = {name: getattr(usual, name) for name in OPTIONS}
    return {name: option_text(name, it) for name, it in found.items() if it is not None or name in _NONE}


def _shown(name: str, known: Mapping[str, Any]) -> str:
    if name not in known or (known[name] is None and name not in _NONE):
        return ""
    return option_text(name, known[name])


def option_text(name: str, value: Any) -> str:
    """Return the value of an option as its field has it; lengths are seconds."""
    if value is None:
        return _NONE.get(name, "none")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def options_in_force(options: Options, before: Options | None) -> list[tuple[str, str, str]]:
    """Return each option by its name, its value, and the one that it has before a change, if that differs.

    Not `ping`, which stands in the code alone and whose address is not shown.
    """
    found = []
    for name in OPTIONS:
        value, was = (option_text(name, getattr(it, name)) for it in (options, before or options))
        found.append((name, value, was if was != value else ""))
    return found


def number(field: str, name: str, text: str, *, whole: bool) -> int | float:
    """Return the number in a field.

    Raises:
        Problem: it is none.
    """
    if text.isascii() and text.isdigit() and not _NUMBER.fullmatch(text):
        raise Problem(422, f"{field}: {name}={text!r:.40} is too large a number", field)
    if not _NUMBER.fullmatch(text) or (whole and "." in text):
        raise Problem(422, f"{field}: {name}={text!r:.40} is no {'whole ' if whole else ''}number", field)
    return float(text) if "." in text else int(text)
