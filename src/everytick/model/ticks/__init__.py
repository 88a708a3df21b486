"""When a job is due: from a trigger's canonical form to UTC instants.

Pure functions of the definition and the time zone database, without I/O (`present` alone reads the clock). An
instant is an integer: microseconds since 1970-01-01T00:00 UTC. Every set of ticks has

- `canonical`: text that is equal for equal sets of ticks, and is what "the same definition" means
- `next(after)`: the first tick later than `after`, or None when there is none
- `note(tick)`: a sentence if a clock change or an excluded day makes a tick's time odd, else an empty text
- `postponed(tick)`: by how much the planned times of day that are due at a tick lie before it on the wall
  clock: by nothing, but for those that the clock jumps over (R9)
"""

from .combined import IntersectionTicks, UnionTicks
from .counting import count, jitter, newest
from .cron import CronTicks
from .days import Days, spelled
from .excluding import ExcludingTicks, Shift, Workday
from .present import forget, hear, now
from .protocol import Ticks
from .regular import CalendarTicks, DateTicks, IntervalTicks
from .zones import (
    DAY,
    EPOCH,
    FIRST,
    FOREVER,
    LAST,
    SECOND,
    instant,
    instant_in,
    instant_of_wall,
    moment,
    note_on_wall_clock,
)

__all__ = [
    "DAY",
    "EPOCH",
    "FIRST",
    "FOREVER",
    "LAST",
    "SECOND",
    "CalendarTicks",
    "CronTicks",
    "DateTicks",
    "Days",
    "ExcludingTicks",
    "IntersectionTicks",
    "IntervalTicks",
    "Shift",
    "Ticks",
    "UnionTicks",
    "Workday",
    "count",
    "forget",
    "hear",
    "instant",
    "instant_in",
    "instant_of_wall",
    "jitter",
    "moment",
    "newest",
    "note_on_wall_clock",
    "now",
    "spelled",
]
