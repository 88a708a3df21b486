"""The jobs of the application under test, and when each is due, in plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
# The number that Python has for the day 1970-01-01.
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class JobSpec:
    """One job: a tick every `step` microseconds since the epoch (0: none), and every `also` as well.

    steps: what `step` is in one deployment or another, for a job that a redeploy changes.
    leaves: it is in the code of every other deployment only. ids: its id in one deployment or another.
    excluded: the days on which it has no tick, counted from 1970-01-01. shift: to where these are moved.
    once: single ticks, for a job that was asked for while the world ran.
    ends: how a run ends to which no harm is done; with `ends_every` only one of the schedule whose tick is a
        multiple of that, and others succeed.
    overlap: what becomes of a tick while the run before goes on. group: whose limit its runs share.
    added: it is no part of the code, but was added while running.
    """

    id: str
    step: int = 0
    body: str = "quick"
    options: str = ""
    trigger: str = '"interval"'
    also: int = 0
    steps: tuple[int, ...] = ()
    once: frozenset[int] = frozenset()
    grace: int = 60 * SECOND
    jitter: int = 0
    catch_up: int = 1
    max_instances: int = 1
    reruns: bool = True
    retries: int = 0
    startup: bool = False
    ends: str = "succeeded"
    ends_every: int = 0
    added: bool = False
    overlap: str = "skip"
    group: str = ""
    leaves: bool = False
    ids: tuple[str, ...] = ()
    excluded: tuple[int, ...] = ()
    shift: str = "skip"

    @property
    def changes(self) -> bool:
        """Whether a redeploy changes it: then only processes with the newer code decide about it (R8)."""
        return bool(self.steps or self.leaves or self.ids)

    def as_deployed(self, number: int) -> JobSpec | None:
        """Return it as it stands in the code of a deployment; None where it is not there."""
        if self.leaves and number % 2:
            return None
        if self.steps:
            return JobSpec(self.id, self.steps[number % len(self.steps)])
        if self.ids:
            now, before = (self.ids[which % len(self.ids)] for which in (number, number - 1))
            return replace(self, id=now, options=f'renamed_from="{before}"')
        return self

    def declaration(self) -> str:
        """Return the line of the schedule that declares it."""
        parts = [self.body, self._trigger(), f'id="{self.id}"', self.options]
        parts += [f'overlap="{self.overlap}"'] if self.overlap != "skip" else []
        parts += [f'group="{self.group}"'] if self.group else []
        days = [date.fromordinal(_EPOCH + day).isoformat() for day in self.excluded]
        parts += [f"exclude={days}"] if days else []
        parts += [f'shift="{self.shift}"'] if self.shift != "skip" else []
        return f"scheduler.add_job({', '.join(part for part in parts if part)})"

    def _trigger(self) -> str:
        if self.also:
            parts = (f"IntervalTrigger({_every(step)})" for step in (self.step, self.also))
            return f"OrTrigger([{', '.join(parts)}])"
        return f"{self.trigger}, {_every(self.step)}" if self.trigger == '"interval"' else self.trigger

    def end_of(self, kind: str, tick: int | None) -> str:
        """Return how a run of a kind and a tick ends to which no harm is done."""
        is_so = not self.ends_every or (kind == "scheduled" and (tick or 0) % self.ends_every == 0)
        return self.ends if is_so else "succeeded"

    def is_tick(self, instant: int) -> bool:
        steps = self.steps or [step for step in (self.step, self.also) if step]
        offsets = self._offsets(instant // DAY)
        return instant in self.once or any((instant - by) % step == 0 for step in steps for by in offsets)

    def next_tick(self, after: int) -> int | None:
        """Return the first tick later than `after`."""
        if self.step and not (self.also or self.once or self.excluded):
            # As most, and asked for each tick that there is.
            return (after // self.step + 1) * self.step
        steps = [step for step in (self.step, self.also) if step]
        once = [tick for tick in self.once if tick > after]
        if not self.excluded or not steps:
            return min([*((after // step + 1) * step for step in steps), *once], default=None)
        day = (after + 1) // DAY
        while not (found := self._first_of(day, steps, after)):
            day += 1
        return min([found, *once])

    def _first_of(self, day: int, steps: Sequence[int], after: int) -> int:
        """Return the first tick of a day later than an instant; 0 for none."""
        since = max(after, day * DAY - 1)
        found = [((since - by) // step + 1) * step + by for step in steps for by in self._offsets(day)]
        return min((tick for tick in found if tick // DAY == day), default=0)

    def _offsets(self, day: int) -> list[int]:
        """Return by how much those ticks are moved that are due on a day: its own, and of excluded days."""
        own = [] if day in self.excluded else [0]
        return own + [(day - other) * DAY for other in self.excluded if self._target(other) == day]

    def _target(self, day: int) -> int | None:
        """Return the day on which the ticks of an excluded day are due; None if they are left out."""
        by = {"next-workday": 1, "previous-workday": -1}.get(self.shift)
        # 1970-01-01 was a Thursday, and from Monday to Friday people work.
        while by and (day in self.excluded or (day + 3) % 7 > 4):
            day += by
        return day if by else None

    def count(self, first: int, last: int) -> int:
        """Return how many ticks lie from `first` to `last`, both included."""
        tick, number = self.next_tick(first - 1), 0
        while tick is not None and tick <= last:
            tick, number = self.next_tick(tick), number + 1
        return number


def _every(step: int) -> str:
    return f'seconds={step / SECOND:g}, start_date="1970-01-01T00:00:00+00:00"'


# Not datetime.now(): the moment must be the one that the processes' own clock shows.
_AT_EACH_START = "next_run_time=datetime.fromtimestamp(time.time_ns() / 1e9)"

SCHEDULE = [
    JobSpec("quick", SECOND),
    JobSpec("half", SECOND // 2),
    JobSpec("cron", 2 * SECOND, trigger='"cron", second="*/2"'),
    JobSpec("either", 2 * SECOND, also=3 * SECOND),
    JobSpec("slow", 3 * SECOND, "slow"),
    JobSpec("thread", 2 * SECOND, "thread"),
    JobSpec("once_only", 2 * SECOND, "slow", 'on_crash="skip"', reruns=False),
    JobSpec("all", SECOND, options="coalesce=False, max_catch_up=5", catch_up=5),
    JobSpec("pair", SECOND, "slow", "max_instances=2", max_instances=2),
    JobSpec("flaky", 2 * SECOND, "flaky", "retries=2, retry_delay=0.2", retries=2),
    JobSpec("late", 2 * SECOND, options="jitter=1", jitter=SECOND),
    JobSpec("strict", SECOND, options="jitter=2, misfire_grace_time=2", jitter=2 * SECOND, grace=2 * SECOND),
    JobSpec(
        "spread", SECOND, options="coalesce=False, max_catch_up=4, jitter=3", jitter=3 * SECOND, catch_up=4
    ),
    JobSpec("dozer", 5 * SECOND, "dozer", "timeout=1", ends="timed_out"),
    JobSpec("numb", 4 * SECOND, "numb", "timeout=0.5", ends="timed_out"),
    JobSpec("hog", 10 * SECOND, "hog"),
    JobSpec("added", 2 * SECOND, added=True),
    # A person has added it, of a function on offer: it says how far it is, and returns something.
    JobSpec("tells", 8 * SECOND, "tell", added=True),
    # Its past ticks are filled while the world runs.
    JobSpec("past", HOUR, "thread"),
    JobSpec("boot", trigger="", startup=True),
    JobSpec("warm", 4 * SECOND, "slow", _AT_EACH_START, startup=True),
    # Of four ticks one takes longer than the time to the next two.
    JobSpec("each", SECOND, "burst", overlap="wait"),
    JobSpec("newest", SECOND, "burst", overlap="wait-one"),
    JobSpec("replaced", SECOND, "slow", overlap="replace", ends="cancelled"),
    JobSpec("each_late", 2 * SECOND, "burst", "jitter=1", overlap="wait", jitter=SECOND),
    *(JobSpec(f"shared{number}", 3 * SECOND, "slow", group="shared") for number in range(3)),
    JobSpec("shared_thread", 4 * SECOND, "thread", group="shared", overlap="wait"),
    # A redeploy changes this job's step.
    JobSpec("morph", 5 * SECOND, steps=(5 * SECOND, 7 * SECOND)),
]
# Those that some processes are set not to run, and one of which each third tick is made up for later.
NEWEST = [
    JobSpec("mail", SECOND),
    JobSpec("mail_each", 2 * SECOND, options="coalesce=False, max_catch_up=4", catch_up=4),
    JobSpec("mail_slow", 3 * SECOND, "slow", overlap="wait"),
    JobSpec("gappy", 2 * SECOND, "gappy", "timeout=0.5", ends="timed_out", ends_every=6 * SECOND),
]


def dated(day: int) -> list[JobSpec]:
    """Return jobs that leave out days, or move their ticks: around the end of a workday before another."""
    zone = 'timezone="UTC"'
    both = f"coalesce=False, max_catch_up=3, {zone}"
    return [
        JobSpec("until_midnight", SECOND, options=zone, excluded=(day + 1,)),
        JobSpec("since_midnight", 2 * SECOND, options=both, catch_up=3, excluded=(day,)),
        # On each day the ticks are at other times, so that those of two days are not the same ones.
        JobSpec("put_off", 7 * SECOND, options=zone, excluded=(day,), shift="next-workday"),
        JobSpec("put_forward", 7 * SECOND, options=zone, excluded=(day + 1,), shift="previous-workday"),
    ]


def schedule_around(day: int) -> list[JobSpec]:
    """Return all jobs of a world in which a day, counted from 1970-01-01, comes to its end."""
    return [*SCHEDULE, *NEWEST, *dated(day)]


@dataclass(frozen=True)
class Environment:
    """Which jobs a process is set to run: by these settings, which disable those jobs."""

    enabled: str = ""
    disabled: str = ""
    disables: tuple[str, ...] = ()

    def variables(self) -> dict[str, str]:
        """Return the settings as variables of a process."""
        return {"SCHEDULER_ENABLED_JOBS": self.enabled, "SCHEDULER_DISABLED_JOBS": self.disabled}


EVERYTHING = Environment()
ENVIRONMENTS = (
    EVERYTHING,
    Environment(disabled="mail*", disables=("mail", "mail_each", "mail_slow")),
    Environment(enabled="[!m]*, morph, m?il", disables=("mail_each", "mail_slow")),
    Environment(enabled="*", disabled="mail_s*", disables=("mail_slow",)),
)
# How many runs of a backfill may begin in a minute: few enough for each to be seen apart from the next one.
RATES = (20, 40)
# How many runs of a group may be under way.
LIMITS = {"shared": 2}
# The jobs that are paused and resumed.
PAUSABLE = ("quick", "slow", "all", "cron", "late")

# The bodies that run on threads.
ON_THREADS = ("thread", "numb")

# What the body `tell` says of how far it is, in ten-thousandths: from one time to the next, and at the end.
STEP, WHOLE = 500, 10_000
