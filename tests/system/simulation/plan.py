"""What happens in the world of one seed: which jobs, how many processes, and which faults at which times.

All of it is drawn before the world begins, so that `shrinking` can leave out any part of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torture.jobs import DAY, ENVIRONMENTS, NEWEST, PAUSABLE, RATES, SCHEDULE, SECOND, JobSpec, dated

# What the clock shows in most worlds when they begin, in seconds since 1970: a Saturday in 2027, by day.
BEGINS = 1_800_100_000
# Some begin shortly before the end of that Saturday. The days are counted from 1970-01-01.
_MIDNIGHT = 1_800_144_000
_SATURDAY, _SUNDAY = 20_834, 20_835

# The first instant at which anything is done to the processes, in seconds: they have begun by then.
FIRST = 3.0
# Each schedule has these: one by which a late decision is seen, and one that a redeploy changes.
_ALWAYS = ("quick", "morph")
# All but the one that torture's requester adds.
JOBS = tuple(spec.id for spec in SCHEDULE if not spec.added)

# Those that only simulated worlds have, half of them: a job that ends only if it is cancelled, jobs that
# swallow that, one that a deploy takes out of the code and the next one puts back, and some that it renames.
MORE_JOBS = (
    JobSpec("endless", 15 * SECOND, "endless"),
    JobSpec("deaf", 6 * SECOND, "deaf"),
    JobSpec("deaf_limited", 7 * SECOND, "deaf", "timeout=0.7", ends="timed_out"),
    JobSpec("leaving", SECOND, "slow", leaves=True, overlap="wait"),
    JobSpec("named", SECOND, ids=("named", "renamed")),
    JobSpec("named_slow", 2 * SECOND, "slow", ids=("named_slow", "renamed_slow")),
)

# Those of every fourth world: jobs with excluded days, one that says how far it is and returns something, and
# some whose runs go on for long while newer ticks wait, or are to take their place.
NEWEST_JOBS = (
    JobSpec("but_sunday", SECOND, excluded=(_SUNDAY,)),
    JobSpec(
        "only_sunday",
        2 * SECOND,
        options="coalesce=False, max_catch_up=3",
        catch_up=3,
        excluded=(_SATURDAY,),
    ),
    JobSpec("telling", 5 * SECOND, "tell"),
    JobSpec("newest_of_many", SECOND, "dozer", overlap="wait-one"),
    JobSpec("replaced_endless", 5 * SECOND, "endless", overlap="replace", ends="cancelled"),
)
# Those of other worlds, again every fourth: jobs that processes are set not to run, one whose missed ticks
# are made up for, and jobs whose ticks are moved from the day that ends, or to it.
_TUESDAY = 20_837
LATEST_JOBS = (*NEWEST, *dated(_TUESDAY))
# Those of plans that were written by hand alone: no world of a seed has them.
OTHER_JOBS = (
    JobSpec(
        "replaced_late",
        2 * SECOND,
        "slow",
        options="jitter=4",
        jitter=4 * SECOND,
        overlap="replace",
        ends="cancelled",
    ),
)
# What is felt for long after it was done.
_LONG_FELT = {"set clock", "kill all", "storm", "backfill", "fill by rate", "fill missed"}
# The jobs whose runs take long enough to be harmed, and begin again after a crash.
_LONG = ("slow", "thread", "pair", "telling")


@dataclass(frozen=True)
class Act:
    """One thing that is done. `at`: seconds from the beginning of the world.

    slot: to which of the processes. job: to which job. number, seconds: as `kind` needs them.
    """

    at: float
    kind: str
    slot: int = 0
    job: str = ""
    number: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        values = (("slot", self.slot), ("job", self.job), ("number", self.number), ("seconds", self.seconds))
        return f"{self.at:8.3f} s  {self.kind} " + " ".join(
            f"{name}={value}" for name, value in values if value
        )


@dataclass(frozen=True)
class Plan:
    """A world. `seconds`: how long things are done to it.

    apart: whether each process is on its own host. grace: how long running jobs get at a stop, in seconds.
    begins: what the clock shows at first, in seconds since 1970.
    """

    seed: int
    jobs: tuple[str, ...]
    slots: int
    apart: bool
    workers: int
    grace: float
    seconds: float
    acts: tuple[Act, ...]
    begins: int = BEGINS

    @property
    def quiet(self) -> int:
        """For how many seconds the world is left alone at its end.

        Runs that were cut off must be found, by heartbeat or lease; where the clock was set, a process that
        sleeps must notice that, within 30 s (R10); and where all died, those that come must find that out.
        """
        return 45 if {act.kind for act in self.acts} & _LONG_FELT else 30

    def without(self, acts: Sequence[Act]) -> Plan:
        """Return the same without some acts."""
        left_out = set(map(id, acts))
        return replace(self, acts=tuple(act for act in self.acts if id(act) not in left_out))

    def __str__(self) -> str:
        where = "each on a host of its own" if self.apart else "on one host"
        first = (
            f"seed {self.seed}: {self.slots} process(es) {where}, {self.workers} workers each,"
            f" {self.grace:g} s for a stop, {self.seconds:g} s from {self.begins} on,"
            f" jobs {' '.join(self.jobs)}"
        )
        return "\n".join([first, *(f"  {act}" for act in self.acts)])


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed."""
    choice = random.Random(f"{seed} plan")
    some = choice.sample(JOBS, choice.randint(2, len(JOBS)))
    jobs = tuple(job for job in JOBS if job in some or job in _ALWAYS)
    seconds = choice.choice([15.0, 30.0, 45.0])
    # Many worlds have few faults, so that nothing but them can be to blame.
    number = choice.choice([0, 1, 2, 2, 3, 4, 6, 8, 12, 20])
    slots = choice.choice([1, 2, 2, 3, 3, 4])
    streams = choice.sample(list(_STREAMS), choice.randint(1, len(_STREAMS)))
    acts: list[Act] = []
    for _ in range(number):
        at, slot = _instant(choice, FIRST, FIRST + seconds), choice.randrange(slots)
        drawn = _STREAMS[choice.choice(streams)](choice, at)
        job = choice.choice([job for job in PAUSABLE if job in jobs])
        acts += [replace(act, slot=slot, job=job if act.job else "") for act in drawn]
    # Enough for all that runs at once, also where one of the processes is down.
    workers = choice.choice([6, 6, 20] if slots > 1 else [12, 20])
    grace = choice.choice([0.3, 2.0, 2.0])
    plan = Plan(seed, jobs, slots, choice.random() < 0.5, workers, grace, FIRST + seconds, ())
    return _with_latest(_with_newest(_with_more(plan, acts)))


def _with_more(plan: Plan, acts: list[Act]) -> Plan:
    """Return a plan with these acts and, in every other world, with further ones.

    They are drawn apart, so that the worlds without them stay what they were.
    """
    choice = random.Random(f"{plan.seed} more")
    if choice.random() < 0.5:
        return replace(plan, acts=_in_order(acts))
    some = [job.id for job in MORE_JOBS if choice.random() < 0.5]
    jobs = tuple(dict.fromkeys((*plan.jobs, *some, "past")))
    streams = choice.sample(list(_MORE), choice.randint(1, len(_MORE)))
    for _ in range(choice.choice([1, 2, 4, 8, 16])):
        at, slot = _instant(choice, FIRST, plan.seconds), choice.randrange(plan.slots)
        # Runs that go on for long are there to be cancelled.
        job = choice.choice([choice.choice(jobs), *some])
        acts += [replace(act, slot=slot, job=job) for act in _MORE[choice.choice(streams)](choice, at)]
    if "deploying" in streams and choice.random() < 0.25:
        plan = replace(plan, slots=choice.choice([6, 8, 12]))
    # A run that does not end has its slot for itself, and those that people ask for come in addition.
    return replace(plan, jobs=jobs, workers=plan.workers + 6, acts=_in_order(acts))


def _with_newest(plan: Plan) -> Plan:
    """Return a plan with the newest jobs and faults in every fourth world: drawn apart, as those before."""
    if plan.seed % 4 != 3:
        return plan
    choice = random.Random(f"{plan.seed} newest")
    some = [job.id for job in NEWEST_JOBS if choice.random() < 0.7]
    jobs = tuple(dict.fromkeys((*plan.jobs, "slow", *some)))
    plan = replace(plan, jobs=jobs, workers=plan.workers + 6, begins=_MIDNIGHT - choice.randint(15, 40))
    acts = list(plan.acts)
    for _ in range(choice.choice([0, 1, 2, 4, 6])):
        at, slot = _instant(choice, FIRST, plan.seconds), choice.randrange(plan.slots)
        job = choice.choice([job for job in _LONG if job in jobs])
        drawn = choice.choice(_NEWEST)(choice, at, plan.begins)
        acts += [replace(act, slot=slot, job=act.job or job) for act in drawn]
    return replace(plan, acts=_in_order(acts))


def _with_latest(plan: Plan) -> Plan:
    """Return a plan with the latest jobs and acts in every fourth world: drawn apart, as those before."""
    if plan.seed % 4 != 2:
        return plan
    choice = random.Random(f"{plan.seed} latest")
    some = [job.id for job in LATEST_JOBS if choice.random() < 0.7]
    begins = (_TUESDAY + 1) * DAY // SECOND - choice.randint(15, 40)
    jobs = tuple(dict.fromkeys((*plan.jobs, *some, "past")))
    plan = replace(plan, jobs=jobs, workers=plan.workers + 6, begins=begins)
    acts = list(plan.acts)
    for _ in range(choice.choice([1, 2, 4, 6])):
        at, slot = _instant(choice, FIRST, plan.seconds), choice.randrange(plan.slots)
        acts += [replace(act, slot=slot) for act in choice.choice(_LATEST)(choice, at, begins)]
    return replace(plan, acts=_in_order(acts))


def _in_order(acts: list[Act]) -> tuple[Act, ...]:
    return tuple(sorted(acts, key=lambda act: act.at))


def _instant(choice: random.Random, begin: float, end: float) -> float:
    """Return an instant in seconds, most often near a tick: there things happen."""
    at = choice.uniform(begin, end)
    if choice.random() < 0.6:
        at = int(at) + choice.choice([-0.15, -0.05, -0.001, 0.0, 0.001, 0.003, 0.01])
    return round(at, 3)


def _killing(choice: random.Random, at: float) -> list[Act]:
    how = choice.random()
    if how < 0.15:
        return [Act(at, "kill all")]
    if how < 0.25:
        # One after the other, as a run that takes down its process does.
        return [Act(round(at + number * choice.uniform(0.8, 2.5), 3), "kill all") for number in range(6)]
    # For how long nothing comes in its place.
    kills = [Act(at, "kill", seconds=choice.choice([0.0, 0.0, 3.0, 12.0, 40.0]))]
    if how > 0.75:
        # The one that comes after it is killed while it begins.
        kills.append(Act(round(at + choice.uniform(0, 0.1), 3), "kill"))
    return kills


def _freezing(choice: random.Random, at: float) -> list[Act]:
    return [Act(at, "stop", seconds=choice.choice([0.5, 2.0, 6.0, 8.0, 14.5, 18.0, 25.0, 25.0]))]


def _ending(choice: random.Random, at: float) -> list[Act]:
    if choice.random() < 0.3:
        return [Act(at, "terminate twice", seconds=round(choice.uniform(0.01, 2), 3))]
    return [Act(at, choice.choice(["terminate", "redeploy"]))]


def _storing(choice: random.Random, at: float) -> list[Act]:
    kind = choice.choice(["lock", "lock", "full write", "full commit", "moved", "slow", "slow"])
    seconds = choice.choice([0.3, 1.0, 3.0, 7.0, 15.0])
    return [Act(at, kind, seconds=seconds, number=choice.choice([5, 50, 300, 1500]) if kind == "slow" else 1)]


def _setting_clocks(choice: random.Random, at: float) -> list[Act]:
    back = choice.random() < 0.5
    by = choice.choice([3, 20, 3_600]) if back else choice.choice([3, 40, 3_600])
    # For how long; an hour back must not last, since nothing is due then.
    lasts = choice.uniform(1, 6) if back and (by > 20 or choice.random() < 0.5) else 0.0
    return [Act(at, "set clock", number=-by if back else by, seconds=round(lasts, 3))]


def _asking(choice: random.Random, at: float) -> list[Act]:
    if choice.random() < 0.5:
        return [Act(at, "ask", number=choice.choice([0, 300, 2_000, 10_000]))]
    return [Act(at, "pause", job="some", seconds=choice.choice([0.1, 1.0, 4.0, 8.0, 12.0]))]


_STREAMS: dict[str, Callable[[random.Random, float], list[Act]]] = {
    "killing": _killing,
    "freezing": _freezing,
    "ending": _ending,
    "storing": _storing,
    "clocks": _setting_clocks,
    "people": _asking,
}


def _steering(choice: random.Random, at: float) -> list[Act]:
    kind = choice.choice(["run now", "cancel", "cancel", "retry", "retry"])
    acts = [Act(at, kind, number=choice.randrange(20))]
    if choice.random() < 0.5:
        # At once the same run is asked for something else, or all processes die that were to hear of it.
        after = round(at + choice.choice([0.0, 0.002, 0.2, 1.0]), 3)
        acts.append(Act(after, choice.choice(["cancel", "retry", "kill all"]), number=-1))
    return acts


def _filling(choice: random.Random, at: float) -> list[Act]:
    return [Act(at, "backfill", number=choice.randint(1, 5))]


def _losing_answers(choice: random.Random, at: float) -> list[Act]:
    return [Act(at, "lost", number=choice.choice([1, 1, 3]), seconds=choice.choice([0.3, 2.0]))]


def _deploying(choice: random.Random, at: float) -> list[Act]:
    return [Act(at, choice.choice(["redeploy", "redeploy", "redeploy all", "storm"]))]


_MORE: dict[str, Callable[[random.Random, float], list[Act]]] = {
    "steering": _steering,
    "filling": _filling,
    "losing answers": _losing_answers,
    "deploying": _deploying,
}


def _poisoning(choice: random.Random, at: float, _begins: int) -> list[Act]:
    # A run that takes down its process each time that it begins.
    return [Act(at, "poison", number=6, seconds=choice.choice([0.0, 0.1, 0.6]))]


def _holding_back(choice: random.Random, at: float, begins: int) -> list[Act]:
    # The run that is under way when its job is paused is cut off, and is asked for something before it can
    # begin again.
    at = round(at - (begins + at) % 3 + 3 + choice.uniform(0.1, 0.9), 3)
    after = [round(at + choice.uniform(*span), 3) for span in ((0.02, 0.2), (2.5, 4.5))]
    return [
        Act(at, "pause", job="slow", seconds=choice.choice([8.0, 12.0, 30.0])),
        Act(after[0], choice.choice(["kill all", "kill all", "redeploy all"])),
        Act(after[1], choice.choice(["cancel", "cancel", "retry"]), job="slow"),
    ]


def _beginning_anew(choice: random.Random, at: float, _begins: int) -> list[Act]:
    # Those that begin find only dead ones, and one of them is frozen before it knows that they are.
    after = round(at + choice.uniform(0.5, 6.0), 3)
    return [Act(at, "storm"), Act(after, "stop", seconds=choice.choice([18.0, 25.0]))]


def _offering(choice: random.Random, at: float, _begins: int) -> list[Act]:
    return [Act(at, "offer", number=choice.choice([1_500, 3_000, 10_000]))]


def _around_midnight(choice: random.Random, _at: float, begins: int) -> list[Act]:
    # A gap begins on one day and ends on the next one.
    midnight = -(-begins * SECOND // DAY) * DAY // SECOND
    at = max(FIRST, round(midnight - begins - choice.uniform(12, 25), 3))
    if choice.random() < 0.5:
        return [Act(at, "set clock", number=40)]
    return [Act(at, "terminate all", seconds=30.0)]


_NEWEST: tuple[Callable[[random.Random, float, int], list[Act]], ...] = (
    _poisoning,
    _holding_back,
    _beginning_anew,
    _offering,
    _around_midnight,
)


def _changing_settings(choice: random.Random, at: float, _begins: int) -> list[Act]:
    # Of one process, or of all; and sometimes back, so that they find the job as the others left it.
    kinds = ["set one", "set one", "set all"]
    acts = [Act(at, choice.choice(kinds), number=choice.randrange(1, len(ENVIRONMENTS)))]
    if choice.random() < 0.5:
        after = round(at + choice.uniform(0.1, 25), 3)
        acts.append(Act(after, choice.choice(kinds), number=choice.randrange(len(ENVIRONMENTS))))
    return acts


def _filling_by_rate(choice: random.Random, at: float, _begins: int) -> list[Act]:
    return [Act(at, "fill by rate", number=choice.randint(2, 8), seconds=choice.choice(RATES))]


def _filling_what_was_missed(choice: random.Random, at: float, _begins: int) -> list[Act]:
    acts = [Act(at, "fill missed", number=choice.choice([10, 20, 60]))]
    if choice.random() < 0.5:
        # Once more, when some of it is made up for.
        acts.append(Act(round(at + choice.uniform(0.5, 8), 3), "fill missed", number=60))
    return acts


_LATEST: tuple[Callable[[random.Random, float, int], list[Act]], ...] = (
    _changing_settings,
    _changing_settings,
    _filling_by_rate,
    _filling_what_was_missed,
    _around_midnight,
)
