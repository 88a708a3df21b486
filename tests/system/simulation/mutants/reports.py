"""Planted bugs of what a run says of itself: how far it is, and what it returns."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from everytick.engine import runner
from everytick.engine.live_progress import LiveProgress
from everytick.engine.reports import report_of
from everytick.store import reports

from simulation.mutants.planting import mutant, replaced


@mutant(seed=31)
def what_a_run_returns_is_forgotten() -> AbstractContextManager[Any]:
    return patch.object(runner, "report_of", lambda progress, result=None: report_of(progress))


@mutant(seed=31)
def how_far_a_run_is_is_not_written_while_it_goes_on() -> AbstractContextManager[Any]:
    return patch.object(LiveProgress, "write", lambda *_about: None)


@mutant(seed=31)
def what_a_run_said_first_stays() -> AbstractContextManager[Any]:
    return replaced(reports, "INSERT_REPORT", "share = excluded.share, ", "")
