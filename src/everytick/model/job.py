"""One `add_job(...)` call: its function, its id, its options, and the line on which it stands."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import functions, heartbeat_url, ticks
from .backoff import Backoff
from .roles import DEFAULT_QUEUE, check_name, check_queue
from .schedule import Schedule

_LONGEST_RETRY_DELAY = 3_600.0
# A century in seconds: more is a mistake, and instants must fit into 64 bits.
_LONGEST = 100 * 366 * 86_400
# More of anything is a mistake, and numbers must fit into 64 bits.
_MOST = 2**31 - 1
# What becomes of a tick at which `max_instances` runs are under way.
OVERLAPS = ("skip", "wait", "wait-one", "replace")
# What becomes of a run whose process died or was stopped.
ON_CRASH = ("rerun", "skip")
# How many ticks of one job may wait for its earlier runs: without a grace time they would be ever more.
_MOST_WAITING = 1_000


@dataclass(frozen=True)
class Options:
    """The options of a job beside its trigger. Times are seconds.

    misfire_grace_time: how late a run may still start; None for any time.
    coalesce: of several missed ticks run only the newest.
    max_instances: runs of this job at once, over all processes.
    max_catch_up: with coalesce=False, how many missed ticks are made up for.
    timeout: how long an attempt may take; None for any time.
    retries: how often a failed or timed out run is tried again.
    retry_delay: how long until the first retry; each further one waits twice as long, at most an hour,
        and up to a tenth more, so that many do not come back at once.
    on_crash: what becomes of a run whose process died or was stopped: `rerun`, within its grace and at most
        three times, or `skip`.
    ping: an address that is called when a run begins and when it has ended (a dead man's switch).
    alert: whether people are alerted when something is wrong with this job.
    queue: which workers run it, where the work is split over processes: those that serve this queue.
    overlap: what becomes of a tick at which `max_instances` runs are under way. `skip`: it is skipped.
        `wait`: it waits within its grace time, the oldest first. `wait-one`: only the newest one waits.
        `replace`: the oldest run is asked to end, and the tick runs when it has ended.
    group: the jobs whose runs share a limit, over all processes: the one that SCHEDULER_GROUP_LIMITS has for
        this name.
    """

    misfire_grace_time: float | None
    coalesce: bool = True
    max_instances: int = 1
    max_catch_up: int = 10
    timeout: float | None = None
    retries: int = 0
    retry_delay: float = 10
    on_crash: str = "rerun"
    # The address is a secret: anybody who knows it can call it. So it is not shown.
    ping: str | None = field(default=None, repr=False)
    alert: bool = True
    queue: str = DEFAULT_QUEUE
    overlap: str = "skip"
    group: str | None = None

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Options:
        """Return the options that a ledger keeps.

        Raises ValueError for one that is not known here: a newer version of the engine wrote it.
        """
        unknown = sorted(set(kept) - OPTION_NAMES)
        if unknown:
            raise ValueError(f"it has options that this version of everytick lacks: {', '.join(unknown)}")
        return cls(**kept)

    def check(self) -> None:
        """Raise ValueError for a value that cannot be meant."""
        for name in ("misfire_grace_time", "timeout"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 < value <= _LONGEST):
                raise ValueError(
                    f"{name}={value!r} must be seconds above 0 (at most a century), or None for no limit"
                )
        if not _is_number(self.retry_delay) or not 0 <= self.retry_delay <= _LONGEST:
            raise ValueError(f"retry_delay={self.retry_delay!r} must be seconds, 0 or more")
        for name in ("coalesce", "alert"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} must be True or False")
        for name, least in (("max_instances", 1), ("max_catch_up", 1), ("retries", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}={value!r} must be a whole number, {least} or more")
            if value > _MOST:
                raise ValueError(f"{name}={value!r:.40} must be a whole number, at most {_MOST:,}")
        if self.on_crash not in ON_CRASH:
            raise ValueError(f"on_crash={self.on_crash!r} must be 'rerun' or 'skip'")
        if self.overlap not in OVERLAPS:
            raise ValueError(f"overlap={self.overlap!r:.40} must be 'skip', 'wait', 'wait-one' or 'replace'")
        check_queue(self.queue)
        if self.group is not None:
            check_name("group", self.group)
        if self.ping is not None:
            heartbeat_url.check(self.ping)

    @functools.cached_property
    def grace(self) -> int | None:
        """The grace in microseconds."""
        return None if self.misfire_grace_time is None else int(self.misfire_grace_time * ticks.SECOND)


OPTION_NAMES = frozenset(option.name for option in dataclasses.fields(Options))


@dataclass
class Job:
    """A job. `where` is the file and line of its declaration.

    given: the options that the declaration names; the others are the application's defaults.
    added: the job was added while running and is kept in the ledger, not declared in the code.
    annotated: its function gets what its annotations name, such as a date, made from the text that is kept.
    renamed_from: the id that it had before, whose history, pause and watermark it takes over.
    owner: what `remove()`, `modify()` and their like are asked of.
    """

    id: str
    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    schedule: Schedule
    options: Options
    where: str
    paused_at_first: bool = False
    startup_delay: int | None = None
    # It may hold the address of `ping`, which is not shown; `options` has all else of it.
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    added: bool = False
    annotated: bool = False
    renamed_from: str | None = None
    owner: Any = field(default=None, repr=False, compare=False)

    @functools.cached_property
    def is_coroutine_function(self) -> bool:
        """Whether it runs on the event loop; a plain function runs on a thread."""
        return functions.is_coroutine_function(self.func)

    @property
    def reference(self) -> str:
        """The function as `module:name`, for people."""
        return functions.reference(self.func)

    @property
    def definition(self) -> str:
        """The data that decides the ticks: trigger, zone and anchor, not function, name or options (R8)."""
        return self.schedule.ticks.canonical

    @property
    def only_tick(self) -> int | None:
        """The tick of a job that has a single one."""
        return getattr(self.schedule.ticks, "at", None)

    @property
    def trigger(self) -> str:
        """The trigger as text."""
        return self.schedule.text

    @property
    def next_run_time(self) -> datetime | None:
        """The next tick from now on, in the job's zone; None while it is paused, and if there is none.

        Whether a job of a schedule that runs is paused is read from the ledger. Raises LedgerError if that
        does not answer.
        """
        tick = self.next_tick(ticks.now())
        if tick is None or (self.owner is not None and self.id in self.owner.paused_jobs()):
            return None
        return ticks.moment(tick, self.schedule.zone)

    def due(self, tick: int) -> int:
        """Return the instant from which the run of `tick` may start: the tick and its jitter."""
        return self.schedule.due(self.id, tick)

    def too_late(self, due: int, now: int) -> bool:
        """Return whether a run due at `due` is beyond its grace at `now`."""
        grace = self.options.grace
        return grace is not None and now > due + grace

    @property
    def most_caught_up(self) -> int:
        """How many missed ticks are made up for (R5)."""
        return 1 if self.options.coalesce else self.options.max_catch_up

    @property
    def most_waiting(self) -> int:
        """How many ticks may wait, when more have come due than could begin; the newest of them do."""
        known = {"wait": _MOST_WAITING, "wait-one": 1, "replace": 1}
        return known.get(self.options.overlap, self.most_caught_up)

    def retry_at(self, run_id: int, tries: int, now: int) -> int | None:
        """Return when a run that failed for the `tries`-th time is tried again; None for not at all."""
        if tries > self.options.retries:
            return None
        first = self.options.retry_delay
        backoff = Backoff(first, max(first, _LONGEST_RETRY_DELAY))
        delay = int(backoff.pause(tries) * ticks.SECOND)
        return now + delay + ticks.jitter(f"{self.id}/{run_id}", tries, delay // 10)

    def next_tick(self, after: int) -> int | None:
        """Return the first tick later than `after`, or None when there is none."""
        return self.schedule.ticks.next(after)

    def remove(self) -> None:
        """Remove the job from its scheduler."""
        self.owner.remove_job(self.id)

    def pause(self) -> None:
        """Pause the job until it is resumed, over restarts too."""
        self.owner.pause_job(self.id)

    def resume(self) -> None:
        """Resume the paused job."""
        self.owner.resume_job(self.id)

    def modify(self, **changes: Any) -> Job:
        """Change the job; return it as it is then."""
        return self.owner.modify_job(self.id, **changes)  # type: ignore[no-any-return]

    def reschedule(self, trigger: Any, **trigger_args: Any) -> Job:
        """Give the job another trigger; return it as it is then."""
        return self.owner.reschedule_job(self.id, trigger=trigger, **trigger_args)  # type: ignore[no-any-return]

    def ticks_between(self, begin: datetime, end: datetime) -> list[datetime]:
        """Return the ticks from `begin` (included) to `end` (not included), in the job's zone.

        A datetime without a zone is read in the job's zone. For tests of a schedule.
        """
        zone = self.schedule.zone
        first, last = (ticks.instant_in(moment, zone) for moment in (begin, end))
        found = []
        tick = self.next_tick(first - 1)
        while tick is not None and tick < last:
            found.append(ticks.moment(tick, zone))
            tick = self.next_tick(tick)
        return found


def derive_id(function: Callable[..., Any], schedule: Schedule, args: Any, kwargs: Any) -> str:
    """Return an id that is the same at every start, from function, trigger and arguments.

    Raises ValueError when one of them has no canonical form; then the user must give an id.
    """
    parts = [functions.canonical(function), schedule.ticks.canonical]
    canonical = [*parts, functions.as_json(args), functions.as_json(kwargs)]
    digest = hashlib.sha256(json.dumps(canonical).encode()).hexdigest()[:8]
    return f"{functions.function_name(function).strip('<>').replace('.', '_')}-{digest}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
