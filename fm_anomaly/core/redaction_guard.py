"""The guard of redaction: which lines of a column may hold something, and what was seen in them.

It may say too many, never too few. Plain literals are looked for with vector instructions, card numbers by the
shape of their digits in the bytes, so that a clean line of 300 bytes costs about a third of a microsecond. This
module must not know how a line is rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.card_guard import card_rows
from fm_anomaly.core.identifiers import IP_PATTERN
from fm_anomaly.core.secret_tokens import CARD_PATTERN, TOKEN_PATTERN, cards_in, literals_in
from fm_anomaly.core.secret_values import STEM_PATTERN, stems_in

_SMALL_BYTES = 65_536
"""Below, all lines are looked at one by one: few calls count more than few bytes."""
_BLOCK_BYTES = 8_192
_AT_SIGN = 64
_MANY_BYTES = 2_048
"""Up to one @ in so many bytes, they are looked for one by one."""


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
        rules = {Rule.WORDS: (STEM_PATTERN,), Rule.TOKENS: ("|".join((TOKEN_PATTERN, *_LITERALS)), _TWILIO)}
        if names:
            rules[Rule.NAMES] = (_any_of(list(names)),)
        if with_ips:
            rules[Rule.IPS] = (IP_PATTERN,)
        # One select for all: a call of its own costs a tenth of a millisecond, however few the lines.
        bits = [_contains(patterns).cast(pl.UInt8) * pl.lit(bit, dtype=pl.UInt8) for bit, patterns in rules.items()]
        self._flags = pl.sum_horizontal(bits).cast(pl.UInt8)
        groups = {Rule.WORDS: _groups(STEM_PATTERN, 12), Rule.TOKENS: (*_groups(TOKEN_PATTERN, 64, _LITERALS), _TWILIO)}
        self._in_blocks = [(bit, pattern) for bit in rules for pattern in groups.get(bit, rules[bit])]
        self._by_block = [pl.col("text").str.contains(p).alias(str(i)) for i, (_, p) in enumerate(self._in_blocks)]

    def flags(self, lines: pl.Series, text: bytes | None) -> NDArray[np.uint8]:
        """Return for each line the rules it may need, as bits; `text` is the same lines, each with its end."""
        ends = np.cumsum(lines.str.len_bytes().to_numpy().astype(np.int64) + 1)
        if text is None or len(ends) == 0 or int(ends[-1]) != len(text):
            text = "\n".join([*lines.to_list(), ""]).encode()
        if len(text) < _SMALL_BYTES:
            flags = lines.alias("text").to_frame().select(self._flags).to_series().to_numpy(writable=True)
        else:
            flags = self._flags_by_block(lines, ends, text)
        flags[np.searchsorted(ends, _at_signs(text), side="right")] |= Rule.AT
        flags[card_rows(lines, ends, text)] |= Rule.CARDS
        return flags

    def _flags_by_block(self, lines: pl.Series, ends: NDArray[np.int64], text: bytes) -> NDArray[np.uint8]:
        """Look at blocks of lines first, and only in those that hold something at line after line, for that only.

        A line of its own costs a search as much as some hundred bytes, and more where it has many literals.
        """
        last = np.unique(np.searchsorted(ends, np.arange(_BLOCK_BYTES, len(text), _BLOCK_BYTES)))
        last = np.append(last[last < len(ends) - 1], len(ends) - 1)  # of each block
        cuts = [0, *ends[last].tolist()]
        blocks = pl.Series("text", [text[a:b] for a, b in pairwise(cuts)], dtype=pl.Binary).cast(pl.String)
        found = blocks.to_frame().select(self._by_block)
        flags = np.zeros(len(lines), dtype=np.uint8)
        sizes = np.diff(last, prepend=-1)
        for (bit, pattern), is_found in zip(self._in_blocks, found.iter_columns(), strict=True):
            if is_found.any():
                rows = np.flatnonzero(np.repeat(is_found.to_numpy(), sizes))
                flags[rows[lines[rows].str.contains(pattern).to_numpy()]] |= bit
        return flags

    def hits(self, lines: pl.Series, flags: NDArray[np.uint8]) -> list[Hit]:
        """Return what the rules need to know of each of these lines, all of which have flags."""
        texts = lines.to_list()
        hidden = [i for i in np.flatnonzero(flags & Rule.TOKENS).tolist() if _HIDES.search(texts[i])]
        if hidden:
            for i in hidden:
                texts[i] = _show_hidden(texts[i])
            lines = pl.Series(texts, dtype=pl.String)
            flags[hidden] = self.flags(lines[hidden], None) | Rule.TOKENS
        stems = _matches(lines, STEM_PATTERN, flags & Rule.WORDS != 0)
        literals = _matches(lines, TOKEN_PATTERN, flags & Rule.TOKENS != 0)
        cards = _matches(lines, CARD_PATTERN, flags & Rule.CARDS != 0)
        return list(map(Hit, texts, flags.tolist(), stems, literals, cards))


def _at_signs(text: bytes) -> NDArray[np.int64]:
    """Return the positions of all @."""
    places: list[int] = []
    at = text.find(b"@")
    while at >= 0:
        places.append(at)
        if len(places) > len(text) // _MANY_BYTES:
            return np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _AT_SIGN)
        at = text.find(b"@", at + 1)
    return np.array(places, dtype=np.int64)


def _matches(hits: pl.Series, pattern: str, wanted: NDArray[np.bool_]) -> list[list[str]]:
    """Return what `pattern` matches in each wanted line, in order."""
    if not wanted.any():
        return [[]] * len(hits)
    if wanted.all():
        return list(hits.str.extract_all(pattern).to_list())
    some = np.flatnonzero(wanted)
    out: list[list[str]] = [[]] * len(hits)
    for i, found in zip(some.tolist(), hits[some].str.extract_all(pattern).to_list(), strict=True):
        out[i] = found
    return out


def _any_of(literals: list[str]) -> str:
    return "|".join(re.escape(literal).replace("\\ ", " ") for literal in dict.fromkeys(literals))


def _groups(pattern: str, size: int, others: Sequence[str] = ()) -> tuple[str, ...]:
    """Return an alternation of literals as several, which together with `others` match what it does.

    Rust's engine sorts literals by their first bytes into few buckets, and a dozen in lower case, whose first
    bytes are everywhere in a log, may fill these. (Measured over blocks: a third of the time of one pattern.)
    """
    literals = pattern.split("|")
    alone = [literal for literal in literals if literal.startswith(_COMMON)]
    upper = [literal for literal in literals if literal[:3] == literal[:3].upper()]
    lower = [literal for literal in literals if literal not in upper and literal not in alone]
    groups = [[*upper, *others], alone, *(lower[i : i + size] for i in range(0, len(lower), size))]
    return tuple("|".join(group) for group in groups if group)


def _contains(patterns: Sequence[str]) -> pl.Expr:
    found = [pl.col("text").str.contains(pattern) for pattern in patterns]
    return pl.any_horizontal(found) if len(found) > 1 else found[0]


_COMMON = "ssion"
"""How literals begin that are looked for apart: `session` stands in most lines."""
_LITERALS = ("-----BEGIN", r"\\u00", "%40")
_TWILIO = "SK[0-9a-f]{32}"
# JSON may write any character as \u00xx, and so hide a word or an @ from every rule.
_HIDES = re.compile(r"\\u00(?:2[1a-fA-F3-9]|[346][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])")
_HIDDEN = re.compile(r"\\{1,8}u00(2[1a-fA-F3-9]|[346][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])")


def _show_hidden(text: str) -> str:
    return _HIDDEN.sub(lambda match: chr(int(match[1], 16)), text) if _HIDES.search(text) else text
