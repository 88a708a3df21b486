"""A schedule in canonical form: its ticks, zone and jitter, and the plain data it is made from.

The ledger keeps that data, so that the ticks of a job can be computed without the code that declared it:
for jobs added while running, and for what an older version of the schedule left unaccounted for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, time, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from . import ticks
from .kept_data import check_schedule, read_json, unreadable
from .zone_names import kept_name, kept_zone, zone_of

_as_json = json.JSONEncoder().encode


class DueTick(NamedTuple):
    """A tick, and the instant from which its run may start; both in microseconds UTC."""

    tick: int
    due: int


@dataclass(frozen=True)
class Schedule:
    """When a job runs.

    data: what it is made from.
    remark: what of it may not be what its author expects; empty for nothing.
    """

    ticks: ticks.Ticks
    text: str
    zone: tzinfo
    data: dict[str, Any]
    jitter: int = 0
    startup_delay: int | None = None
    remark: str = ""

    @property
    def zone_name(self) -> str:
        """The zone as it is shown: an IANA name, or an offset such as `UTC+05:30`."""
        return kept_name(self.zone) or str(self.zone)

    @property
    def kept(self) -> str:
        """`data` as JSON, as the ledger keeps it."""
        return _as_json(self.data)

    def next_tick(self, after: int) -> int | None:
        """Return the first tick later than `after`, or None when there is none."""
        return self.ticks.next(after)

    def first_due(self, job_id: str, after: int) -> DueTick | None:
        """Return the first tick later than `after`, and when it is due; None if there is none."""
        tick = self.next_tick(after)
        return None if tick is None else DueTick(tick, self.due(job_id, tick))

    def due(self, job_id: str, tick: int) -> int:
        """Return the instant from which the run of a job's tick may start: the tick and its jitter."""
        return tick + ticks.jitter(job_id, tick, self.jitter) if self.jitter else tick

    def tick_before(self, instant: int) -> int | None:
        """Return the newest tick up to `instant`, or None when there is none since 1970."""
        found = ticks.newest(self.ticks, min(0, instant - 1), instant, 1)
        return found[-1] if found else None


def make(
    data: dict[str, Any], zone: tzinfo, text: str | None = None, jitter: int = 0, remark: str = ""
) -> Schedule:
    """Return the schedule of a cron, interval, date or calendarinterval trigger in canonical data.

    text: how people are shown it; None for a cron trigger, whose fields say it.
    """
    made = _MAKERS[data["trigger"]](data, zone)
    if text is None:
        assert isinstance(made, ticks.CronTicks)
        text = made.text
    kept = {**data, **kept_zone(zone), "text": text, "jitter": jitter}
    return Schedule(made, text, zone, kept, jitter, remark=remark)


def combine(word: str, parts: list[Schedule], jitter: int) -> Schedule:
    """Return the union (`or`) or the intersection (`and`) of schedules."""
    combined = ticks.UnionTicks if word == "or" else ticks.IntersectionTicks
    text = f"{word}[{', '.join(part.text for part in parts)}]"
    data = {"trigger": word, "parts": [part.data for part in parts], "jitter": jitter}
    remark = "; ".join(dict.fromkeys(part.remark for part in parts if part.remark))
    made = combined([part.ticks for part in parts])
    return Schedule(made, text, parts[0].zone, data, jitter, remark=remark)


def excluding(
    source: Schedule,
    days: dict[str, Any],
    shift: ticks.Shift = "skip",
    workday: ticks.Workday | None = None,
) -> Schedule:
    """Return a schedule without the ticks of excluded days: see `ticks.ExcludingTicks` and `ticks.Days`."""
    data = {"trigger": "excluding", "source": source.data, "days": days, "shift": shift, "workday": workday}
    return _excluding(source, data)


def _excluding(source: Schedule, data: dict[str, Any]) -> Schedule:
    days = ticks.Days(data["days"])
    made = ticks.ExcludingTicks(source.ticks, days, source.zone, data["shift"], data["workday"])
    text = source.text
    if data["workday"]:
        text = text.replace("day='*'", f"day='{data['workday']} workday'", 1)
    without = f" except {days.text}" if days else ""
    moved = "" if data["shift"] == "skip" else f", moved to the {data['shift'].replace('-', ' ')}"
    return Schedule(made, text + without + moved, source.zone, data, source.jitter, remark=source.remark)


def at_each_start(zone: tzinfo, delay: int) -> Schedule:
    """Return the schedule of a job that has no ticks, but a run `delay` microseconds after each start."""
    made = make({"trigger": "date", "at": None}, zone, "date[at each start]")
    return Schedule(made.ticks, made.text, zone, made.data, startup_delay=delay)


def from_data(data: dict[str, Any]) -> Schedule:
    """Return the schedule that has this data, which may be of another version, or damaged.

    Raises ValueError when nothing can be made of it, or this machine does not know its zone.
    """
    check_schedule(data)
    if data["trigger"] in ("or", "and"):
        return combine(data["trigger"], [from_data(part) for part in data["parts"]], data["jitter"])
    if data["trigger"] == "excluding":
        source = from_data(data["source"])
        try:
            return _excluding(source, data)
        except ValueError as problem:
            raise unreadable("its schedule", problem) from None
    zone = zone_of(data)
    try:
        made = _MAKERS[data["trigger"]](data, zone)
    except Exception as problem:
        raise unreadable("its schedule", problem) from None
    return Schedule(made, data["text"], zone, data, data["jitter"])


@lru_cache(maxsize=10_000)
def from_text(text: str) -> Schedule:
    """Return the schedule whose data this JSON is, made once for all who read the same.

    Raises ValueError as `from_data` does.
    """
    return from_data(read_json(text, "its schedule"))


def known_from_text(text: str | None) -> Schedule | None:
    """Return the schedule whose data this JSON is; None if there is none, or none can be made of it here."""
    try:
        return None if text is None else from_text(text)
    except ValueError:
        return None


def _cron(data: dict[str, Any], zone: tzinfo) -> ticks.Ticks:
    fields, start, end = data["fields"], data["start"], data["end"]
    if isinstance(zone, ZoneInfo):
        return _cron_ticks(tuple(fields.items()), zone, start, end)
    # Those of other libraries cannot be a key.
    return ticks.CronTicks(fields, zone, start, end)


@lru_cache(maxsize=1_000)
def _cron_ticks(
    fields: tuple[tuple[str, str], ...], zone: ZoneInfo, start: int | None, end: int | None
) -> ticks.CronTicks:
    """Many jobs have the same expression: it is read once."""
    return ticks.CronTicks(dict(fields), zone, start, end)


def _interval(data: dict[str, Any], zone: tzinfo) -> ticks.Ticks:
    return ticks.IntervalTicks(data["step"], data["anchor"], data["start"], data["end"])


def _date(data: dict[str, Any], zone: tzinfo) -> ticks.Ticks:
    return ticks.DateTicks(data["at"])


def _calendar(data: dict[str, Any], zone: tzinfo) -> ticks.Ticks:
    end = data["end"]
    return ticks.CalendarTicks(
        data["years"],
        data["months"],
        data["days"],
        time.fromisoformat(data["time"]),
        zone,
        date.fromisoformat(data["start"]),
        None if end is None else date.fromisoformat(end),
    )


_MAKERS = {"cron": _cron, "interval": _interval, "date": _date, "calendarinterval": _calendar}
