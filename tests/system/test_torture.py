"""The torture test in its short form, and histories with one fault each, which its checker must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from torture import causes, completeness, consistency, pauses
from torture.__main__ import torture
from torture.checker import violations
from torture.faults import Harm
from torture.history import Command, History, Life, WorldClock, load
from torture.made_up import (
    AWAY,
    CUT,
    HOG,
    ONE,
    ONE_STARTED,
    PLANNED,
    also,
    asked,
    began,
    behind_an_earlier_run,
    changed,
    earlier,
    ended,
    fault,
    filling,
    frozen_with_the_ledger,
    good,
    lived,
    of,
    only_waited,
    requested,
    row,
    shared,
    skipped,
    start,
    startup,
    tried_again,
    unseen,
    us,
    waited,
    without,
)
from torture.report import explained, summary

# What follows a history is in seconds.
BREACHES: list[tuple[Callable[[History], History], str]] = [
    # R1 to R3
    (lambda e: without(e, 160), "tick 160000000 has no outcome"),
    (lambda e: changed(e, 141, last_tick_us=142, tick_count=2), "tick 143000000 has no outcome"),
    (lambda e: ended(e, 130, "running"), "tick 130000000 is still running"),
    (lambda e: ended(of(e, overlap="wait", grace=us(9)), 130, "queued"), "tick 130000000 is still queued"),
    (lambda e: ended(of(e, overlap="wait-one"), 150, "queued"), "tick 150000000 is still queued"),
    (lambda e: replace(e, jobs={}), "the ledger does not know this job"),
    (lambda e: requested(e), "the requested tick 150000000 has 0 outcomes"),
    (lambda e: requested(e, ONE, ONE), "the requested tick 150000000 has 2 outcomes"),
    (lambda e: replace(requested(e, ONE), refused=["one"]), "it was refused when it was to be added"),
    (lambda e: also(e, row(150, run_id=900, job_id="other")), "of a job that nobody declared"),
    (lambda e: replace(e, starts=[*e.starts, start(150, job="other")]), "nobody declared it, but it ran"),
    (lambda e: changed(e, 141, tick_count=4), "counts 4 ticks instead of 3"),
    (lambda e: changed(e, 141, tick_count=None), "counts None ticks instead of 3"),
    (lambda e: changed(e, 160, tick_us=160.5), "160500000 is no tick of the schedule"),
    (lambda e: changed(e, 160, due_us=160.5), "was due at 160500000"),
    (lambda e: changed(e, 160, started_us=159.9), "started before it was due"),
    (lambda e: began(e, 160, at=us(159.9)), "the body of 160000000 began too early"),
    (lambda e: also(e, row(160, run_id=900)), "tick 160000000 is accounted for twice"),
    (lambda e: also(e, row(142, run_id=900)), "tick 142000000 is accounted for twice"),
    (lambda e: also(e, startup(1, 900)), "start 1 has 2 startup runs"),
    (lambda e: also(e, startup(2, 900), startup(3, 901)), "though the schedule was started at most 2 times"),
    (lambda e: also(e, row(150, run_id=900, tick_us=None)), "was not asked for"),
    (lambda e: also(e, row(150, run_id=900, kind="replay", tick_us=None)), "was not asked for"),
    # what people asked of runs
    (lambda e: also(e, row(150, run_id=900, kind="manual", tick_us=None)), "are there that nobody asked for"),
    (lambda e: also(e, row(150, run_id=900, kind="manual")), "was asked for, and has a tick"),
    (lambda e: asked(e, "run now", 900, 150), "run 900 was asked for, and is not there"),
    (lambda e: asked(ended(e, 150, "running"), "cancel", 150, 150), "was cancelled, and is running"),
    (lambda e: asked(e, "cancel", 160, 150), "began attempt 1 after it had been cancelled"),
    (lambda e: asked(began(of(e, body="slow"), 160, end=us(165)), "cancel", 160, 160.5), "goes on 3 s after"),
    (lambda e: asked(e, "retry", 160, 165), "is at attempt 1, though attempt 2 was asked for"),
    (lambda e: asked(changed(e, 160, attempt=2), "retry", 160, 165), "which was asked for, did not begin"),
    # deploys
    (lambda e: lived(of(e, leaves=True), 3, version=1), "109000000 is succeeded, though the code lacked"),
    (lambda e: lived(of(e, leaves=True), 3, version=1), "attempt 1 of 110000000 began, though the code"),
    (lambda e: replace(e, runs=[r for r in e.runs if r["tick_us"]]), "it never ran at a start"),
    # backfills
    (lambda e: filling(e, (1, 120)), "tick 7200000000 has 0 runs of backfill 1"),
    (lambda e: filling(e, (1, 120), (1, 123), (2, 126)), "tick 3600000000 has 2 runs of backfill 1"),
    (lambda e: filling(e, (1, 120), (2, 123), (3, 126)), "tick 10800000000 has 1 runs of backfill 1"),
    (lambda e: filling(e, (1, 120), (2, 121)), "7200000000 of backfill 1 began while 3600000000 was under"),
    (lambda e: filling(e, (1, 120), (2, 123), (1.5, 126)), "is for no tick of the past"),
    # the ledger against the bodies' file
    (lambda e: ended(e, 160, "skipped", reason="missed"), "recorded as skipped, but it ran"),
    (lambda e: began(e, 160, end=None), "recorded as succeeded, but attempt 1 did not end"),
    (lambda e: unseen(e, 160), "recorded as succeeded, but attempt 1 did not end"),
    (lambda e: changed(e, 105, attempt=3), "recorded as succeeded, but attempt 3 did not end"),
    (lambda e: unseen(ended(e, 160, "timed_out"), 160), "recorded as timed_out, but attempt 1 did not begin"),
    (lambda e: earlier(e, state="succeeded"), "has an earlier attempt that succeeded"),
    (lambda e: earlier(e, state="failed"), "attempt 1 is recorded as failed, but it did not end"),
    (lambda e: changed(e, 105, attempt=1), "has an earlier attempt 1, but is at attempt 1"),
    (lambda e: replace(e, attempts=[]), "ran attempt 1 that the ledger does not know"),
    (lambda e: began(e, 160, run=999), "ran attempt 1 of a run that the ledger does not know"),
    (lambda e: began(e, 160, pid=3), "tick 160000000 ran in 3, for which another held it"),
    (lambda e: changed(e, 160, finished_us=161), "is recorded to have ended 1.0 s after its body"),
    (lambda e: began(e, 160, end=us(161.2)), "tick 161000000 began while 1 others were under way"),
    (lambda e: changed(e, 110, finished_us=110.01), "skipped for overlap while 0 earlier run(s) were held"),
    (lambda e: only_waited(e, 110), "111000000 was skipped for overlap while 0 earlier run(s) were held"),
    (lambda e: of(e, overlap="wait"), "was skipped for overlap, though its overlap is wait"),
    (lambda e: waited(of(e, overlap="wait"), 160, 161.1), "though each tick of its job waits"),
    (lambda e: waited(of(e, overlap="wait-one"), 160, 159.9), "though nothing newer took its place"),
    (lambda e: changed(e, 160, replaced_by_us=161), "was to be replaced by 161000000"),
    (lambda e: changed(of(e, overlap="replace"), 160, replaced_by_us=160), "to be replaced by 160000000"),
    (lambda e: shared(e), "others of shared were under way"),
    # what needs an excuse
    (lambda e: replace(e, faults=e.faults[1:]), "began again in 2 though nobody harmed 1"),
    (lambda e: replace(e, starts=[*e.starts, start(160, pid=3)]), "began attempt 1 twice"),
    (lambda e: of(e, reruns=False), "began 2 times, though on_crash is skip"),
    (lambda e: replace(e, starts=[*e.starts, *(start(105, attempt=n) for n in (3, 4, 5))]), "began 5 times"),
    (lambda e: ended(e, 160, "lost"), "recorded as lost, though nobody harmed its process"),
    (lambda e: ended(e, 160, "interrupted"), "interrupted, though nobody asked its process to stop"),
    (lambda e: ended(e, 160, "cancelled"), "recorded as cancelled, but nothing cancels it"),
    (lambda e: ended(e, 160, "failed"), "recorded as failed, but it did not"),
    (lambda e: ended(of(e, retries=2), 160, "failed"), "recorded as failed, but it was not tried again"),
    (lambda e: of(e, retries=2), "recorded as succeeded, but it failed"),
    (lambda e: ended(e, 160, "timed_out"), "recorded as timed_out, but it has no time limit"),
    (lambda e: of(e, ends="timed_out"), "recorded as succeeded beyond its time limit"),
    (lambda e: ended(e, 160, "lost"), "was left lost though it might have begun again"),
    (lambda e: skipped(e, 160, "bored", 160.1), "was skipped for the reason 'bored'"),
    (lambda e: skipped(e, 160, "missed", 160.1), "was skipped (missed) within its grace"),
    (lambda e: skipped(e, 160, "coalesced", 160.1), "coalesced) though nothing newer took its place"),
    (lambda e: skipped(of(e, catch_up=3), 160, "coalesced", 162), "though nothing newer took its place"),
    (lambda e: skipped(e, 160, "coalesced", 161.1), "skipped (coalesced) though nothing had happened"),
    (lambda e: changed(e, 160, claimed_us=161.001), "was claimed together with 1 others"),
    (lambda e: skipped(e, 160, "coalesced", 164), "was decided about 4.0 s late, though 2 was well"),
    (lambda e: changed(e, 160, claimed_us=172), "was decided about 12.0 s late, though 2 was well"),
    (lambda e: began(e, 160, at=us(163), end=us(163.1)), "was entered 3.0 s late, though 2 was well"),
    (lambda e: began(of(e, grace=us(2)), 160, at=us(165), end=us(166)), "3.0 s after its grace had passed"),
    (lambda e: skipped(e, 160, "paused", 160), "was skipped as paused, though nobody paused it"),
    (lambda e: changed(e, 115, tick_us=116), "tick 115000000 has no outcome"),
    (lambda e: also(without(e, 115), row(116)), "is succeeded, though its job was paused"),
    (lambda e: began(e, 110, at=us(117), end=us(117.1)), "attempt 1 of tick 110000000 began in a pause"),
    (lambda e: replace(e, starts=[*e.starts, start(105, at=us(107))]), "tick 105000000 after a newer one"),
    # processes
    (lambda e: replace(e, oddities=["something strange"]), "something strange"),
    (lambda e: lived(e, 2, code=-15), "process 2 ended with exit code -15"),
    (lambda e: lived(e, 2, code=-9), "process 2 was killed by somebody else"),
    (lambda e: lived(e, 2, code=1), "process 2 ended with 1, against what its log says"),
    (lambda e: lived(e, 2, log=CUT), "process 2 ended with 0, against what its log says"),
    (lambda e: replace(e, faults=e.faults[:2]), "process 2 ended by itself with exit code 0"),
    (lambda e: lived(e, 1, ready=None, code=1, log=AWAY), "process 1 did not start"),
    (lambda e: lived(e, 1, ready=None, code=1, begin=us(141), end=us(142), log="x"), "did not start"),
    (lambda e: ended(e, 175, "lost"), "cut off run 175 (lost) and ended with exit code 0"),
    (lambda e: ended(e, 175, "interrupted"), "cut off run 175 (interrupted) and ended with exit code 0"),
    (lambda e: lived(e, 2, log="Traceback (most recent call last):"), "logs an error that nobody planned"),
    (lambda e: lived(e, 2, log=PLANNED.replace("Runtime", "Value")), "logs an error that nobody planned"),
    (lambda e: lived(e, 2, log="run 3 had lost its lease"), "process 2 was given up without need: run 3"),
    (lambda e: replace(e, starts=[*e.starts, HOG]), "process 2 does not say that hog blocked its loop"),
]  # fmt: skip


def test_the_checker_accepts_what_is_right() -> None:
    assert [str(found) for found in violations(good())] == []
    assert [str(found) for found in violations(filling(good(), (1, 120), (2, 123)))] == []


@pytest.mark.parametrize(("breach", "sentence"), BREACHES, ids=[sentence for _, sentence in BREACHES])
def test_the_checker_notices(breach: Callable[[History], History], sentence: str) -> None:
    assert any(sentence in str(found) for found in violations(breach(good())))


@pytest.mark.parametrize(
    "excused",
    [
        lambda e: replace(requested(e, ONE), starts=[*e.starts, ONE_STARTED]),
        lambda e: replace(e, lives=[*e.lives, Life(4, us(141), None, us(142), 1, AWAY)]),
        lambda e: replace(skipped(e, 160, "coalesced", 164), faults=[*e.faults, fault("full", 159, 163.8)]),
        lambda e: replace(skipped(e, 160, "coalesced", 161.1), faults=[*e.faults, fault("busy", 159, 160)]),
        lambda e: replace(began(e, 160, at=us(159.9)), faults=[*e.faults, fault("clock back", 159.8, 159.8)]),
        lambda e: also(e, startup(2, 900)),
        lambda e: frozen_with_the_ledger(skipped(e, 160, "coalesced", 164)),
        lambda e: behind_an_earlier_run(e),
        lambda e: skipped(of(e, group="database"), 160, "coalesced", 161.1),
        lambda e: asked(ended(e, 160, "cancelled"), "cancel", 160, 160.01),
        lambda e: tried_again(e),
    ],
    ids=[
        "requested",
        "ledger away",
        "disk full",
        "busy",
        "clock set back",
        "second start",
        "frozen",
        "behind",
        "group",
        "cancelled",
        "tried again",
    ],
)
def test_the_checker_accepts_what_is_excused(excused: Callable[[History], History]) -> None:
    assert [str(found) for found in violations(excused(good()))] == []


def test_the_checker_notices_a_tick_that_waits_on_when_the_run_before_it_has_ended() -> None:
    history = behind_an_earlier_run(good())
    early = began(changed(history, 159, finished_us=160.1), 159, end=us(160.1))
    assert any("was decided about 5.9 s late" in str(found) for found in violations(early))


@pytest.mark.parametrize(("found", "number"), [(164.5, 0), (160.1, 1)])
def test_a_tick_waits_behind_an_attempt_of_an_earlier_run_until_it_is_found_to_be_lost(
    found: float, number: int
) -> None:
    history = skipped(changed(good(), 159, attempt=2, crashes=1, finished_us=166), 160, "coalesced", 165)
    lost = {**history.attempts[0], "run_id": 159, "finished_us": us(found)}
    history = replace(history, attempts=[*history.attempts, lost])
    assert len(list(causes.late(history, Harm(history)))) == number


@pytest.mark.parametrize(("ended", "number"), [(164.5, 0), (160.1, 1)])
def test_a_tick_waits_behind_a_startup_run_of_its_job(ended: float, number: int) -> None:
    started = row(159.5, run_id=900, kind="startup", tick_us=None, start_number=2, finished_us=ended)
    history = also(skipped(good(), 160, "coalesced", 165), started)
    assert len(list(causes.late(history, Harm(history)))) == number


@pytest.mark.parametrize(("killed", "number"), [(129.9, 0), (128.9, 1)])
def test_a_run_may_be_lost_that_was_recorded_as_started_before_it_was_due(killed: float, number: int) -> None:
    history = ended(unseen(good(), 130), 130, "lost", started_us=130, finished_us=195)
    history = replace(history, runs=history.runs[-200:], faults=[fault("kill", killed, killed, 1)])
    assert sum("130000000" in str(found) for found in causes.ends(history, Harm(history))) == number


@pytest.mark.parametrize(("killed", "number"), [(160, 0), (159.3, 1)])
def test_a_tick_may_be_late_that_was_claimed_by_who_was_killed_after_the_clock_was_set_back(
    killed: float, number: int
) -> None:
    clock = WorldClock(0, [(0, 0), (us(159.9), us(-5))])
    one = row(160, claimed_us=172, started_us=172.1, finished_us=172.2)
    faults = [fault("kill", killed, killed, 1)]
    history = replace(good(), runs=[one], starts=[], clock=clock, faults=faults)
    assert len(list(causes.late(history, Harm(history)))) == number


def test_a_run_is_not_late_for_an_instant_before_it_was_asked_for() -> None:
    clock = WorldClock(0, [(0, 0), (us(150), us(-20))])
    one = row(135, run_id=900, job_id="one")
    history = replace(requested(good(), one), clock=clock, requested=[("one", us(135), us(154))])
    begun = start(135, run=900, job="one", at=us(155.01), end=us(155.02))
    history = replace(history, starts=[begun], runs=[one])
    assert list(causes.entered_late(history, Harm(history))) == []
    late = replace(history, starts=[replace(begun, at=us(158.1), end=us(158.2))])
    assert list(causes.entered_late(late, Harm(late)))


def test_of_two_people_who_pause_a_job_at_once_the_first_has_paused_it() -> None:
    history = good()
    twice = [each for command in history.commands for each in (command, command)]
    assert [str(found) for found in violations(replace(history, commands=twice))] == []


def test_a_run_that_only_waited_where_its_process_was_killed_holds_a_lease() -> None:
    history = only_waited(good(), 110)
    killed = replace(history, faults=[*history.faults, fault("kill", 110.5, 110.5, 1)])
    assert not list(consistency.overlap_skips(killed, Harm(killed)))
    assert len(list(consistency.overlap_skips(history, Harm(history)))) == 1


@pytest.mark.parametrize(("others", "number"), [(4, 1), (5, 0)])
def test_a_run_may_be_entered_late_where_each_process_has_much_under_way(others: int, number: int) -> None:
    history = began(good(), 160, at=us(163), end=us(163.1))
    more = [start(150, pid=pid, end=us(170)) for pid in (2, 3) for _ in range(others)]
    history = replace(history, starts=[*history.starts, *more])
    assert len(list(causes.entered_late(history, Harm(history)))) == number


@pytest.mark.parametrize(("paused", "number"), [(114.8, 0), (113.8, 1)])
def test_a_tick_that_was_claimed_before_the_clock_was_set_back_and_the_job_paused_may_run(
    paused: float, number: int
) -> None:
    clock = WorldClock(0, [(0, 0), (us(114.85), us(-20)), (us(116), 0)])
    commands = [
        Command("pause", "job", us(paused), us(paused + 0.1), True),
        Command("resume", "job", us(118.2), us(118.3), True),
    ]
    history = replace(good(), clock=clock, runs=[row(115)], commands=commands)
    found = list(pauses.pauses(history, Harm(history)))
    assert len(found) == number, found


@pytest.mark.parametrize(("killed", "decided", "number"), [(159.5, 166, 0), (140, 166, 1), (159.5, 172, 1)])
def test_on_a_server_ticks_of_several_dead_claimers_may_wait_for_the_sweep_of_those_behind_them(
    killed: float, decided: float, number: int
) -> None:
    history = skipped(good(), 160, "coalesced", decided)
    history = lived(lived(history, 2, role="scheduler"), 3, role="worker")
    history = replace(history, faults=[fault("kill", killed, killed, 1)], runs=history.runs[-1:])
    assert len(list(causes.late(history, Harm(history)))) == number


def test_a_tick_may_still_wait_behind_long_runs_of_its_job_within_its_grace() -> None:
    nothing = dict.fromkeys(("process_id", "claimed_us", "started_us", "finished_us"))
    history = changed(of(good(), overlap="wait"), 150, state="queued", **nothing)
    assert list(completeness.unaccounted(history, Harm(history))) == []


def test_the_worlds_clock_leads_back_to_the_instants_at_which_it_showed_a_time() -> None:
    clock = WorldClock(us(1000), [(0, 0), (us(10), us(5)), (us(20), us(-5))])
    assert [clock.shows(us(t)) for t in (9, 10, 19, 20)] == [us(t) for t in (1009, 1015, 1024, 1015)]
    assert clock.instants(us(1009)) == [us(9)]
    assert clock.instants(us(1012)) == [us(10)], "jumped over"
    assert clock.instants(us(1018)) == [us(13), us(23)], "shown twice"


def test_a_violation_is_told_with_what_lies_near_it() -> None:
    history = ended(good(), 105, "failed")
    told = "\n".join([*summary(history), *explained(history, list(violations(history)))])
    assert "1 kills; faults: 2 terminate, 1 kill, 1 lock" in told
    assert "VIOLATION job: tick 105000000 attempt 2 is recorded as failed, but it did not" in told
    for near in ("'state': 'failed', 'attempt': 2", "pid=1, at=105010000", "Fault(kind='kill', pid=1"):
        assert near in told


@pytest.mark.full
@pytest.mark.long
def test_half_a_minute_of_torture_breaks_no_promise(tmp_path: Path) -> None:
    history = torture(tmp_path, 25, seed=36, quiet=15)
    found = list(violations(history))
    assert found == [], "\n".join(explained(history, found))
    assert len(history.starts) > 100
    kinds = [fault.kind for fault in history.faults]
    assert sum(kind.startswith("kill") for kind in kinds) >= 2
    assert len(set(kinds) - {"busy"}) >= 4
    assert {"lock", "full", "moved"} & set(kinds)
    assert history.requested
    assert [fill for fill in history.fills if fill.number in {row["backfill_id"] for row in history.runs}]
    assert {act.answer for act in history.acts} >= {"done"}
    # It begins on one day and ends on the next one.
    assert {"since_midnight", "put_off"} <= {row["job_id"] for row in history.runs}
    assert any(row["result"] for row in history.reports)
    again = load(tmp_path)
    assert (again.faults, again.starts, again.clock) == (history.faults, history.starts, history.clock)
    assert (again.acts, again.reports, again.audit) == (history.acts, history.reports, history.audit)
