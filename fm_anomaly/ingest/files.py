"""Files, folders, globs, rotated sets and standard input → sources that yield bytes.

`find_sources` turns what a person typed into `FileSource`s; each yields chunks of about 8 MiB and knows
its `Position`. It opens and reads; it knows nothing of what the bytes mean.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from fm_anomaly.ingest.compression import decompressed
from fm_anomaly.ingest.discovery import discover, unreadable
from fm_anomaly.ingest.position import FINGERPRINT_BYTES, Position, fingerprint
from fm_anomaly.ingest.rotation import base_name

CHUNK_BYTES = 8 << 20
"""Size of the chunks that a source yields, about; the last of a file is shorter."""

_BLOCK_BYTES = 1 << 20

OnBytes = Callable[[int], None]
"""Progress: called with the number of bytes that were further read from the disk (compressed ones, if so)."""


class FileSource:
    """One log: a file, a rotated set chained oldest first, or standard input.

    Parameters
    ----------
    name
        What people call it; "app.log" for the set app.log.2.gz, app.log.1, app.log. Unique in one call of
        `find_sources`.
    paths
        Its files, oldest first; "-" is standard input.
    stdin
        What "-" reads; given by tests.

    Attributes
    ----------
    service
        The service that the name stands for, where its records tell none: "app" for "app.log".
    warnings
        Sentences about damaged or replaced files, as they are met.
    """

    def __init__(self, name: str, paths: Sequence[str], stdin: BinaryIO | None = None) -> None:
        self.name = name
        self.service = service_of(name)
        self.paths = tuple(paths)
        self.warnings: list[str] = []
        self._stdin = stdin
        self._position: Position | None = None
        self._last_byte = b""

    @property
    def size_bytes(self) -> int | None:
        """Size of its files on the disk now; None for a pipe."""
        if "-" in self.paths:
            return None
        return sum(Path(path).stat().st_size for path in self.paths)

    def position(self) -> Position | None:
        """Return the place after the last byte yielded; None before the first."""
        return self._position

    def chunks(self, *, after: Position | None = None, on_bytes: OnBytes | None = None) -> Iterator[bytes]:
        """Yield the bytes of the log in order, from the beginning or after a position.

        A file that was rotated since `after` is found again by its fingerprint, and continued. If none of the
        files is the one that `after` was taken in, reading starts at the beginning, with a warning.
        Between two files a line end is added where the first has none, so that lines don't run together.

        Raises
        ------
        SourceError
            A file cannot be opened or read.
        """
        start, skip = self._resume(after)
        self._position = after if after is not None and (skip or start) else None
        self._last_byte = b""
        for path in self.paths[start:]:
            torn = self._last_byte not in (b"", b"\n")
            for chunk in self._chunks_of(path, skip, on_bytes):
                yield b"\n" + chunk if torn else chunk
                torn = False
            skip = 0

    def _chunks_of(self, path: str, skip: int, on_bytes: OnBytes | None) -> Iterator[bytes]:
        device, inode = _identity(path)
        head, offset = b"", 0

        def warn(text: str) -> None:
            self.warnings.append(f"{path}: {text}")

        for block in _rechunked(decompressed(self._blocks(path, on_bytes), warn)):
            offset += len(block)
            self._last_byte = block[-1:]
            if len(head) < FINGERPRINT_BYTES:
                head += block[: FINGERPRINT_BYTES - len(head)]
                print_ = fingerprint(head)
            new = block[max(0, skip - (offset - len(block))) :]
            if not new:
                continue
            self._position = Position(path, device, inode, offset, print_, len(head))
            yield new

    def _blocks(self, path: str, on_bytes: OnBytes | None) -> Iterator[bytes]:
        try:
            if path == "-":
                yield from _read(self._stdin or sys.stdin.buffer, on_bytes)
            else:
                with Path(path).open("rb") as file:
                    yield from _read(file, on_bytes)
        except OSError as exc:
            raise unreadable(path, exc) from exc

    def _resume(self, after: Position | None) -> tuple[int, int]:
        """Return the index of the file to go on in, and how many of its bytes to pass over."""
        if after is None or self.paths == ("-",):
            return 0, 0
        heads = [self._head(path) for path in self.paths]
        same = [i for i, head in enumerate(heads) if after.is_start_of(head)]
        # copies of one file have one fingerprint: prefer the inode, then the name
        same.sort(
            key=lambda i: (
                _identity(self.paths[i]) != (after.device, after.inode),
                self.paths[i] != after.path,
            )
        )
        if same:
            return same[0], after.offset
        self.warnings.append(
            f"{self.name}: {after.path} of the last run is not among its files: read from the beginning"
        )
        return 0, 0

    def _head(self, path: str) -> bytes:
        head = b""
        for block in decompressed(self._blocks(path, None), lambda _: None):
            head += block
            if len(head) >= FINGERPRINT_BYTES:
                break
        return head


def find_sources(
    paths: Sequence[str], *, stdin: BinaryIO | None = None, warn: Callable[[str], None] | None = None
) -> list[FileSource]:
    """Return the sources that `paths` name: files, folders (recursive), globs, "-" for standard input.

    Rotations given together become one source. Binary files, and files of a folder that are not named like
    logs, are left out and told to `warn`.

    Raises
    ------
    SourceError
        A path does not exist, matches nothing, cannot be read, or holds no log.
    """
    found = discover(paths)
    for sentence in found.passed_over:
        if warn is not None:
            warn(sentence)
    return [FileSource(name, members, stdin) for name, members in found.named_sets()]


def service_of(name: str) -> str:
    """Return a file's name without folder, rotation and suffix."""
    base = base_name(Path(name).name)
    return re.sub(r"(?:\.(?:log|txt|jsonl?|ndjson|out|err|csv))+$", "", base, flags=re.IGNORECASE) or base


def _identity(path: str) -> tuple[int, int]:
    if path == "-":
        return 0, 0
    try:
        stat = os.stat(path)  # noqa: PTH116 - paths are strings here; one call, no Path made
    except OSError as exc:
        raise unreadable(path, exc) from exc
    return stat.st_dev, stat.st_ino


def _read(file: BinaryIO, on_bytes: OnBytes | None) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        if on_bytes is not None:
            on_bytes(len(block))
        yield block


def _rechunked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Join and cut blocks to `CHUNK_BYTES`."""
    held: list[bytes] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size >= CHUNK_BYTES:
            joined = b"".join(held)
            for at in range(0, size - CHUNK_BYTES + 1, CHUNK_BYTES):
                yield joined[at : at + CHUNK_BYTES]
            rest = joined[size - size % CHUNK_BYTES :]
            held, size = ([rest] if rest else []), len(rest)
    if size:
        yield b"".join(held)
