"""Follow live sources: a growing file through rotation and truncation, and the loop that polls any of them.

`FileFollower` is polled, and opens its file again when the name leads to another one. `arrivals` turns
live sources into a stream of bytes with the time of day, idle ticks among them. The clock is a
parameter; nothing here knows what the bytes mean.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from fm_anomaly.ingest.clock import Clock
from fm_anomaly.ingest.discovery import unreadable
from fm_anomaly.ingest.files import service_of
from fm_anomaly.ingest.position import FINGERPRINT_BYTES, Position, fingerprint

POLL_S = 0.2
"""How long `arrivals` waits when nothing is new: an answer within a second, at little cost."""

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes of a live source and when they were read; no bytes is an idle tick, there to let time pass."""

    source: str
    data: bytes
    now_us: int


class LiveSource(Protocol):
    """What `arrivals` polls."""

    name: str
    service: str

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""
        ...

    def poll(self) -> bytes:
        """Return what is new, without waiting; at most about 1 MiB."""
        ...

    def close(self) -> None:
        """Let go of files and children."""
        ...


def arrivals(sources: Sequence[LiveSource], clock: Clock, *, poll_s: float = POLL_S) -> Generator[Arrival, None, None]:
    """Yield what comes from `sources`, an idle tick before each wait, until all have ended.

    A tick's `source` is "". Sources are closed when the iterator is.
    """
    try:
        while True:
            had_data = False
            for source in sources:
                if data := source.poll():
                    had_data = True
                    yield Arrival(source.name, data, clock.now_us())
            if had_data:
                continue
            yield Arrival("", b"", clock.now_us())
            if all(source.ended for source in sources):
                return
            clock.sleep(poll_s)
    finally:
        for source in sources:
            source.close()


class FileFollower:
    """A file followed by name, as `tail -F` does.

    Parameters
    ----------
    path
        The file; it need not exist yet.
    from_start
        Read what a file that exists now already holds; otherwise only what is added.
    after
        Go on after this position; the file may have been rotated since, if the old one is still beside it.

    Rotation by rename: the old file is read to its end before the new one is begun. Truncation in place
    (copytruncate) is seen by the size, or by another beginning if the file has grown past the old size.
    A line that was cut off by either is closed with a line end.
    """

    def __init__(self, path: str, *, from_start: bool = False, after: Position | None = None) -> None:
        self.name = Path(path).name
        self.service = service_of(path)
        self.n_rotations = 0
        self._path = path
        self._file: BinaryIO | None = None
        self._head = b""
        self._offset = 0
        self._last_byte = b""
        self._identity = (0, 0)
        if after is not None and self._continue_after(after):
            return
        if self._open(path) and not from_start:
            self._skip_to_end()

    @property
    def ended(self) -> bool:
        """Return False: a file can always grow."""
        return False

    def poll(self) -> bytes:
        """Return the bytes that were added, without waiting; b"" for none.

        Raises
        ------
        SourceError
            The file is there and cannot be read.
        """
        if self._file is None and not self._open(self._path):
            return b""
        begun_anew = self._is_begun_anew()
        # a file that was only renamed is read to its end first, what came after the look at its name included
        if not begun_anew and ((data := self._read()) or not self._is_replaced() or (data := self._read())):
            return data
        self.n_rotations += 1
        self.close()
        self._open(self._path)
        return (b"\n" if self._last_byte not in (b"", b"\n") else b"") + self._read()

    def position(self) -> Position:
        """Return the place after the last byte returned."""
        print_ = fingerprint(self._head)
        return Position(self._path, *self._identity, self._offset, print_, len(self._head))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, path: str) -> bool:
        try:
            file = Path(path).open("rb")  # noqa: SIM115 - kept open between polls, closed by close()
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise unreadable(path, exc) from exc
        stat = os.fstat(file.fileno())
        self._file, self._identity = file, (stat.st_dev, stat.st_ino)
        self._head, self._offset = b"", 0
        return True

    def _skip_to_end(self) -> None:
        assert self._file is not None  # noqa: S101 - called right after a successful open
        self._head = self._file.read(FINGERPRINT_BYTES)
        self._offset = self._file.seek(0, os.SEEK_END)

    def _read(self) -> bytes:
        if self._file is None:
            return b""
        try:
            data = self._file.read(_READ_BYTES)
        except OSError as exc:
            raise unreadable(self._path, exc) from exc
        if len(self._head) < FINGERPRINT_BYTES and self._offset == len(self._head):
            self._head += data[: FINGERPRINT_BYTES - len(self._head)]
        self._offset += len(data)
        self._last_byte = data[-1:] or self._last_byte
        return data

    def _is_begun_anew(self) -> bool:
        """Tell whether the open file was truncated: it is shorter than what was read, or begins otherwise."""
        assert self._file is not None  # noqa: S101 - poll has opened it
        fd = self._file.fileno()
        return os.fstat(fd).st_size < self._offset or os.pread(fd, len(self._head), 0) != self._head

    def _is_replaced(self) -> bool:
        """Tell whether the name leads to another file by now."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116
        except FileNotFoundError:
            return False  # moved away, and the new one is not there yet: go on reading the old one
        except OSError as exc:
            raise unreadable(self._path, exc) from exc
        return (stat.st_dev, stat.st_ino) != self._identity

    def _continue_after(self, after: Position) -> bool:
        """Open the file that `after` was taken in, under its name or a rotated one, and go to the place."""
        folder, name = Path(self._path).parent, Path(self._path).name
        beside = sorted(str(path) for path in folder.glob(f"{name}*") if str(path) != self._path)
        for path in (self._path, *beside):
            if not self._open(path):
                continue
            assert self._file is not None  # noqa: S101 - _open said so
            head = self._file.read(FINGERPRINT_BYTES)
            size = os.fstat(self._file.fileno()).st_size
            if after.is_start_of(head) and size >= after.offset:
                self._head, self._offset = head[: after.fingerprint_bytes], self._file.seek(after.offset)
                return True
            self.close()
        return False
