"""SVG for the HTML report: a series with its expected band, and where the incidents lie in the log's span.

Shapes only, scaled by the page; every label is HTML beside them. Numbers come in, markup goes out; no text of
a log passes through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_BARS = 240
_HEIGHT = 100.0
_HEADROOM = 1.08


@dataclass(frozen=True, slots=True)
class Bars:
    """A series binned for drawing: values and expected range, bar by bar; None is a gap."""

    values: list[float | None]
    low: list[float | None]
    high: list[float | None]
    step_s: float

    @property
    def top(self) -> float:
        """The largest number to be drawn; 1.0 for a series of zeros."""
        drawn = [v for v in (*self.values, *self.high) if v is not None]
        return max(drawn, default=0.0) or 1.0


def binned(
    values: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    step_s: float,
    *,
    lowest: bool = False,
) -> Bars:
    """Return at most `MAX_BARS` bars; each shows the largest of its values, or with `lowest` the smallest."""
    width = -(-len(values) // MAX_BARS) or 1
    pick = min if lowest else max

    def fold(numbers: Sequence[float | None], *, mean: bool) -> list[float | None]:
        out: list[float | None] = []
        for at in range(0, len(numbers), width):
            part = [v for v in numbers[at : at + width] if v is not None]
            out.append(None if not part else sum(part) / len(part) if mean else pick(part))
        return out

    bars = fold(values, mean=False)
    gaps: list[float | None] = [None] * len(bars)
    lows, highs = (fold(band, mean=True) if len(band) == len(values) else gaps for band in (low, high))
    return Bars(bars, lows, highs, step_s * width)


def series_chart(bars: Bars, span: tuple[float, float], label: str) -> str:
    """Return the SVG of a series; the incident's values outside the band are marked.

    Parameters
    ----------
    span
        The incident's start and end, in seconds since the series' start.
    label
        What a screen reader says: our own words, no text of a log.
    """
    n = len(bars.values)
    x0, x1 = (min(float(n), max(0.0, at / bars.step_s)) for at in span)
    scale = _HEIGHT / (bars.top * _HEADROOM)
    parts = [
        f'<svg class="chart" viewBox="0 0 {n} {_HEIGHT:g}" preserveAspectRatio="none" role="img" aria-label="{label}">',
        f'<rect class="during" x="{x0:.2f}" y="0" width="{max(x1 - x0, 0.004 * n):.2f}" height="{_HEIGHT:g}"/>',
        *_band(bars, scale),
        *_bar_paths(bars, scale, x0, x1),
        "</svg>",
    ]
    return "".join(parts)


def lane(start: float, end: float, severity: str) -> str:
    """Return where an incident lies: (start, end) as shares of the log's span in [0, 1], and its severity."""
    x, width = 100 * min(start, 0.993), max(0.7, 100 * (end - start))
    return (
        '<svg class="lane" aria-hidden="true"><line x1="0" x2="100%" y1="50%" y2="50%"/>'
        f'<rect class="fill-{severity}" x="{x:.2f}%" y="2" width="{width:.2f}%" height="8" rx="3"/></svg>'
    )


def share_bar(share: float, tone: str = "bar") -> str:
    """Return a small horizontal bar; `share` in [0, 1]."""
    width = max(0.0, min(1.0, share)) * 100
    return (
        f'<svg class="share" aria-hidden="true"><rect class="track" width="100%" height="100%" rx="2"/>'
        f'<rect class="{tone}" width="{width:.1f}%" height="100%" rx="2"/></svg>'
    )


def _band(bars: Bars, scale: float) -> list[str]:
    """Return the expected range as stepped areas, one a run of bars that have one."""
    out, at = [], 0
    n = len(bars.values)
    while at < n:
        end = at
        while end < n and bars.low[end] is not None and bars.high[end] is not None:
            end += 1
        if end > at:
            upper = [(x, bars.high[i] or 0.0) for i in range(at, end) for x in (i, i + 1)]
            lower = [(x, bars.low[i] or 0.0) for i in range(end - 1, at - 1, -1) for x in (i + 1, i)]
            points = " ".join(f"{x},{_HEIGHT - max(0.0, y) * scale:.2f}" for x, y in upper + lower)
            out.append(f'<polygon class="band" points="{points}"/>')
        at = end + 1
    return out


def _bar_paths(bars: Bars, scale: float, x0: float, x1: float) -> list[str]:
    """Return two paths: the bars of the incident that lie outside the expected range, and all others."""
    plain: list[str] = []
    marked: list[str] = []
    for i, value in enumerate(bars.values):
        if value is None:
            continue
        low, high = bars.low[i], bars.high[i]
        is_expected = low is not None and high is not None and low <= value <= high
        is_marked = i + 1 > x0 and i < x1 and not is_expected
        # a value of nothing that is too little is drawn as a mark, or it would not be seen
        tall = max(value * scale, 2.5 if is_marked else 0.0)
        (marked if is_marked else plain).append(f"M{i + 0.1:.1f} {_HEIGHT:g}v-{tall:.2f}h.8v{tall:.2f}z")
    return [
        f'<path class="{name}" d="{"".join(path)}"/>' for name, path in (("within", plain), ("outside", marked)) if path
    ]
