"""What a class is, as Python keeps it.

A job may hand back an object of any class, and what the class of that class says runs code of the job: on
the event loop that holds up all others. Nothing here asks it.
"""

from __future__ import annotations

from collections.abc import Iterable


def name_of(kind: type, name: str) -> str:
    """Return one of the names of a class, such as `__qualname__`; `?` if that is no text."""
    found = vars(type)[name].__get__(kind)
    return str.__str__(found) if issubclass(type(found), str) else "?"


def with_article(name: str) -> str:
    """Return the name of a class with its article, as `a list` and `an int`."""
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def is_one_of(kind: type, kinds: Iterable[type]) -> bool:
    """Return whether a class is one of some others, without its `==` and its hash."""
    return any(kind is each for each in kinds)


def has(kind: type, name: str) -> bool:
    """Return whether a class has an attribute."""
    bases = vars(type)["__mro__"].__get__(kind)
    return any(name in vars(type)["__dict__"].__get__(base) for base in bases)
