"""Measure: `python -m benchmarks` for all, `--quick` for a look, `--document` to write the document again."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.results import Results


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few peers, two minutes, printed only")
    parser.add_argument("--document", type=Path, metavar="RESULTS", help="write the document from these")
    parser.add_argument(
        "--only", metavar="STEP,...", help="measure these again, keep the rest of the last run"
    )
    parser.add_argument("--check", action="store_true", help="count instructions beside what is kept")
    parser.add_argument("--keep", action="store_true", help="with --check: keep what is counted")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of what is compared (default: 3)")
    arguments = parser.parse_args()
    # A signal to stop must stop the started processes, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not sys.platform.startswith("linux"):
        parser.error("what processes use is read as Linux shows it: the benchmark runs on Linux only")
    if arguments.quick:
        from benchmarks.quick import quick

        quick()
        return 0
    if arguments.check:
        from benchmarks.instructions import check

        return check(arguments.keep)
    from benchmarks.document import write

    write(
        Results.load(arguments.document)
        if arguments.document
        else _measured(arguments.rounds, arguments.only)
    )
    return 0


def _measured(rounds: int, only: str | None) -> Results:
    from benchmarks.machine import describe
    from benchmarks.plan import KEPT, Plan
    from benchmarks.registry import Field
    from benchmarks.servers import running_servers

    results = Results.load(KEPT) if only else Results()
    with running_servers({"postgres", "redis"}) as servers:
        field = Field(servers)
        plan = Plan(field, results, servers.missing, rounds)
        plan.prepare()
        plan.measure(only.split(",") if only else ())
        describe(results, field)
        if only:
            results.about["Measured again"] = only
        results.save(KEPT)
    return results


if __name__ == "__main__":
    sys.exit(main())
