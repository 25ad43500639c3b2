"""Line charts as SVG: sharp at any size, readable in light and dark, no library and no script needed."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 44, 40
MOST = 240
"""Points drawn of a line; more are averaged in groups."""

STYLE = """
.chart{--ink:#1c1f24;--soft:#5b6470;--grid:#e3e6ea;--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#a6418a;--s4:#8a6d00;
--s5:#3f51b5;--s6:#b22222;--s7:#4d6b1d}
@media (prefers-color-scheme:dark){.chart{--ink:#e8eaed;--soft:#a3abb5;--grid:#343a42;--s0:#56b4e9;--s1:#f59a4c;
--s2:#3fcf9f;--s3:#e39bcb;--s4:#e6c84f;--s5:#9fa8ff;--s6:#ff8a80;--s7:#b5d67a}}
@media print{.chart{--ink:#1c1f24;--soft:#5b6470;--grid:#e3e6ea;--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#a6418a;
--s4:#8a6d00;--s5:#3f51b5;--s6:#b22222;--s7:#4d6b1d}}
.chart text{font:12px system-ui,sans-serif;fill:var(--soft)}.chart .name{font-weight:600;font-size:13px;fill:var(--ink)}
.chart line{stroke-width:3}.chart .grid{stroke-width:1}
.chart .grid{stroke:var(--grid)}.chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round}
"""
"""Rules for all charts of a page; the later of two equal rules holds, so print stays on white paper."""


@dataclass(frozen=True)
class Line:
    """A named line through points; points that are not numbers are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Axis:
    """Where a value lies between the ends, and which values are named."""

    low: float
    high: float
    log: bool = False
    names: Sequence[str] = field(default=())
    """Names of 0, 1, 2 ... instead of numbers."""

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low)

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self) -> list[tuple[float, str]]:
        """Values to name, with their names."""
        if self.names:
            return [(float(i), name) for i, name in enumerate(self.names)]
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            step = max(1, math.ceil((last - first) / 6))
            factors = (1,) if self.high / self.low > 50 else (1, 2, 5)  # within a decade or two, more of them
            values = [factor * 10.0**power for power in range(first, last + 1, step) for factor in factors]
        else:
            size = nice((self.high - self.low) / 5)
            first = math.ceil(self.low / size - 1e-9)
            values = [k * size for k in range(first, math.floor(self.high / size + 1e-9) + 1)]
        eps = 1e-9
        return [(v, short(v)) for v in values if -eps <= self.place(v) <= 1 + eps]


def nice(size: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= size * (1 - 1e-9))


def short(value: float) -> str:
    """A number in few characters: 0.25, 1,500, 20k, 1e-5."""
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.4g}k" if abs(value) < 1e7 else f"{value:.2g}"
    return f"{value:,.4g}" if abs(value) >= 0.001 else f"{value:.0e}".replace("e-0", "e-")


def sound(line: Line, log_x: bool = False, log_y: bool = False) -> list[tuple[float, float]]:
    """The points that can be drawn, thinned by averaging neighbours to at most :data:`MOST`."""
    pairs = zip(line.x, line.y, strict=True)
    points = [(float(x), float(y)) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    points = [(x, y) for x, y in points if (x > 0 or not log_x) and (y > 0 or not log_y)]
    size = math.ceil(len(points) / MOST) if points else 1
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def span(values: Sequence[float], log: bool, room: bool = True) -> tuple[float, float]:
    """Ends of an axis that holds all values, with some air; never of length 0."""
    low, high = min(values), max(values)
    if log:
        return (low / 1.25, high * 1.25) if low == high or room else (low, high)
    air = 0.05 * (high - low) if room else 0.0
    return (low - air, high + air) if high > low else (low - 0.5, high + 0.5)


def chart(
    lines: Sequence[Line],
    title: str,
    *,
    x_title: str = "rounds",
    log_x: bool = False,
    log_y: bool = False,
    y_range: tuple[float, float] | None = None,
    x_names: Sequence[str] = (),
) -> str:
    """An ``<svg>`` for a page that holds :data:`STYLE`, or for a file by :func:`alone`.

    Args:
        lines: at most 8 can be told apart.
        title: stands above, and is what a screen reader says, with the ends of each line.
        x_title: below the axis.
        log_x: a logarithmic axis; values of 0 and below are left out.
        log_y: likewise.
        y_range: ends of the y axis; from the data if None.
        x_names: names of x = 0, 1, 2 ...

    Returns:
        ``""`` when there is nothing to draw.
    """
    drawn = [(number, line, sound(line, log_x, log_y)) for number, line in enumerate(lines)]
    drawn = [(number, line, points) for number, line, points in drawn if points]  # each keeps its colour
    if not drawn:
        return ""
    xs = [x for _, _, points in drawn for x, _ in points]
    ys = [y for _, _, points in drawn for _, y in points]
    x_axis = Axis(*(span(xs, log_x, room=False) if not x_names else (-0.3, len(x_names) - 0.7)), log_x, x_names)
    y_axis = Axis(*(y_range or span(ys, log_y)), log_y)
    said = "; ".join(f"{line.name} from {short(p[0][1])} to {short(p[-1][1])}" for _, line, p in drawn)
    label = html.escape(f"{title}: {said}", quote=True)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" '
        'xmlns="http://www.w3.org/2000/svg">',
        f'<text class="name" x="{LEFT}" y="16">{html.escape(title)}</text>',
        *legend([(number, line.name) for number, line, _ in drawn]),
        *frame(x_axis, y_axis, x_title),
        *(path(points, number, x_axis, y_axis) for number, _, points in drawn),
        "</svg>",
    ]
    return "\n".join(parts)


def across(x: float) -> float:
    """Pixels from the left of a place 0 to 1."""
    return LEFT + x * (WIDTH - LEFT - RIGHT)


def down(y: float) -> float:
    """Pixels from the top of a place 0 (low) to 1 (high)."""
    return TOP + (1 - y) * (HEIGHT - TOP - BOTTOM)


def legend(names: Sequence[tuple[int, str]]) -> list[str]:
    """Coloured names in a row under the title."""
    parts, x = [], float(LEFT)
    for number, name in names:
        parts.append(
            f'<line x1="{x:.0f}" x2="{x + 16:.0f}" y1="31" y2="31" style="stroke:var(--s{number % 8})"/>'
            f'<text x="{x + 21:.0f}" y="35">{html.escape(name)}</text>'
        )
        x += 21 + 6.6 * len(name) + 18
    return parts


def frame(x_axis: Axis, y_axis: Axis, x_title: str) -> list[str]:
    """Grid lines and the names of values."""
    parts, bottom = [], HEIGHT - BOTTOM
    for value, name in y_axis.ticks():
        y = down(y_axis.place(value))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{html.escape(name)}</text>')
    ticks = x_axis.ticks()
    for number, (value, name) in enumerate(ticks):
        if len(ticks) > 10 and number % math.ceil(len(ticks) / 10):
            continue
        x = across(x_axis.place(value))
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{html.escape(name)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{html.escape(x_title)}</text>')
    return parts


def path(points: Sequence[tuple[float, float]], number: int, x_axis: Axis, y_axis: Axis) -> str:
    """One line, kept inside the frame; a single point becomes a dot."""
    spots = [(across(x_axis.place(x)), down(min(max(y_axis.place(y), 0), 1))) for x, y in points]
    if len(spots) == 1:
        return f'<circle cx="{spots[0][0]:.1f}" cy="{spots[0][1]:.1f}" r="3" style="fill:var(--s{number % 8})"/>'
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    return f'<polyline class="line" points="{joined}" style="stroke:var(--s{number % 8})"/>'


def alone(charts: Sequence[str]) -> str:
    """Charts one under another as an SVG file of its own, on paper that follows light and dark."""
    height = HEIGHT * len(charts)
    placed = '<svg class="chart" y="{}" width="{}" height="{}"'
    moved = (
        inner.replace('<svg class="chart"', placed.format(HEIGHT * i, WIDTH, HEIGHT), 1)
        for i, inner in enumerate(charts)
    )
    paper = "<style>" + STYLE + ".paper{fill:#fff}@media (prefers-color-scheme:dark){.paper{fill:#16191d}}</style>"
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}">{paper}<rect class="paper" width="{WIDTH}" height="{height}"/>{"".join(moved)}</svg>\n'
    )
