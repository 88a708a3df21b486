"""Planted bugs of jobs that processes are set not to run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from everytick.engine import registry
from everytick.store import disabled, gaps

from simulation.mutants import worlds
from simulation.mutants.planting import mutant


@mutant(plan=worlds.ONE_DISABLES)
def a_process_claims_what_it_is_set_not_to_run() -> AbstractContextManager[Any]:
    return patch.object(registry, "EnabledJobs", lambda jobs, _job_filter: jobs)


@mutant(plan=worlds.ALL_DISABLE)
def nobody_writes_down_that_a_job_is_disabled() -> AbstractContextManager[Any]:
    return patch.object(disabled, "find", lambda *_about: {})


@mutant(plan=worlds.ONE_DISABLES)
def each_process_takes_its_own_settings_for_those_of_all() -> AbstractContextManager[Any]:
    return patch.object(disabled, "_filters", lambda *_about: [])


@mutant(plan=worlds.ALL_DISABLE)
def the_ticks_of_a_disabled_job_are_an_outage() -> AbstractContextManager[Any]:
    usual: Any = gaps._between

    def between(*about: Any) -> Any:
        *rest, reason = about
        return usual(*rest, "outage" if reason == "disabled" else reason)

    return patch.object(gaps, "_between", between)
