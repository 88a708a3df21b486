"""The forms that pages send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from .problems import Problem

# Where the CSRF token is: scripts send a header, a form that a browser sends by itself has a field.
CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf_token"
# Enough for all rows of a page that can be selected.
_MOST_FIELDS = 300


class Form:
    """The fields of a form."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields

    def get(self, name: str) -> str:
        """Return the value of a field, the last one of several; empty if it is not there."""
        return self._fields.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        """Return the values of a field that may be there several times, each once."""
        return list(dict.fromkeys(self._fields.get(name, [])))

    def last(self) -> dict[str, str]:
        """Return all fields with the last value of each."""
        return {name: values[-1] for name, values in self._fields.items()}


EMPTY = Form({})


def read_form(body: bytes) -> Form:
    """Return the form that the body of a request is.

    Raises:
        Problem: it cannot be read, or has too many fields.
    """
    try:
        return Form(parse_qs(body.decode(), max_num_fields=_MOST_FIELDS, keep_blank_values=True))
    except ValueError:
        raise Problem(422, f"the form cannot be read, or has more than {_MOST_FIELDS} fields") from None
