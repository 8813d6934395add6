"""Cuts the bytes of one source into lines of clean text, whatever the bytes are.

Broken UTF-8 is replaced, NUL bytes and a byte order mark are dropped, colour codes are stripped, over-long
lines are cut while they are still being read, binary lines become a marker. Each of these is decided by
the line alone, so that a cut in the input never shows. This module knows nothing of formats.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

import numpy as np

BINARY_LINE = "\x00"
"""Stands for a line that is no text; NUL cannot occur in any other line that leaves this module."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_NON_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_BINARY_SHARE = 0.3
_BINARY_SAMPLE = 4096
_SPACE = 32


class LineCutter:
    """Bytes in, complete lines out; the state is the unfinished line."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._head = bytearray()
        self._size = 0
        self.n_truncated = 0
        self.n_repaired = 0

    def cut(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes, without their line ends."""
        last = data.rfind(b"\n")
        if last < 0:
            self._grow(data)
            return []
        start, lines = 0, []
        if self._size:
            start = data.find(b"\n") + 1
            self._grow(data[: start - 1])
            lines.append(self._take())
        if start <= last:
            lines.extend(self._lines_of(data[start:last]))
        self._grow(data[last + 1 :])
        return lines

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

    def _lines_of(self, block: bytes) -> list[str]:
        """Return the lines of a block of complete lines; the fast way where all of it is clean text."""
        if not self._is_special(block):
            try:
                text = block.decode()
            except UnicodeDecodeError:
                pass
            else:
                if "\r" in text:
                    text = text.replace("\r\n", "\n").removesuffix("\r")
                return (_ESCAPES.sub("", text) if "\x1b" in text else text).split("\n")
        lines = (line.lstrip(b"\0") for line in block.split(b"\n"))
        return [self._line_of(line[: self._max], len(line)) for line in lines]

    def _is_special(self, block: bytes) -> bool:
        """Whether a line of the block may need repair, a cut, or a verdict "binary"."""
        if codecs.BOM_UTF8 in block or b"\xef\xbf\xbd" in block or self._has_long_line(block):
            return True
        controls = int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) < _SPACE))
        plain = block.count(b"\n") + block.count(b"\t") + block.count(b"\x1b")
        if controls != plain:
            plain += block.count(b"\r\n") + block.endswith(b"\r")
        return controls != plain

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


def is_binary(text: str) -> bool:
    """Whether more than 30 % of the line's first characters are no text (a leading run of NUL aside)."""
    sample = text.lstrip("\x00")[:_BINARY_SAMPLE]
    return len(_NON_TEXT.findall(sample)) > _BINARY_SHARE * len(sample) if sample else False
