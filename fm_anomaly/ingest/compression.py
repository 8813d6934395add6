"""Compressed bytes → text bytes, by the magic number and not by the file's name.

Works on any stream of blocks, so that `cat app.log.gz | fm-anomaly scan -` reads as well as the file.
A stream that ends or breaks early gives what can be read, and a warning in words.
"""

from __future__ import annotations

import bz2
import codecs
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

MAGIC_BYTES = 6
"""How many first bytes `compression_of` wants."""


class _Decompressor(Protocol):
    """What zlib, bz2, lzma and zstandard objects have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _zstd() -> _Decompressor:
    import zstandard  # only where a .zst is read: start-up stays short

    made: _Decompressor = zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj()
    return made


_BY_MAGIC: tuple[tuple[bytes, str, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", "gzip", lambda: zlib.decompressobj(wbits=31)),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", lzma.LZMADecompressor),
)
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SLICE_BYTES = 1 << 16  # compressed bytes at a time: logs shrink 10 to 30 times, zeros 1,000 times


def compression_of(head: bytes) -> str | None:
    """Return the name of the compression that a file beginning with `head` has, or None.

    >>> compression_of(b"\\x1f\\x8b\\x08\\x00"), compression_of(b"2026-03-02 ")
    ('gzip', None)
    """
    return next((name for magic, name, _ in _BY_MAGIC if head.startswith(magic)), None)


def decompressed(blocks: Iterable[bytes], warn: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the text bytes of a stream of blocks, decompressed if its first bytes say so.

    UTF-16 with a byte order mark, as PowerShell redirects write it, becomes UTF-8. `warn` is called with
    one sentence if the stream is cut or damaged; what came before it has been yielded by then.
    """
    stream = iter(blocks)
    head = b""
    for block in stream:
        head += block
        if len(head) >= MAGIC_BYTES:
            break
    rest = _chain(head, stream)
    name = compression_of(head)
    yield from _as_utf8(rest if name is None else _inflate(name, rest, warn))


def _chain(head: bytes, stream: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from stream


def _inflate(name: str, blocks: Iterator[bytes], warn: Callable[[str], None]) -> Iterator[bytes]:
    """Yield what the compressed members of `blocks` hold, one member after the other."""
    make = next(make for _, n, make in _BY_MAGIC if n == name)
    magic = next(magic for magic, n, _ in _BY_MAGIC if n == name)
    unit: _Decompressor | None = make()
    for piece in _sliced(blocks):
        data = piece
        while data:
            if unit is None:
                if not data.strip(b"\0"):
                    break  # padding between or after members, as tapes and some appenders leave it
                unit = make()
            try:
                out = unit.decompress(data)
            except Exception as exc:  # noqa: BLE001 - each library has its own error class; all mean "damaged"
                warn(f"{name} data is damaged ({exc}): read up to there, the rest is left out")
                return
            if out:
                yield out
            if not unit.eof:
                break
            data, unit = unit.unused_data, None
            if data and not magic.startswith(data[: len(magic)]) and data.strip(b"\0"):
                warn(f"{name} data is followed by bytes of another kind: {len(data):,} bytes or more left out")
                return
    if unit is not None:
        yield from _last(unit)
        warn(f"{name} data ends early (truncated): read up to there")


def _last(unit: _Decompressor) -> Iterator[bytes]:
    flush = getattr(unit, "flush", None)
    try:
        tail: bytes = flush() if flush is not None else b""
    except Exception:  # noqa: BLE001 - a cut stream has nothing more to give; the warning follows
        return
    if tail:
        yield tail


def _sliced(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for at in range(0, len(block), _SLICE_BYTES):
            yield block[at : at + _SLICE_BYTES]


def _as_utf8(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Pass bytes through; turn UTF-16 with a byte order mark into UTF-8."""
    first = next(blocks, None)
    if first is None:
        return
    name = _UTF16.get(first[:2])
    if name is None:
        yield first
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    yield decoder.decode(first[2:]).encode("utf-8", "replace")
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")
