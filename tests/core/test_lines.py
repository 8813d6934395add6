"""Bytes to lines: repair, cuts, binary content, bounded memory."""

from __future__ import annotations

import pytest

from fm_anomaly.core.lines import BINARY_LINE, LineCutter, is_binary


def lines_of(data: bytes, max_line_bytes: int = 1000) -> list[str]:
    cutter = LineCutter(max_line_bytes)
    return cutter.cut(data)[0].to_list() + cutter.flush()


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\xef\xbb\xbfa\nb", ["a", "b"]),
        (b"a\x00b\n", ["ab"]),
        (b"\x00\x00\x00late\nx\n", ["late", "x"]),
        (b"\x1b[1;31mred\x1b[0m\n", ["red"]),
        (b"tab\there\n", ["tab\there"]),
        (b"a\xffb\n", ["a\ufffdb"]),
        ("☃\u2028☃\n".encode(), ["☃\u2028☃"]),
        (b"\x01\x02\x03\x04\nok\n", [BINARY_LINE, "ok"]),
    ],
)
def test_a_block_gives_these_lines(data: bytes, lines: list[str]) -> None:
    """Only a line feed ends a line; what cannot stand in text is dropped, replaced or marked."""
    assert lines_of(data) == lines


@pytest.mark.parametrize("step", [1, 3, 1000, 10_000])
def test_a_long_line_is_cut_with_a_mark(step: int) -> None:
    """The mark tells how many bytes are gone, however the line arrived; a character is never halved."""
    data = "é".encode() * 3000 + b"\nnext\n"
    cutter = LineCutter(1001)
    lines = [line for i in range(0, len(data), step) for line in cutter.cut(data[i : i + step])[0].to_list()]
    assert lines == ["é" * 500 + "…[cut 5000 bytes]", "next"]
    assert cutter.n_truncated == 1


def test_an_endless_line_holds_no_memory() -> None:
    """Fifty megabytes without a line end keep no more than the cap."""
    cutter = LineCutter(1000)
    for _ in range(50):
        cutter.cut(b"x" * 1_000_000)
    assert len(cutter.snapshot()["head"]) == 1000
    assert cutter.flush() == ["x" * 1000 + "…[cut 49999000 bytes]"]


def test_the_bytes_at_hand_are_the_lines() -> None:
    """Where the lines' own bytes are handed out too, they are their text joined."""
    cutter = LineCutter(1000)
    cutter.cut(b"begun ")
    lines, joined = cutter.cut("early\nä\nb\nrest".encode())
    assert joined == "\n".join(lines).encode()


def test_text_with_few_odd_bytes_is_not_binary() -> None:
    """More than 30 % must be no text."""
    assert is_binary("\x01\x02\x03\ufffdabcde")
    assert not is_binary("\x01\x02\x03abcdefgh")
    assert not is_binary("\ufffd\ufffd\ufffd\ufffdab")  # text in another encoding
    assert not is_binary("")
