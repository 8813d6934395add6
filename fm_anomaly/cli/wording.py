"""Numbers, spans, times and sparklines in the words people read; shared by terminal and HTML.

Pure text: it knows nothing of consoles, pages or what the numbers mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

BLOCKS = "▁▂▃▄▅▆▇█"
_UNITS = ((1, "B"), (10**3, "kB"), (10**6, "MB"), (10**9, "GB"), (10**12, "TB"))


def plural(n: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun.

    >>> plural(1, "record"), plural(21813, "record"), plural(2, "entry", "entries")
    ('1 record', '21,813 records', '2 entries')
    """
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def size(n_bytes: int) -> str:
    """Return a size in decimal units.

    >>> size(512), size(1_873_211)
    ('512 B', '1.9 MB')
    """
    scale, unit = next((s, u) for s, u in reversed(_UNITS) if n_bytes >= s or s == 1)
    return f"{n_bytes} B" if scale == 1 else f"{n_bytes / scale:.1f} {unit}"


def rate(per_s: float) -> str:
    """Return lines a second, two digits of it.

    >>> rate(110_402.0), rate(2_130_000.0), rate(812.0)
    ('110k lines/s', '2.1M lines/s', '812 lines/s')
    """
    if per_s >= 1e6:
        return f"{per_s / 1e6:.1f}M lines/s"
    return f"{per_s / 1e3:.0f}k lines/s" if per_s >= 1e3 else f"{per_s:.0f} lines/s"


def share(part: int, whole: int) -> str:
    """Return a share in percent; never 100 % or 0 % unless it is all or nothing.

    >>> share(993, 1000), share(999_999, 1_000_000), share(1, 1_000_000), share(4, 4)
    ('99.3 %', '99.9 %', '<0.1 %', '100 %')
    """
    if part == whole or not whole:
        return "100 %"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1 %"
    return f"{min(percent, 99.9):.1f} %" if part else "0 %"


def span(seconds: float) -> str:
    """Return a span in its two largest units.

    >>> span(175), span(9000), span(45), span(0.4), span(273_600)
    ('2m55s', '2h30m', '45s', '0s', '3d4h')
    """
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        n, left = divmod(left, unit_s)
        if n or parts:
            parts.append((n, unit))
    two = parts[:2] or [(0, "s")]
    first, rest = two[0], two[1:]
    width = 2 if first[1] in "hm" else 1
    return f"{first[0]}{first[1]}" + "".join(f"{n:0{width}}{unit}" for n, unit in rest if n)


def parse_time(text: str) -> datetime:
    """Return the aware time of an ISO 8601 string with Z, as `scan --json` has it."""
    return datetime.fromisoformat(text)


def clipped(text: str, width: int) -> str:
    """Return `text` on one line, cut to `width` with an ellipsis.

    >>> clipped("could not connect", 9)
    'could no…'
    """
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= width else line[: width - 1] + "…"


def sparkline(values: Sequence[float | None], width: int = 30, *, lowest: bool = False) -> str:
    """Return `values` as block characters, `width` of them at most.

    Each stands for the largest of its values, so that a burst of a minute shows; with `lowest` for the
    smallest, so that a gap shows.

    >>> sparkline([0, 0, 7, None])
    '▁▁█ '
    """
    pick = min if lowest else max
    n = min(width, len(values))
    bins = [values[len(values) * i // n : len(values) * (i + 1) // n] for i in range(n)]
    picked = [pick((v for v in part if v is not None), default=None) for part in bins]
    top = max((v for v in picked if v is not None), default=0.0) or 1.0
    return "".join(" " if v is None else BLOCKS[min(7, int(7 * max(0.0, v) / top + 0.5))] for v in picked)


def zone_named(name: str) -> tzinfo:
    """Return the zone that `name` says ("UTC", "Europe/Paris", "+02:00"); UTC if there is none of that name."""
    offset = re.fullmatch(r"([+-])(\d\d):?(\d\d)", name)
    if offset is not None:
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{offset[1]}{offset[2]}:{offset[3]}").tzinfo
        return zone or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


@dataclass(frozen=True, slots=True)
class Clockface:
    """How times are written for one log: in its zone, with the date where it spans more than one day."""

    zone: tzinfo
    has_dates: bool

    @classmethod
    def of(cls, zone: str, first: str | None, last: str | None) -> Clockface:
        """Return the face for a log from `first` to `last` (ISO 8601)."""
        tz = zone_named(zone)
        if first is None or last is None:
            return cls(tz, has_dates=False)
        days = {parse_time(text).astimezone(tz).date() for text in (first, last)}
        return cls(tz, has_dates=len(days) > 1)

    def show(self, text: str | None) -> str:
        """Return a time as people read it: "12:30:03", or "Mar 02 12:30:03"."""
        if text is None:
            return "?"
        return f"{parse_time(text).astimezone(self.zone):{'%b %d %H:%M:%S' if self.has_dates else '%H:%M:%S'}}"

    def typed(self, text: str) -> str:
        """Return a time as the command line takes it: "12:30:03", or "2026-03-02T12:30:03"."""
        local = parse_time(text).astimezone(self.zone)
        return f"{local:{'%Y-%m-%dT%H:%M:%S' if self.has_dates else '%H:%M:%S'}}"

    def between(self, start: str, end: str | None, state: str) -> str:
        """Return a span: "12:30:03 → 12:32:58 (2m55s, over)"; "going on" where `state` is "firing"."""
        if end is None:
            return f"since {self.show(start)} (going on)"
        seconds = (parse_time(end) - parse_time(start)).total_seconds()
        word = "going on" if state == "firing" else "over"
        return f"{self.show(start)} → {self.show(end)} ({span(seconds)}, {word})"
