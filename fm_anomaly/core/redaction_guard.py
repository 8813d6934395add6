"""The guard of redaction: which lines of a column may hold something, and what was seen in them.

It may say too many, never too few. Plain literals are looked for with vector instructions, card numbers by the
shape of their digits in the bytes, so that a clean line of 300 bytes costs about a third of a microsecond. This
module must not know how a line is rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.identifiers import IP_PATTERN
from fm_anomaly.core.secret_tokens import CARD_PATTERN, TOKEN_PATTERN, cards_in, literals_in
from fm_anomaly.core.secret_values import STEM_PATTERN, stems_in


class Rule:
    """Which rules a line may need, as bits. (Plain numbers: numpy's dtypes do not take an IntFlag.)"""

    WORDS: Final = 1
    TOKENS: Final = 2
    AT: Final = 4
    CARDS: Final = 8
    NAMES: Final = 16
    IPS: Final = 32
    ALL: Final = 63


class Hit(NamedTuple):
    """A line that may hold something: its text without hiding escapes, and what the guard saw in it."""

    shown: str
    flags: int
    stems: list[str]
    literals: list[str]
    cards: list[str]

    @classmethod
    def alone(cls, text: str) -> Hit:
        """Return the same for one line by itself, every rule asked for."""
        shown = _show_hidden(text)
        return cls(shown, Rule.ALL, stems_in(shown), literals_in(shown), cards_in(shown))


class Guard:
    """Says which rules a line may need, and what they need to know of it."""

    def __init__(self, names: Sequence[str] = (), with_ips: bool = False) -> None:
        """Look for the fields of `names`, and for addresses, only where asked."""
        line = pl.col("line")
        rules: list[tuple[int, pl.Expr]] = [
            (Rule.WORDS, line.str.contains(STEM_PATTERN)),
            (Rule.TOKENS, line.str.contains(_GUARDED_FORMS) | line.str.contains("SK[0-9a-f]{32}")),
            (Rule.AT, line.str.contains("@", literal=True)),
        ]
        if names:
            rules.append((Rule.NAMES, line.str.contains(_any_of(list(names)))))
        if with_ips:
            rules.append((Rule.IPS, line.str.contains(IP_PATTERN)))
        bits = [rule.cast(pl.UInt8) * pl.lit(bit, dtype=pl.UInt8) for bit, rule in rules]
        # One select for all: a call of its own costs a tenth of a millisecond, however few the lines.
        self._columns = [pl.sum_horizontal(bits).cast(pl.UInt8).alias("flags"), line.str.len_bytes().alias("size")]

    def flags(self, lines: pl.Series, joined: bytes | None) -> NDArray[np.uint8]:
        """Return for each line the rules it may need, as bits."""
        seen = lines.alias("line").to_frame().select(self._columns)
        flags = seen["flags"].to_numpy(writable=True)
        flags[_card_rows(lines, seen["size"].to_numpy(), joined)] |= Rule.CARDS
        return flags

    def hits(self, lines: pl.Series, flags: NDArray[np.uint8]) -> list[Hit]:
        """Return what the rules need to know of each of these lines, all of which have flags."""
        texts = lines.to_list()
        hidden = [i for i in np.flatnonzero(flags & Rule.TOKENS).tolist() if _HIDES.search(texts[i])]
        if hidden:
            for i in hidden:
                texts[i] = _show_hidden(texts[i])
            lines = pl.Series(texts, dtype=pl.String)
            flags[hidden] = self.flags(lines.gather(hidden), None) | Rule.TOKENS
        stems = _matches(lines, STEM_PATTERN, flags & Rule.WORDS != 0)
        literals = _matches(lines, TOKEN_PATTERN, flags & Rule.TOKENS != 0)
        cards = _matches(lines, CARD_PATTERN, flags & Rule.CARDS != 0)
        return list(map(Hit, texts, flags.tolist(), stems, literals, cards))


def _matches(hits: pl.Series, pattern: str, wanted: NDArray[np.bool_]) -> list[list[str]]:
    """Return what `pattern` matches in each wanted line, in order."""
    if not wanted.any():
        return [[]] * len(hits)
    if wanted.all():
        return list(hits.str.extract_all(pattern).to_list())
    some = np.flatnonzero(wanted)
    out: list[list[str]] = [[]] * len(hits)
    for i, found in zip(some.tolist(), hits.gather(some).str.extract_all(pattern).to_list(), strict=True):
        out[i] = found
    return out


def _any_of(literals: list[str]) -> str:
    return "|".join(re.escape(literal).replace("\\ ", " ") for literal in dict.fromkeys(literals))


_GUARDED_FORMS = TOKEN_PATTERN + r"|-----BEGIN|\\u00|%40"
# JSON may write any character as \u00xx, and so hide a word or an @ from every rule.
_HIDES = re.compile(r"\\u00(?:2[1a-fA-F3-9]|[346][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])")
_HIDDEN = re.compile(r"\\{1,8}u00(2[1a-fA-F3-9]|[346][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])")


def _show_hidden(text: str) -> str:
    return _HIDDEN.sub(lambda match: chr(int(match[1], 16)), text) if _HIDES.search(text) else text


# Card numbers -----------------------------------------------------------------------------------------------


def _card_rows(lines: pl.Series, sizes: NDArray[np.uint32], joined: bytes | None) -> NDArray[np.int64]:
    """Return the rows that hold a number like a card's, by way of long runs of digits in the bytes."""
    ends = np.cumsum(sizes.astype(np.int64) + 1)
    if joined is None or len(ends) == 0 or not 0 <= int(ends[-1]) - len(joined) <= 1:
        joined = b"\n".join(lines.cast(pl.Binary).to_list())
    places = _card_places(np.frombuffer(joined, dtype=np.uint8))
    if len(places) == 0:
        return places
    rows: NDArray[np.int64] = np.unique(np.searchsorted(ends, places, side="right")).astype(np.int64)
    rows = rows[rows < len(lines)]
    is_card: NDArray[np.bool_] = lines.gather(rows).str.contains(CARD_PATTERN).to_numpy()
    return rows[is_card]


_BLOCK_BYTES = 256 * 1024


# Digits (1) and gaps (0) of numbers in groups, as printed on cards.
_SHAPES = ("1111011110111101111", "11110111111011111")


def _run_table() -> bytes:
    """Which bytes of eight digit bits can stand inside a card number: no gap, or one every four to six digits."""
    table = np.zeros(256, dtype=np.bool_)
    for shape in _SHAPES:
        for at in range(len(shape) - 7):
            table[int(shape[at : at + 8], 2)] = True
    table[255] = True
    return table.tobytes()


_RUNS = _run_table()


def _card_places(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return positions inside the digits that are as many, or grouped, as a card number's.

    A run of 15 bytes holds one whole aligned group of 8, so one bit pattern a group is enough to look at; what
    it finds is then looked at with its neighbourhood, as bits first and then as bytes.
    """
    digits = np.zeros(-(-len(data) // 8) + 4, dtype=np.uint8)  # two empty groups before and after
    for start in range(0, len(data), _BLOCK_BYTES):
        bits = np.packbits((data[start : start + _BLOCK_BYTES] - np.uint8(48)) < np.uint8(10))
        digits[start // 8 + 2 : start // 8 + 2 + len(bits)] = bits
    groups = np.flatnonzero(np.frombuffer(digits[2:-2].tobytes().translate(_RUNS), dtype=np.bool_))
    if len(groups):
        groups = groups[_is_card_shaped(digits, groups)]
    if len(groups):
        groups = groups[_is_grouped(data, groups)]
    places: NDArray[np.int64] = groups * 8
    return places


def _is_grouped(data: NDArray[np.uint8], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether what is no digit in each group of 8 bytes is a space or a dash; True for a last, shorter group."""
    whole = data[: len(data) // 8 * 8].reshape(-1, 8)
    kept = np.ones(len(groups), dtype=np.bool_)
    inside = groups < len(whole)
    window = whole[groups[inside]]
    kept[inside] = (((window - np.uint8(48)) < np.uint8(10)) | (window == 32) | (window == 45)).all(axis=1)
    return kept


def _is_card_shaped(digits: NDArray[np.uint8], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each group of 8 bytes lies in digits of a card number's shape; `digits` has two groups in front."""
    bits = np.zeros(len(groups), dtype=np.uint64)
    for at in range(5):
        bits = (bits << np.uint64(8)) | digits[groups + at]
    bits = ((bits >> np.uint64(4)) & np.uint64(0xFFFFFFFF)).astype(np.uint32)  # 12 bytes, the group, 12 bytes
    ones = _ONES[(bits >> np.uint32(20)) & np.uint32(0xFFF), 0] + _ONES[bits & np.uint32(0xFFF), 1]
    is_full = (bits >> np.uint32(12)) & np.uint32(0xFF) == np.uint32(0xFF)
    found: NDArray[np.bool_] = is_full & ((ones == 15 - 8) | (ones == 16 - 8))
    if not is_full.all():
        found[~is_full] = _is_group_shaped(bits[~is_full])
    return found


def _is_group_shaped(bits: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether columns 12 to 19 of 32 lie in one of the shapes that are printed in groups."""
    found = np.zeros(len(bits), dtype=np.bool_)
    for shape in _SHAPES:
        for start in range(20 - len(shape), 13):
            window = (bits >> np.uint32(32 - start - len(shape))) & np.uint32((1 << len(shape)) - 1)
            found |= window == np.uint32(int(shape, 2))
    return found


def _ones_table() -> NDArray[np.int64]:
    """How many ones end (column 0) and begin (column 1) each number of 12 bits."""
    texts = [f"{bits:012b}" for bits in range(1 << 12)]
    counts = [(12 - len(t.rstrip("1")), 12 - len(t.lstrip("1"))) for t in texts]
    return np.array(counts, dtype=np.int64)


_ONES = _ones_table()
