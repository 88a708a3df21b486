"""Functions as an application offers them: one parameter of each kind."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Any, Literal

calls: list[tuple[Any, ...]] = []


class Colour(Enum):
    """A colour of letters."""

    RED = "red"
    BLUE = "blue"


def remind(customer_id: int, text: str = "Hello", *, urgent: bool = False) -> None:
    """Send a reminder to a customer.

    Only one of them.
    """
    calls.append((customer_id, text, urgent))


def export(
    day: date,
    at: datetime | None = None,
    form: Literal["csv", "xlsx"] = "csv",
    colour: Colour = Colour.RED,
    share: float = 0.5,
    columns: list[int] | None = None,
    more: Any = None,
) -> None:
    """Write an export of a day."""
    calls.append((day, at, form, colour, share, columns, more))


async def later(when: datetime, /) -> None:
    calls.append((when,))


def sweep() -> None:
    """Sweep the floor."""
    calls.append(())


def with_token(api_token: str, folder: str = "out") -> None:
    """Fetch something with a token."""
    calls.append((api_token, folder))


def of_any(*args: Any, **kwargs: Any) -> None:
    calls.append((args, kwargs))


def not_offered(value: int) -> None:
    raise AssertionError("never called")
