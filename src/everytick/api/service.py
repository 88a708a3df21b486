"""The scheduler as a process of its own: `python -m app run`."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext, suppress
from functools import partial
from typing import Any

from everytick import app
from everytick.engine.children import tell_of_those_left
from everytick.engine.context import current_run, run_in
from everytick.engine.tasks import OwnTask, RunTask, tell_of_error
from everytick.model import ticks
from everytick.model.roles import ALL
from everytick.system import HANGUP_SIGNAL, STOP_SIGNALS, check_handles_of_a_loop, system
from everytick.text.instants import from_now
from everytick.text.wording import counted
from loguru import logger

from .ending import Guard, end, end_in_time, end_without_memory
from .scheduler import MOMENT, AsyncIOScheduler, in_spite_of_jobs


class LoopIsBroken(Exception):
    """The event loop cannot go on: what a job has done to it, in one sentence."""


def run_until_stopped(
    scheduler: AsyncIOScheduler, beside: Callable[[], AbstractContextManager[None]] = nullcontext
) -> int:
    """Run until SIGTERM, SIGINT or SIGHUP, then drain; a second SIGTERM or SIGINT cuts that short (R11).

    `beside` gives the servers, such as the dashboard, that run from when the schedule has started.

    Returns 0 after a clean drain, 1 if a run had to be cut or could not be recorded. A start that is asked to
    stop while it waits for the ledger ends the process with exit code 0. Threads and child processes that
    jobs left behind may go on for the rest of SCHEDULER_SHUTDOWN_GRACE_TIME; then they are cut, and the
    process ends with exit code 1. So it does where a coroutine blocks the event loop, so that no run can end.

    Raises:
        LedgerError: the ledger cannot be used; nothing was started.
    """
    check_handles_of_a_loop()
    with asyncio.Runner() as runner:
        cut = run_alone(runner.get_loop(), _serve(scheduler, beside))
        if cut is None:
            logger.info("stopped before the start: the ledger had not answered, and nothing was started")
            # Or the end would wait for the thread that waits for the ledger.
            end(0)
        if cut:
            # A function that was cut may keep its thread for ever; its outcome is in the ledger.
            end(1, f"stopped; {counted(cut, 'run')} had to be cut, or could not be recorded")
    logger.info("stopped")
    return 0


def run_alone(loop: asyncio.AbstractEventLoop, serving: Coroutine[Any, Any, int | None]) -> int | None:
    """Run to the end on the main thread. Where the event loop cannot go on, the process ends at once."""
    try:
        return run_to_the_end(loop, serving)
    except MemoryError:
        # The end of the loop needs a thread, whose start may never return now.
        end_without_memory()
    except LoopIsBroken as problem:
        end(1, f"ended: {problem}")


def run_to_the_end(loop: asyncio.AbstractEventLoop, serving: Coroutine[Any, Any, int | None]) -> int | None:
    """Run to the end. A job that stops the event loop, or cancels all tasks, stops nothing else (R12).

    Raises:
        LoopIsBroken: a job has closed files without which the event loop cannot go on.
    """
    task: asyncio.Task[int | None] = OwnTask(serving, loop)
    _let_no_job_stop(loop)
    loop.set_exception_handler(tell_of_error)
    while True:
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as problem:
            # Signals are heard in another way: a task that a run had begun raised it, through the loop.
            if task.done():
                raise
            logger.exception("{} wanted to end the program; it goes on", _culprit(problem))
        except RuntimeError:
            if task.done():
                raise
            logger.error("something stopped the event loop; it goes on. Under way: {}", _under_way(loop))
        except OSError as problem:
            if task.done():
                raise
            # It cannot wait for anything any more. The ledger's files may be closed too.
            raise LoopIsBroken(
                f"a job has closed file handles of the event loop ({problem.strerror})"
            ) from None


def _under_way(loop: asyncio.AbstractEventLoop) -> str:
    """Return the jobs of which a run is under way: a thread that one has begun has no name of its job."""
    names = {task.get_name() for task in asyncio.all_tasks(loop) if isinstance(task, RunTask)}
    return ", ".join(sorted(names)) or "no job"


def _culprit(problem: BaseException) -> str:
    """Return who raised an error through the event loop, in the name of which run."""
    for frame, _line in traceback.walk_tb(problem.__traceback__):
        handle = frame.f_locals.get("self")
        # The loop calls each callback, and each step of a task, with the variables of the run that began it.
        variables = getattr(handle, "_context", None) if isinstance(handle, asyncio.Handle) else None
        if variables is not None and (run := run_in(variables)) is not None:
            return f"job {run.job_id}: a task that it had begun"
    return "a task that a job had begun"


def _let_no_job_stop(loop: asyncio.AbstractEventLoop) -> None:
    """Let `loop.stop()` do nothing if a run called it, or made it be called, but tell of it."""
    stop = loop.stop

    def stop_unless_a_run_asks() -> None:
        # The variables of a run are also those of the callbacks, tasks and threads that it begins.
        run = current_run()
        if run is None:
            stop()
        else:
            logger.error("job {} wanted to stop the event loop of all jobs; it goes on", run.job_id)

    with suppress(AttributeError):
        # A loop that is not written in Python cannot be changed; it is begun again when it was stopped.
        loop.stop = stop_unless_a_run_asks  # type: ignore[method-assign]


async def _serve(
    scheduler: AsyncIOScheduler, beside: Callable[[], AbstractContextManager[None]]
) -> int | None:
    """Return how many runs were cut; None if nothing was started."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    guard = Guard(asyncio.get_running_loop(), scheduler.settings.scheduler_shutdown_grace_time)

    def asked() -> None:
        (hurry if stop.is_set() else stop).set()

    def asked_by_a_job(wait: bool) -> None:
        stop.set()
        if not wait:
            asyncio.get_running_loop().call_later(MOMENT, hurry.set)

    _on_signals(asked, stop.set, guard)
    scheduler.on_shutdown = asked_by_a_job
    if not await _started(scheduler, stop):
        return None
    async with AsyncExitStack() as ending:
        ending.push_async_exit(scheduler)
        logger.info("{}", start_line(scheduler))
        _tell_changes(scheduler)
        ending.enter_context(beside())
        await in_spite_of_jobs(stop.wait)
        logger.info("stopping")
        ends_at = system.monotonic() + scheduler.settings.scheduler_shutdown_grace_time
        cut = await in_spite_of_jobs(lambda: scheduler.drain(hurry, ending=True))
        tell_of_those_left()
        end_in_time(guard, ends_at, hurry.is_set())
        return cut


async def _started(scheduler: AsyncIOScheduler, stop: asyncio.Event) -> bool:
    """Start; return False if `stop` was set before the ledger answered. Raises the errors of the start."""
    starting = asyncio.ensure_future(scheduler.__aenter__())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    # A start that is nearly done is finished, and then ended in order.
    await asyncio.wait({starting}, timeout=MOMENT)
    stopping.cancel()
    if not starting.done():
        return False
    starting.result()
    return True


def start_line(scheduler: AsyncIOScheduler) -> str:
    """Return the log line of the start: version, zone, ledger, how many jobs, and which is due next."""
    application = app.current()
    name, version = application.name, application.version
    zone, ledger = scheduler.timezone, scheduler.ledger
    role = scheduler.settings.role
    name = name if role == ALL else f"{name} ({role})"
    return f"{name} {version} | zone {zone} | ledger {ledger} | {_jobs(scheduler)}"


def _jobs(scheduler: AsyncIOScheduler) -> str:
    """Return `21 jobs: next report in 10 s, 2 paused`: however many there are, it is one line."""
    jobs, paused, now = scheduler.get_jobs(), scheduler.registration.paused, ticks.now()
    reasons = map(scheduler.settings.job_filter.why_disabled, (job.id for job in jobs))
    disabled = {job.id for job, why in zip(jobs, reasons, strict=True) if why is not None}
    used = scheduler.registration.watermarks
    coming = [
        # Where the clock was set back, ticks to come are used up.
        (job.next_tick(max(now, used.get(job.id, now))), job.id)
        for job in jobs
        if job.id not in paused | disabled
    ]
    tick, job_id = min(((tick, job_id) for tick, job_id in coming if tick is not None), default=(None, ""))
    held = len(jobs) - len(coming) - len(disabled)
    said = [] if tick is None else [f"next {job_id} {from_now(tick, now)}"]
    said += [f"{held} paused"] if held else []
    said += [f"{len(disabled)} disabled"] if disabled else []
    return counted(len(jobs), "job") + (f": {', '.join(said)}" if said else "")


def _tell_changes(scheduler: AsyncIOScheduler) -> None:
    found = scheduler.registration
    for what, job_ids in (
        ("new", found.added),
        ("changed", found.changed),
        ("removed", found.removed),
    ):
        if job_ids:
            logger.info("{} in the schedule: {}", what, ", ".join(job_ids))
    for job_id, former in found.renamed.items():
        logger.info("renamed in the schedule: {} is {} now, with its history and its pause", former, job_id)


def _on_signals(asked: Callable[[], None], hung_up: Callable[[], None], guard: Guard) -> None:
    """Let each signal to stop call `asked` on the event loop, and that of a closed terminal `hung_up`."""
    loop = asyncio.get_running_loop()

    def hear(call: Callable[[], None]) -> None:
        guard.asked(again=call is asked)
        # Raised when the loop is closed: the end is under way.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(call)

    for number in STOP_SIGNALS:
        system.on_signal(number, partial(hear, hung_up if number == HANGUP_SIGNAL else asked))
