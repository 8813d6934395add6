"""The write-ahead log: segments in a folder, appended to in groups, read again after a restart, deleted when covered.

The only place with bytes that are not redacted yet: files are mode 0600, encrypted when a key is set, and short-lived.
A group of entries is on the disk whole when `append` returns, or nothing of it is taken. It must not know what an
entry means.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from fm_anomaly.errors import DiskFullError, StoreError
from fm_anomaly.storage import segment_format
from fm_anomaly.storage.segment_format import Encrypted, Findings, Plain, Sealer

Durability = Literal["fsync", "os"]
"""What an acknowledged batch survives: "fsync" also the loss of power, "os" only the end of the process."""

_SUFFIX = ".seg"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class SegmentParams:
    """How segments are written.

    max_age_s: a segment is closed after so long, so that it can be deleted soon after a snapshot.
    min_free_bytes: what must stay free on the disk, so that there is room for snapshots and the store.
    key: 32 bytes; None writes plain segments.
    """

    durability: Durability = "fsync"
    max_bytes: int = 64 * _MIB
    max_age_s: float = 60.0
    min_free_bytes: int = 128 * _MIB
    key: bytes | None = field(default=None, repr=False)


class SegmentFile(Protocol):
    """An open segment, as far as this module needs a file: the place where a disk can fail."""

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        ...

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut the file."""
        ...

    def free_bytes(self) -> int:
        """Return what is free where the file lies."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class DiskFile:
    """A new file of its owner alone; its name is on the disk when this returns."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        _sync_folder(path.parent)

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        os.fdatasync(self._fd)

    def truncate(self, size_bytes: int) -> None:
        """Cut the file."""
        os.ftruncate(self._fd, size_bytes)

    def free_bytes(self) -> int:
        """Return what is free where the file lies."""
        told = os.fstatvfs(self._fd)
        return told.f_bavail * told.f_frsize

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


@dataclass(slots=True)
class _Open:
    """The segment that is appended to."""

    file: SegmentFile
    sealer: Sealer
    size_bytes: int
    made_at_s: float


class SegmentWriter:
    """Appends entries to segments of `folder`; each writer begins a segment of its own and never touches older ones."""

    def __init__(
        self,
        folder: Path,
        params: SegmentParams,
        next_seq: int,
        *,
        make_file: Callable[[Path], SegmentFile] = DiskFile,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.params = params
        self.next_seq = next_seq
        self._make_file = make_file
        self._clock = clock
        self._open: _Open | None = None
        self._lock = threading.RLock()
        if params.key is not None:
            Encrypted(params.key, bytes(16))  # says at once where the library is missing
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise StoreError(f"cannot make {folder}: {_words(exc)}; give --data a folder that is yours") from exc

    def append(self, payloads: Sequence[bytes]) -> int:
        """Write a group of entries; return the number of the first, the others follow. Cost: one write, one sync.

        Raises DiskFullError where there is no room, StoreError where the disk fails otherwise; then nothing of the
        group will be read again.
        """
        with self._lock:
            segment = self._segment()
            first = self.next_seq
            pieces: list[bytes] = []
            for seq, payload in enumerate(payloads, first):
                pieces += segment_format.frame(seq, segment.sealer.seal(seq, payload))
            self._write(segment, b"".join(pieces))
            self.next_seq = first + len(payloads)
            return first

    def delete_covered(self, seq: int) -> int:
        """Delete the segments that hold no entry after `seq`, the open one too; return how many. From any thread."""
        with self._lock:
            if self._open is not None and self.next_seq <= seq + 1:
                self.close()
            paths = segment_paths(self.folder)
            ends = [*(first_seq_of(path) for path in paths[1:]), self.next_seq if self._open is None else seq + 2]
            covered = [path for path, end in zip(paths, ends, strict=True) if end <= seq + 1] if paths else []
            for path in covered:
                path.unlink(missing_ok=True)
            return len(covered)

    def close(self) -> None:
        """Close the open segment; a further entry begins another one."""
        segment, self._open = self._open, None
        if segment is not None:
            segment.file.close()

    def _write(self, segment: _Open, group: bytes) -> None:
        try:
            free_bytes = segment.file.free_bytes()
        except OSError as exc:
            raise _refusal(self.folder, exc) from exc
        if free_bytes - len(group) < self.params.min_free_bytes:
            raise DiskFullError(
                f"{self.folder} has {free_bytes // _MIB:,} MiB free and {self.params.min_free_bytes // _MIB} MiB must "
                "stay so; nothing of what was sent was taken"
            )
        try:
            segment.file.write(group)
            if self.params.durability == "fsync":
                segment.file.sync()
        except OSError as exc:
            self._give_up(segment)
            raise _refusal(self.folder, exc) from exc
        segment.size_bytes += len(group)

    def _segment(self) -> _Open:
        now_s = self._clock()
        segment = self._open
        if segment is not None and (
            segment.size_bytes >= self.params.max_bytes or now_s - segment.made_at_s >= self.params.max_age_s
        ):
            self.close()
            segment = None
        if segment is None:
            segment = self._open = self._new(now_s)
        return segment

    def _new(self, now_s: float) -> _Open:
        key, salt = self.params.key, secrets.token_bytes(16)
        path = self.folder / f"{self.next_seq:020d}{_SUFFIX}"
        try:
            path.unlink(missing_ok=True)  # one of this number holds nothing that was ever acknowledged
            file = self._make_file(path)
            head = segment_format.header(self.next_seq, salt, is_encrypted=key is not None)
            file.write(head)
        except OSError as exc:
            raise _refusal(self.folder, exc) from exc
        return _Open(file, Encrypted(key, salt) if key is not None else Plain(), len(head), now_s)

    def _give_up(self, segment: _Open) -> None:
        """Cut a group that failed off, and write no more to this segment: a number must not be sealed twice in it."""
        self._open = None
        with suppress(OSError):
            segment.file.truncate(segment.size_bytes)
        with suppress(OSError):
            segment.file.close()


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in the folder besides entries."""

    n_segments: int
    torn_bytes: int
    problems: tuple[str, ...]


class SegmentReader:
    """Reads the entries of a folder after a restart, in order; then `result` says what was found.

    Reads the segments that were there when it was made, and a second time only those that held an entry: never the
    one that a writer has begun since.
    """

    def __init__(self, folder: Path, key: bytes | None = None) -> None:
        self.folder = folder
        self._key = key
        self._paths = segment_paths(folder)
        self.result = Reading(0, 0, ())

    def entries(self, after_seq: int) -> Iterator[tuple[int, bytes]]:
        """Yield (number, payload) of the entries after `after_seq`; a torn write at the very end is cut off.

        Raises ConfigError and StoreError where segments are encrypted with another key or cannot be opened.
        """
        paths, useful = self._paths, list[Path]()
        torn, problems, last_seq = 0, list[str](), after_seq
        for number, path in enumerate(paths):
            is_last = number == len(paths) - 1
            if not is_last and first_seq_of(paths[number + 1]) <= after_seq + 1:
                continue  # everything in it is covered
            findings = Findings()
            for seq, payload in segment_format.entries(_read(path), self._key, findings, is_last=is_last):
                if seq > last_seq:
                    last_seq = seq
                    if path not in useful[-1:]:
                        useful.append(path)
                    yield seq, payload
            if findings.torn_bytes:
                torn += findings.torn_bytes
                _cut(path, findings.good_bytes)
            problems += [f"segment {path.name}: {problem}" for problem in findings.problems]
        self._paths = useful
        self.result = Reading(len(paths), torn, tuple(problems))


def segment_paths(folder: Path) -> list[Path]:
    """Return the segments of a folder, oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []


def first_seq_of(path: Path) -> int:
    """Return the number of a segment's first entry, from its name; -1 where the name is none of ours."""
    return int(path.stem) if path.stem.isdigit() else -1


def size_on_disk(folder: Path) -> int:
    """Return the bytes of all segments in `folder`; one that is deleted meanwhile counts as nothing."""
    total = 0
    for path in folder.glob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise StoreError(f"segment {path} cannot be read: {_words(exc)}") from exc


def _cut(path: Path, size_bytes: int) -> None:
    try:
        with path.open("r+b") as file:
            file.truncate(size_bytes)
            os.fsync(file.fileno())
    except OSError as exc:
        raise StoreError(f"torn write at the end of segment {path} cannot be cut off: {_words(exc)}") from exc


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(folder: Path, exc: OSError) -> DiskFullError | StoreError:
    if exc.errno in _FULL:
        return DiskFullError(f"no room in {folder} to keep what was sent ({_words(exc)}); nothing of it was taken")
    return StoreError(f"cannot write to {folder} ({_words(exc)}); nothing of what was sent was taken")


def _words(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()
