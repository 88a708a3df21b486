"""Planted bugs of ends: outcomes, their way to the ledger, retries, and the stop of a process."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

from everytick.engine import process, runner
from everytick.model.job import Job
from everytick.store import runs, writer
from everytick.store import statements as sql

from simulation.found import FOUND
from simulation.mutants import worlds
from simulation.mutants.planting import mutant, other_text


@mutant(
    plan=FOUND["a thread of a group that is frozen just before its first line, while others have its place"]
)
def the_token_of_an_outcome_is_not_looked_at() -> AbstractContextManager[Any]:
    return other_text(
        sql.FINISH_RUNS,
        ("AND process_id = :process_id AND attempt = given.number\n", ""),
        ("  AND claimed_us = given.claimed", ""),
        (" AND state IN ('claimed', 'running')", ""),
    )


@mutant(plan=worlds.FULL)
def an_outcome_is_dropped_when_the_ledger_is_away() -> AbstractContextManager[Any]:
    usual = writer.Writer._postpone

    def postpone(self: Any, batch: list[Any], problem: Exception) -> None:
        for task in batch:
            task.keep = False
        usual(self, batch, problem)

    return patch.object(writer.Writer, "_postpone", postpone)


@mutant(plan=worlds.CANCELLED_WRITES, is_rare=True)
def what_was_cancelled_is_told_so_each_time_that_it_is_tried() -> AbstractContextManager[Any]:
    def begin(self: Any) -> bool:
        return bool(self.future.running() or self.future.set_running_or_notify_cancel())

    return patch.object(writer._Task, "begin", begin)


@mutant(
    plan=FOUND["a tick that still waits when a newer one has begun, since the clock was set back in between"]
)
def a_run_that_may_not_begin_yet_is_not_given_back() -> AbstractContextManager[Any]:
    return patch.object(runs, "_turn_away", lambda _connection, _me, _held, reason: reason)


@mutant(seed=326)
def a_process_leaves_before_its_outcomes_are_written() -> AbstractContextManager[Any]:
    usual = writer.Writer.close

    def close(self: Any, last: Any = None, patience: float = 5.0) -> int:
        self._urgent.clear()
        while self._queue.qsize():
            self._queue.get_nowait()
        return usual(self, last, patience)

    return patch.object(writer.Writer, "close", close)


@mutant(plan=worlds.FAILING)
def a_failed_run_is_not_tried_again() -> AbstractContextManager[Any]:
    return patch.object(Job, "retry_at", lambda *_about: None)


@mutant(plan=worlds.DEAF)
def a_cut_run_is_not_told_of() -> AbstractContextManager[Any]:
    usual = process.Process.drain

    async def drain(self: Any, hurry: Any = None, *, ending: bool = False) -> int:
        await usual(self, hurry, ending=ending)
        return 0

    return patch.object(process.Process, "drain", drain)


@mutant(plan=worlds.DEAF)
def a_run_that_ignores_a_stop_has_no_outcome() -> AbstractContextManager[Any]:
    # What is left at the very end is written down once more, whatever it is: here only what is on a thread.
    usual = runner.Runner.interrupt_threads_left

    def interrupt(self: Any) -> None:
        self._under_way = {run: it for run, it in self._under_way.items() if it.thread is not None}
        usual(self)

    plants = ExitStack()
    plants.enter_context(patch.object(runner.Runner, "_give_up_on_deaf", lambda _runner: None))
    plants.enter_context(patch.object(runner.Runner, "interrupt_threads_left", interrupt))
    return plants
