"""Merging on evidence: which templates differ by one varying word, and which messages such a merge covers.

Drain's main fault is to merge events that differ by one word ("VM Started", "VM Paused"). Here a slot becomes
a wildcard only when enough distinct words were seen in it between otherwise equal tokens, and never when
no constant word would be left. Works on token tuples and numbers; knows nothing of streams, ids or Drain3.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

from fm_anomaly.core.tokens import WILDCARD, is_word

Tokens = tuple[str, ...]

OPEN = "<any>"
"""A slot that takes any token; it stands in a family's tokens only, never in a message's."""

_MAX_MASKS_PER_LENGTH = 16


class Merge(NamedTuple):
    """Evidence that a slot varies: the family's tokens, and the templates that belong to it, oldest first."""

    tokens: Tokens
    members: list[int]


class SlotEvidence:
    """Counts, per slot, the templates that are equal but for the token in it. State: one entry a slot."""

    def __init__(self, min_words: int, min_words_beside_wildcard: int) -> None:
        self._min_words = min_words
        self._min_words_beside_wildcard = min_words_beside_wildcard
        # digest of (tokens without the slot, slot) → templates seen, -1 - index where the slot is a wildcard
        self._seen: dict[int, list[int]] = {}

    def add(self, tokens: Tokens, index: int) -> Merge | None:
        """Note a template's tokens; return the merge of the leftmost slot that has enough evidence now."""
        found: Merge | None = None
        n_words = sum(map(is_word, tokens))
        for slot, token in enumerate(tokens):
            is_constant = is_word(token)
            if not (is_constant or token == WILDCARD) or n_words - is_constant < 1:
                continue
            seen = self._seen.setdefault(_digest(tokens, slot), [])
            mark = index if is_constant else -1 - index
            if mark not in seen:
                seen.append(mark)
            if found is None and self._is_enough(seen):
                members = sorted({m if m >= 0 else -1 - m for m in seen})
                found = Merge((*tokens[:slot], OPEN, *tokens[slot + 1 :]), members)
        return found

    def _is_enough(self, seen: list[int]) -> bool:
        words = sum(m >= 0 for m in seen)
        return words >= (self._min_words if words == len(seen) else self._min_words_beside_wildcard)

    def snapshot(self) -> list[Any]:
        """Return the state as plain values."""
        return [[key, list(seen)] for key, seen in self._seen.items()]

    def restore(self, state: list[Any]) -> None:
        """Take over the state that `snapshot` returned."""
        self._seen = {key: list(seen) for key, seen in state}


def _digest(tokens: Tokens, slot: int) -> int:
    text = "\x1f".join((*tokens[:slot], "\x1e", *tokens[slot + 1 :]))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


class Families:
    """Token tuples with open slots, each belonging to one template.

    The answer for a message never changes once there is one: families are asked in the order in which they
    were made, and none is ever taken away. So it may be remembered, or not, without a difference.
    """

    def __init__(self) -> None:
        # number of tokens → open slots → the other tokens → (order, template)
        self._by_length: dict[int, dict[tuple[int, ...], dict[Tokens, tuple[int, int]]]] = {}
        self._made: list[tuple[Tokens, int]] = []

    def add(self, tokens: Tokens, template: int) -> bool:
        """Take `tokens`, with OPEN slots, as `template`; False (nothing done) at too many patterns of a length."""
        slots = tuple(i for i, token in enumerate(tokens) if token == OPEN)
        masks = self._by_length.setdefault(len(tokens), {})
        if slots not in masks and len(masks) >= _MAX_MASKS_PER_LENGTH:
            return False
        rest = _without(tokens, slots)
        if rest not in masks.setdefault(slots, {}):
            masks[slots][rest] = (len(self._made), template)
            self._made.append((tokens, template))
        return True

    def match(self, tokens: Tokens) -> int | None:
        """Return the template of the oldest family that covers `tokens`."""
        masks = self._by_length.get(len(tokens))
        if not masks:
            return None
        hits = [hit for slots, made in masks.items() if (hit := made.get(_without(tokens, slots)))]
        return min(hits)[1] if hits else None

    def snapshot(self) -> list[Any]:
        """Return the families in the order of their making, as plain values."""
        return [[list(tokens), template] for tokens, template in self._made]

    @classmethod
    def restore(cls, state: list[Any]) -> Families:
        """Return the families that `snapshot` described."""
        families = cls()
        for tokens, template in state:
            families.add(tuple(tokens), template)
        return families


def _without(tokens: Tokens, slots: tuple[int, ...]) -> Tokens:
    rest = list(tokens)
    for slot in slots:
        rest[slot] = ""
    return tuple(rest)
