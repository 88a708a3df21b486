"""Which of several processes claims the ticks of a job first."""

from __future__ import annotations

from collections import Counter

from everytick.engine.claimers import Claimers
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
    assert view.missed("job0"), "that is new of the first one"
    assert not view.missed(theirs[-1]), "and known by then"
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
