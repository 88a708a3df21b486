"""The commands, by what they do.

- `entry`: from the call of a process to its exit code
- `program`, `standalone`: all commands, and `run`; the same as the command `everytick`
- `show`, `plan`, `logs`: the jobs, their runs, and their coming ticks; one run, and what runs logged
- `control`, `requests`, `bulk`: act on jobs; on runs; on many at once
- `backfill`: runs of past ticks
- `troubles`: what went wrong since a time
- `explain`, `simulate`: why something ran or did not; a simulation of the schedule
- `probes`, `notifications`: for monitoring; about alerts
- `dashboard`, `migrate`, `update`: serve the pages; the ledger elsewhere; a newer version of the template
- `arguments`, `completion`: the arguments and options that several commands have, and their completion
- `refusals`: how a command line is refused that cannot be meant
- `groups`: how the help lists the commands and their options
- `output`, `colours`, `table`, `cells`: how they print: text, colours, tables and their cells
- `collecting`: when Python looks for garbage
- `progress`, `following`: a progress bar; runs as they end
- `listed`, `outages`, `one_run`, `planned`, `simulated`, `differences`, `findings`: how jobs and runs,
  outages, a run, plans, simulations, differences and findings are printed
"""

from __future__ import annotations

import sys

from everytick.app import Application

from .collecting import seldom


def main(application: Application | None = None, program: str | None = None) -> None:
    """Run the command that the process was called with, for an application.

    Exit code 2: wrong usage, settings or schedule; 1: it failed; 130: Ctrl+C, also at the very start.

    Args:
        application: whose commands these are. Without one this is the command `everytick`, which has an
            option --app and finds the application by itself.
        program: the name in the help, where it is not that of the file which was called.

    Example:
        from everytick import Application, cli

        application = Application(__file__, schedule="shop.schedule:create_scheduler")
        if __name__ == "__main__":
            cli.main(application, "python -m shop")
    """
    seldom()
    try:
        from .entry import run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run(application, program)
