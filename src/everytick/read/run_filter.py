"""Which runs are wanted: the states that there are, and a filter by job, state, reason, time and text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from everytick.errors import ConfigurationError, nearest
from everytick.model import ticks
from everytick.store.querying import Condition, among

from .run_columns import STATE_NOW

UNDER_WAY = ("queued", "claimed", "running", "retrying")
STATES = (
    *UNDER_WAY,
    *("succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost", "skipped"),
)
# Those of runs, not of ticks that were skipped.
RUN_STATES = STATES[:-1]
# Those of runs that are over.
ENDED_RUNS = tuple(state for state in RUN_STATES if state not in UNDER_WAY)
# Outcomes of runs that a person may have to look at.
FAILED = ("failed", "timed_out", "lost", "interrupted")
# A job whose newest run ended so is failing. Where a run is interrupted a stop cut it, such as that of a new
# version: that says nothing about the job.
FAILING = tuple(state for state in FAILED if state != "interrupted")
# Why ticks did not run that somebody may have to look at.
MISSED = ("missed", "outage", "coalesced")
REASONS = ("missed", "coalesced", "overlap", "paused", "disabled", "outage")

# As the indexes for few rows have them, to the letter.
HELD = "state IN ('claimed', 'running')"
WAITING = "state IN ('queued', 'retrying')"


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted; a field that is empty or None allows any.

    job_id, job_ids: of this job, or of any of these.
    since, until: when they ended, in microseconds, `until` not included. A run under way has not ended
    yet: it is later than any `since`, and than an `until` that has passed. A run that was tried again by a
    person, or waits for a retry, is also wanted by its outcome before that, see `retried`; ticks that were
    missed in an outage are also wanted by when they were due, see `outage_rows`.
    id_part, error: text that the id of its job, and its error, has in it; capitals do not count.
    """

    job_id: str | None = None
    states: Sequence[str] = ()
    reasons: Sequence[str] = ()
    since: int | None = None
    until: int | None = None
    id_part: str = ""
    error: str = ""
    job_ids: Sequence[str] = ()

    def check(self) -> None:
        """Raise ConfigurationError for a state or a reason that does not exist."""
        for option, given, known in (
            ("--state", self.states, STATES),
            ("--reason", self.reasons, REASONS),
        ):
            for word in given:
                if word not in known:
                    hint = nearest(word, known)
                    raise ConfigurationError(f"{option} {word}: use one of {', '.join(known)}{hint}")

    def condition(self, job: str = "job_id") -> Condition:
        """Return the condition that all wanted runs meet, without that on their time.

        `job`: the expression that a job is compared with.
        """
        found = Condition()
        if self.job_id is not None:
            found &= Condition(f"{job} = :job_id", {"job_id": self.job_id})
        if self.job_ids:
            found &= among(job, self.job_ids, "job")
        if self.states:
            found &= among(STATE_NOW, self.states, "state")
        if self.reasons:
            found &= among("reason", self.reasons, "reason")
        if self.id_part:
            found &= has_text("job_id", self.id_part, "id_part")
        if self.error:
            found &= has_text("error", self.error, "error")
        return found

    def matches(self, row: Any) -> bool:
        """Return whether a run is wanted, its time left aside."""
        return (
            self.is_about(row)
            and (not self.states or row.state in self.states)
            and (not self.reasons or row.reason in self.reasons)
            and self.has_error(row.error)
        )

    def is_about(self, row: Any) -> bool:
        """Return whether a run is of a job that is wanted."""
        return (
            (self.job_id is None or row.job_id == self.job_id)
            and (not self.job_ids or row.job_id in self.job_ids)
            and self.id_part.lower() in row.job_id.lower()
        )

    def has(self, row: Any) -> bool:
        """Return whether a run is wanted as it is now."""
        if row.finished_us is None:
            return self.matches(row) and self.wants_under_way()
        return self.matches(row) and self.spans(row.finished_us)

    def has_end(self, attempt: Any) -> bool:
        """Return whether a run is wanted for how and when an attempt of it ended."""
        return (
            (not self.states or attempt.state in self.states)
            and self.has_error(attempt.error)
            and attempt.finished_us is not None
            and self.spans(attempt.finished_us)
        )

    def spans(self, instant: int) -> bool:
        """Return whether an instant is in the wanted time."""
        return (self.since is None or self.since <= instant) and (self.until is None or instant < self.until)

    def has_error(self, error: str | None) -> bool:
        """Return whether an error, as people may see it, has the text in it.

        The ledger looks at errors as they were written. Without this, a search would tell whether a secret
        that is masked since begins with some letters.
        """
        return not self.error or self.error.lower() in (error or "").lower()

    def ended_by_then(self) -> Condition:
        """Return the condition that a run ended before `until`, or is under way if that is wanted."""
        if self.until is None:
            return Condition()
        ended = "finished_us < :until"
        text = f"({ended} OR finished_us IS NULL)" if self.wants_under_way() else ended
        return Condition(text, {"until": self.until})

    def is_by_time(self) -> bool:
        """Return whether to look through runs by their time, rather than by their job."""
        return self.since is not None or (self.until is not None and self.job_id is None)

    def wants_under_way(self) -> bool:
        """Return whether runs that have not ended may be among the wanted."""
        states = not self.states or any(state in UNDER_WAY for state in self.states)
        return states and not self.is_past()

    def is_past(self) -> bool:
        """Return whether the wanted time is over."""
        return self.until is not None and self.until <= ticks.now()


def has_text(column: str, wanted: str, name: str) -> Condition:
    """Return the condition that a column has a text in it; capitals do not count. The value has that name."""
    escaped = re.sub(r"([/%_])", r"/\1", wanted)
    return Condition(f"lower({column}) LIKE '%' || lower(:{name}) || '%' ESCAPE '/'", {name: escaped})
