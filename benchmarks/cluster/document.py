"""The tables of the page, made from the figures. The page has the prose, and markers for the tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import systems
from .load import median
from .picture import picture

Figures = Mapping[str, Any]
# The target of the cluster, compared with PgQueuer alone on the same work.
MUST, GOAL = 0.6, 0.9
_SEEN = {
    "executing": "execute a statement",
    "between": "wait for their process to send the next",
    "committing": "commit",
    "waiting": "wait for a lock",
}
# For a value that was not measured, or has no meaning there.
_NONE = "-"
_PROCESSES = (10, 100, 1_000)
# Each process looks at the others every so many seconds.
_BEAT = 5


def write_document(figures: Figures, page: Path, drawing: Path) -> None:
    """Put the tables between the markers of the page, and write the picture.

    Raises:
        ValueError: the page lacks the markers of a table.
    """
    text = page.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        text = put(text, name, make(figures))
    page.write_text(text, encoding="utf-8")
    drawing.write_text(picture(figures), encoding="utf-8")


def put(text: str, name: str, content: str) -> str:
    """Return a text with this between the two markers of a name. Raises ValueError if they are not there."""
    pattern = rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)"
    if len(re.findall(pattern, text, re.DOTALL)) != 1:
        raise ValueError(f"the page has no place for the table '{name}'")
    return re.sub(pattern, lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text, flags=re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; numbers stand to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def milliseconds(seconds: float) -> str:
    """Return a time as people read it, with two digits that count."""
    if not math.isfinite(seconds):
        return _NONE
    if seconds >= 0.9995:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f} ms"


def number(value: float | None) -> str:
    """Return a number with so many digits that one sees how large it is; a dash for none."""
    if value is None:
        return _NONE
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"


def _surroundings(figures: Figures) -> str:
    found = dict(figures["machine"])
    date, processor, memory = found.pop("date"), found.pop("processor"), found.pop("memory")
    system, python = found.pop("system"), found.pop("Python")
    named = ", ".join(f"{name} {version}" for name, version in sorted(found.items(), key=_by_name))
    text = f"Measured on {date}: {processor}, {memory}, {system}; Python {python}, {named}."
    missing = [f"{name} ({reason})" for name, reason in figures["missing"].items()]
    left_out = f" Left out: {', '.join(missing)}." if missing else ""
    return text + left_out + (f"\n\n{figures['note']}" if figures.get("note") else "")


def _by_name(pair: tuple[str, str]) -> str:
    return pair[0].lower()


def _good(results: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [result for result in results if not result["failed"]]


def _speed(results: Sequence[Mapping[str, Any]]) -> str:
    return _range([result["per_second"] for result in results])


def _burst(results: Sequence[Mapping[str, Any]], place: int) -> str:
    bursts = [result["bursts"][place] for result in results]
    due, ran = bursts[0]["due"], median(burst["ran"] for burst in bursts)
    if ran == 0:
        return "none ran"
    late = " / ".join(milliseconds(median(burst[which] for burst in bursts)) for which in ("p50", "p99"))
    # Fewer when not all had run by the end; more when some ran twice.
    return late if ran == due else f"{late}; {ran:,.0f} ran"


def _throughput(figures: Figures) -> str:
    rows = []
    for title, results in figures["throughput"].items():
        system, _, arrangement = title.partition(": ")
        good = _good(results)
        if not good:
            rows.append([system, arrangement, f"failed: {results[0]['failed']}", *[_NONE] * 3])
            continue
        rows.append([system, arrangement, _speed(good), *(_burst(good, place) for place in range(3))])
    head = ["system", "processes", "runs/s", "10 due at once", "100", "1,000"]
    return table(head, rows)


def _cost(figures: Figures) -> str:
    rows = []
    for title, results in figures["throughput"].items():
        good = _good(results)
        if not good:
            continue
        middle = {
            key: median(result[key] for result in good) for key in ("cpu", "cpu_server") if good[0]["runs"]
        }
        asked = [
            None if good[0][key] is None else median(result[key] for result in good)
            for key in ("statements", "commits", "commands")
        ]
        connections = max(result["seen"]["connections"] for result in good)
        rows.append(
            [
                title,
                *(number(value) for value in asked),
                *(number(middle[key] * 1e6) if key in middle else _NONE for key in ("cpu", "cpu_server")),
                str(connections or _NONE),
            ]
        )
    head = ["", "statements", "commits", "commands (Redis)", "CPU µs", "of the server, µs", "connections"]
    return table(head, rows)


def _speeds(figures: Figures) -> dict[str, float]:
    """Return the runs per second of each arrangement that ran."""
    return {
        title: median(result["per_second"] for result in _good(results))
        for title, results in figures["throughput"].items()
        if _good(results)
    }


def _best(figures: Figures, system: str) -> tuple[str, float]:
    speeds = {title: speed for title, speed in _speeds(figures).items() if title.startswith(f"{system}: ")}
    if not speeds:
        return "", 0.0
    best = max(speeds, key=speeds.__getitem__)
    return best.partition(": ")[2], speeds[best]


def _target(figures: Figures) -> str:
    arrangement, own = _best(figures, systems.OURS)
    beside, other = _best(figures, systems.PGQUEUER)
    if not own or not other:
        return "One of the two did not run."
    ratio = own / other
    verdict = (
        "reached" if ratio >= GOAL else "the least is reached, the goal is not" if ratio >= MUST else "missed"
    )
    return (
        f"The fastest arrangement ({arrangement}) does {number(own)} runs/s, PgQueuer alone on the same work"
        f" ({beside}) {number(other)}: a ratio of **{ratio:.2f}**. Wanted are at least {MUST}, better {GOAL}:"
        f" {verdict}." + _same_processes(figures)
    )


def _same_processes(figures: Figures) -> str:
    """One that decides and two that run, beside PgQueuer's: as it comes, and with larger batches."""
    speeds = _speeds(figures)
    own = speeds.get(f"{systems.OURS}: 1 scheduler + 2 workers")
    peers = {
        title.partition(": ")[2]: speed
        for title, speed in speeds.items()
        if title.startswith(f"{systems.PGQUEUER}: 1 producer + 2 workers")
    }
    if own is None or not peers:
        return ""
    ratios = ", ".join(f"**{own / speed:.2f}** beside {words}" for words, speed in peers.items())
    return f" With one scheduler and two workers it is {ratios}; wanted is at least 1 beside as many."


def _steady(figures: Figures) -> str:
    rows = []
    for jobs, by_processes in figures["steady"].items():
        for processes, results in by_processes.items():
            good = _good(results)
            if not good:
                rows.append([f"{int(jobs):,}", str(processes), results[0]["failed"], *[_NONE] * 6])
                continue
            costs = [_range([result[name] * 1e6 for result in good]) for name in ("cpu", "cpu_server")]
            late = milliseconds(median(result["bursts"][0]["p99"] for result in good))
            seen = [median(result["seen"][name] for result in good) / int(processes) for name in _SEEN]
            rows.append([f"{int(jobs):,}", str(processes), *costs, late, *(f"{share:.2%}" for share in seen)])
    head = ["jobs a second", "processes", "application, µs", "server, µs", "p99", *_SEEN.values()]
    return table(head, rows)


def _shared(figures: Figures) -> str:
    """What four processes cost for each run beside one, at each rate."""
    told = []
    for jobs, by_processes in figures["steady"].items():
        one, four = (_good(by_processes.get(processes, ())) for processes in ("1", "4"))
        if not one or not four:
            return "One of the two did not run."
        application, server = (
            median(it[name] for it in four) / median(it[name] for it in one) for name in ("cpu", "cpu_server")
        )
        late = median(it["bursts"][0]["p99"] for it in four) / median(it["bursts"][0]["p99"] for it in one)
        told.append(
            f"At {int(jobs):,} jobs a second four processes cost the application **{application:.2f}** times"
            f" as much for each run as one, and the server **{server:.2f}** times; their p99 is {late:.2f}"
            " times that of one."
        )
    return " ".join(told)


def _range(values: Sequence[float]) -> str:
    spread = f" ({number(min(values))} to {number(max(values))})" if len(values) > 1 else ""
    return number(median(values)) + spread


def _jobs(figures: Figures) -> str:
    sizes = sorted({int(jobs) for found in figures["jobs"].values() for jobs in found})
    rows = []
    for title, found in figures["jobs"].items():
        for jobs in sizes:
            results = found.get(str(jobs), found.get(jobs))
            if results is None:
                continue
            first, second = results[0], results[1] if len(results) > 1 else None
            if first["failed"]:
                rows.append([title, f"{jobs:,}", first["failed"], _NONE, _NONE])
                continue
            # The work of the last start is that which a running schedule does every day.
            bursts = (second or first)["bursts"] or first["bursts"]
            late = f"{milliseconds(bursts[0]['p50'])} / {milliseconds(bursts[0]['p99'])}" if bursts else _NONE
            again = _NONE if second is None else second["failed"] or milliseconds(second["ready"])
            rows.append([title, f"{jobs:,}", milliseconds(first["ready"]), again, late])
    return table(["", "jobs", "first start", "second start", "lateness p50 / p99"], rows)


def _idle(figures: Figures) -> str:
    rows = [
        [
            row["title"],
            number(row["statements"]),
            number(row["commits"]),
            number(row["connections"] / row["processes"]),
            f"{row['cpu']:.2%}",
            f"{row['cpu_server']:.2%}",
        ]
        for row in figures["idle"]
    ]
    head = ["each process", "statements/s", "commits/s", "connections", "a core", "a core of the server"]
    return table(head, rows)


def _shards(figures: Figures) -> str:
    names = {"one ledger": "two processes, one ledger", "a schema each": "two processes, a schema each"}
    rows = []
    for words, result in figures["shards"].items():
        name = names.get(words, "two processes, a database each")
        if result["failed"]:
            rows.append([name, f"failed: {result['failed']}", _NONE, _NONE])
        else:
            late = result["bursts"][2]
            lateness = f"{milliseconds(late['p50'])} / {milliseconds(late['p99'])}"
            rows.append([name, number(result["per_second"]), f"{late['due']:,}", lateness])
    one = figures["throughput"].get(f"{systems.OURS}: 1 process of both", [])
    if _good(one):
        rows.insert(0, ["one process, one ledger", _speed(_good(one)), "1,000", _burst(_good(one), 2)])
    return table(["", "runs/s together", "due at once", "lateness p50 / p99"], rows)


def _limits(figures: Figures) -> str:
    found = figures["limits"]
    rows = [
        ["commits a second, one client", number(found["commits_one"])],
        ["commits a second, eight clients, no lock", number(found["commits_free"])],
        ["commits a second, eight clients, one lock for all", number(found["commits_locked"])],
        *(
            [f"a look at the others, where there are {int(count):,}", milliseconds(took / 1000)]
            for count, took in found["beats"].items()
        ),
    ]
    return table(["the server alone", ""], rows)


def _arithmetic(figures: Figures) -> str:
    """One ledger and idle processes that do all, one on each machine: by the measured cost of one of them."""
    idle = next((row for row in figures["idle"] if row["title"].endswith("6 processes of both")), None)
    idle = idle or figures["idle"][0]
    looks = {int(count): took / 1000 for count, took in figures["limits"]["beats"].items()}
    rows = [
        [
            f"{processes:,}",
            *(number(idle[name] * processes) for name in ("statements", "commits", "cpu_server")),
            f"{looks[processes] * 1000:.1f} ms" if processes in looks else "-",
            f"{looks[processes] * processes / _BEAT:.3f}" if processes in looks else "-",
        ]
        for processes in _PROCESSES
    ]
    head = [
        "processes",
        "statements/s",
        "commits/s",
        "cores of the server",
        "a look at the others",
        "cores for these looks",
    ]
    return table(head, rows)


TABLES = {
    "surroundings": _surroundings,
    "throughput": _throughput,
    "target": _target,
    "cost": _cost,
    "steady": _steady,
    "shared": _shared,
    "shards": _shards,
    "jobs": _jobs,
    "idle": _idle,
    "limits": _limits,
    "arithmetic": _arithmetic,
}
