"""Normalising: what varies in a message (numbers, ids, paths, hosts, dates …) → typed masks.

Two steps. `fold_digits` and `mask_hex` work on the whole column: every digit becomes 0 and runs of hex digits
become one mark, so that a million lines have some thousand *shapes*. `normalize` works on one shape and is a
pure function of it: it masks, splits and collapses, and gives the token tuple by which messages are the same
event. This module knows nothing of templates, streams or Drain3, and never looks at a digit's value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from fm_anomaly.core.masks import HEX_MASKS, KEY_VALUE, MASKS, RAW_HEX_PATTERNS, Mask, mark_value
from fm_anomaly.core.tokens import FROM_LETTERS, PROTECTED, TO_LETTERS, WORDS, split, typed

NORMALIZER_VERSION = 1
"""Raised whenever `normalize` changes an answer: it is part of a template's id."""

MAX_CHARS = 4_096
"""Characters of a message that are looked at; what is beyond takes no part in its template."""

# Up to so many rows a loop beats the fixed cost of column expressions (1 ms); the answers are the same.
_FEW = 64

_BLANKS = (0, 9, 10, 11, 12, 13)
FOLD = bytes(48 if 48 <= c < 58 else (32 if c in _BLANKS[1:] else c) for c in range(256))
"""Bytes of UTF-8 folded, but for NUL, which stands between two messages."""
_FOLD_ONE = {**dict.fromkeys(range(48, 58), "0"), **dict.fromkeys(_BLANKS, " ")}
_ANY_WORD = re.compile("|".join(map(re.escape, WORDS)))


def fold_digits(bodies: pl.Series, hex_first: bool = False) -> list[str]:
    """Return `bodies` (String, nulls as "") with every digit as 0 and white-space controls as blanks.

    Words such as ``ipv4`` and ``s3`` keep their digits as private-use letters, wherever they stand; `normalize`
    sees whether they are words of their own. With `hex_first` hex runs are masked too, as `mask_hex` would do it
    afterwards: cheaper where most rows have some. Cost: about 0.6 µs a row.
    """
    if bodies.null_count():
        bodies = bodies.fill_null("")
    if len(bodies) <= _FEW:
        folded = [_fold_one(body) for body in bodies.to_list()]
        return [mask_hex_one(shape) for shape in folded] if hex_first else folded
    if (bodies.str.len_bytes().max() or 0) > MAX_CHARS:  # type: ignore[operator]
        bodies = bodies.str.slice(0, MAX_CHARS)
    bodies = bodies.str.replace_many(WORDS, PROTECTED, leftmost=True)
    for pattern, mark in RAW_HEX_PATTERNS if hex_first else ():
        bodies = bodies.str.replace_all(pattern, mark)
    folded = str(bodies.str.join("\0").item()).encode().translate(FOLD).decode().split("\0")
    if len(folded) != len(bodies):  # a body holds NUL itself
        return fold_digits(bodies.str.replace_all("\0", " ", literal=True), hex_first)
    return folded


def _fold_one(body: str) -> str:
    return _ANY_WORD.sub(lambda m: m[0].translate(TO_LETTERS), body[:MAX_CHARS]).translate(_FOLD_ONE)


def mask_hex(folded: pl.Series) -> pl.Series:
    """Return folded messages with uuids, hex runs and long mixed ids as one mark each. Cost: 0.5 µs a row."""
    if len(folded) <= _FEW:
        return pl.Series([mask_hex_one(shape) for shape in folded.to_list()], dtype=pl.String)
    for rule in HEX_MASKS:
        folded = folded.str.replace_all(f"(?-u){rule.pattern.pattern}", rule.mark)
    return folded


def mask_hex_one(shape: str) -> str:
    """Return what `mask_hex` does, for one message."""
    for rule in HEX_MASKS:
        shape = rule.masked(shape)
    return shape


@dataclass(frozen=True, slots=True)
class Normalized:
    """A normalised message.

    `key` is what makes two messages the same event; `kinds` holds, position by position, the mask type of a
    wildcard or "" for a constant; `gaps` are the white space before each token and after the last.
    """

    key: tuple[str, ...]
    kinds: tuple[str, ...]
    gaps: tuple[str, ...]


_NAMES = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun"
# A blank that no match of a mask can hold. One that may stands behind the name of a month or a day, or behind a number,
# a zone or the like, and before what may go on with it: a number, a zone, a unit.
_BREAK = re.compile(rf" (?:(?<![0A-Z,. ] )|(?![0A-Zabghkmnpstuµ+\-, ]))(?<!(?:{_NAMES}) )")
_UNGUARDED = tuple(replace(rule, guard="") for rule in MASKS)
_MIN_PAIRS = 6
_WHOLE = "\n"
"""What `masked_part` gives for a part that cannot be told by itself."""


def normalize(shape: str, masks: Sequence[Mask] = MASKS) -> Normalized:
    """Return the normalised form of a shape (see `fold_digits`, `mask_hex`); pure.

    Cost: some 40 µs where new; 6 µs where words that are known, or values like those that are, come together anew.
    """
    return normalized_form(_alike(shape)) if masks is MASKS else normalized_form.__wrapped__(mask(shape, masks))


@lru_cache(maxsize=16_384)
def normalized_form(masked: str) -> Normalized:
    """Return the form of a masked shape; remembered, for it is pure."""
    pieces = split(masked)
    starts = [*pieces.starts, len(masked)]
    gaps = [masked[end:start] for end, start in zip([0, *pieces.ends], starts, strict=True)]
    return Normalized(tuple(pieces.tokens), tuple(pieces.kinds), tuple(gaps))


def _alike(shape: str) -> str:
    """Return a masked text with the form of `shape`: often the same one for shapes that differ in values alone.

    It is masked part by part, for parts come again far more often than whole shapes. Quotes may hold any blank.
    """
    if ("'" in shape or '"' in shape) and ("=" in shape or ":" in shape):
        return mask(shape)
    alike = " ".join(map(masked_part, _BREAK.split(shape)))
    return mask(shape) if _WHOLE in alike else alike


@lru_cache(maxsize=16_384)
def masked_part(part: str) -> str:
    """Return a part of a shape masked, its values told by their types alone; remembered, for it is pure."""
    if part.isalpha() and part.isascii():
        return part
    masked = mask(part)
    if part.count(":") + part.count("-") >= _MIN_PAIRS - 1 and masked != mask(part, _UNGUARDED):
        return _WHOLE  # pairs of letters are a mac where the message holds a 0, be it elsewhere
    return typed(masked)


def write(tokens: tuple[str, ...], kinds: tuple[str, ...], gaps: tuple[str, ...]) -> str:
    """Return tokens as text for people, wildcards typed: `could not connect to <ip>: refused`."""
    words = (f"<{kind}>" if kind else token for token, kind in zip(tokens, kinds, strict=True))
    text = "".join(gap + word for gap, word in zip(gaps, words, strict=False)) + gaps[-1]
    return text.translate(FROM_LETTERS).strip()


def mask(shape: str, masks: Sequence[Mask] = MASKS) -> str:
    """Return `shape` with typed marks for what the masks find."""
    for rule in masks:
        shape = rule.masked(shape)
    if "=" in shape or (":" in shape and ('"' in shape or "'" in shape)):
        shape = KEY_VALUE.sub(lambda m: m[1] + mark_value(m[2]), shape)
    return shape
