"""Finds numbers like a card's in the bytes of many lines, by the shape of their digits; a part of redaction's guard.

It may say too many, never too few. This module must not know how a line is rewritten.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.secret_tokens import CARD_PATTERN


def card_rows(lines: pl.Series, ends: NDArray[np.int64], text: bytes) -> NDArray[np.int64]:
    """Return the rows that hold a number like a card's; `text` is `lines`, each of which ends at one of `ends`."""
    places = _card_places(np.frombuffer(text, dtype=np.uint8))
    if len(places) == 0:
        return places
    rows: NDArray[np.int64] = np.unique(np.searchsorted(ends, places, side="right")).astype(np.int64)
    rows = rows[rows < len(lines)]
    is_card: NDArray[np.bool_] = lines[rows].str.contains(CARD_PATTERN).to_numpy()
    return rows[is_card]


_BLOCK_WORDS = 16 * 1024
"""Words of eight bytes looked at in one go: what is worked out of them stays in the processor's cache."""
_MANY = 16
"""From one word in so many on, the digits of all are found at once."""
_WORD = np.dtype("<u8")


def _each_byte(value: int) -> np.uint64:
    """Return a word whose eight bytes are `value`."""
    return np.uint64(int.from_bytes(bytes([value]) * 8, "little"))


_SIX, _HIGH_BITS, _SPACE, _ONE = _each_byte(6), _each_byte(0xE0), _each_byte(0x20), _each_byte(1)
_TO_BITS = np.uint64(0x8040201008040201)
"""Times a word of bytes 0 and 1, gives these as the bits of the highest byte, first byte first."""

# Digits (1) and gaps (0) of numbers in groups, as printed on cards.
_SHAPES = ("1111011110111101111", "11110111111011111")


def _run_table() -> NDArray[np.bool_]:
    """Which bytes of eight digit bits can stand inside a card number: no gap, or one every four to six digits."""
    table = np.zeros(256, dtype=np.bool_)
    for shape in _SHAPES:
        for at in range(len(shape) - 7):
            table[int(shape[at : at + 8], 2)] = True
    table[255] = True
    return table


_RUNS = _run_table()


def _card_places(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return positions inside the digits that are as many, or grouped, as a card number's.

    A run of 15 bytes holds one whole aligned word of 8, so it is enough to look at one word after the other;
    what this finds is then looked at with its neighbourhood, as bits first and then as bytes.
    """
    words = data[: len(data) // 8 * 8].view(_WORD)
    groups = _digit_words(words)
    if len(groups):
        groups = groups[_is_grouped(words[groups])]
    if len(groups) and len(data) >= 32:
        many = len(groups) * _MANY > len(words)
        groups = groups[_is_shaped(_bits_of_all(data, groups)) if many else _is_card_shaped(data, groups)]
    places: NDArray[np.int64] = groups * 8
    return places


def _digit_words(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the words all of whose bytes are digits or not far before these in ASCII, the space among them."""
    fits = np.empty(len(words), dtype=np.bool_)
    block = np.empty(min(len(words), _BLOCK_WORDS), dtype=_WORD)
    for start in range(0, len(words), _BLOCK_WORDS):
        some = words[start : start + _BLOCK_WORDS]
        bits = block[: len(some)]
        np.add(some, _SIX, out=bits)  # lifts what stands behind the digits beyond 0x3F
        np.bitwise_and(bits, _HIGH_BITS, out=bits)
        np.equal(bits, _SPACE, out=fits[start : start + _BLOCK_WORDS])
    return np.flatnonzero(fits)


_IN_CARD = np.zeros(256, dtype=np.bool_)
_IN_CARD[[*b"0123456789 -"]] = True


def _is_grouped(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each word of `_digit_words` has digits and gaps as a card number may have them."""
    bits = (((words >> np.uint64(4)) & _ONE) * _TO_BITS) >> np.uint64(56)  # what else is left has no such bit
    found: NDArray[np.bool_] = _RUNS[bits]
    rows = np.flatnonzero(found)
    found[rows] = _IN_CARD[words[rows].view(np.uint8)].view(_WORD) == _ONE
    return found


def _is_card_shaped(data: NDArray[np.uint8], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each group of 8 bytes lies in digits of a card number's shape, or too near an end to be looked at."""
    begins = groups * 8 - 12
    inside = (begins >= 0) & (begins <= len(data) - 32)
    around = np.lib.stride_tricks.sliding_window_view(data, 32)[begins[inside]]  # 12 bytes, the group, 12 bytes
    bits = np.packbits((around - np.uint8(48)) < np.uint8(10), axis=1).view(">u4")[:, 0].astype(np.uint32)
    found = np.ones(len(groups), dtype=np.bool_)
    found[inside] = _is_shaped(bits)
    return found


def _bits_of_all(data: NDArray[np.uint8], groups: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return which of the 12 bytes before each group, its own and the 12 behind are digits, first byte first."""
    digits = np.zeros(-(-len(data) // 8) + 4, dtype=np.uint8)  # two empty groups before and after
    for start in range(0, len(data), 8 * _BLOCK_WORDS):
        bits = np.packbits((data[start : start + 8 * _BLOCK_WORDS] - np.uint8(48)) < np.uint8(10))
        digits[start // 8 + 2 : start // 8 + 2 + len(bits)] = bits
    around = np.zeros(len(groups), dtype=np.uint64)
    for at in range(5):
        around = (around << np.uint64(8)) | digits[groups + at]
    return ((around >> np.uint64(4)) & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def _is_shaped(bits: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether columns 12 to 19 of 32 lie in digits of a card number's shape."""
    ones = _ONES[(bits >> np.uint32(20)) & np.uint32(0xFFF), 0] + _ONES[bits & np.uint32(0xFFF), 1]
    is_full = (bits >> np.uint32(12)) & np.uint32(0xFF) == np.uint32(0xFF)
    found: NDArray[np.bool_] = is_full & ((ones == 15 - 8) | (ones == 16 - 8))
    if not is_full.all():
        found[~is_full] = _is_group_shaped(bits[~is_full])
    return found


def _is_group_shaped(bits: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """The same for the shapes that are printed in groups."""
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
