"""`python -m torture --minutes 20 --seed 7`: torments an application and tells what came of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from servers import Server, running_bouncer, running_server
from torture.checker import violations
from torture.history import History, load, read_ledger, read_starts, save
from torture.nemesis import ALL, Nemesis
from torture.report import explained, summary
from torture.world import World


def torture(
    folder: Path,
    seconds: float,
    seed: int,
    *,
    company: Sequence[str] = (),
    quiet: float = 30,
    aloud: bool = False,
    server: Server | None = None,
    ledger_url: str | None = None,
) -> History:
    """Torment an application in `folder`, leave it alone for `quiet` seconds; return the history."""
    world = World(folder, server, ledger_url)
    nemesis = Nemesis(world, seed, company)
    try:
        nemesis.torment(seconds, (lambda what: print(what, end=" ", flush=True)) if aloud else lambda _: None)
        # Runs that were cut off at the end must be found by heartbeat or lease.
        until = nemesis.quiet(quiet)
    finally:
        nemesis.end()
    runs, attempts, jobs, reports, audit = read_ledger(world.ledger_url)
    history = History(
        schedule=world.specs,
        clock=nemesis.clock,
        until=until,
        faults=nemesis.faults,
        lives=nemesis.supervisor.lives,
        starts=read_starts(world.marks_file),
        runs=runs,
        attempts=attempts,
        jobs=jobs,
        commands=nemesis.commands,
        requested=nemesis.requested,
        fills=nemesis.requester.fills,
        acts=nemesis.requester.acts,
        reports=reports,
        audit=audit,
        refused=nemesis.refused,
        oddities=nemesis.oddities,
        day=world.day,
    )
    save(history, folder)
    return history


def main() -> None:
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--company", nargs="+", choices=ALL, default=(), help="who does harm (default: all)")
    parser.add_argument(
        "--postgres", action="store_true", help="three schedulers and three workers on a server"
    )
    parser.add_argument(
        "--bouncer", action="store_true", help="with --postgres: by way of PgBouncer in its transaction mode"
    )
    parser.add_argument("--judge", type=Path, help="judge again what an earlier torture left in its folder")
    chosen = parser.parse_args()
    if chosen.judge:
        history = load(chosen.judge)
    else:
        folder = Path(tempfile.mkdtemp(prefix="torture-"))
        print(f"seed {chosen.seed}, {chosen.minutes:g} minutes, in {folder}", flush=True)
        seconds = chosen.minutes * 60
        with ExitStack() as stack:
            server = stack.enter_context(running_server()) if chosen.postgres else None
            url = None
            if server is not None and chosen.bouncer:
                url = stack.enter_context(running_bouncer(server, "bounced", connections=12))
            history = torture(
                folder,
                seconds,
                chosen.seed,
                company=chosen.company,
                aloud=True,
                server=server,
                ledger_url=url,
            )
        print()
    found = list(violations(history))
    for line in [*summary(history), *explained(history, found), f"{len(found)} violations"]:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
