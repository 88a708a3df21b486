"""Write docs/performance.md and its plots from what was measured."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import plots
from benchmarks.arithmetic import Spread
from benchmarks.environments import ROOT
from benchmarks.measures.templates import SOURCES
from benchmarks.plan import HISTORIES, MANY, SIZES
from benchmarks.registry import ALL, BARE, OURS, OURS_POSTGRES, Peer
from benchmarks.results import Results
from benchmarks.targets import TARGETS
from benchmarks.text import AFTERWARDS, BEFORE, HEADINGS

DOCUMENT = ROOT / "docs/performance.md"
IMAGES = ROOT / "docs/images"
_DOUBTS = ("Remark", "Measured again")
# Stands where there is no figure.
_NOT = "-"


def write(results: Results, document: Path = DOCUMENT, images: Path = IMAGES) -> None:
    """Write the document, and the plots beside it."""
    images.mkdir(parents=True, exist_ok=True)
    pictures = dict(_plots(results))
    for name, picture in pictures.items():
        (images / f"performance-{name}.svg").write_text(picture, "utf-8")
    # Reasons to doubt the figures stand before them.
    parts = [BEFORE, *(f"**{word}:** {results.about[word]}" for word in _DOUBTS if word in results.about)]
    for heading, table in (
        ("targets", _targets(results)),
        ("peers", _peers(results)),
        ("lateness", _lateness(results)),
        ("many", _many(results)),
        ("history", _history(results)),
        ("template", _templates(results)),
        ("machine", _machine(results)),
    ):
        parts += [HEADINGS[heading], table]
    if results.failures:
        parts += [HEADINGS["missing"], _missing(results)]
    parts.append(AFTERWARDS)
    text = "\n\n".join(part.strip() for part in parts) + "\n"
    # A value that was not measured has no plot.
    text = re.sub(
        r"!\[.*\]\(images/performance-(\w+)\.svg\)\n\n", lambda at: at[0] * (at[1] in pictures), text
    )
    document.write_text(text, "utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _targets(results: Results) -> str:
    rows = []
    for target in TARGETS:
        sign = "≤" if target.most else "≥"
        value = target.found(results)
        aims = [f"{sign} {aim:,g}" for aim in (target.must, target.goal)]
        rows.append([target.title, *aims, _NOT if value is None else _number(value), target.verdict(results)])
    table = _table(["", "must", "goal", "measured", "verdict"], rows)
    return table.replace("---: |\n", "--- |\n", 1)


def _peers(results: Results) -> str:
    columns: list[tuple[str, str, float]] = [
        ("max runs/s", "capacity", 1), ("CPU µs per run, 100 aligned", "cpu-100", 1e6),
        ("1,000 aligned", "cpu-1000", 1e6), ("1,000 spread", "cpu-spread-1000", 1e6),
        ("cold start ms", "cold", 1e3), ("memory MB", "idle-memory", 1),
        ("idle wake-ups/min", "idle-wakes", 1), ("idle CPU s/min", "idle-cpu", 1),
        ("drain ms", "drain-100", 1e3),
    ]  # fmt: skip
    rows = [
        [peer.title, *(_cell(results.get(name, peer.key), factor) for _, name, factor in columns)]
        for peer in ALL
    ]
    others = [
        ("with the dashboard", "cold-dashboard"),
        ("its ledger being made", "cold-new"),
    ]
    for words, name in others:
        start = _cell(results.get(name, OURS.key), 1e3)
        rows.append([f"this template, SQLite, {words}", *[""] * 4, start, *[""] * 4])
    return _table(["", *(title for title, _, _ in columns)], rows)


def _lateness(results: Results) -> str:
    rows = []
    for peer in ALL:
        cells = []
        known = results.get("p99-1", peer.key) is not None
        for jobs in SIZES:
            middle, late = results.get(f"p50-{jobs}", peer.key), results.get(f"p99-{jobs}", peer.key)
            if middle is None and (not known or (peer.key in results.failures and jobs < 1000)):
                cells.append(_NOT)
                continue
            cells.append("over" if middle is None else f"{_cell(middle, 1e3)} / {_cell(late, 1e3)}")
        rows.append([peer.title, *cells])
    return _table(["p50 / p99, ms", *(f"{jobs:,}" for jobs in SIZES)], rows)


def _many(results: Results) -> str:
    rows = []
    for title, measure, key in (
        ("bare asyncio", "start", BARE.key), ("APScheduler 3.11, memory", "start", "apscheduler"),
        ("this template, SQLite, new ledger", "start", OURS.key),
        ("this template, SQLite, second start", "restart", OURS.key),
        ("this template, PostgreSQL, new ledger", "start", OURS_POSTGRES.key),
        ("this template, PostgreSQL, second start", "restart", OURS_POSTGRES.key),
        ("by cron: APScheduler 3.11, memory", "start-cron", "apscheduler"),
        ("by cron: this template, SQLite, new ledger", "start-cron", OURS.key),
        ("by cron: this template, SQLite, second start", "restart-cron", OURS.key),
        ("by cron: this template, PostgreSQL, new ledger", "start-cron", OURS_POSTGRES.key),
        ("by cron: this template, PostgreSQL, second start", "restart-cron", OURS_POSTGRES.key),
    ):  # fmt: skip
        found = [results.get(f"{measure}-{jobs}", key) for jobs in MANY]
        # An older run measured no cron triggers, and nothing on PostgreSQL.
        if any(value is not None for value in found):
            rows.append([title, *(_cell(value, 1) for value in found)])
    return _table(["seconds to ready", *(f"{jobs:,} jobs" for jobs in MANY)], rows)


def _history(results: Results) -> str:
    columns = (
        ("CPU µs per run", "history-cpu", 1e6), ("p99 ms", "history-p99", 1e3),
        ("max runs/s", "history-capacity", 1), ("ledger MB", "history-size", 1),
    )  # fmt: skip
    rows = [
        [f"{number:,}", *(_cell(results.get(name, str(number)), factor) for _, name, factor in columns)]
        for number in HISTORIES
    ]
    return _table(["rows of history", *(title for title, _, _ in columns)], rows)


def _templates(results: Results) -> str:
    rows = [
        [
            source.title,
            results.versions.get(source.title, _NOT) if source.address else "this tree",
            *(_cell(results.get(f"template-{name}", source.key), factor)
              for name, factor in (("copy", 1), ("update", 1), ("files", 1), ("size", 1 / 1024))),
        ]
        for source in SOURCES
    ]  # fmt: skip
    table = _table(["", "releases", "copy s", "update s", "files", "KB"], rows)

    def of(name: str) -> str:
        return _cell(results.get(f"install-{name}", "ours"), 1).partition(" (")[0]

    return (
        f"{table}\n\nInstalling the rendered application with uv, everything downloaded before, takes "
        f"{of('seconds')} s: {of('packages')} packages, {of('megabytes')} MB."
    )


def _machine(results: Results) -> str:
    rows = [[name, value] for name, value in results.about.items()]
    rows += [[name, value] for name, value in sorted(results.versions.items()) if " to " not in value]
    return _table(["", ""], rows).replace("---:", "---")


def _missing(results: Results) -> str:
    return "\n".join(f"- {key}: {reason}" for key, reason in results.failures.items())


def _plots(results: Results) -> list[tuple[str, str]]:
    found = []
    holds = [(peer, results.middle("capacity", peer.key)) for peer in ALL]
    values = [(peer.title, value, peer.ours) for peer, value in holds if value]
    if values:
        values.sort(key=lambda of: -of[1])
        found.append(("runs", plots.bars("Runs a second that are sustained", values, "/s")))
    late = {peer.title: _points(peer, results) for peer in ALL}
    late = {title: points for title, points in late.items() if points}
    if late:
        found.append(("lateness", plots.lines("Lateness, p99", late, "jobs due at once", "milliseconds")))
    cost = [(float(rows), results.middle("history-cpu", str(rows))) for rows in HISTORIES if rows]
    points = [(rows, value * 1e6) for rows, value in cost if value]
    if points:
        across = "rows of history in the ledger"
        found.append(
            ("history", plots.lines("Cost of a run", {"this template, SQLite": points}, across, "CPU µs"))
        )
    return found


def _points(peer: Peer, results: Results) -> list[tuple[float, float]]:
    found = [(float(jobs), results.middle(f"p99-{jobs}", peer.key)) for jobs in SIZES]
    return [(jobs, late * 1e3) for jobs, late in found if late]


def _cell(found: Spread | None, factor: float, number: Callable[[float], str] | None = None) -> str:
    """Return the median, and behind it the range if it is wider than a twentieth."""
    if found is None:
        return _NOT
    if not math.isfinite(found.middle):
        return "over"
    show = number or _number
    middle, least, most = (value * factor for value in (found.middle, found.least, found.most))
    if not math.isfinite(most):
        return f"{show(middle)} ({show(least)}…over)"
    if most - least <= 0.05 * middle or show(least) == show(most):
        return show(middle)
    return f"{show(middle)} ({show(least)}…{show(most)})"


def _number(value: float) -> str:
    """Return a number with three digits that tell."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}"
