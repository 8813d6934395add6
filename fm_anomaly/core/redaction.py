"""Redaction: takes secrets and personal data out of raw lines, before anything parses, keeps or shows them.

A `Redactor` gets lines as they came (plain text, or one JSON object a line) and returns as many lines, with
`<redacted:kind>` in place of what must not be seen; JSON stays valid. A cheap guard over the whole column
picks the few lines that may hold something, and only those are looked at one by one. Every line is redacted
by itself, except for private keys over many lines: the open block is the state. This module must not know
formats or fields; the guard stands in `redaction_guard`, the rules in
`secret_tokens`, `secret_values`, `key_blocks` and `identifiers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.identifiers import Pseudonyms, redact_ips
from fm_anomaly.core.key_blocks import open_block, redact_inside
from fm_anomaly.core.redaction_guard import Guard, Hit, Rule
from fm_anomaly.core.secret_tokens import redact_cards, redact_emails, redact_tokens, redact_urls
from fm_anomaly.core.secret_values import redact_values, stems_in
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
        self._guard = Guard(params.pseudonymise, params.redact_ips)
        self._block_lines_left = 0
        self.counts: dict[str, int] = {}

    def redact(self, lines: pl.Series) -> pl.Series:
        """Return `lines` (String, no nulls) redacted, the same length and name."""
        return self.redact_block(lines, None)[0]

    def redact_block(self, lines: pl.Series, text: bytes | None) -> tuple[pl.Series, bytes | None]:
        """Return what `redact` does, and the same as bytes where `text` is given.

        `text` is the lines in UTF-8, each followed by one line feed, where the caller has it already; it spares the
        making of it. Cost: about a third of a microsecond for a clean line of 300 bytes, some microseconds for a line
        that holds something.
        """
        flags = self._guard.flags(lines, text)
        rows = np.flatnonzero(flags)
        if self._block_lines_left == 0 and len(rows) == 0:
            return lines, text
        changed = self._rewrite(lines, rows, flags)
        if not changed:
            return lines, text
        redacted = lines.clone().scatter(list(changed), list(changed.values()))
        return redacted, None if text is None else _spliced(text, lines, changed)

    def _rewrite(self, lines: pl.Series, rows: NDArray[np.int64], flags: NDArray[np.uint8]) -> dict[int, str]:
        changed: dict[int, str] = {}
        upto = self._finish_block(lines, 0, flags, changed)
        hits = self._guard.hits(lines[rows], flags[rows])
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
                hit = Hit.alone(new)
                redacted = self._apply(hit)
                new = redacted if redacted != hit.shown else new
            if new != text:
                changed[row] = new
            row += 1
        return row

    def _apply(self, hit: Hit) -> str:
        """Apply the rules that `hit` asks for: values first, for they take a whole secret where forms take a part."""
        counts, flags = self.counts, hit.flags
        text = hit.shown
        if flags & Rule.NAMES and self._pseudonyms is not None:
            text = self._pseudonyms.redact(text, counts)
        if flags & Rule.TOKENS and "-----BEGIN" in text:
            text, is_open = open_block(text, counts)
            self._block_lines_left = self._params.max_block_lines if is_open else self._block_lines_left
        if flags & Rule.WORDS:
            text = redact_values(text, counts, hit.stems if text is hit.shown else stems_in(text))
        if flags & Rule.AT:
            text = redact_urls(text, counts)
        if flags & Rule.TOKENS:
            text = redact_tokens(text, counts, hit.literals)
        if flags & (Rule.AT | Rule.TOKENS):
            text = redact_emails(text, counts)
        if flags & Rule.CARDS:
            text = redact_cards(text, counts, hit.cards)
        if flags & Rule.IPS and self._params.redact_ips:
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


def _spliced(text: bytes, lines: pl.Series, changed: dict[int, str]) -> bytes:
    """Return `text` with the lines of `changed` (row → text) in place of what stood there."""
    sizes = lines.str.len_bytes().to_numpy().astype(np.int64)
    ends = np.cumsum(sizes + 1) - 1
    view, at = memoryview(text), 0
    pieces: list[bytes | memoryview] = []
    for row in sorted(changed):
        pieces += (view[at : ends[row] - sizes[row]], changed[row].encode())
        at = int(ends[row])
    return b"".join([*pieces, view[at:]])


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
