"""An application may use APScheduler for itself, in the same process: it must not notice us."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick.api import triggers

NOW = datetime(2027, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger(hour=9, timezone="UTC"),
        CronTrigger.from_crontab("0 9 * * mon", timezone="UTC"),
        IntervalTrigger(hours=4, start_date="2027-01-01", timezone="UTC"),
        DateTrigger("2027-12-24 18:00:00", timezone="UTC"),
        CalendarIntervalTrigger(months=1, start_date="2027-03-31", timezone="UTC"),
        OrTrigger([CronTrigger(hour=9, timezone="UTC"), CronTrigger(hour=17, timezone="UTC")]),
        AndTrigger([CronTrigger(hour=9, timezone="UTC"), CronTrigger(hour="9,17", timezone="UTC")]),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_job_stores_of_others_can_keep_triggers(trigger: BaseTrigger) -> None:
    assert triggers.BY_NAME["cron"] is CronTrigger, "the runtime has its hands on this very class"
    stored = pickle.dumps(trigger)
    assert b"app.components" not in stored, "a process without the runtime has to be able to read it"
    assert pickle.loads(stored).get_next_fire_time(None, NOW) == trigger.get_next_fire_time(None, NOW)
