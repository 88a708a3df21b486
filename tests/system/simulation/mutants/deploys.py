"""Planted bugs of deploys: jobs that leave the code, and jobs that get another id."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from everytick.model import ticks
from everytick.store import definitions, renaming, requests
from everytick.store import job_statements as job_sql
from everytick.store.bulk import Bulk

from simulation.found import FOUND
from simulation.mutants.planting import mutant, other_text


@mutant(seed=326)
def a_removed_job_goes_on() -> AbstractContextManager[Any]:
    return patch.object(definitions, "_part_with", lambda *_about, is_whole: None)


@mutant(seed=137)
def what_waits_when_its_job_is_removed_waits_on() -> AbstractContextManager[Any]:
    return patch.object(requests, "cancel_waiting", lambda _connection, _job_id, _now: None)


@mutant(
    plan=FOUND["a job that is in the code again while the clock is back, before ticks that it had"],
    is_rare=True,
)
def ticks_that_are_recorded_at_a_removal_may_come_again() -> AbstractContextManager[Any]:
    return other_text(job_sql.REMOVE_JOBS, ("ELSE given.upto END", "ELSE watermark_us END"))


@mutant(seed=326)
def a_renamed_job_loses_its_watermark() -> AbstractContextManager[Any]:
    usual = renaming._carry_over

    def carry_over(connection: Any, former: str, job_id: str, now: int) -> bool:
        done = usual(connection, former, job_id, now)
        if done:
            connection.execute(
                "UPDATE scheduler_jobs SET watermark_us = :now WHERE job_id = :job_id",
                {"now": now + 2 * ticks.SECOND, "job_id": job_id},
            )
        return done

    return patch.object(renaming, "_carry_over", carry_over)


@mutant(seed=1020)
def the_former_id_of_a_renamed_job_stays_in_force() -> AbstractContextManager[Any]:
    usual = renaming._carry_over
    none = Bulk("SELECT job FROM GIVEN AS given WHERE false", job="text", upto="bigint")

    def carry_over(connection: Any, former: str, job_id: str, now: int) -> bool:
        with patch.object(job_sql, "REMOVE_JOBS", none):
            return usual(connection, former, job_id, now)

    return patch.object(renaming, "_carry_over", carry_over)
