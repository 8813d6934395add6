"""Laws of reading an error's text: one line tells it, decoration and what all texts say do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.error_texts import ErrorText, exception_type, place, read_errors, read_in_order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis.exceptions.ConnectionError: refused", "ConnectionError"),
        ("java.net.SocketTimeoutException: Read timed out", "SocketTimeoutException"),
        ("httpx.ReadTimeout", "ReadTimeout"),
        ("Error: nothing more", ""),
        ("terror in the dungeon", ""),
    ],
)
def test_exception_types_in_text(text: str, expected: str) -> None:
    """The first class name that ends like an exception's is the type; ordinary words are none."""
    assert exception_type(text) == expected


def test_a_traceback_is_told_by_its_exception() -> None:
    """Of a Python traceback the last line is the message; the place is in the application, without a line number."""
    text = (
        "starting worker 3\nTraceback (most recent call last):\n"
        '  File "/app/shop/cart.py", line 88, in add\n    self.cache.set(key)\n'
        '  File "/usr/lib/python3.11/site-packages/redis/client.py", line 12, in set\n    raise ConnectionError(1)\n'
        "redis.exceptions.ConnectionError: cannot reach cache\n"
    )
    (said,) = read_errors([text])
    assert said == ErrorText("ConnectionError: cannot reach cache", "ConnectionError", "shop/cart.py in add")


def test_of_many_lines_the_tagged_one_tells() -> None:
    """Progress, passed tests and the bare verdict say less than the line with an error's tag, coloured or not."""
    text = (
        "2026-03-02T10:00:00.123Z Downloading kettle 1.2\n2026-03-02T10:00:01Z ok 1 boils\n"
        "2026-03-02T10:00:02Z \x1b[31m[ERROR]\x1b[0m lid.c:12: undeclared lid\n2026-03-02T10:00:03Z BUILD FAILED\n"
    )
    assert read_errors([text])[0].message == "[ERROR] lid.c:12: undeclared lid"


def test_what_most_texts_have_tells_none_of_them() -> None:
    """A tagged line that every text has gives way to one that is a text's own."""
    texts = [f"error: process ended badly\ncannot {deed} the kettle" for deed in ("fill", "boil", "pour", "lift")]
    assert [each.message for each in read_errors(texts)] == [
        f"cannot {d} the kettle" for d in ("fill", "boil", "pour", "lift")
    ]


def test_in_order_no_text_knows_a_later_one() -> None:
    """What is said of a text in order is the same whatever comes after it."""
    texts = [f"error: process ended badly\ncannot {deed} the kettle" for deed in ("fill", "boil", "pour", "lift")] * 2
    whole = list(read_in_order(texts))
    assert [list(read_in_order(texts[: n + 1]))[-1] for n in range(len(texts))] == whole


def test_a_place_has_no_line_number() -> None:
    """A frame's line moves with every change of its file, and is no part of the fault."""
    assert place("a/b.py:12 in f") == place("a/b.py:99 in f") == "a/b.py in f"


@given(st.lists(st.text(max_size=200), max_size=5))
def test_any_text_is_read(texts: list[str]) -> None:
    """Whatever the texts are, each gives one message, never longer than its bound."""
    clean = [each.encode("utf-8", "replace").decode() for each in texts]
    assert [len(each.message) <= 420 for each in read_errors(clean)] == [True] * len(texts)
