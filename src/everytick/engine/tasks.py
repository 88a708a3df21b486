"""The tasks of the event loop in which runs are called."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, ParamSpec
from weakref import WeakKeyDictionary

from everytick.model.handed_back import is_awaitable
from loguru import logger

from .context import Run, current_run, run_in
from .safe_errors import safe_now

P = ParamSpec("P")


class RunTask(asyncio.Task[None]):
    """A task that runs of one job are called in. A run of another one cannot cancel it (R12).

    `when_not_begun` is called when it is done, if it was cancelled before its first step: its work, which
    ends with the steps that follow its end, does not begin then.
    """

    __slots__ = ("_variables", "_when_not_begun", "job_id")

    def __init__(
        self,
        work: Coroutine[Any, Any, None],
        job_id: str,
        variables: contextvars.Context,
        loop: asyncio.AbstractEventLoop,
        when_not_begun: Callable[[RunTask], object] | None = None,
    ) -> None:
        # The name is what the watchdog tells of a coroutine that blocks the loop.
        super().__init__(work, loop=loop, name=f"job {job_id}", context=variables)
        self.job_id, self._variables, self._when_not_begun = job_id, variables, when_not_begun

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel it, unless a run asks for it that is another one, as when a job cancels all tasks."""
        asking = current_run()
        if asking is None or asking == run_in(self._variables):
            return self.cut(msg)
        logger.error("job {} wanted to cancel a run of job {}, which goes on", asking.job_id, self.job_id)
        return False

    def cut(self, msg: Any | None = None) -> bool:
        """Cancel it for the scheduler, also where a run made the scheduler do that, by `shutdown`."""
        work, tell = self.get_coro(), self._when_not_begun
        is_begun = not inspect.iscoroutine(work) or inspect.getcoroutinestate(work) != inspect.CORO_CREATED
        if tell is not None and not is_begun:
            self.add_done_callback(tell)
            self._when_not_begun = None
        return super().cancel(msg)


class Tasks:
    """Makes the tasks. A run begins with the variables of the start, and sees none that another run set."""

    def __init__(self) -> None:
        self._variables = contextvars.Context()
        self._has_decimal = False

    def begin(self) -> None:
        """Let each run begin with the context variables that are set here and now. Called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._variables, self._own = contextvars.copy_context(), contextvars.copy_context()
        self._has_decimal = any(variable.name == "decimal_context" for variable in self._variables)

    def current(self) -> RunTask:
        """Return the task in which this is called."""
        task = asyncio.current_task(self._loop)
        assert isinstance(task, RunTask)
        return task

    def outside(self, do: Callable[P, object], *about: P.args, **more: P.kwargs) -> None:
        """Call something of the scheduler's own at the end of a task, without the variables of its runs."""
        self._own.run(do, *about, **more)

    def start(
        self,
        work: Coroutine[Any, Any, None],
        job_id: str,
        when_not_begun: Callable[[RunTask], object] | None = None,
    ) -> RunTask:
        """Return a task that does the work, with fresh variables. `when_not_begun`: see `RunTask`."""
        variables = self._variables.copy()
        if self._has_decimal:
            # The object in this variable is changed in place, so a copy of the variables would share it.
            decimal = sys.modules["decimal"]
            variables.run(lambda: decimal.setcontext(decimal.getcontext().copy()))
        return RunTask(work, job_id, variables, self._loop, when_not_begun)


# The runs whose functions handed back a future: it is carried out, and may fail, when the run is over.
_handed_back: WeakKeyDictionary[asyncio.Future[Any], Run] = WeakKeyDictionary()


def remember_whose(value: Any) -> None:
    """Note of what run a future is that its function handed back, for the case that it fails."""
    if is_awaitable(value) and asyncio.isfuture(value) and (run := current_run()) is not None:
        _handed_back[value] = run


class OwnTask(asyncio.Task[Any]):
    """A task of the scheduler's own, which no run can cancel, as by cancelling all tasks."""

    def __init__(self, work: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(work, loop=loop, name="scheduler")

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel it, unless a run asks for it."""
        asking = current_run()
        if asking is None:
            return super().cancel(msg)
        logger.error("job {} wanted to cancel the scheduler's own task, which goes on", asking.job_id)
        return False


def tell_of_error(loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
    """Log an error that the event loop met, such as that of a task whose result nobody wanted.

    In the place of the loop's own handler, which shows the error by its `repr`: code of a job, on the loop.
    """
    problem, task = about.get("exception"), about.get("task") or about.get("future") or about.get("handle")
    variables = getattr(task, "_context", None)
    run = run_in(variables) if isinstance(variables, contextvars.Context) else None
    if run is None and asyncio.isfuture(task):
        run = _handed_back.get(task)
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    what = getattr(coroutine, "__qualname__", type(task).__name__)
    whose = "" if run is None else f", of job {run.job_id}"
    log = logger if run is None else logger.bind(job=run.job_id)
    shown = safe_now(problem) if isinstance(problem, BaseException) else None
    said = about.get("message") or "an error in the event loop"
    log.opt(exception=shown).error("{} ({}{})", said, what, whose)


async def until_done(tasks: Iterable[asyncio.Task[None]], grace: float, hurry: asyncio.Event) -> None:
    """Return when all of these are done, after some seconds, or when there is a hurry."""
    hurried = asyncio.ensure_future(hurry.wait())
    ended = asyncio.ensure_future(asyncio.wait(set(tasks)))
    await asyncio.wait({hurried, ended}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
    for waiter in (hurried, ended):
        waiter.cancel()
