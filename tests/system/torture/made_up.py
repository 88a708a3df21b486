"""Histories of a torture, made up for the tests of its checker: one that is right, and changes to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from torture.faults import Harm
from torture.history import (
    Act,
    Command,
    Fault,
    Fill,
    History,
    Life,
    Request,
    Row,
    Start,
    Violation,
    WorldClock,
)
from torture.jobs import SECOND, STEP, WHOLE, JobSpec

JOB = JobSpec("job", SECOND, startup=True)
UNTIL = 178
AWAY = "error: the ledger data/ledger.db cannot be used: database is locked"
CUT = "stopped; 1 run had to be cut, or could not be recorded"
PLANNED = (
    "09:00 ERROR flaky failed\n    Traceback (most recent call last):\n    RuntimeError: as planned\n"
    "2026-11-23 x"
)


def us(seconds: float) -> int:
    return round(seconds * SECOND)


def row(tick: float, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """A run that did what it should; what is given in seconds becomes microseconds."""
    ran = state != "skipped"
    known = {
        "run_id": int(tick), "job_id": "job", "kind": "scheduled", "tick_us": tick, "last_tick_us": None,
        "tick_count": None, "start_number": None, "state": state, "reason": None, "attempt": int(ran),
        "crashes": 0, "process_id": "two" if ran else None, "due_us": tick,
        "claimed_us": tick + 0.001 if ran else None, "started_us": tick + 0.002 if ran else None,
        "finished_us": tick + 0.02, **more,
    }  # fmt: skip
    return {
        key: us(value) if key.endswith("_us") and value is not None else value for key, value in known.items()
    }


def start(due: float, attempt: int = 1, pid: int = 2, **more: Any) -> Start:
    begin = Start(int(due), "scheduled", "job", us(due), attempt, pid, us(due + 0.01), us(due + 0.02))
    return replace(begin, **more)


def fault(kind: str, begin: float, end: float, pid: int = 0) -> Fault:
    return Fault(kind, pid, us(begin), us(end))


def good() -> History:
    """Three processes, 75 ticks: one was lost with its process, some were paused, some not claimable."""
    apart = (105, 110, 111, *range(115, 119), *range(141, 145))
    plain = [tick for tick in range(101, 176) if tick not in apart]
    runs = [
        row(91, run_id=1, kind="startup", tick_us=None, start_number=1, process_id="one"),
        *(row(tick) for tick in plain),
        row(105, attempt=2, crashes=1, claimed_us=106.91, started_us=106.92, finished_us=106.99),
        row(110, finished_us=111.5),
        row(111, "skipped", reason="overlap"),
        row(115, "skipped", reason="paused", last_tick_us=118, tick_count=4, finished_us=118.25),
        row(141, "skipped", reason="coalesced", last_tick_us=143, tick_count=3, finished_us=144.2),
        row(144, claimed_us=144.2, started_us=144.2, finished_us=144.3),
    ]
    starts = [
        start(91, run=1, kind="startup", tick=0, pid=1),
        *(start(tick) for tick in plain),
        start(105, pid=1, end=None),
        start(105, attempt=2, at=us(106.93), end=us(106.99)),
        start(110, end=us(111.5)),
        start(144, at=us(144.2), end=us(144.3)),
    ]
    lost = {
        "run_id": 105, "attempt": 1, "state": "lost", "process_id": "one", "started_us": us(105.002),
        "finished_us": us(106.9),
    }  # fmt: skip
    return History(
        schedule=[JOB],
        clock=WorldClock(0),
        until=us(UNTIL),
        faults=[
            fault("kill", 105.1, 105.2, 1),
            fault("lock", 140.5, 144.1),
            fault("terminate", 190, 200, 2),
            fault("terminate", 190, 200, 3),
        ],
        lives=[
            Life(1, us(90), us(91), us(105.2), -9, ""),
            Life(2, us(90), us(91), us(200), 0, PLANNED),
            Life(3, us(106), us(107), us(200), 0, ""),
        ],
        starts=starts,
        runs=runs,
        attempts=[lost],
        jobs={"job": {"changed_us": us(100), "definition": "interval 1000000us from 0"}},
        commands=[
            Command("pause", "job", us(114.8), us(114.9), True),
            Command("resume", "job", us(118.2), us(118.3), True),
        ],
    )


# --- changes to it: what follows the history is in seconds ---


def without(history: History, tick: int) -> History:
    return replace(history, runs=[r for r in history.runs if r["tick_us"] != us(tick)])


def changed(history: History, tick: int, **values: Any) -> History:
    values = {k: us(v) if k.endswith("_us") and v is not None else v for k, v in values.items()}
    return replace(history, runs=[{**r, **values} if r["tick_us"] == us(tick) else r for r in history.runs])


def also(history: History, *rows: dict[str, Any]) -> History:
    return replace(history, runs=[*history.runs, *rows])


def began(history: History, tick: int, **values: Any) -> History:
    starts = [replace(s, **values) if s.tick == us(tick) else s for s in history.starts]
    return replace(history, starts=starts)


def unseen(history: History, tick: int) -> History:
    return replace(history, starts=[s for s in history.starts if s.tick != us(tick)])


def skipped(history: History, tick: int, reason: str, finished: float) -> History:
    given_up = row(tick, "skipped", reason=reason, finished_us=finished)
    return also(unseen(without(history, tick), tick), given_up)


def waited(history: History, tick: int, finished: float) -> History:
    given_up = row(tick, "skipped", reason="coalesced", finished_us=finished, attempt=1)
    return also(unseen(without(history, tick), tick), given_up)


def shared(history: History) -> History:
    together = [start(160, run=900 + number, end=us(160.5), pid=2) for number in range(2)]
    grouped = of(history, group="shared", max_instances=9)
    return replace(grouped, starts=[*grouped.starts, *together])


def ended(history: History, tick: int, state: str, **values: Any) -> History:
    return changed(history, tick, state=state, **values)


def lived(history: History, pid: int, **values: Any) -> History:
    return replace(history, lives=[replace(x, **values) if x.pid == pid else x for x in history.lives])


def of(history: History, **values: Any) -> History:
    return replace(history, schedule=[replace(JOB, **values)])


def earlier(history: History, **values: Any) -> History:
    return replace(history, attempts=[{**history.attempts[0], **values}])


def startup(number: int, run: int) -> dict[str, Any]:
    return row(
        91, run_id=run, kind="startup", tick_us=None, start_number=number, state="skipped", reason="coalesced"
    )


def requested(history: History, *rows: dict[str, Any]) -> History:
    return replace(also(history, *rows), requested=[("one", us(150), us(149))])


def asked(history: History, what: str, run: int, at: float, attempt: int = 2) -> History:
    """Let a person have asked something of a run, and be told that it is done."""
    return replace(history, asked=[Request(what, "job", run, attempt, us(at), us(at + 0.01), "done")])


def filling(history: History, *made: tuple[float, float]) -> History:
    """Add a backfill of two ticks, and its runs: each the tick in hours, and when its body began."""
    of_it: dict[str, Any] = {
        "kind": "backfill",
        "tick_us": None,
        "job_id": "past",
        "backfill_id": 1,
        "for_tick_us": 0,
    }
    rows, starts = [], []
    for run, (hour, at) in enumerate(made, 900):
        ends = {"due_us": at, "claimed_us": at, "started_us": at, "finished_us": at + 2}
        rows.append(row(0, run_id=run, **of_it | ends) | {"for_tick_us": us(hour * 3_600)})
        begun: dict[str, Any] = {"run": run, "kind": "backfill", "job": "past", "tick": us(hour * 3_600)}
        starts.append(start(0, at=us(at), end=us(at + 2), **begun))
    past = [*history.schedule, JobSpec("past", 3_600 * SECOND)]
    known = {**history.jobs, "past": {"changed_us": us(100), "definition": ""}}
    found = replace(
        history, schedule=past, jobs=known, fills=[Fill(1, "past", us(3_600), us(7_200), us(110))]
    )
    return replace(also(found, *rows), starts=[*found.starts, *starts])


# The job that somebody has added, and the ticks of it.
ADDED, ITS_TICKS = "offered-1", range(115, 171, 5)


def act(what: str, at: float, step: int = 5, number: int = 1, answer: str = "done") -> Act:
    return Act(what, ADDED, us(step), number, us(at), us(at + 0.02), answer)


def added(history: History) -> History:
    """Let a person have added a job of a function on offer: it says how far it is, and returns something."""
    rows, starts, reports = [], [], []
    for tick in ITS_TICKS:
        run, end = 2_000 + tick, us(tick + 4.02)
        rows.append(row(tick, run_id=run, job_id=ADDED, finished_us=tick + 4.03))
        said = tuple((share, us(tick + 0.01 + share / 2_500)) for share in range(STEP, WHOLE + 1, STEP))
        starts.append(start(tick, run=run, job=ADDED, end=end, said=said))
        result = json.dumps({"number": 1, "run": run, "attempt": 1})
        reports.append({"run_id": run, "attempt": 1, "share": WHOLE, "note": f"step {WHOLE // STEP}",
                        "at_us": said[-1][1], "result": result, "is_json": 1})  # fmt: skip
    known = {
        "changed_us": us(110),
        "removed_us": None,
        "definition": "interval 5000000us from 0",
        "call_data": json.dumps({"kwargs": {"number": 1}}),
    }
    return replace(
        also(history, *rows),
        starts=[*history.starts, *starts],
        reports=reports,
        jobs={**history.jobs, ADDED: known},
        acts=[act("add", 109.9)],
        audit=[{"action": "add", "job_id": ADDED}],
    )


def acted(history: History, *acts: Act) -> History:
    """Let people have done more about the job that was added; it stands in the audit trail."""
    entries = [{"action": it.what, "job_id": it.job} for it in acts]
    return replace(history, acts=[*history.acts, *acts], audit=[*history.audit, *entries])


def known(history: History, **values: Any) -> History:
    """Change what the ledger has of the job that was added."""
    return replace(history, jobs={**history.jobs, ADDED: {**history.jobs[ADDED], **values}})


def without_its_run(history: History, tick: int) -> History:
    run = 2_000 + tick
    return replace(
        history,
        runs=[it for it in history.runs if it["run_id"] != run],
        starts=[it for it in history.starts if it.run != run],
        reports=[it for it in history.reports if it["run_id"] != run],
    )


def removed(history: History, at: int) -> History:
    """Let a person have removed the job, so that it did not run from then on."""
    history = acted(known(history, removed_us=us(at)), act("remove", at, 0, 0))
    for tick in ITS_TICKS:
        history = without_its_run(history, tick) if tick >= at else history
    return history


def reported(history: History, tick: int, **values: Any) -> History:
    """Change what is on record of what a run said."""
    changed_rows = [{**it, **values} if it["run_id"] == 2_000 + tick else it for it in history.reports]
    return replace(history, reports=changed_rows)


def first_attempt(history: History, tick: int, **values: Any) -> History:
    """Change what is on record of what the first attempt of a run said."""
    it, others = _first_attempt(history, tick)
    return replace(history, reports=[*others, {**it, **values}])


def silent(history: History, tick: int) -> History:
    """Let nothing be on record of what the first attempt of a run said."""
    _it, others = _first_attempt(history, tick)
    return replace(history, reports=others)


def _first_attempt(history: History, tick: int) -> tuple[Row, list[Row]]:
    [it] = [it for it in history.reports if (it["run_id"], it["attempt"]) == (2_000 + tick, 1)]
    return it, [other for other in history.reports if other is not it]


def died(history: History, tick: int, after: float) -> History:
    """Let the process of a run be killed so long after its tick, and another one run it once more."""
    run, at = 2_000 + tick, us(tick + after)
    [one] = [it for it in history.starts if it.run == run]
    first = replace(one, pid=4, end=None, said=tuple(it for it in one.said if it[1] <= at))
    again = replace(one, attempt=2, at=at + us(0.3), said=(), end=None, kind="scheduled")
    later = tuple((share, again.at + us(share / 2_500)) for share in range(STEP, WHOLE + 1, STEP))
    again = replace(again, said=later, end=later[-1][1])
    lost = {"run_id": run, "attempt": 1, "state": "lost", "process_id": "four"}
    lost |= {"started_us": us(tick + 0.002), "finished_us": at + us(0.2)}
    share, said_at = first.said[-1]
    result = json.dumps({"number": 1, "run": run, "attempt": 2})
    reports = [it for it in history.reports if it["run_id"] != run]
    reports += [
        {"run_id": run, "attempt": 1, "share": share, "note": f"step {share // STEP}", "at_us": said_at,
         "result": None, "is_json": 0},
        {"run_id": run, "attempt": 2, "share": WHOLE, "note": f"step {WHOLE // STEP}",
         "at_us": later[-1][1], "result": result, "is_json": 1},
    ]  # fmt: skip
    now = {"attempt": 2, "crashes": 1, "claimed_us": at + us(0.2), "started_us": at + us(0.3)}
    now["finished_us"] = later[-1][1] + us(0.01)
    return replace(
        history,
        runs=[{**it, **now} if it["run_id"] == run else it for it in history.runs],
        attempts=[*history.attempts, lost],
        starts=[*(it for it in history.starts if it.run != run), first, again],
        reports=reports,
        lives=[*history.lives, Life(4, us(100), us(101), at, -9, "")],
        faults=[*history.faults, Fault("kill", 4, at, at)],
    )


ONE = row(150, run_id=900, job_id="one")
ONE_STARTED = start(150, run=900, job="one")
HOG = start(160, run=901, job="hog", end=us(163))


def only_waited(history: History, tick: int) -> History:
    """Let a run wait in its process for more than a second until it is entered."""
    ended = tick + 1.7
    history = changed(history, tick, started_us=tick + 1.6, finished_us=ended)
    return began(history, tick, at=us(ended - 0.1), end=us(ended))


def tried_again(history: History) -> History:
    """Let a run be cancelled, and begin once more when a person has it tried again."""
    cancelled = {"run_id": 130, "attempt": 1, "state": "cancelled", "process_id": "two"}
    times = {"started_us": us(130.002), "finished_us": us(130.02)}
    again = {"attempt": 2, "due_us": 160.5, "claimed_us": 160.5, "started_us": 160.5, "finished_us": 160.6}
    asked_for = [
        Request("cancel", "job", 130, 1, us(130.01), us(130.015), "done"),
        Request("retry", "job", 130, 2, us(160.4), us(160.5), "done"),
    ]
    return replace(
        changed(history, 130, **again),
        attempts=[*history.attempts, {**cancelled, **times}],
        starts=[*history.starts, start(130, attempt=2, at=us(160.52), end=us(160.6))],
        asked=asked_for,
    )


def frozen_with_the_ledger(history: History) -> History:
    """Let another process be stopped inside of a transaction, so that process 2 cannot write."""
    [life] = [life for life in history.lives if life.pid == 2]
    at = datetime(2026, 1, 1) + timedelta(microseconds=us(163) - life.begin)
    said = "the ledger does not answer (database is locked); trying again every second"
    log = f"2026-01-01 00:00:00.000 INFO     up\n{at:%F %T.%f} ERROR    {said}\n"
    stopped = Fault("stop", 3, us(158), us(163.5))
    return replace(lived(history, 2, log=log), faults=[*history.faults, stopped])


def behind_an_earlier_run(history: History, tick: int = 160) -> History:
    """Let a tick wait behind the run of the one before it, which takes long, and give way to a newer one."""
    for later in range(tick + 1, tick + 6):
        history = also(
            without(unseen(history, later), later),
            row(later, "skipped", reason="overlap", finished_us=later + 0.01),
        )
    history = began(changed(history, tick - 1, finished_us=tick + 5.5), tick - 1, end=us(tick + 5.5))
    history = replace(history, faults=[*history.faults, fault("busy", tick - 1, tick - 0.9)])
    return skipped(history, tick, "coalesced", tick + 6)


# --- histories of one job, with what is given and nothing else: so that one rule can be looked at ---


def of_one_job(
    spec: dict[str, Any],
    *runs: dict[str, Any],
    starts: tuple[Start, ...] = (),
    attempts: tuple[dict[str, Any], ...] = (),
    faults: tuple[Fault, ...] = (),
    asked: tuple[Request, ...] = (),
    **more: Any,
) -> History:
    """Return a history with three processes, of which the first was killed at 105."""
    job = replace(JobSpec("job", SECOND), **spec)
    parts: dict[str, Any] = {"starts": list(starts), "attempts": list(attempts), "faults": list(faults)}
    parts |= {"runs": list(runs), "asked": list(asked), "commands": []}
    return replace(good(), schedule=[job], **parts | more)


def attempt(run: int, number: int, state: str, started: float, finished: float) -> dict[str, Any]:
    times = {"started_us": us(started), "finished_us": us(finished)}
    return {"run_id": run, "attempt": number, "state": state, "process_id": "two", **times}


def request(what: str, run: int, number: int, at: float, answer: str = "done") -> Request:
    return Request(what, "job", run, number, us(at), us(at + 0.01), answer)


def found(rule: Callable[[History, Harm], Iterator[Violation]], history: History) -> list[str]:
    """Return what a rule finds in a history."""
    return [str(violation) for violation in rule(history, Harm(history))]
