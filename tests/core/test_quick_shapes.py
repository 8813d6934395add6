"""The quick way to a shape gives what the long one gives, or says that it cannot tell."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.normalizing import MAX_CHARS, fold_digits, mask_hex
from fm_anomaly.core.quick_shapes import key_of, quick_keys, shapes_of
from fm_anomaly.core.tokens import WORDS

TEXT = st.text(
    alphabet=st.sampled_from("abcdefxyzABF0123456789 .,:;=-_/\\()[]{}<>\"'@#\t\0\x01é٣s3ipv4\ue002\ue003"), max_size=60
)
UUIDS = (
    "3f2c7a9e-1111-4a4a-8b8b-0123456789ab",
    "3F2C7A9E-1111-4a4a-8b8b-0123456789abcdef01-1111-4a4a-8b8b-0123456789ab",
)
MESSAGES = st.lists(
    st.lists(st.one_of(TEXT, st.sampled_from((*WORDS, *UUIDS, " ", "/", "0x1f", "se64"))), max_size=6).map("".join),
    min_size=1,
)
FILLER = ["filler 1"] * 2_001


def shapes(messages: list[str]) -> list[str]:
    return list(mask_hex(pl.Series(fold_digits(pl.Series(messages, dtype=pl.String)), dtype=pl.String)).to_list())


@given(MESSAGES)
def test_the_quick_way_to_a_shape_gives_the_same(messages: list[str]) -> None:
    """Where a key tells a shape, it is the shape of the long way, for few and for many; and the key of the shape."""
    keys = quick_keys(pl.Series(messages))
    assert (quick_keys(pl.Series([*messages, *FILLER])) or [])[: len(messages)] == (keys or [])
    if keys is None:
        assert any("\0" in message or "\x01" in message for message in messages)
        return
    told = shapes_of(keys)
    assert shapes_of([*keys, *FILLER])[: len(keys)] == told
    for shape, whole in zip(told, shapes(messages), strict=True):
        assert shape in (whole, None)


@given(MESSAGES)
def test_what_the_key_of_a_shape_tells_is_its_shape(messages: list[str]) -> None:
    """A body that has the key of a shape has that shape, where the key tells it."""
    whole = shapes(messages)
    keys = [key_of(shape) for shape in whole]
    of_key = {key for key, shape, told in zip(keys, whole, shapes_of(keys), strict=True) if shape == told}
    for key, shape in zip(quick_keys(pl.Series(messages)) or [], whole, strict=False):
        assert key_of(shape) == key or key not in of_key


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("at", range(1, 9))
def test_a_word_across_the_end_of_a_uuid_is_not_told(word: str, at: int) -> None:
    """A word such as base64 may share letters with a uuid: then the quick way cannot tell."""
    messages = [UUIDS[0][:-at] + word, word + UUIDS[0][at:], f"a {word}{UUIDS[0]}", f"/{UUIDS[0]}{word}"]
    for told, shape in zip(shapes_of(quick_keys(pl.Series(messages)) or []), shapes(messages), strict=True):
        assert told in (shape, None)


def test_messages_too_long_have_no_keys() -> None:
    """What is beyond the limit takes no part in a shape; the quick way does not cut, so it refuses."""
    assert quick_keys(pl.Series(["x" * (MAX_CHARS + 1)])) is None
    assert quick_keys(pl.Series(["x" * (MAX_CHARS + 1), *FILLER])) is None
    assert quick_keys(pl.Series(["x 1", None])) == ["x 0", ""]
