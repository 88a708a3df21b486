"""Small worlds, written by hand or cut from those of seeds: what happens in each shows planted bugs at once.

Most begin 36 s before the end of a Tuesday, in a second whose number can be divided by two and three.
"""

from __future__ import annotations

from simulation.plan import Act, Plan

_BEGINS = 1_800_403_164

# What was missed while the clock was set ahead is made up for, twice.
MISSED = Plan(
    1,
    ("gappy",),
    1,
    False,
    12,
    2.0,
    30.0,
    (
        Act(4.0, "set clock", number=40),
        Act(6.0, "fill missed", number=60),
        Act(14.0, "fill missed", number=60),
    ),
    _BEGINS,
)
# Two processes look after one backfill.
FILLED = Plan(1, ("past",), 2, False, 12, 2.0, 12.0, (Act(4.0, "backfill", number=5),), _BEGINS)
# Two people add a job of an offered function by one id.
OFFERED = Plan(1, ("slow",), 1, False, 12, 2.0, 8.0, (Act(4.0, "offer", number=1_500),), _BEGINS)
# A person has a run tried again that took too long, and takes that back.
TAKEN_BACK = Plan(
    1,
    ("dozer",),
    1,
    False,
    12,
    2.0,
    18.0,
    (Act(12.0, "retry", job="dozer"), Act(12.002, "cancel", job="dozer", number=-1)),
    _BEGINS,
)
# A job is paused while a run of it is under way, which is then cut off, and cancelled.
PAUSED = Plan(
    1,
    ("slow",),
    1,
    False,
    12,
    2.0,
    24.0,
    (
        Act(6.5, "pause", job="slow", seconds=8.0),
        Act(6.6, "kill all"),
        Act(10.0, "cancel", job="slow"),
    ),
    1_800_143_970,
)
# One of two processes is set not to run a job; and both are, if there is no other.
ONE_DISABLES = Plan(
    1,
    ("mail",),
    2,
    False,
    12,
    2.0,
    30.0,
    (Act(5.5, "set one", number=1), Act(20.5, "set one", number=0)),
    _BEGINS,
)
ALL_DISABLE = Plan(
    1,
    ("mail",),
    1,
    False,
    12,
    2.0,
    30.0,
    (Act(5.5, "set all", number=1), Act(28.5, "set all", number=0)),
    _BEGINS,
)
# A run takes down its process each time that it begins.
POISONED = Plan(
    1, ("slow",), 1, False, 12, 2.0, 12.0, (Act(4.0, "poison", job="slow", number=6, seconds=0.1),), _BEGINS
)
# A process is asked to end while a run goes on that swallows that.
DEAF = Plan(1, ("deaf",), 1, True, 12, 0.3, 19.0, (Act(12.5, "terminate"),), _BEGINS)
# All processes are killed at once, and begin again.
STORM = Plan(1, ("boot",), 2, True, 12, 2.0, 18.0, (Act(8.0, "storm"),), _BEGINS)
# One process of two is killed while runs of its group are under way.
GROUP = Plan(
    1,
    ("shared0", "shared1", "shared2", "shared_thread"),
    2,
    False,
    12,
    2.0,
    12.0,
    (Act(6.5, "kill", seconds=3.0),),
    _BEGINS,
)
# A process is away for longer than the grace of a job; and for many ticks of those that make up for some.
LATE = Plan(1, ("strict",), 1, False, 12, 2.0, 18.0, (Act(4.0, "terminate all", seconds=8.0),), _BEGINS)
LATE_FOR_MANY = Plan(
    1, ("each", "newest", "all"), 1, False, 12, 2.0, 24.0, (Act(4.0, "terminate all", seconds=10.0),), _BEGINS
)
# The disk is full, and later the answer of each commit is the one that it has no room.
FULL = Plan(
    1,
    ("quick", "slow"),
    1,
    False,
    12,
    2.0,
    18.0,
    (Act(4.2, "full write", seconds=7.0), Act(14.0, "full commit", seconds=1.0)),
    _BEGINS,
)
# The answer of a commit is lost, in each of ten seconds.
LOST_ANSWERS = Plan(
    1,
    ("quick", "slow"),
    2,
    False,
    12,
    2.0,
    18.0,
    tuple(Act(float(at), "lost", number=1, seconds=0.3) for at in range(4, 14)),
    _BEGINS,
)
# A job whose runs fail at first.
FAILING = Plan(1, ("flaky",), 1, True, 12, 2.0, 9.0, (), _BEGINS)
# As seed 247: a run that was cut off waits while a process begins, and its job has a new tick.
CUT_OFF = Plan(
    247, ("either", "slow", "flaky", "hog"), 1, True, 18, 0.3, 48.0, (Act(8.583, "kill all"),), 1_800_143_971
)
# As seed 41000651: no commit succeeds while a process is asked to end, twice.
CANCELLED_WRITES = Plan(
    41_000_651,
    ("each_late", "shared0"),
    2,
    True,
    26,
    0.3,
    33.0,
    (
        Act(8.85, "stop", slot=1, seconds=14.5),
        Act(16.01, "full commit", slot=1, number=1, seconds=15.0),
        Act(16.85, "terminate twice", slot=1, seconds=1.64),
    ),
    1_800_143_982,
)
