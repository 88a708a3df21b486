"""Commands that are told to a person do what they say, whatever the job in them is called."""

from __future__ import annotations

import re
import shlex

import pytest
from everytick import AsyncIOScheduler
from everytick.app import typed, typed_for
from everytick.model import ticks

from histories import HOUR, ask, prepared, run, write


@pytest.mark.parametrize("job_id", ["-rfx", "--help", "-n", "a job; rm", "it's"])
def test_the_next_command_that_troubles_names_is_about_the_job(
    scheduler: AsyncIOScheduler, job_id: str
) -> None:
    scheduler.add_job(print, "cron", hour=3, id=job_id)
    ledger = prepared(scheduler)
    failed = run(job_id, ticks.now() - HOUR, "failed", error="RuntimeError: no")
    write(ledger, "scheduler_runs", [failed])
    told = re.search(r"^more: .* show 1, (.*)$", ask(scheduler, "troubles"), re.MULTILINE)
    assert told is not None
    words = shlex.split(told[1])
    called = words[len(shlex.split(typed(""))) :]
    assert ask(scheduler, *called).startswith("Run 1 is for the tick ")
    # What follows an option is its value, whatever it looks like.
    assert "RuntimeError: no" in ask(scheduler, "runs", "--job", job_id, "--failed")


def test_an_id_that_begins_with_a_hyphen_is_no_option() -> None:
    assert typed_for("daily", "pause", "--note TEXT") == typed("pause daily --note TEXT")
    assert typed_for("a b", "resume") == typed("resume 'a b'")
    assert typed_for("-rfx", "pause", "--note TEXT") == typed("pause --note TEXT -- -rfx")
    assert typed_for("-rfx", "resume") == typed("resume -- -rfx")
