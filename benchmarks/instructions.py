"""No regression unnoticed: the instructions of a fixed amount of work, beside those of plain APScheduler.

Time cannot decide this: the same program takes twice as long on the same machine an hour later, and a check
with so much room finds nothing. The processor's own counters are not to be had on most virtual machines.
valgrind's callgrind runs the program on a processor of its own making and counts each instruction; what is
left to chance is in how many batches the threads' work comes, which moved the count by 0.1 percent
when it was counted twice;
the tolerance is for other versions of what is installed.

That takes minutes. The suite counts calls of functions instead, those of Python and those of C, which it
does within seconds and which most of what makes a run slower adds to; what SQLite does is not in that.

Counted is what one job more costs, from its declaration to its run's outcome in the ledger: the difference
of two numbers of jobs, so that imports and the making of the ledger fall out. It is divided by the same of
APScheduler in memory in the same interpreter, so that another Python moves both. The quotient is kept in
`instructions.json`; one that is greater by more than the tolerance fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.running import PEERS

# How many seconds it may take to be ready for the count of calls; more on a busy machine.
_LEADS = (4, 10, 30, 90)

KEPT = Path(__file__).with_suffix(".json")
TOLERANCE = 0.1
FEW, MANY = 100, 600
# Under valgrind all is about fifty times as slow.
_LEAD = {"ours": 150, "apscheduler": 40}
_PATIENCE = 900


class NotCounted(Exception):
    """One sentence that says why there is no count."""


def check(keep: bool = False) -> int:
    """Count, print and compare with what is kept, or keep it; return the exit code."""
    if not valgrind():
        return 1 if os.environ.get("CI") else 0
    ours, other = (per_job(counted, which) for which in ("ours", "apscheduler"))
    quotient = ours / other
    print(f"instructions for one job more: {ours:,.0f}; of APScheduler in memory: {other:,.0f}")
    print(f"quotient: {quotient:.2f}")
    if keep:
        found = {"instructions": round(quotient, 2), "calls": round(calls_quotient(), 2)}
        KEPT.write_text(json.dumps(found) + "\n", "utf-8")
        return 0
    code, sentence = judged(quotient, kept("instructions"))
    print(sentence, file=sys.stderr if code else sys.stdout)
    return code


def judged(quotient: float, before: float) -> tuple[int, str]:
    """Return the exit code and a sentence about a quotient beside the one that is kept."""
    change = quotient / before - 1
    said = f"{change:+.0%} beside {before:.2f}, which is kept"
    if change > TOLERANCE:
        return 1, f"A run costs more than before: {said}; more than {TOLERANCE:.0%} is a regression."
    if change < -TOLERANCE:
        return 0, f"A run costs less than before: {said}. Keep it: python -m benchmarks --check --keep"
    return 0, f"As before: {said}."


def kept(of: str) -> float:
    """Return the quotient of `instructions` or of `calls` that is kept."""
    return float(json.loads(KEPT.read_text("utf-8"))[of])


def per_job(count: Callable[[str, int], int], which: str) -> float:
    """Return what one job more costs, as `count(which, jobs)` tells."""
    few, many = (count(which, jobs) for jobs in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def calls_quotient() -> float:
    """Return how many calls of functions one job more costs, divided by the same of APScheduler in memory."""
    return per_job(calls, "ours") / per_job(calls, "apscheduler")


def calls(which: str, jobs: int) -> int:
    """Return the calls of functions of a whole process that runs that many jobs once.

    Raises NotCounted when it did not end well.
    """
    said = ""
    for lead in _LEADS:
        done = _worked([], which, jobs, lead, "calls")
        if not done.returncode:
            return int(done.stdout)
        said = done.stderr.strip()[-500:]
    raise NotCounted(f"{which} with {jobs} jobs: {said}")


def counted(which: str, jobs: int) -> int:
    """Return the instructions of a whole process that runs that many jobs once.

    Raises NotCounted when it did not end well.
    """
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = _worked(callgrind, which, jobs, _LEAD[which])
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise NotCounted(f"{which} with {jobs} jobs: {done.stderr.strip()[-500:]}")
    return int(found[1])


def _worked(
    below: list[str], which: str, jobs: int, lead: int, *more: str
) -> subprocess.CompletedProcess[str]:
    """Do the work, below another program or by itself."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    command = [*below, sys.executable, str(PEERS / "counted.py"), which, str(jobs), str(lead), *more]
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SCHEDULER_", "LOG_"))},
        # Sets and dictionaries are to be the same each time.
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ROOT / "src"),
        "SCHEDULER_DATABASE_URL": f"sqlite:///{folder}/ledger.db",
    }
    try:
        return subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def valgrind() -> bool:
    """Return whether valgrind is there; install it where that is possible, and say loudly where it is not."""
    if shutil.which("valgrind"):
        return True
    print("Counting instructions needs valgrind: installing it", file=sys.stderr)
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends valgrind"
        subprocess.run(["sh", "-c", install], stdout=subprocess.DEVNULL, check=False)
    if shutil.which("valgrind"):
        return True
    print(
        "NO VALGRIND COULD BE HAD: whether a run costs more than before was not looked at.", file=sys.stderr
    )
    return False
