"""A scheduler whose alerts arrive in the test's sinks, and jobs that fail when they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick import log_to_stderr as configure_logging
from everytick.model.backoff import Backoff
from everytick.notify import sender, watch
from everytick.store import incidents, notices
from loguru import logger

from inside import rows, scheduler_settings
from inside import until as until_in_time
from sinks import HttpSink, MailSink


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(sender, "ALERTS", Backoff(0.2, 600))
    monkeypatch.setattr(notices, "_REST", 50_000)


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    configure_logging()
    number = logger.add(lines.append, format="{level} {message}", level="INFO")
    yield lines
    with suppress(ValueError):
        logger.remove(number)


async def until(condition: Callable[[], Any]) -> Any:
    """Wait for what passes through several threads, on a machine that may have much else to do."""
    return await until_in_time(condition, 60)


@contextmanager
def alerting(folder: Path, *sinks: HttpSink | MailSink, **variables: object) -> Iterator[AsyncIOScheduler]:
    """Give a scheduler that is not started and alerts these."""
    urls = ", ".join(sink.alerts for sink in sinks)
    # A window that no test outlasts, unless it is about windows.
    wanted = {"SCHEDULER_ALERT_URLS": urls, "SCHEDULER_ALERT_WINDOW": 60, **variables}
    with scheduler_settings(folder, SCHEDULER_SHUTDOWN_GRACE_TIME=1, **wanted):
        yield AsyncIOScheduler()


def never_due(scheduler: AsyncIOScheduler, job_id: str, body: Callable[[], Any], **options: Any) -> None:
    """Declare a job that runs only by hand."""
    scheduler.add_job(body, "cron", year=2099, id=job_id, **{"max_instances": 50, **options})


async def run_now(*job_ids: str) -> None:
    for job_id in job_ids:
        await asyncio.to_thread(SchedulerClient("test").run_job_now, job_id)


class Moody:
    """A body that fails as long as it is told to."""

    def __init__(self, problem: str = "the disk is full") -> None:
        self.problem = problem
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.problem:
            raise RuntimeError(self.problem)


def ended(scheduler: AsyncIOScheduler, number: int) -> Callable[[], bool]:
    return lambda: len(rows(scheduler, "failed", "succeeded")) >= number


def arrived(sink: HttpSink | MailSink, number: int) -> Callable[[], bool]:
    taken: list[Any] = sink.requests if isinstance(sink, HttpSink) else sink.mails
    return lambda: len(taken) >= number


def settled(scheduler: AsyncIOScheduler) -> Callable[[], bool]:
    """Tell whether note was taken of all runs, and every channel was told of everything at once due."""

    def is_settled() -> bool:
        with closing(scheduler.ledger.connect(read_only=True)) as connection:
            return not incidents.untold(connection, 0) and not incidents.over(connection)

    return is_settled


def settled_since(scheduler: AsyncIOScheduler) -> Callable[[], bool]:
    def is_settled() -> bool:
        with closing(scheduler.ledger.connect(read_only=True)) as connection:
            since = connection.execute("SELECT since_us FROM scheduler_alerting").fetchone()[0]
            return not incidents.untold(connection, since)

    return is_settled


def configured_zone() -> Any:
    from everytick.settings import settings

    return settings().zone
