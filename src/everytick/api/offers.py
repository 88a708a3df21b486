"""`scheduler.offer`: the functions for which people may add jobs, on the page and by the API.

They are known where the schedule's code is loaded, and stand nowhere else: no row of the ledger adds one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, overload

from everytick.call_site import call_site, fail, failing
from everytick.model import functions
from everytick.model.offers import Offer
from everytick.settings import settings

from .declare import shown_name

F = TypeVar("F", bound=Callable[..., Any])
# What a decorator with arguments gets in the place of a function. Not None, which a lookup may have returned.
_TO_COME: Any = object()


def _name(name: Any) -> str:
    """Return the name of an offer; refuse one by which nobody can choose it."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise ValueError(
            f"name={name!r:.80} must be text of one line, not empty, without control characters, such as"
            " 'Remind a customer'"
        )
    return shown_name(name.strip())


class JobOffers:
    """The part of a scheduler that offers functions."""

    @overload
    def offer(self, func: F, /, *, name: str | None = None) -> F: ...

    @overload
    def offer(self, /, *, name: str) -> Callable[[F], F]: ...

    def offer(self, func: Any = _TO_COME, /, *, name: str | None = None) -> Any:
        """Offer a function: people may add jobs that call it, on the dashboard's page and by its API.

        As a decorator or as a call. Nothing else can be named there; arguments are checked against the
        function's signature, and where a parameter is annotated with `date`, `datetime` or an enum, the
        function gets one. The function stands at the top of a module of the application's own packages, as
        that of each job that is added while running.

        Args:
            func: a function or a coroutine function.
            name: what people choose it by, on one line; by default the function's own name.

        Returns:
            The function, unchanged.

        Raises:
            ScheduleError: it is none that an added job may call, or was offered before; with the line of this
                call. Faults that show when all modules are loaded are raised by `start()` and by commands.

        Example:
            from everytick import AsyncIOScheduler
            from shop.tasks import remind

            def create_scheduler() -> AsyncIOScheduler:
                scheduler = AsyncIOScheduler()
                scheduler.offer(remind, name="Remind a customer")
                return scheduler
        """
        if func is _TO_COME:
            return functools.partial(self.offer, name=name)
        where = call_site()
        with failing(where, None):
            if func is None:
                raise ValueError("offer(None) offers nothing: give the function itself")
            if isinstance(func, str):
                raise ValueError(f"offer({func!r:.80}) takes the function itself, and not its name")
            function = functions.resolve(func)
            functions.named_reference(function)
            # As rows of the ledger have it.
            reference = functions.reference(function)
            shown = _name(functions.function_name(function) if name is None else name)
            if reference in self._offers:
                raise ValueError(
                    f"{reference!r} is offered already, at {self._offers[reference].where}: offer it once"
                )
        self._offers[reference] = Offer(reference, function, shown, where)
        return func

    @property
    def offers(self) -> Mapping[str, Offer]:
        """The functions that are offered, by their references."""
        return MappingProxyType(self._offers)

    def check_offers(self) -> None:
        """Refuse to offer a function that no added job may call, now that all modules are loaded.

        Raises:
            ScheduleError: with the line of the offer.
        """
        for offer in self._offers.values():
            try:
                functions.stable_reference(offer.function)
                settings().allowed_functions.check(offer.function)
            except ValueError as problem:
                raise fail(
                    offer.where, None, f"offer({offer.reference.partition(':')[2]}): {problem}"
                ) from None

    @functools.cached_property
    def _offers(self) -> dict[str, Offer]:
        return {}
