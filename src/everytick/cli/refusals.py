"""Refusals of a command line by Typer, or the Click behind it: told in a plain sentence as all others are.

They would draw a box, with the usage above it. Their classes are compared by name: newer versions of Typer
have a Click of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any

from everytick.app import registered
from everytick.errors import ConfigurationError, nearest

_SHOWS_HELP = "NoArgsIsHelpError"


@contextmanager
def in_a_sentence(context: Any) -> Iterator[None]:
    """Raise a ConfigurationError where Typer or Click refuse a command line; `context` is theirs."""
    try:
        yield
    except Exception as problem:
        if not hasattr(problem, "format_message") or type(problem).__name__ == _SHOWS_HELP:
            raise
        raise ConfigurationError(sentence(problem, context)) from None


# What may follow a word of a time in it: `yesterday 22:00`, `2h ago`, `in 2h`.
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d)?")


def check_quotes(words: Sequence[str], context: Any) -> None:
    """Refuse a time of two words behind an option that has no quotes: the second would mean something else.

    Raises:
        ConfigurationError: there is one.
    """
    takes_time = {
        name
        for it in context.command.get_params(context)
        if it.param_type_name == "option" and it.metavar == "TIME"
        for name in it.opts
    }
    # As `--since=yesterday` too.
    split = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for option, first, second in zip(split, split[1:], split[2:], strict=False):
        if option in takes_time and _is_time(first, second):
            raise ConfigurationError(f"put it in quotes: {option} '{first} {second}'")


def _is_time(first: str, second: str) -> bool:
    from everytick.model import ticks
    from everytick.text.time_input import read_time

    if not (_CLOCK.fullmatch(second) or second.lower() == "ago" or first.lower() == "in"):
        return False
    try:
        read_time(f"{first} {second}", UTC, ticks.now(), ahead=False)
    except ValueError:
        return False
    return True


def sentence(problem: Any, context: Any) -> str:
    """Return a refusal of theirs as a sentence without its full stop."""
    for told in _IN_ORDER:
        if (found := told(problem, context)) is not None:
            return found
    message = " ".join(problem.format_message().split()).removesuffix(".")
    return message[:1].lower() + message[1:]


def _no_option(problem: Any, context: Any) -> str | None:
    if type(problem).__name__ != "NoSuchOption":
        return None
    known = [name for it in context.command.get_params(context) for name in it.opts]
    return _there_is_no(context, "option", problem.option_name, nearest(problem.option_name, known))


def _no_command(problem: Any, context: Any) -> str | None:
    found = re.match(r"No such command '(.*?)'", problem.message)
    if found is None:
        return None
    known = context.command.list_commands(context)
    return _there_is_no(context, "command", repr(found[1]), nearest(found[1], known))


def _there_is_no(context: Any, what: str, name: str, hint: str) -> str:
    return f"there is no {what} {name}" + (hint or f": {_typed(context)} --help lists those that there are")


def _missing(problem: Any, context: Any) -> str | None:
    if type(problem).__name__ != "MissingParameter" or problem.param is None:
        return None
    name = _name(problem.param)
    return f"{name} is missing: {_typed(context)} {name}"


def _no_value(problem: Any, context: Any) -> str | None:
    if type(problem).__name__ != "BadOptionUsage":
        return None
    for option in context.command.get_params(context):
        if problem.option_name in option.opts:
            if getattr(option, "is_flag", False):
                return f"{problem.option_name} takes no value"
            return f"{problem.option_name} takes a value: {problem.option_name} {option.metavar}"
    return None


def _wrong_value(problem: Any, context: Any) -> str | None:
    if getattr(problem, "param", None) is None:
        return None
    return f"{_name(problem.param)}: {problem.message.removesuffix('.')}"


def _too_many(problem: Any, context: Any) -> str | None:
    found = re.match(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", problem.message)
    if found is None:
        return None
    number = len(found[1].split())
    what = "is one word" if number == 1 else f"are {number} words"
    return f"'{found[1]}' {what} too many: {_usage(context)}"


_IN_ORDER: tuple[Callable[[Any, Any], str | None], ...] = (
    _no_option,
    _no_command,
    _missing,
    _no_value,
    _wrong_value,
    _too_many,
)


def _typed(context: Any) -> str:
    """Return the command as it was typed, as all other messages name it."""
    name = context.find_root().info_name
    application = registered()
    typed = name if application is None else application.command
    return f"{typed}{context.command_path.removeprefix(name)}"


def _usage(context: Any) -> str:
    found = [it for it in context.command.get_params(context) if it.param_type_name == "argument"]
    names = (_name(it) if it.required else f"[{_name(it)}]" for it in found)
    return " ".join([_typed(context), "[OPTIONS]", *names])


def _name(parameter: Any) -> str:
    """Return how the help names an argument, or the long name of an option."""
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name.upper())
