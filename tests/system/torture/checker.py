"""Checks that the tick contract was kept, from the schedule, the faults, the tasks' file and the ledger.

It shares no code with the scheduler, and computes the ticks in plain arithmetic. The rules are in

- `completeness`: every tick has one outcome, every row has a tick
- `consistency`: the ledger agrees with what the tasks recorded
- `filling`: each past tick has one run of its backfill, at the pace that was asked for
- `environments`: a job runs where a process is set to run it, and its ticks are on record where none is
- `waiting`: of runs that wait for others of their job, which begins first, and what makes way for it
- `requests`: what people asked of single runs is carried out
- `deploys`: a job that the code lacks, or a person removed, does not fire
- `offers`: what people were told of the jobs that they add, change and remove is so
- `reported`: how far a run is, and what it returns, is on record as it said it
- `causes`: a tick whose run did not succeed needs a cause
- `pauses`: what falls into a pause
- `processes`: exit codes and logs of the processes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torture import (
    causes,
    completeness,
    consistency,
    deploys,
    environments,
    filling,
    offers,
    pauses,
    processes,
    reported,
    requests,
    waiting,
)
from torture.faults import Harm
from torture.history import History, Violation

RULES: tuple[Callable[[History, Harm], Iterator[Violation]], ...] = (
    completeness.unaccounted,
    completeness.requested,
    completeness.invented,
    completeness.early,
    completeness.not_unique,
    completeness.startups,
    completeness.started_anew,
    filling.filled,
    filling.paced,
    filling.few_at_a_time,
    environments.entered,
    environments.only_where_none_runs_it,
    environments.wherever_none_runs_it,
    environments.in_one_range,
    requests.run_by_hand,
    requests.cancelled,
    requests.retried,
    requests.taken_back,
    consistency.ledger_against_file,
    consistency.attempts_against_file,
    consistency.owners,
    consistency.ends_against_file,
    consistency.overlapping,
    consistency.stale,
    consistency.overlap_skips,
    consistency.groups,
    consistency.replaced,
    waiting.oldest_first,
    waiting.newest_only,
    waiting.makes_way,
    deploys.removed,
    offers.kept,
    offers.as_they_were_given,
    offers.audited,
    offers.called,
    reported.progress,
    reported.results,
    reported.fresh,
    causes.repeated,
    causes.ends,
    causes.given_up,
    causes.skips,
    causes.caught_up,
    causes.late,
    causes.entered_late,
    causes.beyond_grace,
    pauses.pauses,
    pauses.entered_in_pauses,
    processes.oddities,
    processes.exits,
    processes.cuts,
    processes.errors,
    processes.given_up_too_soon,
    processes.blocked_loops,
)


def violations(history: History) -> Iterator[Violation]:
    """Yield each breach of the contract."""
    harm = Harm(history)
    for rule in RULES:
        yield from rule(history, harm)
