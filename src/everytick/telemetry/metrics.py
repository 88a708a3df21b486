"""The metrics for Prometheus, computed from the ledger alone, in any process.

Gauges are what the ledger says at that instant: the same in every process and after every restart. Counters
and histograms begin at zero with the first scrape of a process and never fall: pruning does not touch them,
and a restart is a reset, which Prometheus understands. Runs that ended while no process was up are missing.
They do not begin with what the ledger holds, on purpose: after some pruning that is less than it was before
the restart, and Prometheus would take all of it for new. Printed once (`history`), there is nothing to count
from, and they are what the ledger holds.

A scrape costs as much as there are jobs, open runs, and runs that ended since the last one.
"""

from __future__ import annotations

import platform
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from everytick import app
from everytick.errors import LedgerError
from everytick.model import ticks
from everytick.read.completions import CompletionFeed
from everytick.read.known_job import DueJob, jobs_due
from everytick.read.last_runs import last_success
from everytick.read.processes import read_processes
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect_checked
from everytick.store.sqlite import SqliteLedger
from everytick.system import system
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from . import health
from .aggregate import Aggregate

# How many jobs have series of their own, those of the code first. All others, and those that are over, share
# one label, or jobs that are added by the thousand would fill Prometheus.
MOST_JOBS = 1_000
OTHERS = "(others)"

# Shown as 0 before the first of them, so that the first counts as an increase.
OUTCOMES = (
    *(("succeeded", ""), ("failed", ""), ("timed_out", ""), ("cancelled", "")),
    *(("interrupted", ""), ("lost", "")),
    *(("skipped", reason) for reason in ("missed", "coalesced", "overlap", "paused", "disabled", "outage")),
)
# How far back the first scrape looks for the newest successes and losses.
_RECENT = 3_600 * ticks.SECOND
# How far back the last success of a job is looked for, in its rows.
_LOOK_BACK = 1_000


class Metrics(Collector):
    """All of the scheduler's metrics, in a registry of its own. May be used by several threads.

    `history`: counters begin with what the ledger holds instead of at zero.
    """

    def __init__(self, ledger: Ledger, *, history: bool = False) -> None:
        self._ledger, self._history = ledger, history
        self._lock = threading.Lock()
        self._completions = CompletionFeed(0 if history else ticks.now() - _RECENT)
        self._aggregate = Aggregate()
        self._begun = False
        # Jobs of which the last success was looked up, if they had one.
        self._looked_up: set[str] = set()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format. A ledger that cannot be read is a metric, too."""
        text = generate_latest(self._registry).decode()
        # A file takes any text as an id, and people look at metrics at a terminal. Few lines are odd.
        lines = [line if line.isprintable() else _written_out(line) for line in text.split("\n")]
        return "\n".join(lines).encode()

    def describe(self) -> Iterable[Metric]:
        """Tell nothing in advance: registering must not read the ledger."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read the ledger, and return all metrics."""
        with self._lock:
            begin = system.monotonic()
            try:
                # All queries of a scrape read one state of the ledger.
                with connect_checked(self._ledger) as connection, connection.at_one_instant():
                    found = self._read(connection)
                found.append(_of_files(self._ledger))
            except LedgerError as problem:
                found = list(_of_health(health.unreadable(problem), readable=False))
                # The size of a file is known all the same; a server would only be waited for once more.
                if isinstance(self._ledger, SqliteLedger):
                    found.append(_of_files(self._ledger))
            took = system.monotonic() - begin
            reading = _one("scheduler_ledger_read_seconds", "Time that reading the ledger took now.", took)
            return [_build(), *found, reading, *self._counted()]

    def _read(self, connection: Reader) -> list[Metric]:
        jobs, processes = jobs_due(connection), read_processes(connection)
        shown = {job.id: job for job in jobs[:MOST_JOBS]}
        self._count(connection, shown)
        found = list(_of_health(health.judge(jobs, processes), readable=True))
        found += _of_open_runs(self._completions.open_rows, shown)
        found += self._of_jobs(connection, shown)
        return found

    def _count(self, connection: Reader, shown: dict[str, DueJob]) -> None:
        aggregate = Aggregate()
        for completion in self._completions.look(connection, self._ledger.file_identity()):
            aggregate.add(completion, completion.job_id if completion.job_id in shown else OTHERS)
        # Only now: what was read in part is read again.
        self._aggregate.merge(aggregate, counting=self._begun or self._history)
        self._begun = True
        self._aggregate.forget({**shown, OTHERS: None})
        for label in shown:
            for outcome, reason in OUTCOMES:
                self._aggregate.ended[label, outcome, reason] += 0

    def _of_jobs(self, connection: Reader, shown: dict[str, DueJob]) -> list[Metric]:
        self._looked_up &= shown.keys()
        for job_id in shown.keys() - self._looked_up:
            self._look_up(connection, job_id)
        paused = _family("scheduler_job_paused", "Whether the job is paused.")
        due = _family(
            "scheduler_job_next_tick_timestamp_seconds", "When the job is due next; none if paused."
        )
        known = _family("scheduler_job_registered_timestamp_seconds", "When the job was first seen.")
        for job_id, job in shown.items():
            paused.add_metric([job_id], float(job.paused))
            known.add_metric([job_id], job.row.registered_us / ticks.SECOND)
            if (tick := job.next_tick) is not None:
                due.add_metric([job_id], tick / ticks.SECOND)
        return [paused, due, known]

    def _look_up(self, connection: Reader, job_id: str) -> None:
        """Find the last success of a job among its newest rows."""
        self._looked_up.add(job_id)
        if job_id in self._aggregate.last_success:
            return
        last = last_success(connection, job_id, _LOOK_BACK)
        if last is not None:
            self._aggregate.last_success[job_id] = last

    def _counted(self) -> Iterator[Metric]:
        aggregate = self._aggregate
        ended = CounterMetricFamily(
            "scheduler_runs",
            "Runs that ended and ticks that were skipped, by outcome and by the reason of skipping.",
            labels=["job_id", "outcome", "reason"],
        )
        # By their text: a file takes any type in any column, and one odd run must not end all scrapes.
        for key, number in sorted(aggregate.ended.items(), key=str):
            ended.add_metric([str(part) for part in key], number)
        followed = CounterMetricFamily(
            "scheduler_repeated_attempts",
            "Attempts that ended badly and were followed by another one.",
            labels=["job_id", "outcome"],
        )
        for pair, number in sorted(aggregate.followed.items()):
            followed.add_metric(pair, number)
        lateness = HistogramMetricFamily(
            "scheduler_run_lateness_seconds", "From when a run was due to its start.", labels=["job_id"]
        )
        duration = HistogramMetricFamily(
            "scheduler_run_duration_seconds", "From the start of an attempt to its end.", labels=["job_id"]
        )
        for family, distributions in ((lateness, aggregate.lateness), (duration, aggregate.duration)):
            for label, distribution in sorted(distributions.items()):
                family.add_metric([label], distribution.buckets(), distribution.total)
        success = _family("scheduler_job_last_success_timestamp_seconds", "When the job last succeeded.")
        lost = _family(
            "scheduler_job_last_lost_timestamp_seconds",
            "When an attempt of the job was last found lost with its process; none if long ago.",
        )
        for gauge, newest in ((success, aggregate.last_success), (lost, aggregate.last_lost)):
            for label, instant in sorted(newest.items()):
                gauge.add_metric([label], instant / ticks.SECOND)
        yield from (ended, followed, lateness, duration, success, lost)


def _written_out(line: str) -> str:
    """Return a line without what would steer a terminal; Prometheus reads two backslashes as one."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1].replace("\\", "\\\\") for c in line)


def _of_health(found: health.Health, *, readable: bool) -> Iterator[Metric]:
    yield _one("scheduler_ledger_up", "Whether the ledger could be read.", float(readable))
    yield _one("scheduler_ready", "Whether the schedule can go on.", float(found.ready))
    if not readable:
        return
    yield _one("scheduler_processes", "Schedulers whose heartbeat is recent.", found.schedulers)
    yield _one("scheduler_overdue_jobs", "Jobs with a due tick that is not claimed.", len(found.overdue))
    if found.heartbeat_age is not None:
        help_ = "Time since the newest heartbeat of a scheduler."
        yield _one("scheduler_heartbeat_age_seconds", help_, found.heartbeat_age)
    if found.loop_silence is not None:
        help_ = "For how long an event loop had not answered at its process's last heartbeat."
        yield _one("scheduler_event_loop_silence_seconds", help_, found.loop_silence)


def _of_open_runs(rows: Sequence[Any], shown: dict[str, Any]) -> list[Metric]:
    states = Counter(row.state for row in rows)
    queue = _family("scheduler_queue_runs", "Runs that are open and do not run, by state.", "state")
    for state in ("queued", "claimed", "retrying"):
        queue.add_metric([state], states[state])
    running = Counter(dict.fromkeys(shown, 0))
    running.update(row.job_id if row.job_id in shown else OTHERS for row in rows if row.state == "running")
    family = _family("scheduler_running_runs", "Runs that are under way.")
    for label, number in running.items():
        family.add_metric([label], number)
    return [queue, family]


def _of_files(ledger: Ledger) -> Metric:
    family = _family("scheduler_ledger_bytes", "Size of the ledger's files, or tables on a server.", "file")
    # `wal` holds what was committed last: it grows if something reads one state of the ledger for long.
    for label, size in ledger.sizes().items():
        family.add_metric([label], size)
    return family


def _build() -> Metric:
    application = app.current()
    labels = {
        "application": application.name,
        "version": application.version,
        "template_version": application.template_version,
        "python_version": platform.python_version(),
    }
    family = GaugeMetricFamily("scheduler_build_info", "What runs here; always 1.", labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _family(name: str, explanation: str, label: str = "job_id") -> GaugeMetricFamily:
    return GaugeMetricFamily(name, explanation, labels=[label])


def _one(name: str, explanation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, explanation, value=value)
