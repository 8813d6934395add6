"""Laws of the display functions: nothing active gets through, nothing visible is lost."""

from __future__ import annotations

import csv
import io
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core import display

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x00\x07\x08\x1b\x7f\x85\x9b\r\n\t\u00ad\u061c\u200b\u200e\u202e\u2066\u2069\ufeff\U000e0041<>&\"'=+-@"
        ),
    ),
    max_size=60,
)


def is_active(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")


@given(HOSTILE)
def test_terminal_shows_no_active_character(text: str) -> None:
    """A terminal gets printable characters only, and one line stays one line."""
    assert [c for c in display.terminal(text) if is_active(c) and c not in _HARMLESS] == []


# Format characters that scripts need and that hide or reorder nothing: Arabic and Kaithi number signs, and the like.
_HARMLESS = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd") | {
    chr(c) for c in [*range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)]
}


@given(HOSTILE)
def test_terminal_keeps_layout_only_when_asked(text: str) -> None:
    """With `keep_layout`, new lines and tabs stay, and nothing else changes."""
    kept = display.terminal(text, keep_layout=True)
    assert kept.replace("\n", "\\n").replace("\t", "\\t") == display.terminal(text)


@given(
    st.text(
        st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u115f\u1160\u3164\uffa0"), max_size=60
    )
)
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    """Letters, digits, punctuation and symbols of any script pass unchanged."""
    assert display.terminal(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET [/api/v1/cases] 500", "GET [/api/v1/cases] 500"),
        ("\x1b[2J\x1b]0;pwn\x07", "\\x1b[2J\\x1b]0;pwn\\x07"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("slow \u26a0\ufe0f", "slow \u26a0\ufe0f"),
    ],
)
def test_terminal_examples(text: str, shown: str) -> None:
    """What is escaped is written so that a person can name it."""
    assert display.terminal(text) == shown


@given(HOSTILE)
def test_html_is_text_only(text: str) -> None:
    """A parser finds one text and no tag, and reads back what a terminal would show."""

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__(convert_charrefs=True)
            self.text = ""

        def handle_starttag(self, tag: str, attrs: object) -> None:
            raise AssertionError(tag)

        def handle_data(self, data: str) -> None:
            self.text += data

    reader = Reader()
    reader.feed(display.html(text))
    reader.close()
    assert reader.text == display.terminal(text, keep_layout=True)
    assert not set(display.html(text)) & set("<>\"'")


@given(HOSTILE)
def test_csv_cell_never_begins_a_formula(text: str) -> None:
    """Read back, no cell begins with a formula's sign, numbers apart."""
    out = io.StringIO()
    csv.writer(out).writerow([display.csv_cell(text)])
    cell = next(csv.reader(io.StringIO(out.getvalue(), newline="")), [""])[0]
    assert not cell.startswith(("=", "@", "\t", "\r"))
    if cell.startswith(("+", "-")):
        float(cell)


@given(st.text(max_size=50), st.integers(1, 30))
def test_clip_is_bounded_and_honest(text: str, n: int) -> None:
    """The result has at most n characters, and a mark exactly where something was cut."""
    clipped = display.clip(text, n)
    assert len(clipped) <= n
    assert clipped == text or (clipped.endswith("…") and text.startswith(clipped[:-1]))
