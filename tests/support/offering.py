"""What tests of functions on offer begin with: a ledger, four functions, and a person who may use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.api.drafts import Wanted
from everytick.api.offered_jobs import OfferedJobs

import added_tasks
import offered_tasks
from histories import prepared

FIRST = "offered_tasks:remind"
HOURLY = {"trigger": "interval", "hours": 1}


@pytest.fixture(autouse=True)
def no_calls_yet() -> Iterator[None]:
    offered_tasks.calls.clear()
    yield
    offered_tasks.calls.clear()


@pytest.fixture
def jobs(scheduler: AsyncIOScheduler) -> OfferedJobs:
    """What a person may do, with a ledger that has one job of the code."""
    for function in (offered_tasks.remind, offered_tasks.export, offered_tasks.later, offered_tasks.sweep):
        scheduler.offer(function)
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="of-the-code")
    prepared(scheduler)
    return OfferedJobs(scheduler.offers, "Anna")


def wanted(**more: Any) -> Wanted:
    return Wanted(**{"schedule": HOURLY, "arguments": {"customer_id": 7}, "job_id": "r-7", **more})
