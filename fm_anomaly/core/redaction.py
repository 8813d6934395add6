"""Redaction: takes secrets and personal data out of raw lines, before anything parses, keeps or shows them.

A `Redactor` gets lines as they came (plain text, or one JSON object a line) and returns as many lines, with
`<redacted:kind>` in place of what must not be seen; JSON stays valid. A cheap guard over the whole column
picks the few lines that may hold something, and only those are looked at one by one. Every line is redacted
by itself, except for private keys over many lines: the open block is the state. This module must not know
formats or fields; the rules stand in `secret_tokens`, `secret_values`, `key_blocks` and `identifiers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.identifiers import IP_PATTERN, Pseudonyms, redact_ips
from fm_anomaly.core.key_blocks import open_block, redact_inside
from fm_anomaly.core.secret_tokens import (
    CARD_PATTERN,
    TOKEN_PATTERN,
    cards_in,
    literals_in,
    redact_cards,
    redact_emails,
    redact_tokens,
    redact_urls,
)
from fm_anomaly.core.secret_values import STEM_PATTERN, redact_values, stems_in
from fm_anomaly.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RedactionParams:
    """What is redacted beyond secrets, e-mail addresses and card numbers, and the bound of a key block."""

    redact_ips: bool = False
    """Redact public addresses too; they are evidence, so the default keeps them."""
    pseudonymise: tuple[str, ...] = ()
    """Names of fields whose values are replaced by keyed pseudonyms, e.g. ("user_id", "session_id")."""
    pseudonym_key: bytes | None = None
    """Key of the pseudonyms, 16 to 64 bytes; needed where `pseudonymise` names a field."""
    max_block_lines: int = 200
    """Lines after which an unfinished private-key block is taken as closed."""


_DEFAULT = RedactionParams()


class Redactor:
    """Redacts the lines of one source, in order.

    ``counts`` holds the number of replacements by kind since the start; it is part of the snapshot.
    """

    def __init__(self, params: RedactionParams = _DEFAULT) -> None:
        """Raise ConfigError where fields are to be pseudonymised without a usable key."""
        self._params = params
        self._pseudonyms = _pseudonyms(params)
        self._guard = _Guard(params)
        self._block_lines_left = 0
        self.counts: dict[str, int] = {}

    def redact(self, lines: pl.Series, joined: bytes | None = None) -> pl.Series:
        """Return `lines` (String, no nulls) redacted, the same length and name.

        `joined` is the same text in UTF-8, lines separated by one byte each, where the caller has it
        already; it spares the making of it. Cost: about a third of a microsecond for a clean line of 300 bytes,
        some microseconds for a line that holds something.
        """
        flags = self._guard.flags(lines, joined)
        rows = np.flatnonzero(flags)
        if self._block_lines_left == 0 and len(rows) == 0:
            return lines
        changed = self._rewrite(lines, rows, flags)
        if not changed:
            return lines
        index = np.arange(len(lines), dtype=np.uint32)
        index[list(changed)] = np.arange(len(lines), len(lines) + len(changed), dtype=np.uint32)
        fresh = pl.Series(lines.name, list(changed.values()), dtype=pl.String)
        return pl.concat([lines, fresh], rechunk=False).gather(index)

    def _rewrite(self, lines: pl.Series, rows: NDArray[np.int64], flags: NDArray[np.uint8]) -> dict[int, str]:
        changed: dict[int, str] = {}
        upto = self._finish_block(lines, 0, flags, changed)
        hits = self._guard.hits(lines.gather(rows), flags[rows])
        for row, hit in zip(rows.tolist(), hits, strict=True):
            if row < upto:
                continue
            new = self._apply(hit)
            if new != hit.shown:
                changed[row] = new
            if self._block_lines_left:
                upto = self._finish_block(lines, row + 1, flags, changed)
        return changed

    def _finish_block(self, lines: pl.Series, row: int, flags: NDArray[np.uint8], changed: dict[int, str]) -> int:
        """Redact the lines from `row` on while a key block is open; return the first one beyond it."""
        while self._block_lines_left and row < len(lines):
            text = str(lines.item(row))
            self._block_lines_left -= 1
            new, goes_on = redact_inside(text, self.counts)
            if not goes_on:
                self._block_lines_left = 0
            if flags[row]:
                shown = _show_hidden(new)
                redacted = self._apply(Hit(shown, _ALL, stems_in(shown), literals_in(shown), cards_in(shown)))
                new = redacted if redacted != shown else new
            if new != text:
                changed[row] = new
            row += 1
        return row

    def _apply(self, hit: Hit) -> str:
        """Apply the rules that `hit` asks for: values first, for they take a whole secret where forms take a part."""
        counts, flags = self.counts, hit.flags
        text = hit.shown
        if flags & _NAMES and self._pseudonyms is not None:
            text = self._pseudonyms.redact(text, counts)
        if flags & _TOKENS and "-----BEGIN" in text:
            text, is_open = open_block(text, counts)
            self._block_lines_left = self._params.max_block_lines if is_open else self._block_lines_left
        if flags & _WORDS:
            text = redact_values(text, counts, hit.stems if text is hit.shown else stems_in(text))
        if flags & _AT:
            text = redact_urls(text, counts)
        if flags & _TOKENS:
            text = redact_tokens(text, counts, hit.literals)
        if flags & (_AT | _TOKENS):
            text = redact_emails(text, counts)
        if flags & _CARDS:
            text = redact_cards(text, counts, hit.cards)
        if flags & _IPS and self._params.redact_ips:
            text = redact_ips(text, counts)
        return text

    def snapshot(self) -> dict[str, Any]:
        """Return the open block and the counts; never a key."""
        return {"block_lines_left": self._block_lines_left, "counts": dict(self.counts)}

    @classmethod
    def restore(cls, state: dict[str, Any], params: RedactionParams = _DEFAULT) -> Redactor:
        """Return a redactor that goes on where `snapshot` was taken."""
        redactor = cls(params)
        redactor._block_lines_left = int(state["block_lines_left"])
        redactor.counts = {str(kind): int(n) for kind, n in state["counts"].items()}
        return redactor


def _pseudonyms(params: RedactionParams) -> Pseudonyms | None:
    if not params.pseudonymise:
        return None
    key = params.pseudonym_key
    if key is None or not 16 <= len(key) <= 64:
        raise ConfigError(
            f"redaction.pseudonymise names {', '.join(params.pseudonymise)} but redaction.pseudonym_key is "
            f"{'not set' if key is None else f'{len(key)} bytes long'}: set a secret of 16 to 64 bytes"
        )
    return Pseudonyms(params.pseudonymise, key)


# JSON may write any character as \u00xx, and so hide a word or an @ from every rule.
_HIDES = re.compile(r"\\u00(?:2[1a-fA-F3-9]|[346][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])")
_HIDDEN = re.compile(r"\\{1,8}u00(2[1a-fA-F3-9]|[346][0-9a-fA-F]|5[0-9abdefABDEF]|7[0-9a-eA-E])")


def _show_hidden(text: str) -> str:
    return _HIDDEN.sub(lambda match: chr(int(match[1], 16)), text) if _HIDES.search(text) else text


# The guard --------------------------------------------------------------------------------------------------

_WORDS, _TOKENS, _AT, _CARDS, _NAMES, _IPS = (1 << i for i in range(6))
_ALL = 63

_GUARDED_FORMS = TOKEN_PATTERN + r"|-----BEGIN|\\u00|%40"


class Hit(NamedTuple):
    """A line that may hold something: its text without hiding escapes, and what the guard saw in it."""

    shown: str
    flags: int
    stems: list[str]
    literals: list[str]
    cards: list[str]


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


class _Guard:
    """Says which rules a line may need; it may say too many, never too few."""

    def __init__(self, params: RedactionParams) -> None:
        line = pl.col("line")
        rules = [
            (_WORDS, line.str.contains(STEM_PATTERN)),
            (_TOKENS, line.str.contains(_GUARDED_FORMS) | line.str.contains("SK[0-9a-f]{32}")),
            (_AT, line.str.contains("@", literal=True)),
        ]
        if params.pseudonymise:
            rules.append((_NAMES, line.str.contains(_any_of(list(params.pseudonymise)))))
        if params.redact_ips:
            rules.append((_IPS, line.str.contains(IP_PATTERN)))
        bits = [rule.cast(pl.UInt8) * pl.lit(bit, dtype=pl.UInt8) for bit, rule in rules]
        # One select for all: a call of its own costs a tenth of a millisecond, however few the lines.
        self._columns = [pl.sum_horizontal(bits).cast(pl.UInt8).alias("flags"), line.str.len_bytes().alias("size")]

    def flags(self, lines: pl.Series, joined: bytes | None) -> NDArray[np.uint8]:
        """Return for each line the rules it may need, as bits."""
        seen = lines.alias("line").to_frame().select(self._columns)
        flags = seen["flags"].to_numpy(writable=True)
        flags[_card_rows(lines, seen["size"].to_numpy(), joined)] |= _CARDS
        return flags

    def hits(self, lines: pl.Series, flags: NDArray[np.uint8]) -> list[Hit]:
        """Return what the rules need to know of each of these lines, all of which have flags."""
        texts = lines.to_list()
        hidden = [i for i in np.flatnonzero(flags & _TOKENS).tolist() if _HIDES.search(texts[i])]
        if hidden:
            for i in hidden:
                texts[i] = _show_hidden(texts[i])
            lines = pl.Series(texts, dtype=pl.String)
            flags[hidden] = self.flags(lines.gather(hidden), None) | _TOKENS
        stems = _matches(lines, STEM_PATTERN, flags & _WORDS != 0)
        literals = _matches(lines, TOKEN_PATTERN, flags & _TOKENS != 0)
        cards = _matches(lines, CARD_PATTERN, flags & _CARDS != 0)
        return list(map(Hit, texts, flags.tolist(), stems, literals, cards))


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


def _run_table() -> NDArray[np.bool_]:
    """Which bytes of eight digit bits can stand inside a card number: no gap, or one every four to six digits."""
    table = np.zeros(256, dtype=np.bool_)
    for shape in ("1111011110111101111", "11110111111011111"):
        for at in range(len(shape) - 7):
            table[int(shape[at : at + 8], 2)] = True
    table[255] = True
    return table


_RUNS = _run_table()


def _card_places(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return positions inside the digits that are as many, or grouped, as a card number's.

    A run of 15 bytes holds one whole aligned group of 8, so one bit pattern a group is enough to look at; what
    it finds is then looked at with its neighbourhood.
    """
    found = []
    for start in range(0, len(data), _BLOCK_BYTES):
        digits = np.packbits((data[start : start + _BLOCK_BYTES] - np.uint8(48)) < np.uint8(10))
        found.append(np.flatnonzero(_RUNS.take(digits)) + start // 8)
    groups = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
    groups = groups[_is_grouped(data, groups)]
    places: NDArray[np.int64] = groups * 8
    return places[_is_card_shaped(data, places)] if len(places) else places


def _is_grouped(data: NDArray[np.uint8], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether what is no digit in each group of 8 bytes is a space or a dash; True for a last, shorter group."""
    whole = data[: len(data) // 8 * 8].reshape(-1, 8)
    kept = np.ones(len(groups), dtype=np.bool_)
    inside = groups < len(whole)
    window = whole[groups[inside]]
    kept[inside] = (((window - np.uint8(48)) < np.uint8(10)) | (window == 32) | (window == 45)).all(axis=1)
    return kept


def _is_card_shaped(data: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the digits around each place end after 15 or 16, or go on in groups for 17 bytes at least."""
    at = places[:, None] + np.arange(-12, 20)
    window = data[np.clip(at, 0, len(data) - 1)]
    digits = ((window - np.uint8(48)) < np.uint8(10)) & (at >= 0) & (at < len(data))
    grouped = digits | (window == 32) | (window == 45)
    n_digits, n_grouped = _extent(digits), _extent(grouped)
    is_shaped: NDArray[np.bool_] = (n_digits == 15) | (n_digits == 16) | ((n_digits == 0) & (n_grouped >= 17))
    return is_shaped


def _extent(member: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many members stand around columns 12 to 19 without a gap; 0 where there is one among these."""
    left = np.argmin(np.c_[member[:, 11::-1], np.zeros(len(member), dtype=np.bool_)], axis=1)
    right = np.argmin(np.c_[member[:, 20:], np.zeros(len(member), dtype=np.bool_)], axis=1)
    return np.where(member[:, 12:20].all(axis=1), left + 8 + right, 0)
