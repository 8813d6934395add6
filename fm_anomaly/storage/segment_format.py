"""The bytes of a write-ahead segment: a header, then framed entries; values and checks, no files.

Header: magic, flags, salt, number of the first entry, CRC32. Entry: marker, length, number, CRC32 over number and
payload, payload. The marker lets a reader find the next entry after damage. Little endian. With a key, payloads are
AES-256-GCM under a key of the segment's own (HKDF over the salt), the nonce is the entry's number. It must not know
what a payload means.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from fm_anomaly.errors import ConfigError, StoreError

MAGIC = b"FMANSEG1"
HEADER = struct.Struct("<8sB3x16sQI")
_ENTRY = struct.Struct("<4sIQI")
_MARKER = b"\xf1FMe"
_ENCRYPTED = 1
MAX_PAYLOAD_BYTES = 1 << 30
KEY_BYTES = 32


class Sealer(Protocol):
    """Encrypts the payloads of one segment, or leaves them as they are."""

    def seal(self, seq: int, payload: bytes) -> bytes:
        """Return what is written for entry `seq`."""
        ...

    def open(self, seq: int, sealed: bytes) -> bytes:
        """Return the payload of entry `seq`; raises StoreError where it is not what was sealed."""
        ...


class Plain:
    """No encryption."""

    def seal(self, seq: int, payload: bytes) -> bytes:
        """Return `payload`."""
        return payload

    def open(self, seq: int, sealed: bytes) -> bytes:
        """Return `sealed`."""
        return sealed


class Encrypted:
    """AES-256-GCM; `salt` is the segment's, never used for another one, so that no nonce comes twice under a key."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ModuleNotFoundError as exc:
            raise ConfigError("a segment key is set, and it needs: pip install '.[encryption]'") from exc
        derived = HKDF(SHA256(), KEY_BYTES, salt, b"fm-anomaly segment 1").derive(key)
        self._cipher = AESGCM(derived)

    def seal(self, seq: int, payload: bytes) -> bytes:
        """Return the sealed payload, 16 bytes longer."""
        return self._cipher.encrypt(seq.to_bytes(12, "big"), payload, None)

    def open(self, seq: int, sealed: bytes) -> bytes:
        """Return the payload; raises StoreError where the key is another one or the bytes were changed."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(seq.to_bytes(12, "big"), sealed, None)
        except InvalidTag as exc:
            raise StoreError(
                f"entry {seq} cannot be decrypted; is the segment key that which it was written with?"
            ) from exc


def parse_key(text: str) -> bytes:
    """Return the key that `text` writes: 32 bytes in hexadecimal or base64. Raises ConfigError, never with the text.

    >>> len(parse_key("00" * 32))
    32
    """
    for decode in (bytes.fromhex, lambda t: base64.b64decode(t, validate=True)):
        try:
            key = decode(text.strip())
        except (ValueError, binascii.Error):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise ConfigError("the segment key must be 32 bytes, in hexadecimal or base64: openssl rand -hex 32")


def header(first_seq: int, salt: bytes, *, is_encrypted: bool) -> bytes:
    """Return the header of a segment whose first entry is `first_seq`."""
    bare = HEADER.pack(MAGIC, _ENCRYPTED if is_encrypted else 0, salt, first_seq, 0)[:-4]
    return bare + zlib.crc32(bare).to_bytes(4, "little")


def frame(seq: int, sealed: bytes) -> tuple[bytes, bytes]:
    """Return an entry in two pieces: what stands before the payload, and the payload."""
    return _ENTRY.pack(_MARKER, len(sealed), seq, zlib.crc32(sealed, _crc_of(seq))), sealed


@dataclass(slots=True)
class Findings:
    """What reading a segment found: where its good part ends, and what was lost, in bytes and sentences."""

    good_bytes: int = 0
    torn_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def entries(raw: bytes, key: bytes | None, findings: Findings, *, is_last: bool) -> Iterator[tuple[int, bytes]]:
    """Yield (number, payload) of each entry of a segment; what cannot be read is left out and told in `findings`.

    Bytes at the end of the last segment that are no whole entry are a torn write, of which nobody was told that it
    was kept. Anywhere else they are damage: the entries after it are read all the same.

    Raises ConfigError where the segment is encrypted and no key is set; StoreError where the key is another one.
    """
    sealer = _sealer(raw, key, findings)
    if sealer is None:
        findings.torn_bytes = len(raw) if is_last else 0
        if not is_last:
            findings.problems.append(f"its header is damaged: {len(raw):,} bytes cannot be read")
        return
    at = findings.good_bytes = HEADER.size
    while at < len(raw):
        found = _entry_at(raw, at)
        if found is None:
            after = _next_entry(raw, at + 1)
            if after < 0:
                lost = len(raw) - at
                if is_last:
                    findings.torn_bytes = lost
                else:
                    findings.problems.append(f"{lost:,} bytes at its end, from byte {at:,} on, are damaged")
                return
            findings.problems.append(f"{after - at:,} bytes from byte {at:,} on are damaged")
            at = after
            continue
        seq, payload_at, end = found
        yield seq, sealer.open(seq, raw[payload_at:end])
        at = findings.good_bytes = end


def _sealer(raw: bytes, key: bytes | None, findings: Findings) -> Sealer | None:
    """Return how the payloads of a segment are read, None where its header cannot be."""
    if len(raw) < HEADER.size or header_crc(raw) != int.from_bytes(raw[HEADER.size - 4 : HEADER.size], "little"):
        return None
    magic, flags, salt, _, _ = HEADER.unpack_from(raw)
    if magic != MAGIC:
        return None
    if not flags & _ENCRYPTED:
        return Plain()
    if key is None:
        raise ConfigError("the segments are encrypted: set FM_ANOMALY_SEGMENT_KEY to the key they were written with")
    return Encrypted(key, salt)


def header_crc(raw: bytes) -> int:
    """Return the checksum that the header of a segment must state."""
    return zlib.crc32(raw[: HEADER.size - 4])


def _entry_at(raw: bytes, at: int) -> tuple[int, int, int] | None:
    """Return (number, start, end) of the payload of a whole entry at `at`, else None."""
    if at + _ENTRY.size > len(raw):
        return None
    marker, size, seq, crc = _ENTRY.unpack_from(raw, at)
    start = at + _ENTRY.size
    if marker != _MARKER or size > MAX_PAYLOAD_BYTES or start + size > len(raw):
        return None
    view = memoryview(raw)[start : start + size]
    return (seq, start, start + size) if zlib.crc32(view, _crc_of(seq)) == crc else None


def _next_entry(raw: bytes, start: int) -> int:
    """Return where the next whole entry begins, -1 where there is none."""
    at = raw.find(_MARKER, start)
    while at >= 0 and _entry_at(raw, at) is None:
        at = raw.find(_MARKER, at + 1)
    return at


def _crc_of(seq: int) -> int:
    return zlib.crc32(seq.to_bytes(8, "little"))
