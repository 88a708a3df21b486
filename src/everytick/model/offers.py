"""Functions that the code offers: people may add jobs that call them, on the page and by the API.

What a function takes is read from its signature: one parameter is one field. Arguments are plain data, as
those of all jobs that are added while running; `as_annotated` makes of them what the annotations name.

Every function here raises ValueError with a sentence.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from functools import cached_property
from typing import Any, Literal, Union, get_args, get_origin

from everytick.errors import nearest

from . import functions

# What a field takes. `json`: whatever JSON can say.
Kind = Literal["string", "integer", "number", "boolean", "date", "datetime", "choice", "json"]

_KINDS: dict[Any, Kind] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    date: "date",
    datetime: "datetime",
}
_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date such as 2026-12-24",
    "datetime": "a date and time such as 2026-12-24T18:00",
}
# What JSON gives as it is: of these types, and of those made of them, pydantic can tell.
_OF_JSON = (str, int, float, bool, type(None), list, dict, Any, Union, types.UnionType, Literal)
_SCALARS = (str, int, float, bool)


class ArgumentError(ValueError):
    """An argument is wrong; `parameter` is the name of its parameter."""

    def __init__(self, parameter: str, problem: object) -> None:
        said = str(problem)
        is_named = said.startswith(f"{parameter} is ")
        super().__init__(f"{parameter}: {'it' + said[len(parameter) :] if is_named else said}")
        self.parameter = parameter


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function that is offered.

    is_optional: whether None is a value. choices: those of a `choice`, as they are kept.
    """

    name: str
    kind: Kind
    annotation: Any
    is_optional: bool
    is_required: bool
    is_positional: bool
    default: Any
    choices: tuple[Any, ...] = ()

    def checked(self, value: Any) -> Any:
        """Return a value as it is kept."""
        if value is None and self.is_optional:
            return None
        try:
            return self._checked(value)
        except ValueError as problem:
            raise ArgumentError(self.name, problem) from None

    def _checked(self, value: Any) -> Any:
        if self.kind == "choice":
            if not any(value == choice and type(value) is type(choice) for choice in self.choices):
                raise ValueError(f"{value!r:.80} is none of {', '.join(map(repr, self.choices)):.300}")
            return value
        if self.kind == "json":
            functions.check_plain(value, self.name)
            _check_json(self.annotation, value)
            return value
        if self.kind in ("date", "datetime"):
            return _moment(self.kind, value)
        takes = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}[self.kind]
        is_right = type(value) in takes and (type(value) is not float or math.isfinite(value))
        if not is_right:
            raise ValueError(f"{value!r:.80} is not {_NAMES[self.kind]}")
        functions.check_plain(value, self.name)
        return value


@dataclass(frozen=True)
class Offer:
    """A function that the code offers.

    name: for people. where: file and line of the offer.
    """

    reference: str
    function: Callable[..., Any]
    name: str
    where: str

    @property
    def description(self) -> str:
        """The first paragraph of its docstring, in one line."""
        text = inspect.getdoc(self.function) or ""
        return " ".join(text.partition("\n\n")[0].split())

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, in their order; not `*args` and `**kwargs`, for which a form has no field."""
        return _parameters(self.function)

    @property
    def is_annotated(self) -> bool:
        """Whether it takes what JSON does not have, such as a date."""
        return any(_is_made(parameter) for parameter in self.parameters)

    def call(self, given: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of a job that calls it, `args` and `kwargs`, from values by parameter."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                shown = name[:80] if name and name.isprintable() else ascii(name)[:80]
                raise ArgumentError(shown, f"{self.name} takes no such argument{nearest(name, known)}")
        args: list[Any] = []
        kwargs = {}
        skipped = ""
        for name, parameter in known.items():
            if name not in given:
                if parameter.is_required:
                    raise ArgumentError(name, f"give a value: {self.name} cannot be called without")
                skipped = skipped or name
            elif not parameter.is_positional:
                kwargs[name] = parameter.checked(given[name])
            elif skipped:
                raise ArgumentError(skipped, f"give a value, since there is one of {name}")
            else:
                args.append(parameter.checked(given[name]))
        functions.check_size(args, kwargs)
        functions.check_arguments(self.function, args, kwargs)
        return args, kwargs

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values by parameter of a call; None if fields cannot show all of them.

        Of a call that the function does not take any more, those that have a parameter by their names.
        """
        known = {parameter.name for parameter in self.parameters}
        try:
            found = inspect.signature(self.function).bind(*args, **kwargs).arguments
        except (TypeError, ValueError):
            return {name: value for name, value in kwargs.items() if name in known}
        return dict(found) if found.keys() <= known else None


def as_annotated(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments as a function is called with them: dates and members of enums, where it takes such."""
    parameters = {parameter.name: parameter for parameter in _parameters(function) if _is_made(parameter)}
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return args, dict(kwargs)
    for name, parameter in parameters.items():
        if name in bound.arguments:
            bound.arguments[name] = _made(parameter, bound.arguments[name])
    return bound.args, bound.kwargs


def _parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ()
    try:
        hints = typing.get_type_hints(function)
    except Exception:
        # A name in an annotation may be there for type checkers alone.
        hints = {}
    found = []
    for name, one in signature.parameters.items():
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        annotation, is_optional = _without_none(hints.get(name, one.annotation))
        kind, choices = _kind(annotation)
        found.append(
            Parameter(
                name,
                kind,
                annotation,
                is_optional,
                one.default is one.empty,
                one.kind is one.POSITIONAL_ONLY,
                None if one.default is one.empty else one.default,
                choices,
            )
        )
    return tuple(found)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return an annotation without `None`, and whether that is among its types."""
    if get_origin(annotation) is typing.Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, annotation in (None, type(None))
    parts = get_args(annotation)
    rest = [part for part in parts if part is not type(None)]
    if len(rest) == len(parts):
        return annotation, False
    return (rest[0] if len(rest) == 1 else Union[tuple(rest)]), True  # noqa: UP007


def _kind(annotation: Any) -> tuple[Kind, tuple[Any, ...]]:
    """Return what a field of this annotation takes, and its choices."""
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        choices = tuple(member.value for member in annotation)
    else:
        return _KINDS.get(annotation, "json") if isinstance(annotation, type) else "json", ()
    if choices and all(type(choice) in _SCALARS for choice in choices):
        return "choice", choices
    return "json", ()


def _is_made(parameter: Parameter) -> bool:
    """Return whether the function takes another value than the one that is kept."""
    is_enum = isinstance(parameter.annotation, type) and issubclass(parameter.annotation, Enum)
    return parameter.kind in ("date", "datetime") or (parameter.kind == "choice" and is_enum)


def _made(parameter: Parameter, value: Any) -> Any:
    if value is None and parameter.is_optional:
        return None
    try:
        if parameter.kind == "choice":
            return parameter.annotation(value)
        return parameter.annotation.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as problem:
        raise ArgumentError(parameter.name, problem) from None


def _moment(kind: Kind, value: Any) -> str:
    try:
        found = date.fromisoformat(value) if kind == "date" else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r:.80} is not {_NAMES[kind]}") from None
    return found.isoformat()


def _check_json(annotation: Any, value: Any) -> None:
    """Refuse a value of another type than the annotation names, as far as JSON has such types."""
    if annotation is inspect.Parameter.empty or not _is_of_json(annotation):
        return
    # Each process that runs jobs loads this module, and few of them need these.
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part!r}]" for part in first["loc"] if isinstance(part, int))
        said = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise ValueError(f"{f'{where}: ' if where else ''}{said}") from None


def _is_of_json(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    if origin is Literal:
        return True
    return any(origin is it for it in _OF_JSON) and all(map(_is_of_json, get_args(annotation)))
