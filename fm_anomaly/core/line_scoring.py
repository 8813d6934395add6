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
    """Physical lines of one log in ascending order: `numbers` (1-based), `texts` (String), `levels`, `is_known`.

    `levels` (UInt8, values of `line_cues`) tells what the format says of a line; NO_LEVEL leaves it to the line's own
    tag. `is_known` lines are no news to the caller, whatever their text. Numbers that are left out count as blank.
    """

    numbers: NDArray[np.int64]
    texts: pl.Series
    levels: NDArray[np.uint8]
    is_known: Mask


def explaining_lines(before: Lines, after: Lines, params: LineScoringParams | None = None) -> NDArray[np.int64]:
    """Return the numbers of the lines of `after` that explain what `before` did not suffer, ascending.

    Cost: about 6 µs a line of `after` and 2 µs a line of `before`.
    """
    params = params or LineScoringParams()
    if not len(after.numbers):
        return np.empty(0, dtype=np.int64)
    dense = _dense(after, params.max_blank)
    marks = line_cues.mark(dense.texts)
    known = line_cues.keys(line_cues.undecorated(before.texts)).unique()
    novel = ~(marks["key"].is_in(known.implode()).to_numpy() | dense.is_known)
    block = _Block(marks, novel, dense.levels, params)
    return np.unique(dense.numbers[block.grown(block.seeds())])


def _dense(lines: Lines, max_blank: int) -> Lines:
    """Return `lines` with left-out numbers as blank lines; of a longer gap only `max_blank` + 1 are made."""
    gap = np.diff(lines.numbers, append=lines.numbers[-1:] + 1)
    repeats = np.clip(gap, 1, max_blank + 2)
    at = np.repeat(np.arange(len(gap)), repeats)
    offset = np.arange(len(at)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    is_made = offset > 0
    texts = lines.texts[at].set(pl.Series(is_made), "") if is_made.any() else lines.texts
    levels = np.where(is_made, NO_LEVEL, lines.levels[at])
    return Lines(lines.numbers[at] + offset, texts, levels, lines.is_known[at])


class _Block:
    """What each line of one log is, as arrays, and the two steps over them: seeds, then growth."""

    def __init__(self, marks: pl.DataFrame, novel: Mask, levels: NDArray[np.uint8], params: LineScoringParams) -> None:
        own = marks["level"].to_numpy()
        self.params = params
        self.level = np.where(own == NO_LEVEL, levels, own)
        self.blank = _mask(marks, "blank")
        self.novel = novel & ~self.blank
        self.frame = _mask(marks, "frame")
        self.exception = _mask(marks, "exception")
        self.cue = _mask(marks, "cue")
        # Neither a verdict nor quoted source text says what went wrong.
        self.mute = _mask(marks, "verdict") | _mask(marks, "quote")
        untagged = self.level == NO_LEVEL
        indented = _mask(marks, "indented") & untagged
        # Lines that belong to the line above them, whatever they say and whether or not they are novel.
        self.follows = self.frame | _mask(marks, "quote") | indented | (self.level == ERROR)
        self.filler = self.novel & untagged

    def seeds(self) -> Mask:
        """Return where a block starts: novel lines that say what went wrong."""
        says = np.select(
            [self.level == ERROR, self.level == WARNING, self.level == QUIET],
            [True, self.exception | _soon(self.frame), False],
            default=self.exception | self.cue | self.frame,
        )
        return np.asarray(self.novel & ~self.mute & says, dtype=np.bool_)

    def grown(self, seeds: Mask) -> Mask:
        """Return `seeds` with the lines that belong to them."""
        out = seeds.copy()
        next_text = _next(~self.blank)
        to_seed = _next(seeds) - np.arange(len(seeds))
        takes = self.follows | (self.filler & (to_seed <= self.params.max_bridge))
        # Behind blank lines a block goes on with another seed or with what can only belong to it.
        resumes = seeds | (self.follows & (self.level != ERROR))
        n = len(out)
        for seed in np.flatnonzero(seeds).tolist():
            at = seed + 1
            while at < n and not seeds[at]:
                end = int(next_text[at]) if self.blank[at] else at + 1
                if self.blank[at]:
                    if end >= n or end - at > self.params.max_blank or not resumes[end]:
                        break
                elif not takes[at]:
                    break
                out[at:end] = True
                at = end
        return out


def _mask(marks: pl.DataFrame, name: str) -> Mask:
    return np.asarray(marks[name].to_numpy(), dtype=np.bool_)


def _soon(where: Mask) -> Mask:
    """Return whether one of the next two places is in `where`."""
    out = np.zeros_like(where)
    out[:-1] |= where[1:]
    out[:-2] |= where[2:]
    return out


def _next(where: Mask) -> NDArray[np.int64]:
    """Return for each place the first place at or after it that is in `where`; far beyond the end if none is."""
    at = np.where(where, np.arange(len(where)), 2 * len(where) + 1_000_000)
    return np.minimum.accumulate(at[::-1])[::-1]
