"""Methods of APScheduler's scheduler that a durable schedule cannot offer: each raises a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from everytick.call_site import call_site, fail

NO_JOBSTORES = "it keeps the jobs itself (SCHEDULER_DATABASE_URL says where)"
NO_EXECUTORS = "coroutines run on the event loop, functions on SCHEDULER_MAX_WORKERS threads"


def refuse(where: str, what: str, instead: str) -> NoReturn:
    """Raise the ScheduleError for something that would go round the ledger."""
    raise fail(where, None, f"{what} cannot work with a ledger: {instead}")


if TYPE_CHECKING:

    class _Apscheduler:
        """The part of APScheduler's class that is used, with types: APScheduler has none."""

        state: int
        _listeners: list[tuple[Callable[[Any], Any], int]]

        def __init__(self, gconfig: dict[str, Any], **options: Any) -> None: ...
        @property
        def running(self) -> bool: ...
        def configure(self, gconfig: dict[str, Any] = ..., prefix: str = ..., **options: Any) -> None: ...
        def add_listener(self, callback: Callable[[Any], Any], mask: int = ...) -> None: ...
        def remove_listener(self, callback: Callable[[Any], Any]) -> None: ...

else:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler as _Apscheduler


class DurableOnly(_Apscheduler):
    """APScheduler's class without what would be forgotten at a restart."""

    def pause(self) -> NoReturn:
        refuse(call_site(), "pause()", "pause single jobs: a pause must last over restarts")

    def resume(self) -> NoReturn:
        refuse(call_site(), "resume()", "resume single jobs with resume_job()")

    def wakeup(self) -> NoReturn:
        refuse(call_site(), "wakeup()", "the scheduler looks by itself when a job is due or changed")

    def add_jobstore(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse(call_site(), "add_jobstore()", NO_JOBSTORES)

    def add_executor(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse(
            call_site(),
            "add_executor()",
            "SCHEDULER_MAX_WORKERS says how many runs there are at once",
        )

    def remove_jobstore(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse(call_site(), "remove_jobstore()", "there are none")

    def remove_executor(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse(call_site(), "remove_executor()", "there are none")

    def import_jobs(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse(call_site(), "import_jobs()", "declare the jobs in create_scheduler()")

    def export_jobs(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse(
            call_site(), "export_jobs()", "the schedule is its own file; the ledger holds what became of it"
        )


def check_jobstore(jobstore: Any) -> None:
    """Refuse any job store but the default one: another is most likely an argument without its name."""
    if jobstore not in (None, "default"):
        refuse(call_site(), f"jobstore={jobstore!r} (the second argument, without a name)", NO_JOBSTORES)
