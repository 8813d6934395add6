"""Which lines of a second log explain why it went another way than the first.

A line of the second log that the first has not (novel) and that speaks of failure starts a block; the block grows
over what belongs to it: stack frames, indented lines, further lines tagged as errors, short gaps. Lines that only
say *that* something failed start none. There are no weights: each rule is a convention of how tools print errors.
This module knows lines and their marks, not records, templates or formats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core import line_cues
from fm_anomaly.core.line_cues import ERROR, NO_LEVEL, QUIET, WARNING

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LineScoringParams:
    """The two lengths that line scoring knows.

    `max_bridge` is the number of novel, untagged lines that may stand between two parts of one block; `max_blank`
    the number of blank lines that a block may hold in a row.
    """

    max_bridge: int = 4
    max_blank: int = 2


@dataclass(frozen=True, slots=True)
class Lines:
    """Physical lines of one log in ascending order: `numbers` (1-based) and `texts`, and a level known from elsewhere.

    `levels` (UInt8, values of `line_cues`) tells what the format says of a line; NO_LEVEL leaves it to the line's own
    tag. Numbers that are left out count as blank lines.
    """

    numbers: NDArray[np.int64]
    texts: pl.Series
    levels: NDArray[np.uint8] | None = None


def explaining_lines(before: Lines, after: Lines, params: LineScoringParams | None = None) -> NDArray[np.int64]:
    """Return the numbers of the lines of `after` that explain what `before` did not suffer, ascending.

    Cost: about 12 µs a line of `after` and 2 µs a line of `before`.
    """
    params = params or LineScoringParams()
    if not len(after.numbers):
        return np.empty(0, dtype=np.int64)
    dense = _dense(after, params.max_blank)
    marks = line_cues.mark(dense.texts)
    known = line_cues.keys(line_cues.undecorated(before.texts)).unique()
    novel = ~marks["key"].is_in(known.implode()).to_numpy()
    block = _Block(marks, novel, dense.levels, params)
    return np.unique(dense.numbers[block.grown(block.seeds())])


def _dense(lines: Lines, max_blank: int) -> Lines:
    """Return `lines` with left-out numbers as blank lines; of a longer gap only `max_blank` + 1 are made."""
    gap = np.diff(lines.numbers, append=lines.numbers[-1:] + 1)
    repeats = np.clip(gap, 1, max_blank + 2)
    at = np.repeat(np.arange(len(gap)), repeats)
    offset = np.arange(len(at)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    is_made = offset > 0
    texts = lines.texts.gather(at).set(pl.Series(is_made), "") if is_made.any() else lines.texts
    levels = np.zeros(len(at), dtype=np.uint8) if lines.levels is None else lines.levels[at]
    return Lines(lines.numbers[at] + offset, texts, np.where(is_made, NO_LEVEL, levels).astype(np.uint8))


class _Block:
    """Marks of one log as arrays, and the two steps over them: seeds, then growth."""

    def __init__(
        self, marks: pl.DataFrame, novel: Mask, levels: NDArray[np.uint8] | None, params: LineScoringParams
    ) -> None:
        own = marks["level"].to_numpy()
        level = own if levels is None else np.where(own == NO_LEVEL, levels, own)
        self.params = params
        self.level = level
        self.blank = marks["blank"].to_numpy()
        self.frame = marks["frame"].to_numpy()
        self.speaks = marks["exception"].to_numpy() | (marks["cue"].to_numpy() & (level != WARNING))
        self.exception = marks["exception"].to_numpy()
        self.verdict = marks["verdict"].to_numpy()
        self.novel = novel & ~self.blank
        # Lines that belong to the line above them whatever they say.
        self.follows = self.frame | (level == ERROR) | (marks["indented"].to_numpy() & (level == NO_LEVEL))
        self.filler = self.novel & (level == NO_LEVEL)

    def seeds(self) -> Mask:
        """Return where a block starts: novel lines that say what went wrong."""
        framed = np.zeros_like(self.frame)
        framed[:-1] |= self.frame[1:]
        framed[:-2] |= self.frame[2:]
        says = np.select(
            [self.level == ERROR, self.level == WARNING, self.level == QUIET],
            [np.ones_like(framed), self.exception | framed, np.zeros_like(framed)],
            default=self.speaks | self.frame,
        )
        return self.novel & ~self.verdict & says

    def grown(self, seeds: Mask) -> Mask:
        """Return `seeds` with the lines that belong to them."""
        out = seeds.copy()
        bridge_end = self._next(seeds & (self.level == NO_LEVEL))
        text_at = self._next(~self.blank)
        n = len(out)
        for seed in np.flatnonzero(seeds).tolist():
            at = seed + 1
            while at < n and not seeds[at]:
                if self.blank[at]:
                    end = int(text_at[at])
                    joins = end < n and end - at <= self.params.max_blank
                    if not (joins and (seeds[end] or (self.follows[end] and self.level[end] != ERROR))):
                        break
                    out[at:end] = True
                    at = end
                elif self.follows[at] or (
                    self.filler[at] and bridge_end[at] < n and bridge_end[at] - at <= self.params.max_bridge
                ):
                    out[at] = True
                    at += 1
                else:
                    break
        return out

    @staticmethod
    def _next(where: Mask) -> NDArray[np.int64]:
        """Return for each place the first place at or after it that is in `where`; the length where there is none."""
        n = len(where)
        at = np.where(where, np.arange(n), n)
        return np.minimum.accumulate(at[::-1])[::-1]
