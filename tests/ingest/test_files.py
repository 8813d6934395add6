"""Laws of file sources: every byte once and in order, whatever the compression, rotation or cut."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.errors import SnapshotError, SourceError
from fm_anomaly.ingest import files
from fm_anomaly.ingest.compression import decompressed
from fm_anomaly.ingest.files import FileSource, find_sources
from fm_anomaly.ingest.position import Position

LINES = b"".join(b"2026-03-02T10:%02d:%02dZ INFO job %d done\n" % (i // 60 % 60, i % 60, i) for i in range(3000))
COMPRESS = {
    "gz": gzip.compress,
    "zst": lambda b: zstandard.ZstdCompressor().compress(b),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def read(source: FileSource, after: Position | None = None) -> bytes:
    return b"".join(source.chunks(after=after))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_reads_as_its_text(tmp_path: Path, suffix: str) -> None:
    """Compression does not show, whatever the file is called."""
    path = tmp_path / f"app.{suffix}.log"
    path.write_bytes(COMPRESS[suffix](LINES))
    (source,) = find_sources([str(path)])
    assert read(source) == LINES
    assert source.warnings == []


@pytest.mark.parametrize("suffix", COMPRESS)
@given(cut=st.integers(min_value=1, max_value=97))
def test_decompression_does_not_depend_on_the_blocks(suffix: str, cut: int) -> None:
    """Blocks of any size give the same text; two members follow one another."""
    data = COMPRESS[suffix](LINES[:5000]) + COMPRESS[suffix](LINES[5000:9000])
    warnings: list[str] = []
    blocks = [data[i : i + cut] for i in range(0, len(data), cut)]
    assert b"".join(decompressed(blocks, warnings.append)) == LINES[:9000]
    assert warnings == []


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_truncated_file_gives_what_can_be_read_and_a_warning(tmp_path: Path, suffix: str) -> None:
    """Cut data is never an exception and never silent."""
    noise = os.urandom(300_000).hex().encode()
    path = tmp_path / "app.log.gz"
    data = COMPRESS[suffix](noise)
    path.write_bytes(data[: len(data) * 3 // 4])
    (source,) = find_sources([str(path)])
    got = read(source)
    assert noise.startswith(got)
    assert len(got) > len(noise) // 4
    assert any("truncated" in warning for warning in source.warnings)


def test_damaged_data_is_read_up_to_the_damage(tmp_path: Path) -> None:
    """A flipped byte ends the file with a warning."""
    data = bytearray(gzip.compress(os.urandom(200_000).hex().encode()))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "app.log.gz"
    path.write_bytes(bytes(data))
    (source,) = find_sources([str(path)])
    read(source)
    assert any("damaged" in warning or "truncated" in warning for warning in source.warnings)


def test_utf16_of_a_windows_shell_becomes_utf8(tmp_path: Path) -> None:
    """PowerShell's `>` writes UTF-16 with a byte order mark."""
    path = tmp_path / "app.log"
    path.write_bytes("ERROR café\r\n".encode("utf-16"))
    (source,) = find_sources([str(path)])
    assert read(source) == "ERROR café\r\n".encode()


def test_a_rotated_set_is_one_source_oldest_first(tmp_path: Path) -> None:
    """app.log.2.gz, app.log.1 and app.log are chained; a missing last line end does not join two lines."""
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(b"one\n"))
    (tmp_path / "app.log.1").write_bytes(b"two")
    (tmp_path / "app.log").write_bytes(b"three\n")
    (tmp_path / "worker.log").write_bytes(b"other\n")
    sources = find_sources([str(tmp_path)])
    assert [(s.name, s.service) for s in sources] == [("app.log", "app"), ("worker.log", "worker")]
    assert read(sources[0]) == b"one\ntwo\nthree\n"


def test_files_of_one_name_keep_their_folders(tmp_path: Path) -> None:
    """Names of sources are unique."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "app.log").write_bytes(b"x\n")
    names = [s.name for s in find_sources([str(tmp_path)])]
    assert len(set(names)) == 2


def test_a_position_continues_in_the_file_that_was_rotated_and_compressed(tmp_path: Path) -> None:
    """Stop, rotate with compression, write on: what follows is read once, and nothing twice."""
    live = tmp_path / "app.log"
    live.write_bytes(LINES)
    (source,) = find_sources([str(live)])
    read(source)
    position = Position.from_dict(source.position().to_dict())  # type: ignore[union-attr]
    live.unlink()
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(LINES + b"late\n"))
    live.write_bytes(b"fresh\n")
    (again,) = find_sources([str(tmp_path)])
    assert read(again, after=position) == b"late\nfresh\n"
    assert again.warnings == []


@given(stop=st.integers(min_value=1, max_value=400), cut=st.integers(min_value=1, max_value=90))
def test_stop_and_continue_gives_every_byte_once(tmp_path_factory: pytest.TempPathFactory, stop: int, cut: int) -> None:
    """Wherever a file was when it was read, the next read goes on exactly there."""
    path = tmp_path_factory.mktemp("log") / "app.log"
    path.write_bytes(LINES[: stop * 7])
    (source,) = find_sources([str(path)])
    first = read(source)
    position = source.position()
    with path.open("ab") as file:
        file.write(LINES[stop * 7 : stop * 7 + cut])
    (again,) = find_sources([str(path)])
    assert first + read(again, after=position) == LINES[: stop * 7 + cut]
    (third,) = find_sources([str(path)])
    assert read(third, after=again.position()) == b""
    assert third.position() == again.position()


def test_a_replaced_file_is_read_from_its_beginning_and_says_so(tmp_path: Path) -> None:
    """A file with another beginning is another log."""
    path = tmp_path / "app.log"
    path.write_bytes(LINES)
    (source,) = find_sources([str(path)])
    read(source)
    path.write_bytes(b"another\n" * 400)
    (again,) = find_sources([str(path)])
    assert read(again, after=source.position()) == b"another\n" * 400
    assert "from the beginning" in again.warnings[0]


def test_chunks_are_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the file."""
    monkeypatch.setattr(files, "CHUNK_BYTES", 1000)
    path = tmp_path / "app.log.gz"
    path.write_bytes(gzip.compress(LINES))
    (source,) = find_sources([str(path)])
    chunks = list(source.chunks())
    assert b"".join(chunks) == LINES
    assert {len(chunk) for chunk in chunks[:-1]} == {1000}


def test_progress_adds_up_to_the_size_on_disk(tmp_path: Path) -> None:
    """Progress counts what lies on the disk, compressed or not."""
    path = tmp_path / "app.log.gz"
    path.write_bytes(gzip.compress(LINES))
    (source,) = find_sources([str(path)])
    seen: list[int] = []
    for _ in source.chunks(on_bytes=seen.append):
        pass
    assert sum(seen) == source.size_bytes


def test_standard_input_is_a_source() -> None:
    """`-` reads what is piped in, compressed or not."""
    for data in (LINES, gzip.compress(LINES)):
        (source,) = find_sources(["-"], stdin=io.BytesIO(data))
        assert (source.name, source.size_bytes) == ("stdin", None)
        assert read(source) == LINES


def test_binaries_and_files_not_named_like_logs_are_passed_over_and_told(tmp_path: Path) -> None:
    """Nothing is left out silently."""
    (tmp_path / "app.log").write_bytes(b"x\n")
    (tmp_path / "core.log").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "notes.py").write_bytes(b"x\n")
    (tmp_path / ".hidden.log").write_bytes(b"x\n")
    told: list[str] = []
    (source,) = find_sources([str(tmp_path)], warn=told.append)
    assert source.name == "app.log"
    assert len(told) == 2
    assert "binary" in told[0]


@pytest.mark.parametrize("typed", ["absent.log", "absent-*.log"])
def test_what_is_not_there_is_named(tmp_path: Path, typed: str) -> None:
    """The error names the thing and the next step."""
    with pytest.raises(SourceError, match=r"absent.*check"):
        find_sources([str(tmp_path / typed)])


def test_an_empty_folder_and_a_lone_binary_are_errors(tmp_path: Path) -> None:
    """Nothing to read is said, not answered with "no incident"."""
    with pytest.raises(SourceError, match="no log"):
        find_sources([str(tmp_path)])
    (tmp_path / "a.bin").write_bytes(bytes(range(32)) * 40)
    with pytest.raises(SourceError, match="binary"):
        find_sources([str(tmp_path / "a.bin")])


def test_an_empty_file_is_a_source_of_no_bytes(tmp_path: Path) -> None:
    """An empty log is a log."""
    (tmp_path / "app.log").touch()
    (source,) = find_sources([str(tmp_path / "app.log")])
    assert read(source) == b""
    assert source.position() is None


def test_a_damaged_position_is_refused() -> None:
    """A saved position that lacks a key is said to be unreadable."""
    with pytest.raises(SnapshotError, match="position"):
        Position.from_dict({"path": "app.log"})


@pytest.mark.parametrize(
    "content",
    [b'{\n "schema": 1,\n "seed": 2\n}\n', b'[\n  {\n    "name": "a"\n  }\n]', b'\xef\xbb\xbf{\r\n  "a": 1\r\n}'],
)
def test_a_json_document_in_a_folder_is_no_log(tmp_path: Path, content: bytes) -> None:
    """It is passed over with a word; named itself, it is read."""
    (tmp_path / "app.log").write_bytes(b"x\n")
    document = tmp_path / "truth.json"
    document.write_bytes(content)
    said: list[str] = []
    assert [s.name for s in find_sources([str(tmp_path)], warn=said.append)] == ["app.log"]
    assert len(said) == 1
    assert "truth.json" in said[0]
    assert [s.name for s in find_sources([str(document)])] == ["truth.json"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"msg": "up"}\n{"msg": "down"}\n',
        b'[\n  {"msg": "up"},\n  {"msg": "down"}\n]\n',
        b'{\n  "msg": "up"\n}\n{\n  "msg": "down"\n}\n',
    ],
)
def test_json_records_in_a_folder_are_a_log(tmp_path: Path, content: bytes) -> None:
    """Objects that follow one another are records, however they are laid out."""
    (tmp_path / "app.json").write_bytes(content)
    said: list[str] = []
    assert [s.name for s in find_sources([str(tmp_path)], warn=said.append)] == ["app.json"]
    assert said == []
