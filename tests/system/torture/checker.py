"""Was the tick contract kept? Reads only the schedule, the harm, the bodies' file and the ledger's rows.

It shares no code with the scheduler, and computes the ticks in plain arithmetic. The rules stand in

- `accounts`: every tick has one outcome, none is invented, none counts twice
- `agreement`: the ledger says what the bodies did
- `blame`: whatever is not a success needs a reason
- `conduct`: exit codes and logs of the processes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torture import accounts, agreement, blame, conduct
from torture.evidence import Evidence, Violation
from torture.harm import Harm

RULES: tuple[Callable[[Evidence, Harm], Iterator[Violation]], ...] = (
    accounts.unaccounted,
    accounts.requested,
    accounts.invented,
    accounts.early,
    accounts.not_unique,
    accounts.startups,
    agreement.ledger_against_file,
    agreement.attempts_against_file,
    agreement.owners,
    agreement.ends_against_file,
    agreement.overlapping,
    agreement.overlap_skips,
    blame.repeated,
    blame.ends,
    blame.given_up,
    blame.skips,
    blame.caught_up,
    blame.late,
    blame.beyond_grace,
    blame.pauses,
    conduct.oddities,
    conduct.exits,
    conduct.cuts,
    conduct.errors,
    conduct.given_up_too_soon,
    conduct.blocked_loops,
)


def violations(evidence: Evidence) -> Iterator[Violation]:
    """Yield each breach of the contract."""
    harm = Harm(evidence)
    for rule in RULES:
        yield from rule(evidence, harm)
