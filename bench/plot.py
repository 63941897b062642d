"""Plots as SVG that is readable on light and on dark pages: curves over sizes that grow tenfold and more.

The size axis is logarithmic, the other one begins at nothing.
"""

from __future__ import annotations

import math
from html import escape

from bench.conditions import Plot

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 76, 44, 48, 52
LEGEND_LINE = 20
_MARKS = ("circle", "square", "triangle", "diamond", "cross")

_STYLE = """
    svg { font: 13px system-ui, sans-serif; }
    .back { fill: #ffffff; }
    .text { fill: #1d2733; }
    .note { fill: #56636f; font-size: 12px; }
    .grid { stroke: #dde3e9; }
    .axis { stroke: #8a97a6; }
    .curve { fill: none; stroke-width: 2; }
    .c0 { stroke: #1f6feb; } .c1 { stroke: #bc4c00; } .c2 { stroke: #1a7f37; } .c3 { stroke: #8250df; }
    .c4 { stroke: #57606a; }
    .m0 { fill: #1f6feb; } .m1 { fill: #bc4c00; } .m2 { fill: #1a7f37; } .m3 { fill: #8250df; } .m4 { fill: #57606a; }
    @media (prefers-color-scheme: dark) {
      .back { fill: #0f151b; }
      .text { fill: #e6ebf0; }
      .note { fill: #a3b0bd; }
      .grid { stroke: #27313b; }
      .axis { stroke: #5d6b7a; }
      .c0 { stroke: #58a6ff; } .c1 { stroke: #f0883e; } .c2 { stroke: #56d364; } .c3 { stroke: #bc8cff; }
      .c4 { stroke: #b1bac4; }
      .m0 { fill: #58a6ff; } .m1 { fill: #f0883e; } .m2 { fill: #56d364; } .m3 { fill: #bc8cff; } .m4 { fill: #b1bac4; }
    }"""


def draw(plot: Plot) -> str:
    """The plot as an SVG document. Colour is not the only difference between curves: each has its own mark."""
    sizes = sorted({x for curve in plot.curves for x, _ in curve.points})
    lowest, highest = math.log10(sizes[0]), math.log10(sizes[-1])
    span = (highest - lowest) or 1.0
    top, step = _find_scale(max(y for curve in plot.curves for _, y in curve.points))
    height = HEIGHT + LEGEND_LINE * len(plot.curves)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (math.log10(x) - lowest) / span * (right - LEFT),
            bottom - y / top * (bottom - TOP),
        )

    described = "; ".join(
        f"{curve.label}: " + ", ".join(f"{y:,.0f} at {x:,.0f}" for x, y in curve.points) for curve in plot.curves
    )
    across = f"{plot.across}, logarithmic"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-describedby="desc">',
        f'  <title id="title">{escape(plot.title)}</title>',
        f'  <desc id="desc">{escape(described)}</desc>',
        f"  <style>{_STYLE}\n  </style>",
        f'  <rect class="back" width="{WIDTH}" height="{height}" rx="6"/>',
        f'  <text class="text" x="{LEFT}" y="26" font-weight="600">{escape(plot.title)}</text>',
    ]
    for number in range(round(top / step) + 1):
        y = place(sizes[0], number * step)[1]
        lines.append(f'  <path class="grid" d="M{LEFT} {y:.1f} H{right}"/>')
        lines.append(
            f'  <text class="note" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * step:,.0f}</text>'
        )
    for x in sizes:
        middle = place(x, 0)[0]
        lines.append(f'  <path class="axis" d="M{middle:.1f} {bottom} v5"/>')
        lines.append(f'  <text class="note" x="{middle:.1f}" y="{bottom + 20}" text-anchor="middle">{x:,.0f}</text>')
    lines += [
        f'  <path class="axis" d="M{LEFT} {bottom} H{right}"/>',
        f'  <text class="note" x="{right}" y="{bottom + 40}" text-anchor="end">{escape(across)}</text>',
        f'  <text class="note" x="{right}" y="26" text-anchor="end">{escape(plot.up)}</text>',
    ]
    for number, curve in enumerate(plot.curves):
        lines += _draw_curve(number, [place(x, y) for x, y in curve.points])
        y = HEIGHT + LEGEND_LINE * number
        lines.append("  " + _draw_mark(number, LEFT + 6, y - 4))
        lines.append(f'  <text class="text" x="{LEFT + 20}" y="{y}">{escape(curve.label)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _draw_curve(number: int, places: list[tuple[float, float]]) -> list[str]:
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return [
        f'  <path class="curve c{number % 5}" d="M{path}"/>',
        *("  " + _draw_mark(number, x, y) for x, y in places),
    ]


def _draw_mark(number: int, x: float, y: float) -> str:
    colour = f'class="m{number % 5}"'
    match _MARKS[number % len(_MARKS)]:
        case "circle":
            return f'<circle {colour} cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        case "square":
            return f'<rect {colour} x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
        case "triangle":
            return f'<path {colour} d="M{x:.1f} {y - 5:.1f} l5 9 h-10z"/>'
        case "diamond":
            return f'<path {colour} d="M{x:.1f} {y - 6:.1f} l5 6 -5 6 -5 -6z"/>'
    return f'<path {colour} d="M{x - 5:.1f} {y - 1.5:.1f} h3.5 v-3.5 h3 v3.5 h3.5 v3 h-3.5 v3.5 h-3 v-3.5 h-3.5z"/>'


def _find_scale(most: float) -> tuple[float, float]:
    """(end of the axis, distance of its lines): four to eight lines at round numbers."""
    magnitude = 10.0 ** math.floor(math.log10(max(most, 1)))
    for share in (0.2, 0.25, 0.5, 1, 2):
        step = magnitude * share
        if most / step <= 6:
            break
    return math.ceil(most / step) * step, step
