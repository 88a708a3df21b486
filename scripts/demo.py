"""`make demo`: render an application, install it, and let three jobs run for some seconds."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from app_session import AppSession, SessionError, render

WANTED_RUNS = 6
SECONDS = 60.0


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def demonstrate(folder: Path) -> None:
    """Go the way of a new user, from nothing to recorded runs."""
    say(f"1. Render the template with its defaults into {folder}")
    render(folder)
    width = shutil.get_terminal_size(fallback=(120, 24)).columns
    app = AppSession(folder, {"COLUMNS": str(width)})

    say("2. Install the application into its own .venv")
    say(f"   done with `{app.install()}`")

    say("3. Add three jobs to app/components/scheduler/main.py: every 1, 2 and 3 seconds")
    app.add_demo_jobs()

    say(f"4. `python -m app run`, until {WANTED_RUNS} runs have succeeded")
    app.run_until(WANTED_RUNS, seconds=SECONDS, show=lambda line: say(f"   {line}"))
    say("   stopped by signal: exit code 0")

    for command in (["jobs"], ["runs", "--limit", "10"]):
        say(f"\n$ python -m app {' '.join(command)}")
        say(app.ask(*command).rstrip())

    states = Counter(run["state"] for run in app.runs())
    say("\nRuns by state: " + ", ".join(f"{states[state]} {state}" for state in sorted(states)))
    say(f"\nThe application is yours to try:\n\n    cd {folder}")
    say(f"    {app.python.relative_to(folder)} -m app run      # Ctrl+C stops it")
    say(f"    {app.python.relative_to(folder)} -m app plan     # what is due next")
    say("    $EDITOR app/services/my_tasks.py app/components/scheduler/main.py")


def main() -> int:
    """Run the demonstration; a failure is told in one sentence with the output that shows it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, help="an empty or new folder; default: a temporary one")
    arguments = parser.parse_args()
    # An emoji in a log line must not fail on a terminal that is not UTF-8.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    folder = arguments.into or Path(tempfile.mkdtemp(prefix="copier-scheduler-demo-")) / "my-scheduler"
    try:
        demonstrate(folder.resolve())
    except SessionError as problem:
        print(f"\nThe demonstration failed. {problem}", file=sys.stderr)
        print(f"What there is stands in {folder}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
