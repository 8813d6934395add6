"""What became of every line of a source: the counts that must add up.

`lines = records + continuations + blanks + rejects + skipped_own` holds after every call of the parser.
This module counts; it knows nothing of formats, templates or alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

MAX_KEYS = 64
"""Distinct keys kept in one of the dicts; what comes beyond is added up under ``_other``."""

_SUMS = (
    "lines",
    "records",
    "continuations",
    "blanks",
    "rejects",
    "skipped_own",
    "bytes",
    "truncated",
    "repaired",
    "tracebacks",
    "bad_times",
    "timeless",
)
_TALLIES = ("formats", "redacted", "rejects_by_reason", "zones")


@dataclass(slots=True)
class IntakeCounts:
    """Counts of one source, or of several added up.

    ``bytes`` counts what was fed; all others count what has been emitted, so that they are exact however
    the input was cut, once the source has been flushed.
    """

    lines: int = 0
    records: int = 0
    continuations: int = 0
    blanks: int = 0
    rejects: int = 0
    skipped_own: int = 0
    bytes: int = 0
    truncated: int = 0
    """Lines that were longer than the cap and were cut with a mark."""
    repaired: int = 0
    """Lines with broken UTF-8 or NUL bytes, read with replacements."""
    tracebacks: int = 0
    """Records that carry an exception class from a traceback, joined or inside JSON."""
    bad_times: int = 0
    """Records with a time field or stamp that is no possible time."""
    timeless: int = 0
    """Records that tell no time (impossible ones included)."""
    first_us: int | None = None
    last_us: int | None = None
    formats: dict[str, int] = field(default_factory=dict)
    """Lines of records by the format of the record's first line."""
    redacted: dict[str, int] = field(default_factory=dict)
    rejects_by_reason: dict[str, int] = field(default_factory=dict)
    zones: dict[str, int] = field(default_factory=dict)
    """Records by stated zone: ``"+00:00"``, ``"-05:00"`` …, and ``"none"`` where a zone had to be assumed."""

    @property
    def is_balanced(self) -> bool:
        """Whether the sum of the kinds is the number of lines."""
        parts = self.records + self.continuations + self.blanks + self.rejects + self.skipped_own
        return self.lines == parts

    def add(self, other: IntakeCounts) -> None:
        """Add `other` to these counts."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _TALLIES:
            tally(getattr(self, name), getattr(other, name))
        self.span(other.first_us, other.last_us)

    def span(self, first_us: int | None, last_us: int | None) -> None:
        """Widen the span of event times seen."""
        if first_us is not None and (self.first_us is None or first_us < self.first_us):
            self.first_us = first_us
        if last_us is not None and (self.last_us is None or last_us > self.last_us):
            self.last_us = last_us

    def snapshot(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        state: dict[str, Any] = {name: getattr(self, name) for name in (*_SUMS, "first_us", "last_us")}
        state.update({name: dict(getattr(self, name)) for name in _TALLIES})
        return state

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Return counts equal to those that `snapshot` saw; unknown keys are ignored."""
        counts = cls()
        for name in (*_SUMS, "first_us", "last_us"):
            setattr(counts, name, state.get(name, getattr(counts, name)))
        for name in _TALLIES:
            setattr(counts, name, dict(state.get(name, {})))
        return counts


def tally(into: dict[str, int], more: Mapping[str, int]) -> None:
    """Add the numbers of `more` to those of `into`; at most `MAX_KEYS` keys, the rest as ``_other``."""
    for key, n in more.items():
        name = key if key in into or len(into) < MAX_KEYS else "_other"
        into[name] = into.get(name, 0) + n
