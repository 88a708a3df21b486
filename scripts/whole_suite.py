"""Run every test, some at a time; what failed beside others is tried once more, alone, and named loudly.

Many of the tests kill processes, lock files and wait for a tick of the real clock. On a shared machine
that stands still for some seconds one of two thousand may fail though nothing is broken. A defect fails
alone as well, and so do many failures at once, which are not tried again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

MOST = 8
"""More failures than this are no accident."""

_CACHE = Path("build/pytest-cache")


def main(arguments: list[str]) -> int:
    """Run pytest with the arguments; return its exit code, or that of the second try."""
    shutil.rmtree(_CACHE, ignore_errors=True)
    code = _pytest(*arguments)
    failed = _failed()
    if code != 1 or not 0 < len(failed) <= MOST:
        return code
    _say("tried once more, alone", failed)
    code = _pytest("-n", "0", *failed)
    if code == 0:
        _say("FAILED beside others, PASSED alone: look at each before you trust it", failed)
    return code


def _pytest(*arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={_CACHE}", *arguments]
    return subprocess.run(command, check=False).returncode


def _failed() -> list[str]:
    """Return the tests of the last run that failed, as pytest names them."""
    kept = _CACHE / "v/cache/lastfailed"
    return sorted(json.loads(kept.read_text("utf-8"))) if kept.exists() else []


def _say(title: str, tests: list[str]) -> None:
    print(f"\n==== {title} ====", *tests, sep="\n  ", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
