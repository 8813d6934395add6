"""People's own patterns: messages that an expression finds are one template, whatever the miner would say.

Expressions are those of Rust's regex crate, which runs in linear time and has no look-around. The first that finds a
message, in the order in which they were given, has it. It must not know how templates are mined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from fm_anomaly.errors import UsageError

MAX_EXPRESSION_BYTES = 1_000
MAX_NAME_CHARS = 200
EVENT_KEY = "own:"
"""The event key of a template that a pattern made begins with this; the pattern's id follows."""
_MAX_PATTERNS = 100


@dataclass(frozen=True, slots=True)
class OwnPattern:
    """One pattern; service "" is all of them."""

    pattern_id: str
    service: str
    name: str
    expression: str


class OwnPatterns:
    """The patterns of a tenant, in the order in which they were given."""

    def __init__(self) -> None:
        self._patterns: dict[str, OwnPattern] = {}

    def add(self, pattern: OwnPattern) -> None:
        """Take a pattern. Raises UsageError where it cannot be used, or there are 100 already."""
        check(pattern.expression)
        if not pattern.name.strip() or len(pattern.name) > MAX_NAME_CHARS:
            raise UsageError(f"a pattern needs a name of at most {MAX_NAME_CHARS} characters")
        if len(self._patterns) >= _MAX_PATTERNS:
            raise UsageError(f"there are {_MAX_PATTERNS} patterns already; remove one first")
        self._patterns[pattern.pattern_id] = pattern

    def remove(self, pattern_id: str) -> OwnPattern:
        """Remove a pattern. Raises UsageError where there is none of that id."""
        if pattern_id not in self._patterns:
            raise UsageError(f"no pattern {pattern_id!r} is in force")
        return self._patterns.pop(pattern_id)

    def applied(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a frame with `body` and `event_key` as the templates are to see them."""
        if not self._patterns:
            return frame
        seen = frame.select("service", "event_key", "body", pl.col("body").fill_null("").alias("said"))
        for pattern in reversed(self._patterns.values()):
            hit = pl.col("said").str.contains(pattern.expression)
            if pattern.service:
                hit = (pl.col("service") == pattern.service) & hit
            own = pl.lit(pattern.name), pl.lit(EVENT_KEY + pattern.pattern_id)
            seen = seen.with_columns(
                pl.when(hit).then(own[0]).otherwise(pl.col("body")).alias("body"),
                pl.when(hit).then(own[1]).otherwise(pl.col("event_key")).alias("event_key"),
            )
        return seen

    def __len__(self) -> int:
        return len(self._patterns)

    def snapshot(self) -> list[Any]:
        """Return the state."""
        return [[p.pattern_id, p.service, p.name, p.expression] for p in self._patterns.values()]

    @classmethod
    def restore(cls, state: list[Any]) -> OwnPatterns:
        """Return the patterns whose `snapshot` this is."""
        self = cls()
        self._patterns = {plain[0]: OwnPattern(*plain) for plain in state}
        return self


def check(expression: str) -> None:
    """Raise UsageError where an expression is too long, finds everything, or cannot be run in linear time."""
    if len(expression.encode("utf-8", "replace")) > MAX_EXPRESSION_BYTES:
        raise UsageError(f"the expression is longer than {MAX_EXPRESSION_BYTES} bytes; write a shorter one")
    try:
        finds_nothing = pl.Series(["", "x"]).str.contains(expression)
    except pl.exceptions.PolarsError as exc:
        why = str(exc).strip().splitlines()[-1] if str(exc).strip() else "it cannot be read"
        raise UsageError(f"the expression cannot be used: {why}; look-around and back-references are left out") from exc
    if finds_nothing.all():
        raise UsageError("the expression finds every message, even an empty one; say more of what it should find")


def n_found(expression: str, texts: list[str]) -> int:
    """Return how many of `texts` an expression finds."""
    return int(pl.Series(texts, dtype=pl.String).str.contains(expression).sum()) if texts else 0
