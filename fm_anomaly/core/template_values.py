"""What a template is, and a merge of two; their plain state.

Values only. It must not know how templates are mined.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fm_anomaly.core.normalizing import write
from fm_anomaly.core.template_merging import OPEN, Tokens


@dataclass(slots=True)
class Template:
    """An event type. `template_id` never changes; `text` widens; a merged one points to its successor.

    `kinds` holds the mask type of each token, "" for a constant. `is_coarse` marks the catch-all of a stream
    whose templates exploded; it says nothing about one event.
    """

    template_id: str
    stream: int
    event_key: str
    tokens: Tokens
    kinds: tuple[str, ...]
    gaps: tuple[str, ...]
    born_order: int
    is_coarse: bool = False
    merged_into: int | None = None
    aliases: list[str] = field(default_factory=list)
    birth_text: str = ""
    """The text as it was born, for what is said about it later: the same however its records were cut."""

    @property
    def text(self) -> str:
        """The template as people see it, wildcards typed."""
        return write(self.tokens, self.kinds, self.gaps)

    def open_slots(self, tokens: Tokens) -> None:
        """Make a wildcard of each slot that `tokens` has open."""
        if len(tokens) == len(self.kinds):
            self.kinds = tuple("*" if t == OPEN else k for t, k in zip(tokens, self.kinds, strict=True))

    def widen(self, kinds: tuple[str, ...]) -> None:
        """Take a further message's mask types: a wildcard of two types has none."""
        if kinds != self.kinds and len(kinds) == len(self.kinds):
            pairs = zip(self.kinds, kinds, strict=True)
            self.kinds = tuple(mine if not mine or mine == its else "*" for mine, its in pairs)


@dataclass(frozen=True, slots=True)
class MergeAt:
    """A merge, and the row of the last `assign` that brought it: from that row on, `into` stands for `index`."""

    row: int
    index: int
    into: int


def template_to_plain(t: Template) -> list[Any]:
    """Return a template as plain values."""
    return [
        t.template_id, t.stream, t.event_key, list(t.tokens), list(t.kinds), list(t.gaps), t.born_order,
        t.is_coarse, t.merged_into, list(t.aliases), t.birth_text,
    ]  # fmt: skip


def template_from_plain(plain: list[Any]) -> Template:
    """Return the template that `template_to_plain` gave."""
    name, stream, event_key, tokens, kinds, gaps, *rest = plain
    return Template(name, stream, event_key, tuple(tokens), tuple(kinds), tuple(gaps), *rest)
