"""Laws of the write-ahead log: what was appended is read again, a tear costs what was torn, damage what was damaged."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.errors import ConfigError, DiskFullError, StoreError
from fm_anomaly.storage.segment_format import HEADER, Findings, entries, frame, header, parse_key
from fm_anomaly.storage.segments import (
    DiskFile,
    SegmentFile,
    SegmentParams,
    SegmentReader,
    SegmentWriter,
    segment_paths,
)

KEY = bytes(range(32))
ROOMY = SegmentParams(min_free_bytes=0)


def read(folder: Path, after_seq: int = 0, key: bytes | None = None) -> list[tuple[int, bytes]]:
    return list(SegmentReader(folder, key).entries(after_seq))


@given(
    groups=st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=5), max_size=8),
    key=st.sampled_from([None, KEY]),
)
def test_what_was_appended_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[bytes]], key: bytes | None
) -> None:
    """All entries, in order, numbered without gaps, over any number of segments, encrypted or not."""
    folder = tmp_path_factory.mktemp("log")
    writer = SegmentWriter(folder, SegmentParams(max_bytes=600, min_free_bytes=0, key=key), 1)
    wanted: list[tuple[int, bytes]] = []
    for group in groups:
        first = writer.append(group)
        assert first == len(wanted) + 1
        wanted += list(enumerate(group, first))
    writer.close()
    assert read(folder, key=key) == wanted
    assert read(folder, after_seq=3, key=key) == wanted[3:]


@given(cut=st.integers(0, 400), noise=st.binary(max_size=40))
def test_a_torn_end_costs_what_was_torn(tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes) -> None:
    """Wherever the last write stops, and whatever stands there instead: whole entries are read, the rest is cut off."""
    folder = tmp_path_factory.mktemp("log")
    writer = SegmentWriter(folder, ROOMY, 1)
    for _ in range(5):
        writer.append([b"x" * 50])
    writer.close()
    (path,) = segment_paths(folder)
    whole = path.read_bytes()
    kept = whole[: max(len(whole) - cut, 0)]
    path.write_bytes(kept + noise)
    reader = SegmentReader(folder)
    seqs = [seq for seq, _ in reader.entries(0)]
    n_whole = max(0, (len(kept) - HEADER.size) // ((len(whole) - HEADER.size) // 5)) if len(kept) >= HEADER.size else 0
    assert seqs == list(range(1, n_whole + 1))
    assert not reader.result.problems
    assert [seq for seq, _ in SegmentReader(folder).entries(0)] == seqs
    after = SegmentWriter(folder, ROOMY, len(seqs) + 1)
    after.append([b"after"])
    after.close()
    assert [seq for seq, _ in SegmentReader(folder).entries(0)] == [*seqs, len(seqs) + 1]


@given(at=st.integers(HEADER.size, 10_000), key=st.sampled_from([None, KEY]))
def test_damage_in_the_middle_costs_what_was_damaged(
    tmp_path_factory: pytest.TempPathFactory, at: int, key: bytes | None
) -> None:
    """One changed byte loses one entry of an older segment, is told, and all others are read."""
    folder = tmp_path_factory.mktemp("log")
    params = SegmentParams(max_bytes=500, min_free_bytes=0, key=key)
    writer = SegmentWriter(folder, params, 1)
    for n in range(30):
        writer.append([bytes([n]) * 60])
    writer.close()
    path = segment_paths(folder)[0]
    raw = bytearray(path.read_bytes())
    raw[HEADER.size + (at % (len(raw) - HEADER.size))] ^= 0x5A
    path.write_bytes(raw)
    reader = SegmentReader(folder, key)
    seqs = [seq for seq, _ in reader.entries(0)]
    assert len(seqs) == 29
    assert len(reader.result.problems) == 1
    assert path.name in reader.result.problems[0]


def test_damage_in_the_newest_segment_is_no_tear(tmp_path: Path) -> None:
    """Where whole entries follow, bytes were damaged: they are told as such, and what follows is kept."""
    writer = SegmentWriter(tmp_path, ROOMY, 1)
    writer.append([b"one", b"two", b"three"])
    writer.close()
    (path,) = segment_paths(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"two", b"twO"))
    reader = SegmentReader(tmp_path)
    assert [payload for _, payload in reader.entries(0)] == [b"one", b"three"]
    assert reader.result.problems
    assert reader.result.torn_bytes == 0


@given(raw=st.binary(max_size=300), is_last=st.booleans())
def test_any_bytes_are_read_without_an_exception(raw: bytes, is_last: bool) -> None:
    """A segment of noise, with a good header before it or not, gives nothing, and says so."""
    for start in (b"", header(1, bytes(16), is_encrypted=False)):
        findings = Findings()
        assert list(entries(start + raw, None, findings, is_last=is_last)) == []


def test_a_marker_in_a_payload_misleads_nobody(tmp_path: Path) -> None:
    """An entry whose payload looks like an entry stays one, also after damage before it."""
    inner = b"".join(frame(7, b"fake"))
    writer = SegmentWriter(tmp_path, ROOMY, 1)
    writer.append([b"first", inner, b"last"])
    writer.close()
    assert [payload for _, payload in read(tmp_path)] == [b"first", inner, b"last"]


def test_segments_are_their_owners_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of 0700, whatever the umask; with a key no line stands in them."""
    writer = SegmentWriter(tmp_path / "log", SegmentParams(min_free_bytes=0, key=KEY), 1)
    writer.append([b"password=hunter2"])
    writer.close()
    (path,) = segment_paths(tmp_path / "log")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert b"hunter2" not in path.read_bytes()
    assert read(tmp_path / "log", key=KEY) == [(1, b"password=hunter2")]
    with pytest.raises(StoreError, match="is the segment key"):
        read(tmp_path / "log", key=bytes(32))
    with pytest.raises(ConfigError, match="FM_ANOMALY_SEGMENT_KEY"):
        read(tmp_path / "log")


def test_a_key_is_32_bytes_and_never_shown() -> None:
    """Hexadecimal or base64; anything else is refused without repeating it."""
    assert parse_key(KEY.hex()) == KEY
    with pytest.raises(ConfigError, match="32 bytes") as refused:
        parse_key("hunter2")
    assert "hunter2" not in str(refused.value)
    assert "key" not in repr(SegmentParams(key=KEY))


class FailingFile:
    """A file on a disk that fails: it takes `room` bytes, then raises; the half of a write that fitted stays."""

    def __init__(self, path: Path, room: int, at_sync: bool = False, number: int = errno.ENOSPC) -> None:
        self._file = DiskFile(path)
        self._room = room
        self._at_sync = at_sync
        self._number = number
        self.is_failing = False

    def write(self, data: bytes) -> None:
        fits = data[: self._room]
        self._room -= len(fits)
        self._file.write(fits)
        if len(fits) < len(data):
            self.is_failing = True
            if not self._at_sync:
                raise OSError(self._number, "no space left on device")

    def sync(self) -> None:
        if self.is_failing:
            raise OSError(self._number, "no space left on device")
        self._file.sync()

    def truncate(self, size_bytes: int) -> None:
        self._file.truncate(size_bytes)

    def free_bytes(self) -> int:
        return 1 << 40

    def close(self) -> None:
        self._file.close()


@pytest.mark.parametrize("room", range(44, 400, 25))
@pytest.mark.parametrize("at_sync", [False, True])
def test_a_full_disk_takes_nothing_that_it_does_not_keep(tmp_path: Path, room: int, at_sync: bool) -> None:
    """The fence fails anywhere in a group: the group is refused whole, the ones before are there, later ones go on."""
    made: list[FailingFile] = []

    def make(path: Path) -> SegmentFile:
        made.append(FailingFile(path, room if not made else 1 << 30, at_sync))
        return made[-1]

    writer = SegmentWriter(tmp_path, ROOMY, 1, make_file=make)
    taken: list[int] = []
    for n in range(8):
        try:
            first = writer.append([bytes([n]) * 20, bytes([n]) * 20])
        except DiskFullError:
            continue
        taken += [first, first + 1]
        assert first == len(taken) - 1
    writer.close()
    assert len(taken) == 14
    assert [seq for seq, _ in read(tmp_path)] == taken
    assert len({payload for _, payload in read(tmp_path)}) == 7


def test_another_failure_is_no_full_disk(tmp_path: Path) -> None:
    """A disk that fails otherwise is a StoreError; the segment is given up."""
    writer = SegmentWriter(
        tmp_path,
        ROOMY,
        1,
        make_file=lambda path: (
            FailingFile(path, 60, number=errno.EIO) if not segment_paths(tmp_path) else DiskFile(path)
        ),
    )
    with pytest.raises(StoreError, match="nothing of what was sent"):
        writer.append([b"x" * 100])
    assert read(tmp_path) == []


def test_what_must_stay_free_stays_free(tmp_path: Path) -> None:
    """Below the floor a batch is refused before a byte of it is written."""
    writer = SegmentWriter(tmp_path, SegmentParams(min_free_bytes=1 << 60), 1)
    with pytest.raises(DiskFullError, match="must stay so"):
        writer.append([b"x"])
    writer.close()
    assert read(tmp_path) == []


def test_covered_segments_are_deleted(tmp_path: Path) -> None:
    """Everything up to a number goes, the open segment too once it is covered; what is behind it stays."""
    writer = SegmentWriter(tmp_path, SegmentParams(max_bytes=200, min_free_bytes=0), 1)
    for n in range(9):
        writer.append([bytes([n]) * 100])
    before = len(segment_paths(tmp_path))
    writer.delete_covered(4)
    assert [seq for seq, _ in read(tmp_path, 4)] == [5, 6, 7, 8, 9]
    assert len(segment_paths(tmp_path)) < before
    writer.delete_covered(9)
    assert segment_paths(tmp_path) == []
    assert writer.append([b"on"]) == 10
    writer.close()
    assert read(tmp_path, 9) == [(10, b"on")]
