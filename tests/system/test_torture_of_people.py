"""What the torture's checker notices of jobs that people add, and of what runs say of themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from torture.checker import violations
from torture.history import History
from torture.made_up import (
    ADDED,
    act,
    acted,
    added,
    also,
    died,
    earlier,
    fault,
    first_attempt,
    good,
    known,
    removed,
    reported,
    row,
    silent,
    us,
    without_its_run,
)
from torture.report import summary

SIX = "interval 6000000us from 0"


def right() -> History:
    return added(good())


# What follows a history is in seconds.
BREACHES: list[tuple[Callable[[History], History], str]] = [
    # what people were told
    (lambda e: replace(e, jobs={"job": e.jobs["job"]}), "it was added, as was said, and is not there"),
    (lambda e: known(e, removed_us=us(172)), "it is removed, though nobody removed it"),
    (lambda e: replace(e, acts=[act("add", 109.9, answer="refused")]), "and is there all the same"),
    (lambda e: acted(e, act("remove", 172, 0, 0)), "it was removed, as was said, and is there all the same"),
    (lambda e: acted(e, act("change", 172, 6, 2)), "'interval 5000000us from 0' with 1, and not as it was"),
    (lambda e: acted(known(e, definition=SIX), act("change", 172, 6, 2)), f"{SIX!r} with 1, and not as it"),
    (lambda e: known(e, definition=SIX), f"it is {SIX!r} with 1, and not as it was last given"),
    (lambda e: replace(e, audit=[*e.audit, *e.audit]), "2 entries say that somebody did add, and 1 did"),
    (lambda e: replace(e, audit=[]), "0 entries say that somebody did add, and 1 did"),
    (lambda e: without_its_run(e, 130), "offered-1: tick 130000000 has no outcome"),
    (lambda e: also(e, row(132, run_id=900, job_id=ADDED)), "132000000 is no tick of the schedule"),
    (lambda e: also(e, row(130, run_id=900, job_id=ADDED)), "tick 130000000 is accounted for twice"),
    (
        lambda e: acted(known(e, removed_us=us(150)), act("remove", 150, 0, 0)),
        "tick 155000000 is succeeded, though a person had removed it",
    ),
    (
        lambda e: acted(known(e, removed_us=us(150)), act("remove", 150, 0, 0)),
        "attempt 1 of 155000000 began, though a person had removed it",
    ),
    (
        lambda e: reported(e, 130, result=json.dumps({"number": 9, "run": 2130, "attempt": 1})),
        "tick 130000000 was called with 9, which it had not been given",
    ),
    (
        lambda e: acted(known(e, call_data=json.dumps({"kwargs": {"number": 2}})), act("change", 131, 5, 2)),
        "tick 135000000 was called with 1, which it had not been given",
    ),
    # what runs say of themselves
    (
        lambda e: reported(e, 130, run_id=7_000),
        "run 7000 attempt 1 is said to be at 10000, and did not begin",
    ),
    (lambda e: reported(e, 130, share=5_000, note="step 10"), "is succeeded and said to be at 5000"),
    (lambda e: reported(e, 130, note="step 19"), "is said to be at 10000 (step 19), and was at 10000"),
    (lambda e: reported(e, 130, share=120, note="step 0"), "is said to be at 120 (step 0), and was at 10000"),
    (lambda e: reported(e, 130, at_us=us(131)), "is said to have been at 10000 at another time than it was"),
    (lambda e: reported(e, 130, result=None), "succeeded, and its result is None"),
    (lambda e: reported(e, 130, is_json=0), "succeeded, and its result is {"),
    (
        lambda e: reported(e, 130, result=json.dumps({"number": 1, "run": 2135, "attempt": 1})),
        "has the result of another one",
    ),
    (
        lambda e: first_attempt(died(e, 170, 3.5), 170, result="{}"),
        "is lost, and has the result {}",
    ),
    (
        lambda e: silent(died(e, 170, 3.5), 170),
        "was at 500 long before it died, and is said to have been at None",
    ),
    (
        lambda e: silent(died(e, 170, 2.0), 170),
        "was at 500 long before it died, and is said to have been at None",
    ),
    (
        lambda e: first_attempt(died(e, 170, 3.5), 170, share=500, note="step 1", at_us=us(170.21)),
        "was at 1000 long before it died, and is said to have been at 500",
    ),
    (lambda e: silent(e, 130), "is succeeded and said to be at 0, though it was at 10000"),
    (lambda e: silent(e, 130), "succeeded, and its result is None"),
    (
        lambda e: earlier(
            first_attempt(died(e, 170, 3.5), 170, share=8_000, note="step 16", at_us=us(173.21)),
            run_id=2_170,
            started_us=us(170.002),
            finished_us=us(173.7),
            state="interrupted",
        ),
        "is interrupted and said to be at 8000, though it was at 8500",
    ),
]


def found_in(history: History) -> list[str]:
    return [str(found) for found in violations(history)]


@pytest.mark.parametrize(("breach", "sentence"), BREACHES, ids=[sentence for _, sentence in BREACHES])
def test_the_checker_notices(breach: Callable[[History], History], sentence: str) -> None:
    found = found_in(breach(right()))
    assert any(sentence in one for one in found), found


@pytest.mark.parametrize(
    "excused",
    [
        lambda e: e,
        lambda e: removed(e, 150),
        lambda e: acted(e, act("change", 172, 6, 2, "unknown")),
        lambda e: acted(e, act("remove", 172, 0, 0, "unknown")),
        lambda e: replace(e, acts=[*e.acts, act("remove", 172, 0, 0, "refused")]),
        lambda e: replace(e, acts=[act("add", 109.9, answer="unknown")]),
        lambda e: acted(
            known(e, definition=SIX, changed_us=us(174.5), call_data='{"kwargs": {"number": 2}}'),
            act("change", 174.4, 6, 2),
        ),
        lambda e: died(e, 170, 3.5),
        lambda e: silent(died(e, 170, 1.7), 170),
        lambda e: silent(
            replace(died(e, 170, 3.5), faults=[*died(e, 170, 3.5).faults, fault("full", 169.5, 173)]), 170
        ),
    ],
    ids=[
        "added",
        "removed",
        "perhaps changed",
        "perhaps removed",
        "not removed",
        "perhaps added",
        "changed",
        "begun again",
        "died soon",
        "disk full",
    ],
)
def test_the_checker_accepts_what_is_right_or_excused(excused: Callable[[History], History]) -> None:
    assert found_in(excused(right())) == []


def test_the_summary_counts_what_people_did() -> None:
    said = "\n".join(summary(removed(right(), 150)))
    assert "jobs of functions on offer: 1 add done, 1 remove done; 7 attempts said how far, 7 results" in said
