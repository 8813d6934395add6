"""How far an input was read: `Position`, and the fingerprint that finds the same file again.

A position means *after the last byte read*. It counts bytes of the decompressed text, so that a file
that was rotated and compressed meanwhile is still found and continued. It knows nothing of lines.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from fm_anomaly.errors import SnapshotError

FINGERPRINT_BYTES = 1024
"""How many of a file's first bytes identify it."""


@dataclass(frozen=True, slots=True)
class Position:
    """The place after the last byte read of one source.

    `offset` counts decompressed bytes; `fingerprint` is a BLAKE2b digest of the first
    `fingerprint_bytes` bytes (fewer than 1,024 only while less had been read).
    `device` and `inode` are 0 for what has none, such as standard input.
    """

    path: str
    device: int
    inode: int
    offset: int
    fingerprint: str
    fingerprint_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the position as plain values, for a snapshot or JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Position:
        """Return the position that `to_dict` wrote.

        Raises
        ------
        SnapshotError
            A key is missing or has a value of another type.
        """
        try:
            return cls(
                path=str(state["path"]),
                device=int(state["device"]),
                inode=int(state["inode"]),
                offset=int(state["offset"]),
                fingerprint=str(state["fingerprint"]),
                fingerprint_bytes=int(state["fingerprint_bytes"]),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise SnapshotError(f"saved position cannot be read ({exc!r}); remove it to read from the start") from exc

    def is_start_of(self, head: bytes) -> bool:
        """Tell whether a file that begins with `head` is the one this position was taken in."""
        n = self.fingerprint_bytes
        return len(head) >= n and fingerprint(head[:n]) == self.fingerprint


def fingerprint(head: bytes) -> str:
    """Return the digest of the first `FINGERPRINT_BYTES` bytes of `head`.

    >>> fingerprint(b"a" * 2000) == fingerprint(b"a" * 1024 + b"b")
    True
    """
    return hashlib.blake2b(head[:FINGERPRINT_BYTES], digest_size=8).hexdigest()
