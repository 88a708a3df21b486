"""The ledger agrees with what the tasks themselves recorded (R3, R6), and no job exceeds its limit (R7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from torture.faults import DEADLY, ENDING, LEDGER, PARTED, Harm, name
from torture.history import History, Row, Start, Violation
from torture.jobs import LIMITS, ON_THREADS, SECOND, JobSpec

_KNOWS = ("succeeded", "failed")
# How long an outcome may be on its way from its process's memory into the ledger.
_COMMITTING = SECOND
# How long after the end of a body its process notices.
_NOTICING = SECOND // 2
# How long a run may wait in a process, when it is due, until it is entered, or given back to the queue.
_WAITING = SECOND


def ledger_against_file(history: History, harm: Harm) -> Iterator[Violation]:
    """The ledger's outcome of a run's latest attempt is the one that the task recorded."""
    starts = {(start.run, start.attempt): start for start in history.starts}
    ran = {start.run for start in history.starts}
    for row in history.runs:
        start = starts.get((row["run_id"], row["attempt"]))
        sentence = ""
        if row["state"] == "skipped" and row["run_id"] in ran:
            sentence = "is recorded as skipped, but it ran"
        elif row["state"] in _KNOWS and (start is None or start.end is None):
            sentence = f"is recorded as {row['state']}, but attempt {row['attempt']} did not end"
        elif row["state"] == "timed_out" and start is None:
            sentence = f"is recorded as timed_out, but attempt {row['attempt']} did not begin"
        if sentence:
            yield Violation(f"{name(row)} {sentence}", row["job_id"], row["tick_us"])


def attempts_against_file(history: History, harm: Harm) -> Iterator[Violation]:
    """Each earlier attempt of the ledger is what the body did, and each body has its attempt."""
    rows = {row["run_id"]: row for row in history.runs}
    starts = {(start.run, start.attempt): start for start in history.starts}
    attempts = {(each["run_id"], each["attempt"]): each for each in history.attempts}
    for (run, number), attempt in attempts.items():
        row, start = rows[run], starts.get((run, number))
        sentence = ""
        by_hand = ("cancelled",) if history.asked_of("retry", run) else ()
        if attempt["state"] not in ("failed", "timed_out", "lost", "interrupted", *by_hand):
            sentence = f"has an earlier attempt that {attempt['state']}"
        elif attempt["state"] == "failed" and (start is None or start.end is None):
            sentence = f"attempt {number} is recorded as failed, but it did not end"
        elif number >= row["attempt"]:
            sentence = f"has an earlier attempt {number}, but is at attempt {row['attempt']}"
        if sentence:
            yield Violation(f"{name(row)} {sentence}", row["job_id"], row["tick_us"])
    for start in history.starts:
        found = rows.get(start.run)
        what = f"{start.job}: tick {start.tick} ran attempt {start.attempt}"
        if found is None or (found["job_id"], _tick(found)) != (start.job, start.tick):
            yield Violation(f"{what} of a run that the ledger does not know", start.job, start.tick)
        elif found["attempt"] != start.attempt and (start.run, start.attempt) not in attempts:
            yield Violation(f"{what} that the ledger does not know", start.job, start.tick)


def _tick(row: Row) -> int:
    """Return the tick that a body finds: its own, or that of a backfill; 0 without one."""
    return row["tick_us"] or row.get("for_tick_us") or 0


def owners(history: History, harm: Harm) -> Iterator[Violation]:
    """R3: the process that holds the lease of an attempt is the only one that called the task."""
    holders = {
        (each["run_id"], each["attempt"]): each["process_id"] for each in [*history.runs, *history.attempts]
    }
    pids: dict[str, int] = {}
    for start in history.starts:
        holder = holders.get((start.run, start.attempt))
        if holder is not None and pids.setdefault(holder, start.pid) != start.pid:
            sentence = (
                f"attempt {start.attempt} of tick {start.tick} ran in {start.pid}, for which another held it"
            )
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)


def ends_against_file(history: History, harm: Harm) -> Iterator[Violation]:
    """R3: the recorded end of a run is the end of the body of its latest attempt, and no staler one's."""
    ends = {(start.run, start.attempt): start for start in history.starts if start.end is not None}
    for row in history.runs:
        start = ends.get((row["run_id"], row["attempt"]))
        if row["state"] != "succeeded" or start is None or start.end is None:
            continue
        apart = row["finished_us"] - history.clock.shows(start.end)
        if abs(apart) > _NOTICING and not harm.disturbed(start.pid, start.end - SECOND, start.end + SECOND):
            sentence = f"is recorded to have ended {apart / SECOND:.1f} s after its body"
            yield Violation(f"{name(row)} {sentence}", row["job_id"], row["tick_us"], start.pid)


def overlapping(history: History, harm: Harm) -> Iterator[Violation]:
    """R7: never more bodies of a job at once than `max_instances`, unless a frozen one was replaced."""
    by_job: dict[str, list[Start]] = defaultdict(list)
    for start in history.starts:
        # Runs of a backfill have a limit of their own.
        if start.end is not None and start.job in history.specs and start.kind != "backfill":
            by_job[start.job].append(start)
    for job, starts in by_job.items():
        under_way: list[Start] = []
        for start in sorted(starts, key=lambda start: start.at):
            under_way = [s for s in under_way if s.end is not None and s.end > start.at]
            counted = [s for s in under_way if not harm.harmed(s, s.end or start.at)]
            if len(counted) >= history.specs[job].max_instances and not harm.entered_late(start):
                sentence = f"tick {start.tick} began while {len(under_way)} others were under way"
                yield Violation(f"{job}: {sentence}", job, start.tick, start.pid)
            under_way.append(start)


def groups(history: History, harm: Harm) -> Iterator[Violation]:
    """R7: never more bodies of a group at once than its limit, unless a frozen one was replaced."""
    for group, limit in LIMITS.items():
        under_way: list[Start] = []
        for start in sorted(history.starts, key=lambda start: start.at):
            spec = history.specs.get(start.job)
            if spec is None or spec.group != group or start.end is None:
                continue
            under_way = [s for s in under_way if s.end is not None and s.end > start.at]
            counted = [s for s in under_way if not harm.harmed(s, s.end or start.at)]
            if len(counted) >= limit and not harm.entered_late(start):
                sentence = f"tick {start.tick} began while {len(counted)} others of {group} were under way"
                yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)
            under_way.append(start)


def replaced(history: History, harm: Harm) -> Iterator[Violation]:
    """R7: a run is asked to end only for a later tick of its job, with `overlap="replace"`."""
    for row in history.runs:
        spec, by = history.specs.get(row["job_id"]), row.get("replaced_by_us")
        if by is None or spec is None:
            continue
        if spec.overlap != "replace" or not spec.is_tick(by) or (row["tick_us"] or 0) >= by:
            yield Violation(f"{name(row)} was to be replaced by {by}", spec.id, row["tick_us"])


def stale(history: History, harm: Harm) -> Iterator[Violation]:
    """R6: who was frozen for so long that another one took its run over does not enter that any more."""
    newest: dict[int, Start] = {}
    for start in sorted(history.starts, key=lambda start: start.at):
        newer = newest.get(start.run)
        if newer is None or start.attempt > newer.attempt:
            newest[start.run] = start
        elif start.attempt < newer.attempt and history.specs[start.job].body not in ON_THREADS:
            sentence = f"{start.pid} began attempt {start.attempt} of tick {start.tick} after a newer one"
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)


def overlap_skips(history: History, harm: Harm) -> Iterator[Violation]:
    """R7, R15: a tick is skipped for overlap only while enough earlier runs of its job are under way."""
    entered: dict[int, int] = {}
    for start in history.starts:
        entered[start.run] = min(start.at, entered.get(start.run, start.at))
    for spec in history.specs.values():
        rows = history.rows_of(spec.id)
        # One that was given up after its claim held a lease until then.
        runs = [row for row in rows if row["state"] != "skipped" or row["claimed_us"] is not None]
        runs += _tried_again(history, runs)
        for row in rows:
            if row["reason"] != "overlap":
                continue
            if spec.overlap != "skip":
                sentence = f"was skipped for overlap, though its overlap is {spec.overlap}"
                yield Violation(f"{name(row)} {sentence}", spec.id, row["tick_us"])
                continue
            held = sum(
                _held(spec, other, row) and not _only_waited(history, harm, other, row, entered)
                for other in runs
            )
            if held < spec.max_instances and not _outcomes_waited(row, harm):
                sentence = f"was skipped for overlap while {held} earlier run(s) were held"
                yield Violation(f"{name(row)} {sentence}", spec.id, row["tick_us"])


def _tried_again(history: History, runs: list[Row]) -> list[Row]:
    """Return what runs were before a person had them tried again."""
    again = {row["run_id"]: row for row in runs if history.asked_of("retry", row["run_id"])}
    earlier = [each for each in history.attempts if each["run_id"] in again]
    return [{**again[each["run_id"]], **each, "due_us": each["started_us"]} for each in earlier
            if each["started_us"] is not None]  # fmt: skip


def _held(spec: JobSpec, run: Row, skipped: Row) -> bool:
    decided, ended = skipped["finished_us"], run["finished_us"]
    # A retry is due later than its run was at first. What is only reserved, until it is due, holds nothing.
    began = run["tick_us"] if spec.retries and run["tick_us"] is not None else run["due_us"]
    return began <= decided and (ended is None or ended >= decided - _COMMITTING)


def _only_waited(history: History, harm: Harm, run: Row, skipped: Row, entered: dict[int, int]) -> bool:
    """Return whether a run was due and not entered, though no harm was done to the process that held it."""
    decided = min(harm.instants(skipped["finished_us"]), default=0)
    due = max((at for at in harm.instants(run["due_us"]) if at <= decided), default=decided)
    # Nobody may have been up to claim it until a moment ago.
    up = min((it.ready for it in history.lives if it.ready is not None and it.end > due), default=decided)
    if decided - max(due, up) < _WAITING or entered.get(run["run_id"], decided) < decided + _NOTICING:
        return False
    # For a process that only claims, what waits for others is as if it were under way.
    is_for_others = any(life.role == "scheduler" for life in history.lives)
    # It was claimed a moment before its tick, and waited for its jitter.
    claimed = min([due, *harm.instants(run["tick_us"] or run["due_us"])]) - SECOND
    return not is_for_others and not harm.near(claimed, decided, (*DEADLY, *ENDING, *PARTED))


def _outcomes_waited(row: Row, harm: Harm) -> bool:
    """Return whether an outcome may have waited longer for its commit, or the clock was set."""
    kinds = (*LEDGER, *PARTED, "busy", "clock back", "clock ahead")
    return harm.around(row["finished_us"], 40, 1, kinds)
