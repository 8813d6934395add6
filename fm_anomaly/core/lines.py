"""Cuts the bytes of one source into lines of clean text, whatever the bytes are.

Broken UTF-8 is replaced, NUL bytes and a byte order mark are dropped, colour codes are stripped, over-long
lines are cut while they are still being read, binary lines become a marker. Each of these is decided by
the line alone, so that a cut in the input never shows. This module knows nothing of formats.
"""

from __future__ import annotations

import codecs
import re
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl

BINARY_LINE = "\x00"
"""Stands for a line that is no text; NUL cannot occur in any other line that leaves this module."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_NON_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_BINARY_SHARE = 0.3
_BINARY_SAMPLE = 4096
_MIN_NON_TEXT = 3
_SPACE = 32
_SMALL_BYTES = 65_536
"""Below, a list of Python strings is made sooner than Polars' calls have begun."""


class LineCutter:
    """Bytes in, complete lines out; the state is the unfinished line."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._head = bytearray()
        self._size = 0
        self.n_truncated = 0
        self.n_repaired = 0

    def cut(self, data: bytes) -> tuple[pl.Series, bytes | None]:
        """Return the lines that `data` completes, without their line ends, and their bytes if at hand.

        The bytes are the lines' UTF-8, each followed by a line feed. A clean line never is a Python string.
        """
        end = data.rfind(b"\n") + 1
        if not end:
            self._grow(data)
            return _column([]), None
        if self._size == len(self._head):
            # A slice of the whole is the whole: nothing is copied where the data begins and ends with a line.
            block = b"".join((self._head, memoryview(data)[:end])) if self._size else data[:end]
            self._head, self._size = bytearray(), 0
            lines, text = self._lines_of(block)
        else:  # the open line is cut
            start = data.find(b"\n") + 1
            self._grow(data[: start - 1])
            lines, text = _column([self._take()]), None
            if start < end:
                lines = pl.concat([lines, self._lines_of(data[start:end])[0]], rechunk=True)
        self._grow(data[end:])
        return lines, text

    @property
    def is_open(self) -> bool:
        """Whether there is an unfinished line."""
        return self._size > 0

    def flush(self) -> list[str]:
        """Return the unfinished line, if there is one, as if a line end had come."""
        return [self._take()] if self._size else []

    def snapshot(self) -> dict[str, Any]:
        """Return the unfinished line."""
        return {"head": bytes(self._head), "size": self._size}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the unfinished line of a snapshot."""
        self._head, self._size = bytearray(state["head"]), int(state["size"])

    def _grow(self, data: bytes) -> None:
        """Append to the unfinished line; beyond the cap only its size is kept."""
        if not self._size:
            data = data.lstrip(b"\0")  # rotation by copy and truncate leaves a run of NUL, maybe gigabytes
        room = self._max - len(self._head)
        if room > 0:
            self._head += data[:room]
        self._size += len(data)

    def _take(self) -> str:
        head, size = bytes(self._head), self._size
        self._head, self._size = bytearray(), 0
        return self._line_of(head, size)

    def _lines_of(self, block: bytes) -> tuple[pl.Series, bytes | None]:
        """Return the lines of a block of complete lines, and their text as bytes where all of them are plain."""
        if (len(block) <= self._max or not self._has_long_line(block)) and not _holds_replacements(block):
            lines = split_lines(block)
            if lines is not None:
                n = len(lines)
                controls = _n_controls(block)
                if controls == n or controls == n + block.count(b"\t"):
                    return lines, block
                if controls == sum(map(block.count, (b"\n", b"\t", b"\x1b", b"\r\n"))):
                    clean = block.replace(b"\r\n", b"\n")
                    if b"\x1b" in clean:
                        clean = _ESCAPES.sub("", clean.decode()).encode()
                    lines = split_lines(clean)
                    if lines is not None:
                        return lines, clean
        parts = (part.lstrip(b"\0") for part in block[:-1].split(b"\n"))
        return _column([self._line_of(part[: self._max], len(part)) for part in parts]), None

    def _has_long_line(self, block: bytes) -> bool:
        start = 0
        while len(block) - start > self._max:
            start = block.rfind(b"\n", start, start + self._max + 1) + 1
            if not start:
                return True
        return False

    def _line_of(self, head: bytes, size: int) -> str:
        """Return one line, given its first bytes (at most the cap) and its whole size."""
        text, used = codecs.utf_8_decode(head, "replace", size <= len(head))
        broken = "\ufffd" in text
        if text.endswith("\r"):
            text = text[:-1]
        text = text.removeprefix("\ufeff")
        if is_binary(text):
            return BINARY_LINE
        if "\x00" in text:
            text, broken = text.replace("\x00", ""), True
        if "\x1b" in text:
            text = _ESCAPES.sub("", text)
        self.n_repaired += broken and size <= len(head)
        if size > len(head):
            self.n_truncated += 1
            text = f"{text}…[cut {size - used} bytes]"
        return text


def without_escapes(text: str) -> str:
    r"""Return `text` without the escape sequences of terminals.

    >>> without_escapes("\x1b[32mserved\x1b[0m page 3")
    'served page 3'
    """
    return _ESCAPES.sub("", text)


def _column(lines: list[str]) -> pl.Series:
    return pl.Series(lines, dtype=pl.String)


def split_lines(text: bytes) -> pl.Series | None:
    """Return the lines of a text that ends with a line feed and holds no carriage return; None where it is no UTF-8.

    Cost: 0.1 µs a line of 400 bytes, for the lines are views of one copy of the text.
    """
    try:
        if len(text) < _SMALL_BYTES:
            return _column(text[:-1].decode().split("\n"))
        return pl.read_lines(BytesIO(text)).to_series().rechunk().alias("")
    except (pl.exceptions.PolarsError, UnicodeDecodeError):
        return None


def _n_controls(block: bytes) -> int:
    """Return how many control characters stand in the block."""
    data = np.frombuffer(block, dtype=np.uint8)
    if len(block) < _SMALL_BYTES:
        return int(np.count_nonzero(data < _SPACE))
    return int((pl.Series(data) < _SPACE).sum())  # packed into bits: a third of numpy's time over megabytes


def _holds_replacements(block: bytes) -> bool:
    """Whether a byte order mark or U+FFFD stands in the block: its lines are looked at one by one."""
    return not block.isascii() and (codecs.BOM_UTF8 in block or b"\xef\xbf\xbd" in block)


def is_binary(text: str) -> bool:
    """Whether more than 30 % of the line's first characters are no text, control characters among them.

    A leading run of NUL does not count, nor does a line with less than `_MIN_NON_TEXT` of them; text in another
    encoding has broken UTF-8, but no control characters.
    """
    sample = text.lstrip("\x00")[:_BINARY_SAMPLE]
    odd = _NON_TEXT.findall(sample)
    if len(odd) < _MIN_NON_TEXT or len(odd) <= _BINARY_SHARE * len(sample):
        return False
    return any(c != "\ufffd" for c in odd)
