"""The contents of table cells: outcomes as signs, ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everytick.text.durations import duration
from everytick.text.instants import is_to_come, local, local_from_now, local_short

from .colours import STATES, TIME
from .output import can_show, visible

if TYPE_CHECKING:
    from datetime import tzinfo

    from everytick.read.late import Late
    from everytick.read.schemas import JobRow, RunOutline
    from rich.text import Text


def outcomes(states: list[str]) -> Text:
    """Return the outcomes of runs as a strip of signs, the last one at its end."""
    from rich.text import Text

    return Text.assemble(*(_sign(state) for state in states)) if states else Text("-")


def legend(states: set[str], room: int | None) -> list[Text]:
    """Return the legend: the signs of these states, each with the state's name, in lines of this length."""
    from rich.text import Text

    lines: list[Text] = []
    for state in STATES:
        if state in states:
            part = Text.assemble(_sign(state), f" {state.replace('_', ' ')}")
            if lines and (room is None or lines[-1].cell_len + 3 + part.cell_len <= room):
                lines[-1].append("   ").append(part)
            else:
                lines.append(part)
    return lines


def _sign(state: str) -> tuple[str, str]:
    from everytick.read.signs import SIGNS

    sign, plain = SIGNS.get(state, ("?", "?"))
    can_show_signs = can_show("".join(sign for sign, _plain in SIGNS.values()))
    return (sign if can_show_signs else plain, STATES.get(state, ""))


def in_zone(instant: str | None, zone: Any) -> str:
    """Return an ISO time as it reads in a zone, with the zone's name; `-` for None."""
    return "-" if instant is None else f"{local(instant, zone)} {zone}"


def due(row: JobRow, zone: tzinfo, *, own_zone: bool = True) -> str:
    """Return the instant at which a job is due next, in its own zone, or in `zone` if that is not known here.

    With `own_zone=False` in `zone`, and nothing if that is the job's own.
    """
    from everytick.model.zone_names import zone_named

    if row["next_run"] is None:
        return "-" if own_zone else ""
    try:
        own = zone_named(row["timezone"])
    except ValueError:
        own = zone
    if own_zone:
        return in_zone(row["next_run"], own)
    return "" if str(own) == str(zone) else in_zone(row["next_run"], zone)


def coming(row: JobRow, zone: tzinfo, now: int, late: Late | None = None) -> str:
    """Return how soon a job is due, by how much it is late, or why it is not due; in microseconds."""
    if row["problem"]:
        return f"cannot run: {row['problem']}"
    if row["disabled_by"]:
        return f"disabled by {row['disabled_by']}"
    if row["paused"]:
        until = f" until {local(row['paused_until'], zone)}" if row["paused_until"] else ""
        return f"paused{until}" + (f": {row['pause_note']}" if row["pause_note"] else "")
    if row["waits_for"]:
        return f"waiting for {row['waits_for']}"
    if late is not None:
        # The schedule is not late with a run that was asked for, or that has been tried.
        if not late.is_first:
            return f"waiting {duration(now - late.since)}"
        return f"late by {duration(now - late.since)}"
    if row["next_run"]:
        return local_from_now(row["next_run"], now)
    return "at each start" if row["runs_at_each_start"] else "never again"


def coloured_coming(row: JobRow, zone: tzinfo, now: int, late: Late | None) -> Text:
    """Return the same as `coming`, with what keeps a job from running in the colour of that."""
    from rich.text import Text

    is_held = row["paused"] or row["disabled_by"]
    needs_a_look = is_held or row["waits_for"] or late is not None
    style = "red" if row["problem"] else "yellow" if needs_a_look else TIME
    return Text(visible(" ".join(coming(row, zone, now, late).splitlines())), style)


def tick(row: RunOutline, zone: tzinfo, now: int | None = None) -> str:
    """Return the tick of a run, the first one of a range; the kind of a run that has none.

    With `now`, in microseconds, without the date if that is today's; of a run of a backfill the tick that it
    stands in for.
    """
    if row["tick"] is None and row["kind"] == "backfill" and row["for_tick"] and now is not None:
        return f"for {local_short(row['for_tick'], zone, now)}"
    if row["tick"] is None:
        return str(row["kind"])
    return local(row["tick"], zone) if now is None else local_short(row["tick"], zone, now)


def stands_in_for(row: RunOutline, zone: tzinfo, now: int | None = None) -> str:
    """Return the tick that a run stands in for; empty where `tick`, with the same `now`, says it already."""
    is_said = now is not None and row["kind"] == "backfill"
    return "" if is_said or row["for_tick"] is None else local(row["for_tick"], zone)


def coloured_outcome(row: RunOutline) -> Text:
    """Return the same as `outcome`, in the colour of the state."""
    from rich.text import Text

    state = row["before_retry"]["state"] if "before_retry" in row else row["state"]
    return Text(outcome(row), STATES.get(state, ""))


def outcome(row: RunOutline) -> str:
    """Return the state of a run with the reason if there is one, of a range of ticks with their number.

    Of a run that is listed for how it ended before a retry that state.
    """
    if "before_retry" in row:
        return row["before_retry"]["state"]
    if row.get("holder_died"):
        return f"{row['state']} (its process died)"
    if row["state"] == "running" and (done := percent(row)):
        return f"running ({done})"
    number = "" if "last_tick" not in row else "? " if row["count"] is None else f"{row['count']:,} "
    return number + (f"{row['state']} ({row['reason']})" if row["reason"] else str(row["state"]))


def percent(row: RunOutline) -> str:
    """Return how far a run says that it is, such as `40 %`; empty if it did not say."""
    share = row["progress"]["share"] if "progress" in row else None
    return "" if share is None else f"{int(share * 100 + 1e-9)} %"


def error(row: RunOutline, zone: tzinfo, now: int) -> str:
    """Return the error of a run; if it is listed for how it ended before a retry, what came of that first.

    Of one that runs it is what it says it is at, of a tick that was skipped which run was in its way.
    """
    if row["state"] == "running" and "progress" in row and row["progress"]["note"]:
        return row["progress"]["note"]
    if row.get("behind"):
        return f"behind run {' and '.join(map(str, row['behind']))}"
    if "before_retry" not in row:
        return row["error"] or ""
    before = row["before_retry"]
    # In a few words: the error has to have room behind them.
    if is_to_come(before["retried_at"], now):
        told = f"retry {local_short(before['retried_at'], zone, now)}"
    else:
        waits = row["state"] in ("queued", "claimed", "retrying")
        told = f"retry {'waits' if waits else row['state']}"
    return f"{told}; {before['error']}" if before["error"] else told
