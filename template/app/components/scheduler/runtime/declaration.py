"""One `add_job(...)` call: its function, its id, its options, and the line on which it stands."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import apscheduler

from . import ticks
from .errors import ScheduleError
from .settings import APP_ROOT
from .triggers import Schedule

_MACHINERY = (str(Path(__file__).parent), str(Path(apscheduler.__file__).parent))

_LONGEST_RETRY_DELAY = 3_600.0
# A century in seconds: more is a mistake, and instants must fit into 64 bits.
_LONGEST = 100 * 366 * 86_400


@dataclass(frozen=True)
class Options:
    """What a job may ask for beyond its trigger. Times are seconds.

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
    """

    misfire_grace_time: float | None
    coalesce: bool = True
    max_instances: int = 1
    max_catch_up: int = 10
    timeout: float | None = None
    retries: int = 0
    retry_delay: float = 10
    on_crash: str = "rerun"

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
        if not isinstance(self.coalesce, bool):
            raise ValueError(f"coalesce={self.coalesce!r} must be True or False")
        for name, least in (("max_instances", 1), ("max_catch_up", 1), ("retries", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}={value!r} must be a whole number, {least} or more")
        if self.on_crash not in ("rerun", "skip"):
            raise ValueError(f"on_crash={self.on_crash!r} must be 'rerun' or 'skip'")

    @property
    def grace(self) -> int | None:
        """The grace in microseconds."""
        return None if self.misfire_grace_time is None else int(self.misfire_grace_time * ticks.SECOND)


@dataclass
class Job:
    """A declared job. `where` is the file and line of its declaration."""

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

    @property
    def reference(self) -> str:
        """The function as `module:name`, for people."""
        return reference(self.func)

    @property
    def definition(self) -> str:
        """What decides the ticks: trigger, zone and anchor, not function, name or options (R8)."""
        return self.schedule.ticks.canonical

    @property
    def trigger(self) -> str:
        """The trigger as text."""
        return self.schedule.text

    @property
    def next_run_time(self) -> datetime | None:
        """The next tick from now on, in the job's zone; the ledger may know that the job is paused."""
        tick = self.next_tick(ticks.now())
        return None if tick is None else ticks.moment(tick, self.schedule.zone)

    def due(self, tick: int) -> int:
        """Return the instant from which the run of `tick` may start: the tick and its jitter."""
        return tick + ticks.jitter(self.id, tick, self.schedule.jitter)

    def too_late(self, due: int, now: int) -> bool:
        """Return whether a run due at `due` is beyond its grace at `now`."""
        grace = self.options.grace
        return grace is not None and now > due + grace

    def retry_at(self, run_id: int, tries: int, now: int) -> int | None:
        """Return when a run that failed for the `tries`-th time is tried again; None for not at all."""
        if tries > self.options.retries:
            return None
        first = self.options.retry_delay
        seconds = min(first * 2.0 ** min(tries - 1, 60), max(first, _LONGEST_RETRY_DELAY))
        delay = int(seconds * ticks.SECOND)
        return now + delay + ticks.jitter(f"{self.id}/{run_id}", tries, delay // 10)

    def next_tick(self, after: int) -> int | None:
        """Return the first tick later than `after`, or None when there is none."""
        return self.schedule.ticks.next(after)

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


def call_site() -> str:
    """Return `file:line` of the nearest caller that is not part of the machinery."""
    frame = sys._getframe(1)
    while frame.f_back and is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"


def is_machinery(filename: str) -> bool:
    """Return whether a file belongs to this runtime or to APScheduler."""
    return filename.startswith(_MACHINERY)


def shown_path(filename: str) -> str:
    """Return a file's path as a person at the app's root would write it."""
    path = Path(filename)
    return path.relative_to(APP_ROOT).as_posix() if path.is_relative_to(APP_ROOT) else filename


def resolve(function: Any) -> Callable[..., Any]:
    """Return the callable that `function` is or, as `package.module:name`, refers to."""
    if isinstance(function, str):
        module, _, name = function.partition(":")
        if not name:
            raise ValueError(
                f"{function!r} is not a reference such as 'app.services.my_tasks:backup_database'"
            )
        try:
            found: Any = import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except Exception as problem:
            raise ValueError(f"{function!r} cannot be imported: {problem}") from None
        function = found
    if inspect.iscoroutine(function):
        function.close()
        raise ValueError("the function was called instead of given: leave the parentheses away")
    if not callable(function):
        raise ValueError(f"{function!r} is not a function")
    inner = unwrapped(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise ValueError(f"{function_name(function)} has a `yield`: calling it would run nothing of it")
    return function  # type: ignore[no-any-return]


def call_arguments(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return `args` and `kwargs` of add_job as the function will get them."""
    if args is not None and not isinstance(args, list | tuple):
        raise ValueError(f"args={args!r} must be a list or a tuple")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise ValueError(f"kwargs={kwargs!r} must be a dict")
    return tuple(args or ()), dict(kwargs or {})


def check_arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Raise ValueError if `function(*args, **kwargs)` could not be called."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as problem:
        raise ValueError(
            f"{function_name(function)} cannot be called with these arguments: {problem}"
        ) from None


def unwrapped(function: Any) -> Any:
    """Return the function inside of any `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _qualified(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def function_name(function: Any) -> str:
    """Return a short name for people."""
    return _qualified(unwrapped(function)).rpartition(".<locals>.")[2]


def reference(function: Any) -> str:
    """Return `module:name` of a function, as it is shown."""
    function = unwrapped(function)
    return f"{getattr(function, '__module__', '?')}:{_qualified(function)}"


def derive_id(function: Callable[..., Any], schedule: Schedule, args: Any, kwargs: Any) -> str:
    """Return an id that is the same at every start, from function, trigger and arguments.

    Raises ValueError when one of them has no canonical form; then the user must give an id.
    """
    canonical = [_canonical(function), schedule.ticks.canonical, _json(args), _json(kwargs)]
    digest = hashlib.sha256(json.dumps(canonical).encode()).hexdigest()[:8]
    return f"{function_name(function).strip('<>').replace('.', '_')}-{digest}"


def _canonical(function: Any) -> str:
    if isinstance(function, functools.partial):
        return f"{_canonical(function.func)}({_json(function.args)}, {_json(function.keywords)})"
    owner = getattr(function, "__self__", None)
    if inspect.isclass(owner):
        return f"{reference(owner)}.{function.__name__}"
    if owner is not None and not inspect.ismodule(owner):
        raise ValueError(
            f"a method of a {type(owner).__name__} object has no name that lasts: give it an id="
        )
    if getattr(function, "__closure__", None) and not _is_importable(function):
        raise ValueError(
            f"{function_name(function)} is a closure, which has no name that lasts: give it an id="
        )
    if not hasattr(function, "__qualname__"):
        raise ValueError(f"a {type(function).__name__} object has no name that lasts: give it an id=")
    return reference(function)


def _is_importable(function: Any) -> bool:
    """Return whether a function stands under its own name in its module, as a decorated one does."""
    found: Any = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def _json(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(
            "its arguments are not plain data, so no lasting id can be derived: give it an id="
        ) from None


def fail(where: str, job: str | None, problem: object) -> ScheduleError:
    """Return the error for a declaration: place, job, what is wrong."""
    return ScheduleError(f"{where}: {f'job {job!r}: ' if job else ''}{problem}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
