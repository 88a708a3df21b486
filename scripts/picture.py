"""`make picture`: draw a terminal (SVG) from what a freshly rendered application really prints."""

from __future__ import annotations

import argparse
import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from app_session import AppSession, SessionError, fresh_folder, render

WIDTH = 118
LOG_LINES = 12
# Both libraries of the application are told that they write to a terminal of this width: Rich by
# FORCE_COLOR and COLUMNS, loguru 0.7 by the only variable it looks at.
TERMINAL = {
    "FORCE_COLOR": "1",
    "COLUMNS": str(WIDTH),
    "PYCHARM_HOSTED": "1",
    "TERM": "xterm-256color",
}


def transcript() -> list[tuple[str, str]]:
    """Run a rendered application and return each command with its output."""
    with fresh_folder("copier-scheduler-picture-") as folder:
        app = AppSession(folder / "my-scheduler", TERMINAL)
        render(app.folder)
        app.install()
        app.add_demo_jobs()
        app.run_until(6, seconds=60)
        log = app.log
        if len(log) > LOG_LINES:
            log = [*log[: LOG_LINES - 1], "..."]
        shown = [
            ("python -m app run", "\n".join(log)),
            ("python -m app jobs", app.ask("jobs")),
            ("python -m app runs -n 6", app.ask("runs", "-n", "6")),
        ]
        # Pictures must not show where this machine keeps its temporary files.
        home = str(folder)
        return [(command, output.replace(home, "~")) for command, output in shown]


def draw(shown: list[tuple[str, str]]) -> str:
    """Return the SVG of a terminal in which these commands were typed."""
    console = Console(record=True, width=WIDTH, file=StringIO(), legacy_windows=False)
    for command, output in shown:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        console.print(Text.from_ansi(output.rstrip()), soft_wrap=False)
        console.print()
    svg = console.export_svg(title="my-scheduler", unique_id="first-run")
    # Rich names a font on a remote host; a picture must not call anybody.
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def main() -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("svg", type=Path)
    target: Path = parser.parse_args().svg
    try:
        picture = draw(transcript())
    except SessionError as problem:
        print(f"No picture was made. {problem}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture, encoding="utf-8")
    print(f"{target}: {len(picture) // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
