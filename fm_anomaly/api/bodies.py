"""Bodies of requests as bytes: read within limits of size, time and memory, and decompressed within limits too.

Every intake route reads its body here, so that what a stranger can make this process hold is one figure. It must not
know what a body means.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

from fm_anomaly.errors import BusyError, DecodeError

_MIB = 1 << 20
_PIECE_BYTES = 1 << 18
_STEP_BYTES = 1 << 16
_MAX_MEMBERS = 10_000
"""Compressed pieces put together in one body."""
_ZSTD_STEP_BYTES = 512
"""Compressed bytes given to zstd at a time: four can stand for 128 KiB, and its output has no limit of its own."""
_INLINE_BYTES = 1 << 19
"""A larger compressed body is inflated in a thread, so that the others need not wait."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What one request may bring, and all of them together. `text_bytes` is what is left after decompression."""

    body_bytes: int = 16 * _MIB
    text_bytes: int = 64 * _MIB
    all_bytes: int = 192 * _MIB
    timeout_s: float = 30.0


@dataclass(slots=True)
class BodyReader:
    """Reads bodies; knows how many bytes it holds at this moment."""

    limits: BodyLimits = field(default_factory=BodyLimits)
    held_bytes: int = 0

    async def read(self, request: Request, look_for_room: Callable[[int], None] = lambda size: None) -> bytes:
        """Return the decompressed body of a request; `look_for_room` is told its size as sent, and may raise first.

        Raises DecodeError (413 too large, 415 unknown encoding, 408 too slow, 400 damaged), BusyError where other
        requests fill the memory that there is for bodies.
        """
        encoding = _encoding(request)
        declared = _declared_bytes(request)
        if declared > self.limits.body_bytes:
            raise _too_large("body", self.limits.body_bytes)
        raw = await self._received(request, declared)
        look_for_room(len(raw))
        if encoding == "identity":
            return raw
        if len(raw) <= _INLINE_BYTES:
            return inflated(raw, encoding, self.limits.text_bytes)
        with self._holding(len(raw)):
            return await asyncio.to_thread(inflated, raw, encoding, self.limits.text_bytes)

    async def _received(self, request: Request, declared: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        with self._holding(declared) as hold:
            try:
                async with asyncio.timeout(self.limits.timeout_s):
                    async for part in request.stream():
                        parts.append(part)
                        size += len(part)
                        if size > self.limits.body_bytes:
                            raise _too_large("body", self.limits.body_bytes)
                        hold(size)
            except TimeoutError:
                message = f"the body had not come whole after {self.limits.timeout_s:g} s; send smaller ones"
                raise DecodeError(message, 408) from None
            except ClientDisconnect:
                raise DecodeError("the client went away before its body had come whole") from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @contextmanager
    def _holding(self, size: int) -> Iterator[_Hold]:
        """Count bytes as held while a body comes, at least as many as it has been said to have."""
        hold = _Hold(self)
        try:
            hold(size)
            yield hold
        finally:
            hold.release()


class _Hold:
    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._size = 0

    def __call__(self, size: int) -> None:
        more = size - self._size
        if more <= 0:
            return
        if self._reader.held_bytes + more > self._reader.limits.all_bytes:
            raise BusyError("too many requests bring bodies at this moment; come again later")
        self._reader.held_bytes += more
        self._size = size

    def release(self) -> None:
        self._reader.held_bytes -= self._size


def inflated(raw: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Return `raw` without its `encoding` ("gzip", "deflate", "zstd"), which must not be more than `limit_bytes`.

    Raises DecodeError; never holds more than a piece beyond the limit, whatever the body claims to hold.
    """
    parts: list[bytes] = []
    size = 0
    for part in _PIECES[encoding](raw):
        parts.append(part)
        size += len(part)
        if size > limit_bytes:
            raise _too_large(f"body, decompressed from {encoding},", limit_bytes)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _gzip_pieces(raw: bytes) -> Iterator[bytes]:
    yield from _zlib_pieces(raw, 31, "gzip")


def _deflate_pieces(raw: bytes) -> Iterator[bytes]:
    # "deflate" is a zlib stream by its specification, and a bare one from some clients
    is_zlib = raw[:1] == b"\x78"
    yield from _zlib_pieces(raw, 15 if is_zlib else -15, "deflate")


def _zlib_pieces(raw: bytes, wbits: int, name: str) -> Iterator[bytes]:
    at = n_members = 0
    while at < len(raw):
        n_members = _one_more(n_members)
        unit = zlib.decompressobj(wbits)
        while not unit.eof:
            step = raw[at : at + _STEP_BYTES]  # not all at once: what is left over would be copied each time
            try:
                part = unit.decompress(step, _PIECE_BYTES)
            except zlib.error as exc:
                raise DecodeError(f"the body is no {name} data, or it is damaged") from exc
            used = len(step) - len(unit.unconsumed_tail) - len(unit.unused_data)
            at += used
            if part:
                yield part
            elif not used and not unit.eof:
                raise DecodeError(f"the body's {name} data ends early")


def _zstd_pieces(raw: bytes) -> Iterator[bytes]:
    import zstandard

    # Not `stream_reader`: it takes a body that was cut off for a whole one. A window larger than this is refused by the
    # library before it is allocated.
    decompressor = zstandard.ZstdDecompressor(max_window_size=8 * _MIB)
    at = n_members = 0
    while at < len(raw):
        n_members = _one_more(n_members)
        unit = decompressor.decompressobj()
        while not unit.eof:
            step = raw[at : at + _ZSTD_STEP_BYTES]
            if not step:
                raise DecodeError("the body's zstd data ends early")
            try:
                yield unit.decompress(step)
            except zstandard.ZstdError as exc:
                raise DecodeError("the body is no zstd data, or it is damaged") from exc
            at += len(step) - len(unit.unused_data)


def _one_more(n_members: int) -> int:
    if n_members >= _MAX_MEMBERS:
        raise DecodeError(f"the body has more than {_MAX_MEMBERS:,} compressed members; compress it as one")
    return n_members + 1


_PIECES = {"gzip": _gzip_pieces, "deflate": _deflate_pieces, "zstd": _zstd_pieces}
_ALIASES = {"": "identity", "x-gzip": "gzip"}


def _encoding(request: Request) -> str:
    sent = request.headers.get("content-encoding", "").strip().lower()
    name = _ALIASES.get(sent, sent)
    if name != "identity" and name not in _PIECES:
        raise DecodeError("content encoding is not known here; send gzip, zstd, deflate or none", 415)
    return name


def _declared_bytes(request: Request) -> int:
    sent = request.headers.get("content-length", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 19 else 0


def _too_large(what: str, limit: int) -> DecodeError:
    return DecodeError(f"{what} is larger than {limit / _MIB:g} MiB; send it in parts", 413)
