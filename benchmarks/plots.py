"""Small plots as SVG: bars and lines, both on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH = 780
_COLOURS = (
    "#0b6e4f", "#3c6ac4", "#c4573c", "#8a4fbd", "#b8860b", "#2a9d8f", "#777777", "#d1495b", "#5f7a1f",
    "#1d3557", "#e07a5f", "#444444",
)  # fmt: skip
_OURS = "#0b6e4f"
_OTHERS = "#9aa5b1"


def bars(title: str, values: Sequence[tuple[str, float, bool]], unit: str) -> str:
    """Return horizontal bars: a name, a value above zero, and whether it is ours."""
    top, row, left, right = 54, 26, 300, 90
    least = 10 ** math.floor(math.log10(min(value for _, value, _ in values)))
    most = max(value for _, value, _ in values)
    scale = (_WIDTH - left - right) / (math.log10(most / least) or 1.0)
    parts = []
    for position, (name, value, ours) in enumerate(values):
        y = top + position * row
        wide = max(2.0, math.log10(value / least) * scale)
        parts += [
            _text(left - 10, y + 14, name, anchor="end", bold=ours),
            f'<rect x="{left}" y="{y}" width="{wide:.1f}" height="18" fill="{_OURS if ours else _OTHERS}"/>',
            _text(left + wide + 6, y + 14, f"{_short(value)} {unit}", bold=ours),
        ]
    return _picture(title, "logarithmic scale", top + len(values) * row + 12, parts)


def lines(title: str, points: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Return a line for each name through its points (both above zero)."""
    left, top, wide, high = 70, 60, 440, 300
    every = [point for of_name in points.values() for point in of_name]
    x_low, x_high = _decades([x for x, _ in every])
    y_low, y_high = _decades([y for _, y in every])

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            left + (math.log10(x) - x_low) / (x_high - x_low) * wide,
            top + high - (math.log10(y) - y_low) / (y_high - y_low) * high,
        )

    parts = []
    for decade in range(x_low, x_high + 1):
        x, y = at(10**decade, 10**y_low)
        parts += [_line(x, top, x, top + high), _text(x, y + 18, _short(10**decade), anchor="middle")]
    for decade in range(y_low, y_high + 1):
        x, y = at(10**x_low, 10**decade)
        parts += [_line(left, y, left + wide, y), _text(x - 8, y + 4, _short(10**decade), anchor="end")]
    parts += [_text(left + wide / 2, top + high + 40, across, anchor="middle"), _text(left, top - 10, up)]
    for position, (name, of_name) in enumerate(points.items()):
        colour = _COLOURS[position % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in of_name))
        y = top + 10 + position * 22
        heavy = 3 if position == 0 else 1.8
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{heavy}"/>',
            *(f'<circle cx="{x:.1f}" cy="{dot:.1f}" r="3" fill="{colour}"/>'
              for x, dot in (at(*point) for point in of_name)),
            f'<rect x="{left + wide + 20}" y="{y - 9}" width="14" height="4" fill="{colour}"/>',
            _text(left + wide + 40, y - 2, name, bold=position == 0),
        ]  # fmt: skip
    return _picture(title, "", top + high + 56, parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#dde2e8"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def _picture(title: str, remark: str, height: float, parts: Sequence[str]) -> str:
    head = f'<text x="16" y="26" font-size="15" font-weight="bold">{escape(title)}</text>'
    note = _text(_WIDTH - 16, 26, remark, anchor="end") if remark else ""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img"',
            f'     aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12.5"',
            '     fill="#1f2933">',
            f'<rect width="{_WIDTH}" height="{height:.0f}" rx="6" fill="#ffffff"/>',
            head,
            note,
            *parts,
            "</svg>\n",
        ]
    )
