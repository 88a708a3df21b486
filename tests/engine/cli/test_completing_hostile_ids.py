r"""What the shell completes runs nothing, whatever somebody has put into the id of a job.

zsh evaluates each answer twice, as `ws=( ... )` the second time; bash and fish put it on the line as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler

from histories import prepared, run, write
from ledgers import change
from shells import completed, evaluated

# The first is the one of the attack. Each is put into an id as it is, behind `report`.
HOSTILE = [
    r"\$(touch pwned)",
    "$(touch pwned)",
    "`touch pwned`",
    r"\`touch pwned\`",
    '"; touch pwned; "',
    "'; touch pwned; '",
    "; touch pwned",
    ";touch${IFS}pwned",
    "|touch${IFS}pwned",
    "&touch${IFS}pwned",
    ">pwned",
    "<(touch pwned)",
    "\ntouch pwned\n",
    ")) ; touch pwned ; ((",
    "*",
    "?",
    "[a-z]",
    "{a,b}",
    "~",
    "!!",
    "#",
    "^a^b",
    "%n",
    "a b",
    "a\tb",
    "\x1b[2J",
]
AT_THE_BEGINNING = ["-rf", "--all", "=touch", "~root", ".hidden", "/bin/sh"]
HARMLESS = ["report", "daily-report", "sync_A.b", "mail:me@example.org", "a/b+c,d=e", "übersicht-2"]
ORDERS = ("show", "pause", "resume", "run-now", "why", "remove", "runs --job", "logs", "backfill")
WORD = r"\w[\w.:@/+,=-]*"
HELP = r"[\w.:@/+,=? -]+"


@pytest.fixture
def hostile(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """A schedule with rows that somebody wrote: jobs, runs of them, and a backfill."""
    for job_id in HARMLESS:
        scheduler.add_job(print, "cron", hour=3, id=job_id)
    ledger = prepared(scheduler)
    ids = [*(f"report{text}" for text in HOSTILE), *AT_THE_BEGINNING]
    for number in range(len(ids)):
        scheduler.add_job(print, "cron", hour=3, id=f"row-{number}")
    prepared(scheduler)
    for number, job_id in enumerate(ids):
        change(ledger, "UPDATE scheduler_jobs SET job_id = ? WHERE job_id = ?", job_id, f"row-{number}")
    write(ledger, "scheduler_runs", [run(job_id, n + 1, "failed") for n, job_id in enumerate(ids)])
    return scheduler


@pytest.mark.full
@pytest.mark.parametrize("line", ORDERS)
def test_ids_of_rows_mean_nothing_to_a_shell(hostile: AsyncIOScheduler, line: str, tmp_path: Path) -> None:
    of_bash = completed("bash", line).splitlines()
    assert {word for word in of_bash if not word.isdigit()} == set(HARMLESS)
    assert all(re.fullmatch(WORD, word) for word in of_bash)
    for answer in completed("fish", line).splitlines():
        assert re.fullmatch(rf"{WORD}(\t{HELP})?", answer), answer
    of_zsh = completed("zsh", line)
    lines = of_zsh.removeprefix("_arguments '*: :((").removesuffix("))'").splitlines()
    assert lines
    for answer in lines:
        assert re.fullmatch(rf'"{WORD}"(:"{HELP}")?', answer.replace(r"\\:", ":")), answer
    assert evaluated(of_zsh, tmp_path) == []


def test_the_number_of_a_run_is_told_without_what_its_job_is_called(hostile: AsyncIOScheduler) -> None:
    for line in completed("fish", "retry").splitlines():
        assert re.fullmatch(rf"\d+\t{HELP}, failed", line), line
    first = f"1\treport{'?' * 3}touch pwned?, failed"
    assert completed("fish", "retry").splitlines()[-1] == first
