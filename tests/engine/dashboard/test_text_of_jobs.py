"""All that a job says is shown, also where it is no proper text, such as a file's name that is not UTF-8."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient, current_run
from loguru import logger

from dashboards import api, page
from inside import rows, until
from ledgers import change

# What os.listdir gives for a name with the byte E9, and what a display may be steered by.
HALF = "caf\udce9.csv"


def answers(scheduler: AsyncIOScheduler, run_id: int) -> list[Any]:
    """Return what the API says of runs, after each page that shows them was made."""
    for path in ("/", "/runs", "/jobs", "/running", "/coming", "/audit"):
        page(scheduler.ledger, path)
    page(scheduler.ledger, "/job", id="job")
    page(scheduler.ledger, f"/run/{run_id}")
    for path in ("overview", "troubles", "jobs", "jobs/job", "jobs/job/why", "plan", "audit"):
        api(scheduler.ledger, path)
    assert api(scheduler.ledger, "runs", job="job")["runs"]
    return [api(scheduler.ledger, "runs")["runs"][0], api(scheduler.ledger, f"runs/{run_id}")]


async def returns() -> Any:
    return {HALF: [HALF, "\0", "\ud83d", {"deep": (HALF,)}]}


async def progresses() -> None:
    if run := current_run():
        run.progress(0.4, f"at {HALF}")


async def logs() -> None:
    logger.bind(file=HALF).info("found {}", HALF)
    logging.getLogger(HALF).warning("found %s", HALF)
    logger.warning(HALF)


async def raises() -> None:
    problem = FileNotFoundError(2, "no such file", HALF)
    problem.add_note(HALF)
    raise ExceptionGroup(HALF, [problem])


@pytest.mark.parametrize("function", [returns, progresses, logs, raises])
async def test_half_a_character_that_a_run_says_is_shown_everywhere(
    scheduler: AsyncIOScheduler, function: Callable[[], Any]
) -> None:
    scheduler.add_job(function, "date", id="job", name=HALF, args=[], kwargs={})
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded", "failed"))
        for found in answers(scheduler, 1):
            assert json.dumps(found, ensure_ascii=False).encode()
        if function is not progresses:
            assert "caf" in page(scheduler.ledger, "/run/1")


async def test_half_a_character_among_the_arguments_of_a_job_is_shown(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(print, "date", id="job", args=[HALF], kwargs={"sep": HALF})
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded", "failed"))
        answers(scheduler, 1)


@pytest.mark.parametrize(
    "kept",
    [
        '["caf\\udce9.csv", {"\\udce9": 1}]',
        "[" * 3_000 + "]" * 3_000,
        "[" * 400 + "]" * 400,
        "[NaN, -Infinity, 1e999]",
    ],
)
async def test_a_result_that_stands_in_the_ledger_already_is_shown_whatever_it_is(
    scheduler: AsyncIOScheduler, kept: str
) -> None:
    scheduler.add_job(returns, "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    change(scheduler.ledger, "UPDATE scheduler_reports SET result = ?", kept)
    for found in (api(scheduler.ledger, "runs")["runs"][0], api(scheduler.ledger, "runs/1")):
        assert json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    page(scheduler.ledger, "/run/1")


async def test_a_note_with_half_a_character_is_kept(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(returns, "date", id="job")
    async with scheduler:
        client = SchedulerClient(who=HALF)
        client.pause_job("job", note=HALF)
        client.resume_job("job")
        api(scheduler.ledger, "audit")
        api(scheduler.ledger, "jobs")


async def steers() -> None:
    raise ValueError("paid\u202edeliaf\u2066 \x1b[31m\x9b1m\x07 in\n\ttwo lines")


async def test_what_would_steer_a_display_is_written_out_on_pages(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(steers, "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
    [run] = rows(scheduler, "failed")
    for shown in (page(scheduler.ledger, f"/run/{run['run_id']}"), page(scheduler.ledger, "/")):
        assert "paid\\u202edeliaf\\u2066 \\x1b[31m\\x9b1m\\x07 in" in shown
        assert not any(it in shown for it in "\u202e\u2066\x1b\x9b\x07")
