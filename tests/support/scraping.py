"""Reading metrics as Prometheus does, health as people do, and a ledger that anything may have hit."""

from __future__ import annotations

from typing import Any

from everytick import AsyncIOScheduler
from everytick.telemetry.health import Health
from everytick.telemetry.metrics import Metrics
from prometheus_client.parser import text_string_to_metric_families

from ledgers import change

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(text: str | bytes) -> Samples:
    """Return the value of each series, by its name and the values of its labels."""
    text = text if isinstance(text, str) else text.decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Scraper:
    """Reads metrics as Prometheus does, and forgets nothing."""

    def __init__(self, made: Metrics) -> None:
        self._made = made
        self._before: Samples = {}

    def scrape(self) -> Samples:
        """Return all samples; fail if a counter fell."""
        found = samples(self._made.exposition())
        for key, value in found.items():
            if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
                assert value >= self._before.get(key, 0), key
        self._before = found
        return found

    def ended(self, job_id: str, outcome: str, reason: str = "") -> float:
        """Return how many runs of a job ended so."""
        return self.scrape().get(("scheduler_runs_total", (job_id, outcome, reason)), -1)


def write(scheduler: AsyncIOScheduler, statement: str, *values: Any) -> None:
    """Change the ledger behind everybody's back."""
    change(scheduler.ledger, statement, *values)


def add_row(scheduler: AsyncIOScheduler, state: str, **values: Any) -> None:
    """Write a run into the ledger."""
    row = {"job_id": "job", "kind": "manual", "attempt": 1, "crashes": 0, "due_us": 0, "state": state}
    row |= values
    marks = ", ".join("?" * len(row))
    write(scheduler, f"INSERT INTO scheduler_runs ({', '.join(row)}) VALUES ({marks})", *row.values())


def said(found: Health) -> str:
    """Return all problems in a line."""
    return "; ".join(problem.sentence for problem in found.problems)
