"""Which of several processes claims the ticks of a job first."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from everytick.engine.claimers import LOOK, Claimers
from everytick.engine.clock import Clock
from everytick.model import ticks
from everytick.model.job_filter import JobFilter
from everytick.model.ticks import SECOND
from everytick.store.workers import Claimer

JOBS = [f"job{number}" for number in range(600)]
NAMES = ["a1", "b2", "c3", "d4"]


def cluster(names: list[str]) -> dict[str, Claimers]:
    """Return the view of each of these processes, which all know of each other."""
    made = {name: Claimers(name) for name in names}
    for claimers in made.values():
        claimers.learn(Claimer(name, 1) for name in names)
    return made


def first_of(views: dict[str, Claimers]) -> dict[str, str]:
    """Return which process claims each job first; there is exactly one."""
    found = {}
    for job in JOBS:
        [found[job]] = [name for name, view in views.items() if view.place(job) == 0]
    return found


def test_a_process_that_knows_no_other_claims_all_ahead() -> None:
    assert all(Claimers("a").look_at(job, SECOND, 0) == 0 for job in JOBS)


def test_each_job_has_one_first_one_second_and_so_on_and_all_have_their_share() -> None:
    views = cluster(NAMES)
    for job in JOBS:
        assert sorted(view.place(job) for view in views.values()) == [0, 1, 2, 3]
    shares = Counter(first_of(views).values())
    assert all(100 < share < 200 for share in shares.values()), shares


def test_a_process_that_is_set_not_to_run_a_job_is_no_claimer_of_it() -> None:
    """Else the next one would wait for it each time, and suspect it of having let the tick pass."""
    without_7 = JobFilter(disabled=("job*7",))
    known = [
        Claimer("a1", 1, without_7),
        Claimer("b2", 1, JobFilter(enabled=("job?", "job??"))),
        *(Claimer(name, 1) for name in NAMES[2:]),
    ]
    views = {name: Claimers(name) for name in NAMES}
    for view in views.values():
        view.learn(known)
    for job in JOBS:
        running = [one.process_id for one in known if one.job_filter.why_disabled(job) is None]
        assert sorted(views[name].place(job) for name in running) == list(range(len(running)))
    # Of those jobs that all run, each has the same first one as before.
    all_run = [job for job in JOBS if all(one.job_filter.why_disabled(job) is None for one in known)]
    before = first_of(cluster(NAMES))
    assert all_run
    assert all(views[before[job]].place(job) == 0 for job in all_run)


def test_a_process_that_comes_takes_its_share_and_changes_no_other_job() -> None:
    before, after = first_of(cluster(NAMES)), first_of(cluster([*NAMES, "e5"]))
    assert {after[job] for job in JOBS if after[job] != before[job]} == {"e5"}


def test_the_second_looks_a_moment_after_the_tick_and_those_behind_it_later_and_seldom() -> None:
    views = cluster(NAMES)
    looks = {view.place("job0"): view.look_at("job0", 100 * SECOND, 99 * SECOND) for view in views.values()}
    assert (looks[0], looks[1]) == (0, int(100.3 * SECOND))
    assert looks[2] == looks[3] == 104 * SECOND
    far = {view.place("job0"): view.look_at("job0", 100 * SECOND, 0) for view in views.values()}
    assert (far[2], far[3]) == (int(100.6 * SECOND), int(100.9 * SECOND))


def test_a_process_that_let_a_tick_pass_is_passed_over_for_all_jobs_until_it_answers_again() -> None:
    views = cluster(NAMES)
    first = first_of(views)
    frozen, second = first["job0"], next(name for name, view in views.items() if view.place("job0") == 1)
    view = views[second]
    theirs = [job for job in JOBS if first[job] == frozen and view.place(job) == 1]
    view.missed("job0")
    assert all(view.place(job) == 0 for job in theirs)
    # What is known of it may be from before it stopped.
    for answered in (2, 2, 2):
        view.learn(Claimer(name, answered if name == frozen else 9) for name in NAMES)
        assert view.suspects_any
        assert all(view.place(job) == 0 for job in theirs)
    view.learn(Claimer(name, 3) for name in NAMES)
    assert not view.suspects_any
    assert all(view.place(job) == 1 for job in theirs if job != "job0")
    # This job it has not claimed yet: it may lack it.
    assert view.place("job0") == 0
    view.was_claimed("job0")
    assert view.place("job0") == 1


def test_a_suspect_that_is_gone_is_forgotten() -> None:
    views = cluster(NAMES)
    first = first_of(views)["job0"]
    view = next(view for view in views.values() if view.place("job0") == 1)
    view.missed("job0")
    view.learn(Claimer(name, 1) for name in NAMES if name != first)
    assert not view.suspects_any
    assert view.place("job0") == 0


def test_of_the_jobs_that_another_was_just_seen_to_claim_the_last_one_tells_of_all() -> None:
    views = cluster(NAMES)
    view, first = views["a1"], first_of(views)
    second = [job for job in JOBS if view.place(job) == 1]
    assert view.told_by(second, SECOND) == {}, "each is looked at until it was seen to be claimed"
    for job in second[1:]:
        view.saw_claimed(job, SECOND)
    told = view.told_by(second, 2 * SECOND)
    assert second[0] not in told
    last = {name: max(job for job in second[1:] if first[job] == name) for name in NAMES if name != "a1"}
    assert told == {job: last[first[job]] for job in second[1:] if job not in last.values()}
    assert view.told_by(second, 7 * SECOND) == {}, "seen long ago"


def test_what_was_seen_of_a_job_does_not_count_after_the_processes_have_changed() -> None:
    view = cluster(NAMES)["a1"]
    second = [job for job in JOBS if view.place(job) == 1]
    for job in second:
        view.saw_claimed(job, SECOND)
    view.learn(Claimer(name, 1) for name in [*NAMES, "e5"])
    assert view.told_by(second, 2 * SECOND) == {}
    behind = [job for job in JOBS if view.place(job) == 2]
    view.saw_claimed(behind[0], SECOND)
    assert view.told_by(behind, 2 * SECOND) == {}, "those behind the second look at each job"


class Job:
    """One that is due each second up to a last tick."""

    added = False

    def __init__(self, job_id: str, last: int) -> None:
        self.id, self._last = job_id, last

    def next_tick(self, after: int) -> int | None:
        tick = (after // SECOND + 1) * SECOND
        return tick if tick <= self._last else None


@pytest.mark.parametrize("pause", [None, 3600 * SECOND])
async def test_the_last_tick_of_a_job_is_looked_at_itself(pause: int | None) -> None:
    """Another process had put it off, and was killed. No later tick would bring it to light."""
    began = ticks.now() // SECOND * SECOND
    last, often = Job("a", began), Job("b", began + 100 * SECOND)
    if pause is not None:
        last.next_tick = lambda after: began if after < began else began + pause  # type: ignore[method-assign]
    name = next(name for name in (f"p{number}" for number in range(999)) if _comes_second(name))
    claimers = Claimers(name)
    claimers.learn([Claimer("first", 1)])
    asked: list[dict[str, int]] = []

    def submit(operation: Callable[..., Any], **_how: Any) -> Future[Any]:
        asked.append(dict(inspect.getclosurevars(operation).nonlocals["seen"]))
        return Future()

    nothing: Any = SimpleNamespace(submit=submit)
    jobs: Any = {"a": last, "b": often}
    clock = Clock(jobs, nothing, nothing, nothing, nothing, nothing, claimers)
    clock._loop = asyncio.get_running_loop()
    clock._seen = {"a": began - SECOND, "b": began - SECOND}
    now = ticks.now()
    for job_id in "ab":
        claimers.saw_claimed(job_id, now)
    told_by = claimers.told_by(["a", "b"], now)
    assert told_by == {"a": "b"}
    clock._look(list(jobs.values()), "missed", told_by)
    answer: Future[dict[str, int]] = Future()
    answer.set_result({"b": began})
    clock._found(list(jobs.values()), "missed", {"b": began - SECOND}, told_by, began + LOOK, answer)
    assert asked == [{"b": began - SECOND}, {"a": began - SECOND}]
    await asyncio.sleep(0)


def _comes_second(name: str) -> bool:
    claimers = Claimers(name)
    claimers.learn([Claimer("first", 1)])
    return claimers.place("a") == claimers.place("b") == 1
