"""The contents of table cells: outcomes as signs, ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everytick.text.instants import local

from .output import can_show

if TYPE_CHECKING:
    from everytick.read.schemas import JobRow, RunOutline
    from rich.text import Text

# In the order of legends; the signs are those of the pages too.
_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "lost": "red",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "skipped": "dim",
}


def outcomes(states: list[str]) -> Text:
    """Return the outcomes of runs as a strip of signs, the last one at its end."""
    from rich.text import Text

    return Text.assemble(*(_sign(state) for state in states)) if states else Text("-")


def legend(states: set[str]) -> Text:
    """Return the legend: the signs of these states, each with the state's name."""
    from rich.text import Text

    parts: list[Any] = []
    for state in _STYLES:
        if state in states:
            parts += ["   " if parts else "", _sign(state), f" {state.replace('_', ' ')}"]
    return Text.assemble(*parts)


def _sign(state: str) -> tuple[str, str]:
    from everytick.read.signs import SIGNS

    sign, plain = SIGNS.get(state, ("?", "?"))
    return (sign if _can_show_signs() else plain, _STYLES.get(state, ""))


def _can_show_signs() -> bool:
    from everytick.read.signs import SIGNS

    return can_show("".join(SIGNS[state][0] for state in _STYLES))


def in_zone(instant: str | None, zone: Any) -> str:
    """Return an ISO time as it reads in a zone, with the zone's name; `-` for None."""
    return "-" if instant is None else f"{local(instant, zone)} {zone}"


def in_zones(instant: str | None, zone_name: str | None, default: Any) -> str:
    """Return an ISO time as it reads in a zone (where that is not known here: in another one), and in UTC."""
    from datetime import UTC

    from everytick.model.zone_names import zone_named

    if instant is None:
        return "-"
    try:
        zone = default if zone_name is None else zone_named(zone_name)
    except ValueError:
        zone = default
    shown = in_zone(instant, zone)
    return shown if str(zone) == "UTC" else f"{shown}\n{in_zone(instant, UTC)}"


def coming(row: JobRow, zone: Any) -> str:
    """Return when a job is due next, in its own zone and in UTC, or why it is not."""
    if row["problem"]:
        return f"cannot run: {row['problem']}"
    if row["paused"]:
        until = f" until {local(row['paused_until'], zone)}" if row["paused_until"] else ""
        return f"paused{until}" + (f"\n{row['pause_note']}" if row["pause_note"] else "")
    if row["next_run"]:
        return in_zones(row["next_run"], row["timezone"], zone)
    return "at each start" if row["runs_at_each_start"] else "never again"


def tick(row: RunOutline, zone: Any) -> str:
    """Return the tick of a run, or of a range of them; the kind of a run that has none."""
    if row["tick"] is None:
        return f"{row['kind']} for {local(row['for_tick'], zone)}" if row["for_tick"] else str(row["kind"])
    if "last_tick" in row:
        number = "?" if row["count"] is None else row["count"]
        return f"{local(row['tick'], zone)} to {local(row['last_tick'], zone)} ({number})"
    return local(row["tick"], zone)


def outcome(row: RunOutline) -> str:
    """Return the state of a run, with the reason if there is one."""
    return f"{row['state']} ({row['reason']})" if row["reason"] else str(row["state"])
