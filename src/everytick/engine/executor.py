"""The functions of runs while they are called: coroutines on the event loop, plain ones on threads.

The threads are used by nothing else, so that plain functions never take those of the rest of the application.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from everytick.call_site import shown_path
from everytick.model.allowed_functions import AllowedFunctions
from everytick.model.functions import code_of
from everytick.model.handed_back import check_that_it_ran, is_awaitable
from everytick.model.job import Job
from everytick.model.kinds import is_one_of
from everytick.model.offers import as_annotated
from everytick.system import end_child, system

from . import capture, repair
from .attempts import Attempt
from .tasks import RunTask, remember_whose

_CANCELLED_INSIDE = (
    "something in it was cancelled, such as a task that it waited for, though nobody asked to cancel the run"
)

# Values that end at once.
_PLAIN = (str, int, float, bool, bytes)


class Returned:
    """What a function returned, which ends on a thread of its own: its end is code of the job as well.

    So nothing else may hold the value for longer than it looks at it. `is_plain`: its end takes no time.
    """

    def __init__(self, value: Any) -> None:
        self._held = [value]
        self.is_plain = is_one_of(type(value), _PLAIN)

    @property
    def value(self) -> Any:
        """The value, to be looked at."""
        return self._held[0]

    def take(self) -> Any:
        """Return the value, which is the caller's from here on."""
        return self._held.pop()

    def __del__(self) -> None:
        if self._held and not self.is_plain:
            # Where no thread can be had it ends here.
            with suppress(BaseException):
                system.start_thread(self._held.clear, name="scheduler-result")


class Calls:
    """Calls the functions of attempts. Used on the event loop only."""

    def __init__(self, most: int, allowed: AllowedFunctions) -> None:
        """Calls functions.

        Args:
            most: how many plain functions may be on threads at once.
            allowed: the functions that jobs may call which were added while running.
        """
        self._allowed = allowed
        self._threads = system.thread_pool(most, "scheduler-task")

    async def call(self, attempt: Attempt, task: RunTask, limit: asyncio.Timeout | None) -> Returned | None:
        """Call the function of an attempt's job in this task; return or raise what it does.

        None stands for None.

        Raises:
            RuntimeError: it handed back work that nobody did, such as a generator, so it was no success; or
                something in it was cancelled, such as a task that it waited for, though nobody asked to
                cancel the run.
            CancelledError: the run was cancelled.
            ValueError: the job was added while running, and its function is none that such a job may call.
        """
        job = attempt.job
        if job.added:
            self._allowed.check(job.func)
        attempt.task = task
        attempt.lines, token = capture.begin()
        on_thread = functools.partial(self._on_thread, attempt)
        repair.before_a_run()
        try:
            if limit is None:
                return await call_function(job, on_thread)
            async with limit:
                return await call_function(job, on_thread)
        except asyncio.CancelledError as problem:
            if task.cancelling() or attempt.signals.cancel_requested:
                raise
            raise capture.without_frames(RuntimeError(_CANCELLED_INSIDE)) from problem
        finally:
            attempt.task = None
            repair.after_a_run()
            capture.end(token)

    def close(self) -> None:
        """Take no more calls. Functions that are on a thread already run on."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _on_thread(self, attempt: Attempt, call: Callable[[], Returned | None]) -> Returned | None:
        attempt.thread = future = self._threads.submit(call)
        # Shielded: cancelling the waiting must not look like a cancelled function.
        returned = await asyncio.shield(asyncio.wrap_future(future))
        if returned is not None and is_awaitable(returned.value):
            # The function returned a coroutine, which goes on here and can be cancelled.
            attempt.thread = None
        return returned


async def call_function(
    job: Job, on_thread: Callable[[Callable[[], Returned | None]], Awaitable[Returned | None]]
) -> Returned | None:
    """Call a job's function, a plain one by `on_thread` in the context of the caller; see `Calls.call`.

    Raises:
        RuntimeError: it handed back work that nobody did, such as a generator, so it was no success.
    """
    args, kwargs = as_annotated(job.func, job.args, job.kwargs) if job.annotated else (job.args, job.kwargs)
    if job.is_coroutine_function:
        with _ending_in_a_child():
            returned = _returned(await job.func(*args, **kwargs))
    else:
        call = functools.partial(job.func, *args, **kwargs)
        inside = functools.partial(contextvars.copy_context().run, _call_plain, call)
        returned = await on_thread(inside)
        if returned is not None and is_awaitable(returned.value):
            # A plain function (a lambda, a callable object) may hand back a coroutine.
            with _ending_in_a_child():
                returned = _returned(await returned.take())
    if returned is not None:
        try:
            check_that_it_ran(returned.value)
        except RuntimeError as problem:
            raise capture.without_frames(RuntimeError(f"{problem}{_place_of(job.func)}")) from None
        remember_whose(returned.value)
    return returned


def _place_of(function: Any) -> str:
    """Return where a function stands, in brackets: no traceback of its run leads to it."""
    code = code_of(function)
    return "" if code is None else f" ({shown_path(code.co_filename)}:{code.co_firstlineno})"


def _returned(value: Any) -> Returned | None:
    return None if value is None else Returned(value)


def _call_plain(call: Callable[[], Any]) -> Returned | None:
    try:
        with _ending_in_a_child():
            return _returned(call())
    except (StopIteration, GeneratorExit) as problem:
        # A future cannot carry the one: the run would wait for its function for ever. The other would close
        # the coroutine that waits for the future.
        raise RuntimeError(f"the function raised {type(problem).__name__}") from problem


class _ending_in_a_child:
    """End a child that the job's function has forked where it leaves the function.

    Behind it is the engine, of which the child has a copy: it would wait for ever, or run other jobs too.
    """

    __slots__ = ("_forked",)

    def __enter__(self) -> None:
        self._forked = system.times_forked()

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        if system.times_forked() != self._forked:
            end_child(problem)
