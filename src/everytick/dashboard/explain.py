"""Why a job ran at a time, or did not, from the ledger alone."""

from __future__ import annotations

from everytick import explain
from everytick.errors import LedgerError, NotFoundError
from everytick.settings import settings
from everytick.store.database import Ledger

from .control import moment
from .problems import Problem


def why(ledger: Ledger, job_id: str, tick: str | None) -> explain.Explanation:
    """Explain a job at a time (without an offset in the scheduler's zone), or its latest tick.

    Raises:
        Problem: there is no such job, the text names no time, or the ledger cannot be read.
    """
    when = None if not tick or not tick.strip() else moment("tick", tick)
    try:
        return explain.why(ledger, job_id, when, None, None, None, settings())
    except NotFoundError as problem:
        raise Problem(404, str(problem)) from None
    except LedgerError as problem:
        raise Problem(503, str(problem)) from None
