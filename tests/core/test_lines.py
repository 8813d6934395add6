"""Bytes to lines: repair, cuts, binary content, bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    """Where the lines' own bytes are handed out too, they are their text, each with its end."""
    for data in (b"early\n\xc3\xa4\n\nrest", b"a\r\n\x1b[1mb\x1b[0m\t\r\nrest", b"1\n" * 40_000, b"1\r\n" * 40_000):
        cutter = LineCutter(1000)
        cutter.cut(b"begun ")
        lines, text = cutter.cut(data)
        assert text == "".join(line + "\n" for line in lines).encode()
        assert lines[0].startswith("begun ")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["", "a", "ä\u2028", "tab\t", "x" * 40, "\x1b[31mred", "\r", "end\r"]), min_size=1))
def test_large_blocks_give_the_same_lines_as_small_ones(lines: list[str]) -> None:
    """The way that large blocks take shows in the time only."""
    data = "".join(line + "\n" for line in lines).encode()
    times = 70_000 // len(data) + 1
    assert lines_of(data * times) == lines_of(data) * times


def test_text_with_few_odd_bytes_is_not_binary() -> None:
    """More than 30 % must be no text."""
    assert is_binary("\x01\x02\x03\ufffdabcde")
    assert not is_binary("\x01\x02\x03abcdefgh")
    assert not is_binary("\ufffd\ufffd\ufffd\ufffdab")  # text in another encoding
    assert not is_binary("")
