"""Access to the schedule from another process, such as a web application or a shell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from everytick.engine.registry import loaded_or_told
from everytick.errors import LedgerError, ScheduleError
from everytick.ledger import for_tests, named_by
from everytick.model.job import Job
from everytick.store import definitions, migration_fence, owner
from everytick.store.connections import UNAVAILABLE, CommitUnknown, Connection, Scope, in_transaction
from everytick.store.database import Ledger
from everytick.store.writer import Operation
from everytick.text.wording import one_line

from .control import JobControl
from .requests import person


class SchedulerClient(JobControl):
    """Adds and steers jobs of a schedule that runs elsewhere, through the ledger alone.

    Schedulers and workers take up a change within about a second. Every method blocks for one small
    transaction: in a coroutine call it with `asyncio.to_thread`. May be used by several threads.

    Times without a zone are in SCHEDULER_TIMEZONE.

    Raises:
        LedgerError: the ledger cannot be used; nothing was changed.

    Example:
        from everytick import SchedulerClient

        client = SchedulerClient(who="the web shop")
        client.add_job("shop.tasks:remind", "date", run_date="2099-12-24", args=["you"], id="reminder-7")
        client.pause_job("reminder-7", note="on holiday")
    """

    _job_defaults: Mapping[str, Any] = {}

    def __init__(self, who: str | None = None) -> None:
        """`who` acts, as the audit trail shows it; by default the user of this process."""
        if who is not None and not isinstance(who, str):
            raise ScheduleError(f"who={who!r:.80} must be text, such as 'the web shop'")
        self.who = one_line(who or "") or person()
        self._named = named_by(self.settings)
        self._is_ready = False

    @property
    def ledger(self) -> Ledger:
        """Where the schedule's ledger is: asked for at each use, since a client may outlive a test."""
        return for_tests(self._named)

    @property
    def timezone(self) -> tzinfo:
        """The zone of SCHEDULER_TIMEZONE."""
        return self.settings.zone

    def get_jobs(self) -> list[Job]:
        """Return the jobs that were added while running and can run here; others are told in the log.

        Nothing is imported for it: the `func` of a job stands for the function, and cannot be called, where
        this process has not imported its module.
        """
        if not self.ledger.exists():
            return []
        rows = self._execute(lambda connection: definitions.added_since(connection, 0))
        find, found = self.settings.allowed_functions.look_up, []
        for row in rows:
            if row.removed is not None or not row.call_data:
                continue
            job, _problem = loaded_or_told(row, self.defaults, find)
            if job is not None:
                job.owner = self
                found.append(job)
        return found

    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Return a job that was added while running, or None."""
        return next((job for job in self.get_jobs() if job.id == job_id), None)

    def _is_stored(self) -> bool:
        return True

    def _accept(self, job: Job, *, named: bool, replace_existing: bool) -> Job:
        return self._keep(job, named=named, replace_existing=replace_existing)

    def _execute(self, operation: Operation, *, creating: bool = False) -> Any:
        ledger = self.ledger
        if not self._is_ready or ledger.is_gone():
            self._is_ready = False
            if creating:
                ledger.prepare()
            else:
                ledger.check_readable()

        def do(connection: Connection) -> Any:
            migration_fence.refuse_if_closed(connection)
            if not self._is_ready:
                owner.refuse_another(connection, ledger.application)
                self._is_ready = True
            return operation(connection)

        try:
            with ledger.writing() as connection:
                return in_transaction(connection, do, scope=Scope.RARE)
        except CommitUnknown as problem:
            raise LedgerError(ledger.unusable(problem)) from None
        except UNAVAILABLE as problem:
            raise LedgerError(ledger.unusable(f"{problem}; nothing was changed")) from None
        except Exception as problem:
            if ledger.is_damage(problem):
                raise LedgerError(ledger.damaged(problem)) from None
            raise
