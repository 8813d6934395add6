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


_BLOCK_BYTES = 128 * 1024


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
_MIN_DIGITS = 6
"""Digits in eight bytes inside a card number, gaps and all."""


def _card_places(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return positions inside the digits that are as many, or grouped, as a card number's.

    A run of 15 bytes holds one whole aligned group of 8, so one bit pattern a group is enough to look at; what
    it finds is then looked at with its neighbourhood, as bits first and then as bytes.
    """
    digits = np.zeros(-(-len(data) // 8) + 4, dtype=np.uint8)  # two empty groups before and after
    values, is_digit = np.empty(_BLOCK_BYTES, dtype=np.uint8), np.empty(_BLOCK_BYTES, dtype=np.bool_)
    for start in range(0, len(data), _BLOCK_BYTES):
        n = min(_BLOCK_BYTES, len(data) - start)
        np.subtract(data[start : start + n], np.uint8(48), out=values[:n])
        bits = np.packbits(np.less(values[:n], np.uint8(10), out=is_digit[:n]))
        digits[start // 8 + 2 : start // 8 + 2 + len(bits)] = bits
    groups = np.flatnonzero(np.bitwise_count(digits[2:-2]) >= _MIN_DIGITS)
    groups = groups[_RUNS[digits[groups + 2]]]
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
