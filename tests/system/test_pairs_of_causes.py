"""The same as in `test_pairs_for_the_checker`, for what came late, twice, in a pause, or to no good end.

Each excuse of the checker by a pair of histories: one that has it, and one that only looks like it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from torture import causes, pauses, processes
from torture.history import Command, Fault, History, Row, WorldClock
from torture.jobs import SECOND
from torture.made_up import attempt, fault, lived, of_one_job, request, row, start, us
from torture.pairs import Pairs

PAIRS = Pairs()
pair = PAIRS.of


# --- causes ---


def began_twice(spec: dict[str, Any], *asked: Any) -> History:
    return of_one_job(spec, starts=(start(160), start(160, attempt=2, at=us(170))), asked=asked)


@pair(causes.repeated)
def a_failed_run_is_tried_again(excused: bool) -> History:
    return began_twice({"retries": 2 if excused else 0})


@pair(causes.repeated)
def a_person_asked_for_this_attempt(excused: bool) -> History:
    return began_twice({}, request("retry", 160, 2 if excused else 3, 165))


@pair(causes.repeated)
def a_person_may_have_asked_for_it(excused: bool) -> History:
    return began_twice({}, request("retry", 160, 0, 165, "unknown" if excused else "refused"))


@pair(causes.ends)
def its_time_limit_passed_while_the_machine_was_busy(excused: bool) -> History:
    busy = fault("busy", 160, 160.5) if excused else fault("busy", 150, 151)
    return of_one_job({"ends": "timed_out"}, row(160), starts=(start(160),), faults=(busy,))


@pair(causes.ends)
def its_job_was_removed_while_it_waited(excused: bool) -> History:
    cancelled = row(106, "cancelled", finished_us=108)
    return lived(of_one_job({"leaves": excused}, cancelled), 3, version=1)


def tried_again_after_it_was_cancelled(clock: WorldClock, ended: float, *later: float) -> History:
    """Let the tick of 160 have ended as cancelled at 163 in truth, and be tried again since."""
    rows = [row(160, attempt=2, due_us=170), *(row(tick) for tick in later)]
    first = attempt(160, 1, "cancelled", 160, ended)
    bodies = (start(160, end=us(163)), start(160, attempt=2, at=us(170)))
    retried = (request("retry", 160, 2, 169.9),)
    spec = {"overlap": "replace"}
    return replace(of_one_job(spec, *rows, starts=bodies, attempts=(first,), asked=retried), clock=clock)


@pair(causes.ends)
def it_had_made_way_for_a_later_tick_before_the_clock_was_set_back(excused: bool) -> History:
    # By the time that it ended, the clock had shown 162.5.
    back = WorldClock(0, [(0, 0), (us(162.5), us(-60))])
    return tried_again_after_it_was_cancelled(back, 103, 162 if excused else 164)


@pair(causes.ends)
def its_process_was_stopped_in_the_microsecond_in_which_the_clock_was_set(excused: bool) -> History:
    stopped = fault("terminate", 160.5, 161.5, 2 if excused else 3)
    body, ended = start(160, end=us(161)), row(160, "interrupted", finished_us=161)
    history = of_one_job({}, ended, starts=(body,), faults=(stopped,))
    return replace(history, clock=WorldClock(0, [(0, 0), (us(161), us(40))]))


def cut_off(spec: dict[str, Any], *faults: Any, commands: tuple[Command, ...] = (), **more: Any) -> History:
    """Let a run be lost with its process at 125, and be left so."""
    lost = row(120, "lost", **{"started_us": 120, "finished_us": 126, **more})
    killed = fault("kill", 125, 125, 1), *faults
    bodies = (start(120, pid=1, end=None, attempt=lost["attempt"]),)
    history = of_one_job(spec, lost, starts=bodies, faults=killed, commands=list(commands))
    return lived(history, 1, end=us(125))


@pair(causes.given_up)
def it_is_not_to_begin_again(excused: bool) -> History:
    return cut_off({"reruns": not excused})


@pair(causes.given_up)
def it_has_begun_often_enough(excused: bool) -> History:
    return cut_off({}, attempt=4 if excused else 3)


@pair(causes.given_up)
def no_heartbeat_could_be_written_for_long(excused: bool) -> History:
    return cut_off({}, fault("lock", 110, 116 if excused else 112))


@pair(causes.given_up)
def its_job_was_paused_meanwhile(excused: bool) -> History:
    paused = 130 if excused else 100
    spell = [("pause", paused, paused + 0.1), ("resume", paused + 10, paused + 10.1)]
    commands = tuple(Command(what, "job", us(begin), us(end), True) for what, begin, end in spell)
    return cut_off({}, commands=commands)


@pair(causes.given_up)
def its_job_may_have_been_removed_meanwhile(excused: bool) -> History:
    return lived(cut_off({"leaves": excused}), 3, version=1, begin=us(130), ready=us(131))


@pair(causes.given_up)
def its_job_had_been_removed_when_that_was_found(excused: bool) -> History:
    history = lived(cut_off({"leaves": True}), 3, version=1, begin=us(115), ready=us(116))
    # Code that has it again.
    return history if excused else lived(history, 2, version=2, begin=us(120), ready=us(121))


@pair(causes.skips)
def a_redeploy_left_what_the_former_version_had_not_done(excused: bool) -> History:
    spec = {"steps": (SECOND, 2 * SECOND)} if excused else {}
    return of_one_job(spec, row(160, "skipped", reason="outage", finished_us=161))


@pair(causes.skips)
def a_tick_of_newer_code_took_its_place(excused: bool) -> History:
    gone = row(160, "skipped", reason="coalesced", attempt=1, finished_us=162)
    history = of_one_job({"step": 5 * SECOND, "steps": (5 * SECOND, 2 * SECOND)}, gone)
    # Of code that nobody has deployed it is none.
    return lived(history, 3, version=1 if excused else 0, begin=us(155), ready=us(156))


@pair(causes.skips)
def the_clock_was_set_when_it_was_decided_about(excused: bool) -> History:
    ahead = fault("clock ahead", 160, 160) if excused else fault("clock ahead", 150, 150)
    return of_one_job({}, row(160, "skipped", reason="missed", finished_us=161), faults=(ahead,))


@pair(causes.skips)
def nobody_was_up_when_its_job_was_resumed(excused: bool) -> History:
    spell = [("pause", 175, 175.1), ("resume", 175.2, 175.3)]
    commands = [Command(what, "job", us(begin), us(end), True) for what, begin, end in spell]
    history = of_one_job({}, row(160, "skipped", reason="outage", finished_us=175.05), commands=commands)
    # Who was there to claim it, and ended a moment later, had a reason that is looked for.
    return lived(lived(history, 2, end=us(140)), 3, end=us(140 if excused else 160.5))


@pair(causes.caught_up)
def as_many_may_run_at_once(excused: bool) -> History:
    rows = row(160, claimed_us=162), row(161, claimed_us=162)
    return of_one_job({"max_instances": 2 if excused else 1}, *rows)


@pair(causes.late)
def the_process_that_had_claimed_it_was_killed(excused: bool) -> History:
    killed = fault("kill", 159.8 if excused else 150, 159.8 if excused else 150, 1)
    return of_one_job({}, row(160, claimed_us=172), faults=(killed,))


@pair(causes.late)
def the_only_process_with_the_newer_code_had_been_killed(excused: bool) -> History:
    history = of_one_job({"steps": (SECOND, 2 * SECOND)}, row(160, claimed_us=178))
    # The code of each other deployment has the same.
    return lived(history, 1, version=1 if excused else 2)


@pair(causes.late)
def it_had_left_the_job_to_code_that_was_newer_then(excused: bool) -> History:
    history = of_one_job({"steps": (SECOND, 2 * SECOND)}, row(160, claimed_us=178))
    # That of the last deployment is the same as its own again.
    return lived(lived(history, 1, version=1 if excused else 0), 3, version=2, end=us(150))


@pair(causes.late)
def only_newer_code_decides_about_a_job_that_changed(excused: bool) -> History:
    killed = fault("kill", 150, 150, 1)
    return of_one_job({"leaves": excused}, row(160, claimed_us=172), faults=(killed,))


@pair(causes.late)
def it_was_paused_until_then(excused: bool) -> History:
    job = "job" if excused else "another"
    commands = [
        Command("pause", job, us(158), us(158.1), True),
        Command("resume", job, us(171), us(171.1), True),
    ]
    return of_one_job({}, row(160, claimed_us=172), commands=commands)


@pair(causes.late)
def both_places_of_its_job_were_held(excused: bool) -> History:
    held = [row(158 + n, run_id=900 + n, finished_us=178 if n or excused else 165) for n in range(2)]
    return of_one_job({"max_instances": 2}, *held, row(160, claimed_us=178.5, finished_us=179))


@pair(causes.late)
def it_waited_behind_an_earlier_run_and_was_given_up(excused: bool) -> History:
    waits = row(160, "skipped", reason="missed", attempt=1, finished_us=172)
    return of_one_job({}, row(159, finished_us=175 if excused else 161), waits)


def behind_one_that_was_never_entered(waits: Row, *faults: Any, until: float = 172) -> History:
    """Let another tick, of 150, be claimed again only then: its process was harmed before it entered it."""
    late = row(150, claimed_us=until, finished_us=until + 0.02)
    return of_one_job({}, late, waits, faults=faults)


@pair(causes.late)
def the_dead_process_of_another_tick_was_not_found_yet(excused: bool) -> History:
    # Before it could reserve that tick.
    killed = fault("kill", 149.9 if excused else 148, 149.9 if excused else 148, 1)
    return behind_one_that_was_never_entered(row(151, claimed_us=171.9), killed)


@pair(causes.late)
def the_dead_process_had_claimed_another_tick(excused: bool) -> History:
    killed = fault("kill", 149.9, 149.9, 1)
    other = row(150, claimed_us=172) if excused else row(150, "skipped", reason="overlap")
    return of_one_job({}, other, row(151, claimed_us=171.9), faults=(killed,))


@pair(causes.late)
def nobody_had_been_well_for_long_enough_to_find_that_it_is_dead(excused: bool) -> History:
    until = 172 if excused else 186
    killed = fault("kill", 149.9, 149.9, 1)
    return behind_one_that_was_never_entered(row(151, claimed_us=until - 0.1), killed, until=until)


@pair(causes.late)
def it_was_given_up_while_a_frozen_process_held_another_tick(excused: bool) -> History:
    waits = row(151, "skipped", reason="missed", attempt=1, finished_us=171)
    # One that entered it before would have it on record.
    frozen = fault("stop", 149.9 if excused else 152, 170, 1)
    return behind_one_that_was_never_entered(waits, frozen)


def killed(at: float) -> Fault:
    return fault("kill", at, at, 1)


def behind_one_that_did_not_begin_again(
    *faults: Any, until: float = 174, more: Iterable[Row] = (), ended: str = "lost", **spec: Any
) -> History:
    """Let the tick of 150 end at 152, and begin once more only then; and that of 151 be given up before."""
    first = attempt(150, 1, ended, 150, 152)
    again = row(150, attempt=2, claimed_us=until, finished_us=until + 0.02)
    waits = row(151, "skipped", reason="missed", attempt=1, finished_us=until - 0.1)
    retried = (request("retry", 150, 2, 155),) if ended == "cancelled" else ()
    return of_one_job(spec, again, waits, *more, attempts=(first,), faults=faults, asked=retried)


@pair(causes.late)
def the_process_that_had_claimed_its_next_attempt_was_not_found_yet(excused: bool) -> History:
    # That of its first attempt was killed before.
    return behind_one_that_did_not_begin_again(killed(153 if excused else 150.5))


@pair(causes.late)
def the_process_that_had_claimed_its_next_attempt_was_not_found_for_long(excused: bool) -> History:
    return behind_one_that_did_not_begin_again(killed(153), until=176 if excused else 186)


@pair(causes.late)
def its_next_attempt_was_claimed_shortly_before_its_process_died(excused: bool) -> History:
    return behind_one_that_did_not_begin_again(killed(153 if excused else 158))


@pair(causes.late)
def of_two_that_died_one_after_the_other_both_had_claimed_its_next_attempt(excused: bool) -> History:
    return behind_one_that_did_not_begin_again(killed(153), killed(175 if excused else 153.5), until=190)


@pair(causes.late)
def a_run_that_did_not_begin_again_had_one_of_both_places(excused: bool) -> History:
    held = [row(149, run_id=900, finished_us=178)] if excused else []
    return behind_one_that_did_not_begin_again(killed(153), killed(153.5), more=held, max_instances=2)


@pair(causes.late)
def a_person_had_asked_for_its_next_attempt_when_a_process_died(excused: bool) -> History:
    # Until then it held no place.
    other, died = row(149, finished_us=155), killed(156 if excused else 153)
    return behind_one_that_did_not_begin_again(died, more=[other], ended="cancelled")


@pair(causes.entered_late)
def it_was_not_entered_before_the_dead_process_of_another_was_found(excused: bool) -> History:
    killed = fault("kill", 149.9, 149.9, 1)
    history = behind_one_that_was_never_entered(row(151, claimed_us=171.9), killed, until=172)
    # Another tick that is on record as claimed then held no place.
    history = history if excused else replace(history, runs=history.runs[1:])
    return replace(history, starts=[start(151, at=us(171.9), end=us(172))])


@pair(causes.entered_late)
def it_waits_for_a_place_in_its_group(excused: bool) -> History:
    body = start(160, at=us(164), end=us(164.1))
    return of_one_job({"group": "shared" if excused else ""}, row(160), starts=(body,))


@pair(causes.beyond_grace)
def its_process_was_frozen_when_its_grace_had_not_passed(excused: bool) -> History:
    frozen = fault("stop", 160, 164.9, 2 if excused else 3)
    body = start(160, at=us(165), end=us(166))
    return of_one_job({"grace": 2 * SECOND}, row(160), starts=(body,), faults=(frozen,))


# --- pauses and processes ---

PAUSED = [
    Command("pause", "job", us(155), us(155.1), True),
    Command("resume", "job", us(170), us(170.1), True),
]


@pair(pauses.pauses)
def its_first_attempt_was_before_the_pause(excused: bool) -> History:
    return of_one_job({}, row(160, attempt=2 if excused else 1), commands=PAUSED)


@pair(pauses.entered_in_pauses)
def a_person_asked_for_it_in_the_pause(excused: bool) -> History:
    return of_one_job({}, starts=(start(160, kind="manual" if excused else "scheduled"),), commands=PAUSED)


@pair(pauses.entered_in_pauses)
def its_process_was_frozen_when_the_pause_began(excused: bool) -> History:
    frozen = fault("stop", 154, 159.9, 2 if excused else 3)
    return of_one_job({}, starts=(start(160),), commands=PAUSED, faults=(frozen,))


@pair(processes.cuts)
def others_took_its_run_while_it_was_frozen(excused: bool) -> History:
    frozen = fault("stop", 161, 180, 2 if excused else 3)
    return of_one_job({}, row(160, "lost"), starts=(start(160, end=None),), faults=(frozen,))


@pair(processes.given_up_too_soon)
def it_was_frozen_for_most_of_a_lease(excused: bool) -> History:
    frozen = fault("stop", 150, 159.5 if excused else 158.5, 2)
    return lived(of_one_job({}, faults=(frozen,)), 2, log="run 3 had lost its lease")


@pair(processes.given_up_too_soon)
def others_had_the_lock_while_each_commit_took_long(excused: bool) -> History:
    lines = (
        "00:00.0 | INFO | simulated | ledger x",
        "01:09.0 | ERROR | the ledger does not answer (database is locked)",
        "01:14.0 | INFO | the ledger answers again",
        "01:14.1 | ERROR | run 3 had lost its lease",
    )
    slow = fault("busy", 150, 170) if excused else fault("busy", 120, 140)
    log = "\n".join(f"2026-11-23 09:{line}" for line in lines)
    return lived(of_one_job({}, faults=(slow,)), 2, log=log)


@pair(processes.blocked_loops)
def it_was_killed_while_its_loop_was_blocked(excused: bool) -> History:
    killed = fault("kill", 162, 162, 2 if excused else 3)
    return of_one_job({}, starts=(start(160, run=901, job="hog", end=us(163)),), faults=(killed,))


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_excused_is_that_and_what_is_near_to_it_is_not(name: str) -> None:
    excused, near = PAIRS.found(name)
    assert excused == []
    assert near != []
