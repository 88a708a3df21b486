"""The picture of the page: runs per second, and how lateness grows with what is due at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from . import systems
from .load import median

_WIDTH, _LEFT, _RIGHT, _ROW = 860, 330, 110, 24
_COLOURS = {
    systems.OURS: "#1b6ac9",
    systems.PGQUEUER: "#b3541e",
    systems.PGQUEUER_CRON: "#d99a6c",
    systems.CELERY: "#5b8c2a",
    systems.TASKIQ: "#7a4fa3",
}


def picture(figures: Mapping[str, Any]) -> str:
    """Return an SVG: bars of runs per second on a logarithmic scale, with p99 of 1,000 due at once beside."""
    rows = _rows(figures)
    height = 70 + _ROW * len(rows) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        "<title>Runs per second of each system and arrangement</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="26" font-size="16" fill="#222">Runs per second, on a logarithmic scale</text>',
        '<text x="12" y="44" fill="#666">right: p99 lateness of 1,000 jobs that are due at once</text>',
    ]
    top = max([value for _title, value, _late in rows] or [1.0])
    parts += _scale(top, height)
    for place, (title, value, late) in enumerate(rows):
        parts += _bar(60 + _ROW * place, title, value, late, top)
    return "\n".join([*parts, "</svg>", ""])


def _rows(figures: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    rows = []
    for title, results in figures["throughput"].items():
        good = [result for result in results if not result["failed"]]
        if not good:
            rows.append((title, 0.0, "failed"))
            continue
        burst = [result["bursts"][2] for result in good]
        late = median(each["p99"] for each in burst)
        whole = all(each["ran"] >= each["due"] for each in burst) and math.isfinite(late)
        rows.append(
            (
                title,
                median(result["per_second"] for result in good),
                f"{late:.2f} s" if whole else "not all ran",
            )
        )
    return rows


def _at(value: float, top: float) -> float:
    """Return how far to the right a value is: 1 is at the left end, the largest at the right one."""
    span = _WIDTH - _LEFT - _RIGHT
    return span * math.log10(max(1.0, value)) / max(1.0, math.ceil(math.log10(max(10.0, top))))


def _scale(top: float, height: int) -> list[str]:
    parts = []
    for power in range(math.ceil(math.log10(max(10.0, top))) + 1):
        x = _LEFT + _at(10.0**power, top)
        parts.append(f'<line x1="{x:.0f}" y1="54" x2="{x:.0f}" y2="{height - 26}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x:.0f}" y="{height - 10}" text-anchor="middle" fill="#666">{10**power:,}</text>'
        )
    return parts


def _bar(y: int, title: str, value: float, late: str, top: float) -> Sequence[str]:
    colour = _COLOURS.get(title.partition(": ")[0], "#888888")
    length = _at(value, top)
    shown = escape(title if len(title) < 52 else f"{title[:50]}…")
    return [
        f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end" fill="#222" font-size="12">{shown}</text>',
        f'<rect x="{_LEFT}" y="{y + 3}" width="{max(1.0, length):.0f}" height="{_ROW - 7}" fill="{colour}"/>',
        f'<text x="{_LEFT + length + 6:.0f}" y="{y + 15}" fill="#222">{value:,.0f}</text>',
        f'<text x="{_WIDTH - 10}" y="{y + 15}" text-anchor="end" fill="#666">{escape(late)}</text>',
    ]
