"""Each argument of `add_job` is compared by `diff`, with the value before and after."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.model.job import Options

from histories import ask
from ledgers import changing
from test_diff import DAILY, everything, of, other_task, put_in_force, start_once, task

# Of an argument of add_job that is no part of what is declared: why `diff` has nothing to say of it.
NOT_COMPARED = {
    "id": "another id is another job, or a renamed one",
    "renamed_from": "it names the job that is compared",
    "jobstore": "only its default is taken",
    "executor": "only its default is taken",
    "replace_existing": "it makes no difference in the code",
}
# For each other one: what the code says then, and the values of it that are told.
CHANGED: dict[str, tuple[Any, dict[str, tuple[Any, Any]]]] = {
    "func": (
        other_task,
        {"function": ("test_diff:task", "test_diff:other_task"), "name": ("task", "other_task")},
    ),
    "trigger": ("interval", {}),
    "args": ([1], {"arguments": (["0"], ["1"])}),
    "kwargs": ({"size": 3}, {"arguments": (["0"], ["0", "size=3"])}),
    "name": ("Another name", {"name": ("task", "Another name")}),
    "next_run_time": (None, {"next_run_time": (None, "paused at first")}),
    "misfire_grace_time": (60, {"misfire_grace_time": (600, 60)}),
    "coalesce": (False, {"coalesce": (True, False)}),
    "max_instances": (2, {"max_instances": (1, 2)}),
    "max_catch_up": (3, {"max_catch_up": (10, 3)}),
    "timeout": (30, {"timeout": (None, 30)}),
    "retries": (2, {"retries": (0, 2)}),
    "retry_delay": (1, {"retry_delay": (10, 1)}),
    "on_crash": ("skip", {"on_crash": ("rerun", "skip")}),
    "ping": ("https://hc.example.org/7f0d", {"ping": (None, "an address")}),
    "alert": (False, {"alert": (True, False)}),
    "queue": ("slow", {"queue": ("default", "slow")}),
    "overlap": ("wait", {"overlap": ("skip", "wait")}),
    "group": ("database", {"group": (None, "database")}),
    "exclude": ("sat-sun", {}),
    "shift": ("next-workday", {}),
    "jitter": (30, {"jitter": (0, 30)}),
}
# What these change are the ticks: shown as the trigger, and the coming ones, before and after.
OF_THE_TICKS = {"trigger": "interval", "exclude": "except sat-sun", "shift": "moved to the next workday"}


def arguments_of_add_job() -> list[str]:
    named = inspect.signature(AsyncIOScheduler.add_job).parameters
    return [name for name in named if name not in ("self", "trigger_args")] + ["jitter"]


def test_every_option_of_a_job_is_an_argument_that_is_compared() -> None:
    options = {field.name for field in dataclasses.fields(Options)}
    assert options <= CHANGED.keys()
    assert set(arguments_of_add_job()) == CHANGED.keys() | NOT_COMPARED.keys()


@pytest.mark.parametrize("argument", [name for name in arguments_of_add_job() if name not in NOT_COMPARED])
def test_each_argument_of_a_declaration_is_compared(argument: str, scheduler: AsyncIOScheduler) -> None:
    given: dict[str, Any] = {"func": task, "args": [0], "id": "it", "exclude": "sun"}
    before = AsyncIOScheduler()
    before.add_job(**given, **DAILY)
    put_in_force(before)
    when = {"trigger": "interval", "hours": 1} if argument == "trigger" else DAILY
    scheduler.add_job(**{**given, **when, argument: CHANGED[argument][0]})
    [change] = of(scheduler).jobs
    assert change.details == CHANGED[argument][1]
    assert change.what == ("changed" if argument in OF_THE_TICKS else "altered")
    assert change.new is not None
    assert OF_THE_TICKS.get(argument, "") in change.new.trigger
    shown = ask(scheduler, "diff")
    for name, (old, new) in change.details.items():
        assert f"{name}: {shown_value(old)} -> {shown_value(new)}" in shown


def shown_value(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("argument", [name for name in arguments_of_add_job() if name not in NOT_COMPARED])
def test_what_is_declared_as_it_was_makes_no_difference(argument: str, scheduler: AsyncIOScheduler) -> None:
    given: dict[str, Any] = {"func": task, "args": [0], "id": "it", "exclude": "sun"}
    given |= {"trigger": "interval", "hours": 1} if argument == "trigger" else DAILY
    given[argument] = CHANGED[argument][0]
    before = AsyncIOScheduler()
    before.add_job(**given)
    put_in_force(before)
    scheduler.add_job(**given)
    assert of(scheduler).jobs == []


def test_arguments_whose_text_is_another_in_each_process_are_not_told_as_changed(
    scheduler: AsyncIOScheduler,
) -> None:
    before = AsyncIOScheduler()
    before.add_job(task, args=[object(), {"b", "a"}], id="it", **DAILY)
    put_in_force(before)
    scheduler.add_job(task, args=[object(), {"a", "b"}], id="it", **DAILY)
    assert of(scheduler).jobs == []


def test_another_heartbeat_url_is_told_without_either(scheduler: AsyncIOScheduler) -> None:
    before = AsyncIOScheduler()
    before.add_job(task, ping="https://hc.example.org/before", id="it", **DAILY)
    put_in_force(before)
    scheduler.add_job(task, ping="https://hc.example.org/after", id="it", **DAILY)
    [change] = of(scheduler).jobs
    assert change.details == {"ping": ("an address", "another one")}
    assert "hc.example.org" not in str(everything(scheduler))


def test_of_a_ledger_that_knows_no_options_only_the_others_are_compared(scheduler: AsyncIOScheduler) -> None:
    start_once(("it", DAILY))
    with changing(scheduler.ledger) as hand:
        hand.execute("UPDATE scheduler_jobs SET options_data = NULL")
    scheduler.add_job(task, id="it", max_instances=3, group="database", **DAILY)
    [change] = of(scheduler).jobs
    assert change.details == {"group": (None, "database")}
