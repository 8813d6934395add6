"""Laws of normalising, over lines of our own from many kinds of software."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fm_anomaly.core.masks import HEX_MASKS, MASKS
from fm_anomaly.core.normalizing import (
    MAX_CHARS,
    Normalized,
    fold_digits,
    mask,
    mask_hex,
    normalize,
    normalized_form,
    write,
)
from fm_anomaly.core.tokens import WILDCARD, WORDS
from tests.core.message_kinds import DIFFERENT, SAME

TEXT = st.text(
    alphabet=st.sampled_from("abcdefxyzABF0123456789 .,:;=-_/\\()[]{}<>\"'@#\t\0é٣s3ipv4\ue003"), max_size=60
)


def normalized(message: str) -> Normalized:
    return normalize(mask_hex(pl.Series(fold_digits(pl.Series([message]))))[0])


@pytest.mark.parametrize("messages", SAME, ids=lambda messages: messages[0][:40])
def test_messages_of_one_event_have_one_key(messages: list[str]) -> None:
    """Messages that differ in values only, in whatever form the values come, are the same event."""
    assert len({normalized(m).key for m in messages}) == 1


@pytest.mark.parametrize("messages", DIFFERENT, ids=lambda messages: messages[0][:40])
def test_different_constant_words_are_different_events(messages: list[str]) -> None:
    """One different word is a different event."""
    assert len({normalized(m).key for m in messages}) == len(messages)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("could not connect to cache at 10.0.0.7:6379: refused", "could not connect to cache at <ip>: refused"),
        ("took 512ms for 3 rows", "took <dur> for <num> rows"),
        ("wrote 1.5 MB to /var/lib/x/a.db", "wrote <size> to <path>"),
        ("at 2026-03-02T09:14:07.118Z by a@example.org", "at <date> by <email>"),
        ("GET https://example.org/a?b=1 failed", "GET <url> failed"),
        ("request 3f2c7a9e-1111-4a4a-8b8b-0123456789ab done", "request <uuid> done"),
        ("host=db.example.com pid=77 name=worker", "host=<host> pid=<num> name=<value>"),
        ("password <redacted:password> for IPv6 user", "password <redacted> for IPv6 user"),
        ("handle 0xdf83491d10 closed, k8s", "handle <hex> closed, k8s"),
    ],
)
def test_masks_are_typed(message: str, text: str) -> None:
    """A template shows the type of each value, and is written as the message was."""
    n = normalized(message)
    assert write(n.key, n.kinds, n.gaps) == text


@given(st.lists(TEXT, max_size=5))
def test_few_rows_fold_as_many_do(messages: list[str]) -> None:
    """The loop for few rows, the columns for many, and masking hex before or after: one answer."""
    few = fold_digits(pl.Series(messages, dtype=pl.String))
    padded = pl.Series([*messages, *["filler 1"] * 80], dtype=pl.String)
    many = fold_digits(padded)[: len(messages)]
    assert few == many
    first = fold_digits(padded, hex_first=True)[: len(messages)]
    assert first == mask_hex(pl.Series(fold_digits(padded))).to_list()[: len(messages)]
    assert first == fold_digits(pl.Series(messages, dtype=pl.String), hex_first=True)


@given(TEXT)
def test_masking_hex_twice_changes_nothing(message: str) -> None:
    """What is masked stays: a shape is found again among the known ones."""
    once = mask_hex(pl.Series(fold_digits(pl.Series([message]))))
    assert mask_hex(once).to_list() == once.to_list()


@given(TEXT, st.integers(0, 1000))
def test_the_key_does_not_depend_on_digit_values(message: str, seed: int) -> None:
    """Digits drawn anew give the same shape, unless they make or break a word such as ipv4."""
    rng = random.Random(seed)
    drawn = "".join(rng.choice("0123456789") if c in "0123456789" else c for c in message)
    if any(word in text for word in WORDS for text in (message, drawn)):
        return
    assert fold_digits(pl.Series([drawn])) == fold_digits(pl.Series([message]))


@given(st.text(max_size=200))
def test_any_text_can_be_normalised(message: str) -> None:
    """No text breaks it; tokens hold no white space, and kinds stand where the wildcards stand."""
    n = normalized(message.encode("utf-8", "replace").decode())
    assert all(len(token.split()) == 1 for token in n.key)
    assert [bool(kind) for kind in n.kinds] == [token == WILDCARD for token in n.key]
    assert len(n.gaps) == len(n.key) + 1


def test_nulls_and_long_messages_are_taken() -> None:
    """A null counts as "", and what is beyond the limit takes no part."""
    assert fold_digits(pl.Series([None, "a1"], dtype=pl.String)) == ["", "a0"]
    assert fold_digits(pl.Series(["x" * 10 * MAX_CHARS] * 100))[0] == "x" * MAX_CHARS


PIECES = (
    *("0", "00", "0000", "0,", "0.", "00:00", "00:00:00.000", "0000-00-00", "00/00/0000", "T", "AM", "UTC", "CEST"),
    *("Z", "+0000", "+00:00", "Mon", "Mon,", "Mar", "Jan", "ms", "s", "mins", "KB", "bytes/s", "µs", "00.0.0.00", "::"),
    *("aa:bb:cc:dd:ee:ff", "aa-bb-cc-dd-ee-ff", "a.com", "com.a.b", "/a/b", "C:\\x", "http://a/b", "a@b.com", "k=v"),
    *("k=", '"a":', "'b'", 'user="a b"', "don't", "<", "<0", ">", "[", "](", "...", ".", "true", "null", "GET", "on"),
    *("sess-a0", "sha000", "h", "é", "\x85", "\ue00c", "\ue086"),
)


@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from((" ", " ", "  ", "", ", ", "-"))), max_size=12))
@settings(max_examples=300)
def test_parts_masked_by_themselves_are_masked_as_the_whole(pieces: list[tuple[str, str]]) -> None:
    """No mask's match goes over a break between two parts: the form is that of the shape masked in one."""
    shape = "".join(map("".join, pieces))
    assert normalize(shape) == normalized_form(mask(shape))


@pytest.mark.parametrize(
    "char", [*list('a0.-_/\\:@=("+ '), "a.", "0.", "a-", "/a", "0:", "a=", "=(", "com.", "0-0", "ab0"]
)
def test_masks_are_linear(char: str) -> None:
    """No run of any sort sends a mask into backtracking (the whole takes milliseconds, else minutes)."""
    text = (char * MAX_CHARS)[:MAX_CHARS]
    for rule in (*HEX_MASKS, *MASKS):
        rule.pattern.sub(rule.mark, text)
    normalize(text)
