"""The Snapshot envelope: plain values in, bytes out, and back only when every check holds.

Layout: 8 bytes magic, 4 bytes schema version (big endian), 32 bytes BLAKE2b of the body, body. The body is msgpack of
``{"digest", "libraries", "sections"}``: no pickle, so reading one from an untrusted place runs nothing. This module
must not know what a section means, nor where the bytes are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fm_anomaly.errors import SnapshotError

MAGIC = b"FMANSNAP"
SCHEMA_VERSION = 1
READABLE_VERSIONS = frozenset({1})
_HEADER_BYTES = 8 + 4 + 32

State = dict[str, Any]
"""What `snapshot()` returns: None, bool, int, float, str, bytes, list and dict[str, …] only."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a Pipeline needs to go on, with the input position that it stands at."""

    sections: State
    params_digest: str
    libraries: dict[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the envelope. Equal sections give equal bytes."""
        body = msgspec.msgpack.encode(
            {"digest": self.params_digest, "libraries": self.libraries, "sections": self.sections}
        )
        check = hashlib.blake2b(body, digest_size=32).digest()
        return MAGIC + SCHEMA_VERSION.to_bytes(4, "big") + check + body

    @classmethod
    def from_bytes(cls, raw: bytes) -> Snapshot:
        """Read an envelope; `SnapshotError` says which check failed."""
        if len(raw) < _HEADER_BYTES or raw[:8] != MAGIC:
            raise SnapshotError(
                "this is not an fm_anomaly snapshot (wrong magic); delete it, and the next run starts afresh"
            )
        version = int.from_bytes(raw[8:12], "big")
        if version not in READABLE_VERSIONS:
            raise SnapshotError(
                f"snapshot has schema version {version}, this release reads {sorted(READABLE_VERSIONS)}; "
                "use the release that wrote it, or delete it to start afresh"
            )
        body = raw[_HEADER_BYTES:]
        if hashlib.blake2b(body, digest_size=32).digest() != raw[12:_HEADER_BYTES]:
            raise SnapshotError("snapshot is damaged (checksum differs); fall back to the one before it")
        try:
            content = msgspec.msgpack.decode(body)
            return cls(content["sections"], content["digest"], content["libraries"])
        except (msgspec.DecodeError, KeyError, TypeError) as exc:
            raise SnapshotError(f"snapshot body cannot be read: {exc}") from exc


def pack_array(array: NDArray[Any]) -> State:
    """Return `array` as plain values: dtype, shape and little-endian bytes."""
    plain = np.ascontiguousarray(array)
    return {"dtype": plain.dtype.str, "shape": list(plain.shape), "data": plain.tobytes()}


def unpack_array(state: State) -> NDArray[Any]:
    """Return a fresh, writable array from `pack_array`'s dict."""
    flat = np.frombuffer(state["data"], dtype=np.dtype(state["dtype"]))
    return flat.reshape(state["shape"]).copy()
