"""Each excuse of the checker by a pair of histories: one that has it, and one that only looks like it.

Those about what has to be there, once and in its order; `test_pairs_of_causes` has the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from torture import completeness, consistency, deploys, filling, reported, requests, waiting
from torture.history import History, WorldClock
from torture.jobs import SECOND
from torture.made_up import attempt, fault, good, lived, of_one_job, only_waited, request, row, start, us
from torture.made_up import filling as with_backfill
from torture.pairs import Pairs

PAIRS = Pairs()
pair = PAIRS.of


# --- completeness ---


@pair(completeness.unaccounted)
def the_job_was_removed_before_its_next_tick(excused: bool) -> History:
    removed = {"changed_us": us(100), "definition": "", "removed_us": us(103.5 if excused else 104.5)}
    return of_one_job({}, row(101), row(102), row(103), jobs={"job": removed})


@pair(completeness.unaccounted)
def the_version_in_force_has_other_ticks(excused: bool) -> History:
    step = 5 if excused else 2
    in_force = {"job": {"changed_us": us(100), "definition": f"interval {step * SECOND}us from 0"}}
    rows = [row(tick) for tick in range(105, 180, 5)]
    return of_one_job({"steps": (2 * SECOND, 5 * SECOND)}, *rows, jobs=in_force)


@pair(completeness.invented)
def a_retry_is_due_later(excused: bool) -> History:
    return of_one_job({}, row(130, attempt=2 if excused else 1, due_us=150))


@pair(completeness.invented)
def many_ticks_of_a_combined_trigger_need_not_be_counted(excused: bool) -> History:
    gap = row(200, "skipped", last_tick_us=2_200, tick_count=None)
    return of_one_job({"also": 2 * SECOND} if excused else {}, gap)


@pair(completeness.early)
def the_clock_was_set_back_while_its_process_was_frozen(excused: bool) -> History:
    faults = [fault("clock back", 140, 140), fault("stop", 158.5, 159.5, 2 if excused else 3)]
    return of_one_job({}, row(160), starts=(start(160, at=us(159.9)),), faults=tuple(faults))


@pair(filling.few_at_a_time)
def the_process_of_the_run_before_was_killed(excused: bool) -> History:
    killed = fault("kill", 120.5, 120.5, 2 if excused else 3)
    return replace(with_backfill(good(), (1, 120), (2, 121)), faults=[killed])


@pair(filling.few_at_a_time)
def its_thread_was_frozen_before_its_first_line_while_another_of_its_backfill_began(excused: bool) -> History:
    history = with_backfill(good(), (1, 120), (2, 121))
    frozen = fault("stop", 115, 120.95, 2 if excused else 3)
    threads = [replace(spec, body="thread") for spec in history.schedule]
    return replace(history, schedule=threads, faults=[frozen])


@pair(filling.filled)
def a_backfill_was_asked_for_a_moment_ago(excused: bool) -> History:
    history = with_backfill(good())
    [fill] = history.fills
    return replace(history, fills=[replace(fill, at=us(150 if excused else 110))])


# --- requests ---


@pair(requests.run_by_hand)
def it_is_not_known_whether_a_run_was_made(excused: bool) -> History:
    made = [
        row(150, run_id=900 + number, kind="manual", tick_us=None) for number in range(1 if excused else 2)
    ]
    return of_one_job({}, *made, asked=(request("run now", 0, 0, 149, "unknown"),))


@pair(requests.cancelled)
def a_person_had_it_tried_again_since(excused: bool) -> History:
    asked = (request("cancel", 160, 1, 150), request("retry", 160, 2, 155 if excused else 145))
    return of_one_job({}, row(160), starts=(start(160),), asked=asked)


@pair(requests.cancelled)
def its_process_was_frozen_and_did_not_hear_of_it(excused: bool) -> History:
    frozen = fault("stop", 151, 159, 2 if excused else 3)
    asked = (request("cancel", 160, 1, 150),)
    return of_one_job({}, row(160), starts=(start(160),), asked=asked, faults=(frozen,))


@pair(requests.cancelled)
def the_ledger_was_locked_meanwhile(excused: bool) -> History:
    locked = fault("lock", 151, 159) if excused else fault("lock", 140, 141)
    asked = (request("cancel", 160, 1, 150),)
    return of_one_job({}, row(160), starts=(start(160),), asked=asked, faults=(locked,))


@pair(requests.cancelled)
def it_swallows_its_cancellation(excused: bool) -> History:
    body, asked = start(160, end=us(165)), (request("cancel", 160, 1, 160.5),)
    return of_one_job({"body": "deaf" if excused else "slow"}, row(160), starts=(body,), asked=asked)


@pair(requests.retried)
def the_startup_run_of_a_later_start_took_its_place(excused: bool) -> History:
    runs = [row(91 + n, run_id=n, kind="startup", tick_us=None, start_number=n) for n in (1, 2)]
    return of_one_job({}, *runs[: 2 if excused else 1], asked=(request("retry", 1, 2, 165),))


@pair(requests.retried)
def a_person_cancelled_it_after_that(excused: bool) -> History:
    asked = (request("retry", 160, 2, 165), request("cancel", 160, 2, 166 if excused else 164))
    return of_one_job({}, row(160), asked=asked)


@pair(requests.retried)
def its_job_was_removed_after_that(excused: bool) -> History:
    history = of_one_job({"leaves": excused}, row(104), asked=(request("retry", 104, 2, 105),))
    return lived(history, 3, version=1)


@pair(requests.retried)
def it_was_cut_off_before_it_was_entered(excused: bool) -> History:
    again = row(160, "lost" if excused else "failed", attempt=2)
    return of_one_job({}, again, asked=(request("retry", 160, 2, 165),))


# --- the ledger against the bodies ---


@pair(consistency.ends_against_file)
def its_process_was_frozen_after_its_end(excused: bool) -> History:
    frozen = fault("stop", 160, 160.9, 2 if excused else 3)
    return of_one_job({}, row(160, finished_us=161), starts=(start(160),), faults=(frozen,))


@pair(consistency.overlapping)
def the_one_under_way_was_taken_from_a_frozen_process(excused: bool) -> History:
    bodies = start(160, end=us(161.2), pid=3), start(161)
    return of_one_job({}, starts=bodies, faults=(fault("stop", 160.5, 161, 3 if excused else 2),))


@pair(consistency.overlapping)
def its_thread_was_frozen_before_its_first_line(excused: bool) -> History:
    bodies, frozen = (start(160, end=us(161.2), pid=3), start(161)), fault("stop", 158, 160.95, 2)
    return of_one_job({"body": "thread" if excused else "quick"}, starts=bodies, faults=(frozen,))


@pair(consistency.overlapping)
def runs_of_a_backfill_have_a_limit_of_their_own(excused: bool) -> History:
    kind = "backfill" if excused else "manual"
    return of_one_job({}, starts=(start(160, end=us(161.2), kind=kind), start(161)))


@pair(consistency.groups)
def one_of_its_group_was_killed(excused: bool) -> History:
    bodies = [start(160, run=number, end=us(161), pid=3 - (number == 2)) for number in range(3)]
    killed = fault("kill", 160.2, 160.2, 3) if excused else fault("kill", 165, 165, 3)
    return of_one_job({"group": "shared"}, starts=tuple(bodies), faults=(killed,))


@pair(consistency.groups)
def its_thread_was_frozen_before_its_first_line_while_others_of_its_group_began(excused: bool) -> History:
    bodies = [start(160, run=number, end=us(161.2), pid=3) for number in range(2)]
    frozen = fault("stop", 158, 160.95, 2)
    spec = {"group": "shared", "body": "thread" if excused else "quick"}
    return of_one_job(spec, starts=(*bodies, start(161)), faults=(frozen,))


@pair(consistency.stale)
def a_thread_may_be_entered_late(excused: bool) -> History:
    bodies = start(160, attempt=2, at=us(161)), start(160, attempt=1, at=us(162))
    return of_one_job({"body": "thread" if excused else "quick"}, starts=bodies)


@pair(consistency.overlap_skips)
def the_outcome_of_the_run_before_waited_for_the_ledger(excused: bool) -> History:
    locked = fault("lock", 155, 160.9) if excused else fault("lock", 100, 101)
    rows = row(158, finished_us=159.5), row(161, "skipped", reason="overlap", finished_us=161.01)
    return of_one_job({}, *rows, faults=(locked,))


@pair(consistency.overlap_skips)
def an_attempt_before_the_retry_was_under_way(excused: bool) -> History:
    again = row(160, attempt=2, due_us=170, claimed_us=170, started_us=170, finished_us=171)
    skipped = row(161, "skipped", reason="overlap", finished_us=161.01)
    asked = (request("retry", 160, 2, 169.9),) if excused else ()
    return of_one_job({}, again, skipped, attempts=(attempt(160, 1, "lost", 160, 161.5),), asked=asked)


@pair(consistency.overlap_skips)
def who_only_claims_cannot_tell_what_waits_from_what_runs(excused: bool) -> History:
    return lived(only_waited(good(), 110), 2, role="scheduler" if excused else "all")


@pair(consistency.overlap_skips)
def nobody_was_up_to_claim_the_run_before_until_a_moment_ago(excused: bool) -> History:
    history, up = only_waited(good(), 110), us(110.5 if excused else 109.5)
    return lived(lived(history, 2, ready=up), 3, ready=up)


@pair(deploys.removed)
def its_process_was_frozen_when_its_job_was_removed(excused: bool) -> History:
    frozen = fault("stop", 108.9, 109.9, 2 if excused else 3)
    history = of_one_job({"leaves": True}, starts=(start(110),), faults=(frozen,))
    return lived(history, 3, version=1)


# --- runs that wait ---


def overtaken(spec: dict[str, Any], *faults: Any, claimed: float = 128, **more: Any) -> History:
    """Let a run be lost with its process, which is found at 126, and begin again behind a newer tick."""
    again = row(120, attempt=2, crashes=1, claimed_us=131, started_us=131, finished_us=131.2)
    newer = row(125, claimed_us=claimed, started_us=128, finished_us=130.9)
    lost = (attempt(120, 1, "lost", 120, 126),)
    return of_one_job(spec, again, newer, attempts=lost, faults=faults, **more)


@pair(waiting.oldest_first)
def the_newer_one_was_claimed_before_it_was_found_to_be_lost(excused: bool) -> History:
    return overtaken({}, claimed=125 if excused else 128)


@pair(waiting.oldest_first)
def a_person_had_the_lost_one_tried_again(excused: bool) -> History:
    return overtaken({}, asked=(request("retry", 120 if excused else 125, 2, 130),))


@pair(waiting.oldest_first)
def who_took_the_lost_one_was_killed_too(excused: bool) -> History:
    return overtaken({}, fault("kill", 127 if excused else 125, 127 if excused else 125, 3))


@pair(waiting.oldest_first)
def the_clock_was_set_back_so_that_it_is_not_known_which_was_first(excused: bool) -> History:
    steps = [(0, 0), (us(129), us(-5))] if excused else [(0, 0), (us(140), us(-5))]
    return replace(overtaken({}), clock=WorldClock(0, steps))


@pair(waiting.oldest_first)
def it_was_interrupted_while_the_ledger_was_locked(excused: bool) -> History:
    return overtaken({}, fault("lock", 120 if excused else 110, 127 if excused else 111))


@pair(waiting.makes_way)
def its_end_had_been_recorded_while_its_process_was_frozen(excused: bool) -> History:
    frozen = fault("stop", 131, 150 if excused else 140, 2)
    rows = row(130, "cancelled", finished_us=145), row(160)
    spec = {"overlap": "replace", "body": "endless"}
    return of_one_job(spec, *rows, starts=(start(130, end=us(170)),), faults=(frozen,))


# --- what runs say of themselves ---


@pair(reported.progress)
def its_process_was_killed_when_it_was_asked_to_end(excused: bool) -> History:
    body = start(160, end=None, said=((500, us(160.2)), (1_000, us(160.4))))
    said = {"run_id": 160, "attempt": 1, "share": 500, "note": "step 1", "at_us": us(160.2), "result": None}
    killed = fault("kill", 160.5, 160.5, 2 if excused else 3)
    cancelled = row(160, "cancelled", finished_us=161)
    return of_one_job({"body": "tell"}, cancelled, starts=(body,), faults=(killed,), reports=[said])


@pair(reported.fresh)
def it_had_said_that_a_moment_ago(excused: bool) -> History:
    said = tuple((500 * step, us(160 + 0.2 * step)) for step in range(1, 9 if excused else 10))
    return of_one_job({"body": "tell"}, row(160, "lost"), starts=(start(160, end=None, said=said),))


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_excused_is_that_and_what_is_near_to_it_is_not(name: str) -> None:
    excused, near = PAIRS.found(name)
    assert excused == []
    assert near != []
