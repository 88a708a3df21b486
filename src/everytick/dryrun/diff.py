"""Compares the schedule in the working tree with the one in force, and says what a start runs at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.roles import DEFAULT_QUEUE
from everytick.model.schedule import Schedule, known_from_text
from everytick.read.job_ids import natural
from everytick.read.known_job import Declared
from everytick.store.database import Ledger
from everytick.store.declared_options import read_options
from everytick.text.instants import iso

from .renames import perhaps_renamed
from .start import DryRun, dry_run

# How many coming ticks are shown of each schedule.
_SHOWN_TICKS = 3
# The parts of a declaration besides its ticks that each ledger keeps, and their names in the code.
_KEPT = {
    "name": "name",
    "function": "function",
    "on_crash": "on_crash",
    "grace_us": "misfire_grace_time",
    "queue": "queue",
    "group_name": "group",
}


@dataclass
class Side:
    """A schedule as it is, or would be; `next` are coming ticks, ISO 8601 in UTC, None if not known."""

    trigger: str
    timezone: str
    next: list[str] | None


@dataclass
class JobChange:
    """The difference for one job.

    what: `added`, `renamed`, `changed` (its ticks are others), `removed`, or `altered` (its ticks stay).
    details: other things that change, each with the old and the new value. declared_at: the line of the
    declaration. perhaps_renamed_from: the removed job that an added one looks like.
    """

    job_id: str
    what: str
    old: Side | None
    new: Side | None
    paused: bool = False
    details: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    declared_at: str | None = None
    perhaps_renamed_from: str | None = None


@dataclass
class Start:
    """One run that the next start begins.

    why: `startup`, `catch-up`, `due` (its tick is now), or what it is now: `queued`, `retrying`, `lost`,
    `interrupted`. at: when it is due, ISO 8601 in UTC, which may be a moment from now.
    """

    job_id: str
    kind: str
    why: str
    tick: str | None
    at: str | None
    run_id: int | None


@dataclass
class Difference:
    """Everything that a start with the working tree's schedule changes; see `dry_run`.

    disabled: the jobs that would be disabled, each with the setting.
    """

    jobs: list[JobChange]
    runs: list[Start]
    skipped: list[dict[str, Any]]
    waiting: list[Start]
    alive: list[str]
    stale: list[str]
    cannot_run: dict[str, str]
    disabled: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"differs": bool(self.jobs), **asdict(self)}


def difference(ledger: Ledger, declared: Declared) -> Difference:
    """Compare a schedule with what the ledger has in force.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found = dry_run(ledger, declared)
    now = ticks.now()
    return Difference(
        jobs=_changes(found, {job.id: job for job in declared.jobs}, now),
        runs=[_start(row, now) for row in found.begun],
        skipped=[_skipped(row) for row in found.skipped],
        waiting=[_start(row, now) for row in found.waiting],
        alive=found.alive,
        stale=found.stale,
        cannot_run=found.broken,
        disabled={
            job_id: row["disabled_by"]
            for job_id, row in found.after.items()
            if row["disabled_by"] is not None and row["removed_us"] is None
        },
    )


def _changes(found: DryRun, declared: Mapping[str, Job], now: int) -> list[JobChange]:
    registration = found.registration
    what = {
        job_id: kind for kind in ("added", "changed", "removed") for job_id in getattr(registration, kind)
    }
    what |= dict.fromkeys(registration.renamed, "renamed")
    what |= {id: "altered" for id in declared.keys() - what.keys() if _details(found, id)}
    before = perhaps_renamed(found)
    changes = [
        JobChange(
            job_id,
            kind,
            _old(_row_before(found, job_id), now) if kind != "added" else None,
            _new(declared[job_id].schedule, found.after[job_id], now) if job_id in declared else None,
            paused=job_id in registration.paused,
            details=_details(found, job_id) if kind not in ("added", "removed") else {},
            declared_at=declared[job_id].where if job_id in declared else None,
            perhaps_renamed_from=before.get(job_id),
        )
        for job_id, kind in what.items()
    ]
    order = ("added", "renamed", "changed", "altered", "removed")
    return sorted(changes, key=lambda change: (order.index(change.what), natural(change.job_id)))


def _row_before(found: DryRun, job_id: str) -> Mapping[str, Any] | None:
    row: Mapping[str, Any] | None = found.before.get(found.registration.renamed.get(job_id, job_id))
    return row


def _details(found: DryRun, job_id: str) -> dict[str, tuple[Any, Any]]:
    old, new = _row_before(found, job_id), found.after[job_id]
    if old is None:
        return {}
    sides = {called: (_value(name, old[name]), _value(name, new[name])) for name, called in _KEPT.items()}
    before, after = read_options(old["options_data"]), read_options(new["options_data"])
    sides |= {name: (before[name], after[name]) for name in after if name in before and name not in sides}
    details = {name: _told(name, *both) for name, both in sides.items() if both[0] != both[1]}
    if job_id in found.registration.renamed:
        details = {"id": (old["job_id"], job_id), **details}
    if old["call_data"] is not None and new["call_data"] is None:
        details["declared"] = ("added while running", "in the code")
    return details


def _value(column: str, value: Any) -> Any:
    if column == "queue":
        return value or DEFAULT_QUEUE
    return value / ticks.SECOND if column == "grace_us" and value is not None else value


def _told(name: str, old: Any, new: Any) -> tuple[Any, Any]:
    """Return two values as they are told. A heartbeat URL is a secret, and never told."""
    if name != "ping":
        return old, new
    return old and "an address", new and ("another one" if old else "an address")


def _old(row: Mapping[str, Any] | None, now: int) -> Side | None:
    if row is None:
        return None
    known = known_from_text(row["schedule_data"])
    if known is None:
        return Side(row["trigger"], row["zone"], None)
    return Side(row["trigger"], known.zone_name, _coming(known, max(now, row["watermark_us"])))


def _new(schedule: Schedule, row: Mapping[str, Any], now: int) -> Side:
    return Side(schedule.text, schedule.zone_name, _coming(schedule, max(now, row["watermark_us"])))


def _coming(schedule: Schedule, after: int) -> list[str]:
    found: list[str] = []
    tick = schedule.next_tick(after)
    while tick is not None and len(found) < _SHOWN_TICKS:
        found.append(str(iso(tick)))
        tick = schedule.next_tick(tick)
    return found


def _start(row: Mapping[str, Any], now: int) -> Start:
    if row["was"] is not None:
        # A run that a dead process had begun is found to be lost, and what it reserved is given back.
        why = {"running": "lost", "claimed": "queued"}.get(row["was"], row["was"])
    elif row["kind"] in ("startup", "backfill"):
        why = row["kind"]
    else:
        why = "catch-up" if row["tick_us"] is not None and row["tick_us"] <= now - ticks.SECOND else "due"
    return Start(
        row["job_id"],
        row["kind"],
        why,
        iso(row["for_tick_us"] if row["kind"] == "backfill" else row["tick_us"]),
        iso(row["due_us"]),
        row["run_id"] if row["was"] is not None else None,
    )


def _skipped(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job_id": row["job_id"],
        "reason": row["reason"],
        "tick": iso(row["tick_us"]),
        "last_tick": iso(row["last_tick_us"]),
        "count": row["tick_count"] if row["last_tick_us"] is not None else 1,
    }
