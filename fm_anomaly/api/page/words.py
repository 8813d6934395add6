"""Numbers, times and small charts of the page, as text and as shapes.

Pure functions, used by templates as filters. Everything that comes out as markup is made of numbers alone; no text of a
log passes through here unescaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from fm_anomaly.core import reasons
from fm_anomaly.core.display import terminal

_US = 1_000_000


def when(us: int | None) -> str:
    """Return a time to the second, UTC.

    >>> when(1_772_454_603_000_000), when(None)
    ('2026-03-02 12:30:03', '–')
    """
    if us is None:
        return "–"
    return datetime.fromtimestamp(us // _US, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(us: int | None) -> str:
    """Return the time of day, UTC.

    >>> clock(1_772_454_603_000_000)
    '12:30:03'
    """
    return when(us)[-8:] if us is not None else "–"


def machine(us: int | None) -> str:
    """Return a time as the attribute of a <time> element."""
    return "" if us is None else datetime.fromtimestamp(us // _US, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(us: int) -> str:
    """Return a length of time in its two largest units."""
    return reasons.duration(us)


def compact(n: float) -> str:
    """Return a count in at most four characters and a unit.

    >>> compact(7), compact(12_345), compact(3_400_000)
    ('7', '12.3k', '3.4M')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.1f}".rstrip("0").rstrip(".") + unit
    return f"{n:g}"


def words(text: str) -> str:
    """Return a name in code as words: `new_error` → `new error`."""
    return text.replace("_", " ")


def shown(text: str) -> str:
    """Return text of a log with control and bidirectional characters shown; the template escapes the rest."""
    return terminal(text)


def laid_out(text: str) -> str:
    """Return the same for `<pre>`: a traceback keeps its lines."""
    return terminal(text, keep_layout=True)


def spark(values: Sequence[float], width: int = 120, height: int = 24) -> Markup:
    """Return a small bar chart of values of one step each; empty where there is nothing to show."""
    if not values:
        return Markup("")
    top = max(*values, 1.0)
    step = width / len(values)
    bars = "".join(
        f"M{i * step:.2f} {height}v-{max(height * value / top, 1.0):.2f}h{max(step - 0.6, 0.6):.2f}V{height}z"
        for i, value in enumerate(values)
        if value > 0
    )
    return Markup(  # noqa: S704  -- numbers only
        f'<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="{bars}"/></svg>'
    )


def lane(start: float, end: float, severity: str) -> Markup:
    """Return where an incident lies in a span: shares of it in [0, 1]."""
    x, width = 100 * min(max(start, 0.0), 0.993), max(0.7, 100 * (min(end, 1.0) - max(start, 0.0)))
    return Markup('<rect class="fill-{}" x="{}" y="1" width="{}" height="10" rx="1"/>').format(
        severity, f"{x:.2f}", f"{width:.2f}"
    )


FILTERS = {f.__name__: f for f in (when, clock, machine, duration, compact, words, shown, laid_out, spark, lane)}
