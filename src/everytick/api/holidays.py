"""The public holidays of a country, as days to leave out: from the package `holidays`, which is an extra.

The days are looked up when a schedule is declared, and kept with the definition of the job: a process without
that package, or with another release of it, goes by the same days.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from everytick.call_site import call_site, fail
from everytick.errors import how_to_install, nearest

# The same at every start, whatever the present year is, or the definition would change with each year.
FIRST_YEAR, LAST_YEAR = 2026, 2040


@dataclass(frozen=True)
class Calendar:
    """A calendar by name, with the days that were found for it."""

    name: str
    days: dict[str, list[str]]

    @property
    def data(self) -> dict[str, Any]:
        """It as the ledger keeps it."""
        return {"name": self.name, "days": self.days}


def holidays(country: str, subdivision: str | None = None) -> Calendar:
    """Return the public holidays of a country, or of one of its states, for `add_job(exclude=...)`.

    They are those of the years 2026 to 2040, as the installed release of the package `holidays` knows them.
    A later release takes effect when a process with it starts: from then on, not for the time before.

    Args:
        country: its code of two letters, such as `DE`.
        subdivision: the code of a state or region, such as `BY`; None for the whole country.

    Raises:
        ScheduleError: the package is not installed, or knows no such country or state.

    Example:
        from everytick import AsyncIOScheduler, holidays

        scheduler = AsyncIOScheduler(timezone="Europe/Berlin")
        scheduler.add_job(print, "cron", hour=9, exclude=["sat-sun", holidays("DE", "BY")])
    """
    try:
        return look_up(str(country), None if subdivision is None else str(subdivision))
    except ValueError as problem:
        raise fail(call_site(), None, str(problem)) from None


@functools.lru_cache(maxsize=100)
def look_up(country: str, subdivision: str | None) -> Calendar:
    """Return the same for a country that a request names: ValueError has the sentence without a line.

    What is named is compared with what the package lists, and never imported.
    """
    try:
        from holidays import country_holidays, list_supported_countries
    except ImportError:
        raise ValueError(f"holidays() needs the package holidays: {how_to_install('holidays')}") from None
    known = list_supported_countries()
    if country not in known:
        hint = nearest(country, known) or ": write its code of two letters, such as 'DE'"
        raise ValueError(f"holidays({country!r}): no such country is known{hint}")
    if subdivision is not None and subdivision not in known[country]:
        states = ", ".join(known[country]) or "none"
        raise ValueError(f"holidays({country!r}, {subdivision!r}): no such part of it is known, of {states}")
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    found = country_holidays(country, subdiv=subdivision, years=years)
    if "en_US" in (found.supported_languages or ()):
        found = country_holidays(country, subdiv=subdivision, years=years, language="en_US")
    days: dict[str, list[str]] = {}
    for day in sorted(found):
        if FIRST_YEAR <= day.year <= LAST_YEAR:
            days.setdefault(found[day], []).append(day.isoformat())
    named = repr(country) if subdivision is None else f"{country!r}, {subdivision!r}"
    return Calendar(f"holidays({named})", days)
