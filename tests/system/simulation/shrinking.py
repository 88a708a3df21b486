"""Cuts a plan whose world breaks the contract to the shortest one that still does so in the same way.

Each part is left out for a try: acts, jobs, processes, time. What is drawn while the world runs (how long a
commit takes, who goes first) comes out otherwise then, so that not every try that could succeed does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from simulation.plan import Act, Plan
from torture.history import Violation

_NUMBERS = re.compile(r"\d[\d.:-]*")


def kind(violation: Violation) -> str:
    """Return what two violations have in common that are of the same kind."""
    sentence = _NUMBERS.sub("#", str(violation))
    return sentence.replace(violation.job, "a job") if violation.job else sentence


def shrink(plan: Plan, breaks: Callable[[Plan], bool], tries: int = 150) -> Plan:
    """Return the smallest plan that was found for which `breaks` is true, as it is for this one."""
    left = tries
    is_smaller = True
    while is_smaller and left > 0:
        is_smaller = False
        for smaller in _smaller(plan):
            left -= 1
            if breaks(smaller):
                plan, is_smaller = smaller, True
                break
            if left <= 0:
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Yield plans with less in them, those first that leave out most."""
    size = len(plan.acts)
    while size:
        for begin in range(0, len(plan.acts), size):
            yield plan.without(plan.acts[begin : begin + size])
        size //= 2
    for size in (len(plan.jobs) // 2, 1):
        for begin in range(0, len(plan.jobs), max(1, size)):
            jobs = plan.jobs[:begin] + plan.jobs[begin + max(1, size) :]
            if jobs:
                yield replace(plan, jobs=jobs)
    if plan.slots > 1:
        fewer = tuple(act for act in plan.acts if act.slot < plan.slots - 1)
        yield replace(plan, slots=plan.slots - 1, acts=fewer)
    last = max((act.at + act.seconds for act in plan.acts), default=0.0)
    for seconds in (last + 1.0, plan.seconds / 2):
        if seconds < plan.seconds - 1.0:
            yield replace(plan, seconds=seconds, acts=_until(plan.acts, seconds))


def _until(acts: tuple[Act, ...], seconds: float) -> tuple[Act, ...]:
    return tuple(act for act in acts if act.at <= seconds)
