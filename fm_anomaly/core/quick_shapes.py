"""Shapes of messages in one pass over the bytes of a whole batch, for messages of which most are known.

`quick_keys` gives each message a key, `shapes_of` the shape of a key where the key can tell it: the one that
`normalizing` works out of the message itself. It must not know templates.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import polars as pl

from fm_anomaly.core.masks import HEX_MASKS
from fm_anomaly.core.normalizing import FOLD, MAX_CHARS, mask_hex_one
from fm_anomaly.core.tokens import WORDS

_UUID_KEY = "\x01"
"""Stands for a uuid in a key: text of ASCII is cut and looked up faster than text with a mark of the private use."""
_DASH = 45
_HEX_OR_DASH = np.zeros(256, dtype=np.uint8)
_HEX_OR_DASH[list(b"0abcdefABCDEF")] = 1
_HEX_OR_DASH[_DASH] = 2
_UUID = _HEX_OR_DASH[np.frombuffer(b"00000000-0000-0000-0000-000000000000", dtype=np.uint8)]
_MARK_UUID = HEX_MASKS[0]

# Up to so many rows a loop beats the fixed cost of a column's expressions; the answers are the same.
_FEW_TEXTS = 2_000
_FEW_KEYS = 64


def quick_keys(bodies: pl.Series) -> list[str] | None:
    """Return for each body (String, nulls as "") a key, the same for those of one shape but for hex runs.

    It begins as the body does: with the same word. None where a body is longer than `MAX_CHARS`, or holds a control
    character that a key needs. Cost: 0.15 µs a row of 70 characters.
    """
    if bodies.null_count():
        bodies = bodies.fill_null("")
    if len(bodies) <= _FEW_TEXTS:
        texts = bodies.to_list()
        text, longest = "\0".join(texts), max(map(len, texts), default=0)
    else:
        body = pl.col("body")
        joined = bodies.alias("body").to_frame().select(body.str.join("\0"), longest=body.str.len_bytes().max())
        text, longest = joined.row(0)
    if longest > MAX_CHARS or _UUID_KEY in text:
        return None
    keys = _without_uuids(text.encode().translate(FOLD)).decode().split("\0")
    return keys if len(keys) == len(bodies) else None


def key_of(shape: str) -> str:
    """Return the key of the bodies of a shape, if `shapes_of` gives the shape for it."""
    return shape.replace(_MARK_UUID.mark, _UUID_KEY)


def _without_uuids(folded: bytes) -> bytes:
    """Return folded text with what the first of `HEX_MASKS` finds as its key."""
    data = np.frombuffer(folded, dtype=np.uint8)
    is_dash = data == _DASH
    if len(data) < len(_UUID):
        return folded
    starts = np.flatnonzero(is_dash[8:-27] & is_dash[13:-22] & is_dash[18:-17] & is_dash[23:-12])
    if not len(starts):
        return folded
    windows = np.lib.stride_tricks.sliding_window_view(data, len(_UUID))[starts]
    starts = starts[(_HEX_OR_DASH[windows] == _UUID).all(axis=1)]
    if (np.diff(starts) < len(_UUID)).any():  # one begins in the other: a search from left to right takes the first
        return _MARK_UUID.pattern.sub(_UUID_KEY, folded.decode()).encode()
    ends = (starts + len(_UUID)).tolist()
    return _UUID_KEY.encode().join(
        folded[end:start] for end, start in zip([0, *ends], [*starts.tolist(), len(folded)], strict=True)
    )


def _maybe_words() -> list[str]:
    """Return what a word of `WORDS` becomes folded, and what of it stands outside a uuid that took the rest.

    Of those that stand before a uuid all that end in a letter or a digit are one: any such one.
    """
    words = [word.encode().translate(FOLD).decode() for word in WORDS]
    splits = [(word[:i], word[i:]) for word in words for i in range(1, len(word))]
    before = [head for head, tail in splits if set(tail) <= _UUID_CHARS and not head[-1].isalnum()]
    behind = [tail for head, tail in splits if set(head) <= _UUID_CHARS]
    found = dict.fromkeys((*words, *(head + _UUID_KEY for head in before), *(_UUID_KEY + tail for tail in behind)))
    return [word for word in found if not any(other in word for other in found if other != word)]


_UUID_CHARS = set("0abcdefABCDEF-")
_MAYBE_WORDS = _maybe_words()
_JOINED = re.compile(f"[A-Za-z0]{_UUID_KEY}")
# Some dozens of literals Rust's engine looks for with vector instructions.
_IS_UNSURE = pl.col("key").str.contains(_JOINED.pattern) | pl.col("key").str.contains(
    "|".join(re.escape(word).replace("\\ ", " ").replace("\\-", "-") for word in _MAYBE_WORDS)
)


def _shape(key: pl.Expr) -> pl.Expr:
    shape = key.str.replace_all(_UUID_KEY, _MARK_UUID.mark, literal=True)
    for rule in HEX_MASKS[1:]:
        shape = shape.str.replace_all(f"(?-u){rule.pattern.pattern}", rule.mark)
    return shape


def shapes_of(keys: list[str]) -> list[str | None]:
    """Return the shape of the bodies that have each key; None where they may hold a word of `WORDS`.

    The digits of such a word must not fold. There is none where none stands there folded, nor can have stood across
    the end of a uuid. Cost: 0.8 µs a key of 70 characters.
    """
    if len(keys) <= _FEW_KEYS:
        return _few_shapes(keys)
    frame = pl.Series("key", keys, dtype=pl.String).to_frame()
    shapes: list[str | None] = frame.select(pl.when(~_IS_UNSURE).then(_shape(pl.col("key")))).to_series().to_list()
    return shapes


def _few_shapes(keys: list[str]) -> list[str | None]:
    text = "\0".join(keys)
    words = [word for word in _MAYBE_WORDS if word in text]
    is_joined = _JOINED.search(text) is not None
    return [
        None
        if any(word in key for word in words) or (is_joined and _JOINED.search(key))
        else " ".join(map(_masked_part, key.split(" ")))
        for key in keys
    ]


@lru_cache(maxsize=4_096)
def _masked_part(part: str) -> str:
    """Return a part of a key as it is in a shape: no run of hex digits holds a blank."""
    return mask_hex_one(part.replace(_UUID_KEY, _MARK_UUID.mark))
