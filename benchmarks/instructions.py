"""No regression unnoticed: the instructions of a fixed amount of work, beside those of plain APScheduler.

Time cannot decide this: the same program takes twice as long on the same machine an hour later, and a check
with so much room finds nothing. The processor's own counters are not to be had on most virtual machines.
valgrind's callgrind runs the program on a processor of its own making and counts each instruction; what is
left to chance is in how many batches the threads' work comes, which moved the count by 0.1 percent
when it was counted twice;
the tolerance is for other versions of what is installed.

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
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.running import PEERS

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
    ours, other = per_job("ours"), per_job("apscheduler")
    quotient = ours / other
    print(f"instructions for one job more: {ours:,.0f}; of APScheduler in memory: {other:,.0f}")
    print(f"quotient: {quotient:.2f}")
    if keep:
        KEPT.write_text(json.dumps({"quotient": round(quotient, 2)}) + "\n", "utf-8")
        return 0
    code, sentence = judged(quotient, kept())
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


def kept() -> float:
    """Return the quotient that is kept."""
    return float(json.loads(KEPT.read_text("utf-8"))["quotient"])


def per_job(which: str) -> float:
    """Return the instructions that one job more costs."""
    few, many = (counted(which, jobs) for jobs in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def counted(which: str, jobs: int) -> int:
    """Return the instructions of a whole process that runs so many jobs once.

    Raises NotCounted when it did not end well.
    """
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    command = [
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
        sys.executable, str(PEERS / "counted.py"), which, str(jobs), str(_LEAD[which]),
    ]  # fmt: skip
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SCHEDULER_", "LOG_"))},
        # Sets and dictionaries are to be the same each time.
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ROOT / "template"),
        "SCHEDULER_DATABASE_URL": f"sqlite:///{folder}/ledger.db",
    }
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise NotCounted(f"{which} with {jobs} jobs: {done.stderr.strip()[-500:]}")
    return int(found[1])


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
