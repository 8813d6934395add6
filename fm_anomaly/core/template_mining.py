"""Mining one (stream, event key): token tuples → cluster numbers, with what the evidence opened.

Drain3, the exact memory and the families of merged templates, in one fixed order of asking. Knows nothing of
columns, ids or other streams. A cluster number here is the store's template index, handed in by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.drain_fence import VARIED, DrainMiner
from fm_anomaly.core.template_merging import OPEN, Families, Merge, SlotEvidence, Tokens


@dataclass(frozen=True, slots=True)
class MiningParams:
    """How strict mining is.

    `similarity`, `depth` and `max_children` are Drain's; so many children that none is ever shared, for a shared
    one is searched message by message. `merge_words` distinct words in one slot between
    otherwise equal tokens make it a wildcard; `merge_words_beside_mask` suffice where a masked value was seen
    in the slot too.
    """

    similarity: float = 0.98
    depth: int = 5
    max_children: int = 10_000
    merge_words: int = 6
    merge_words_beside_mask: int = 3


@dataclass(frozen=True, slots=True)
class Learned:
    """What mining one message did: its cluster, and the patterns that were opened, in order."""

    index: int
    is_new: bool
    merges: tuple[Merge, ...] = ()


class PairMiner:
    """The miner of one stream and event key."""

    def __init__(self, params: MiningParams) -> None:
        self._params = params
        self._drain = DrainMiner(params.similarity, params.depth, params.max_children)
        self._evidence = SlotEvidence(params.merge_words, params.merge_words_beside_mask)
        self._families = Families()
        self._exact: dict[Tokens, int] = {}
        self._by_cluster: list[int] = []

    def find(self, tokens: Tokens) -> int | None:
        """Return the template of `tokens` where it is settled already; a pure question."""
        index = self._exact.get(tokens)
        return self._families.match(tokens) if index is None else index

    def learn(self, tokens: Tokens, next_index: int) -> Learned:
        """Mine a message that `find` does not know; a new cluster takes `next_index`."""
        mined = self._drain.add(tokens)
        if mined.is_new:
            self._by_cluster.append(next_index)
        index = self._by_cluster[mined.cluster]
        self._exact[tokens] = index
        if mined.is_new:
            return Learned(index, True, tuple(self._gather(tokens, index)))
        pattern = tuple(OPEN if token == VARIED else token for token in mined.tokens)
        if mined.is_widened and self._families.add(pattern, index):
            return Learned(index, False, (Merge(pattern, [index]),))
        return Learned(index, False)

    def _gather(self, tokens: Tokens, index: int) -> list[Merge]:
        """Take a new template's tokens as evidence; return the merges that follow, one from another."""
        merges: list[Merge] = []
        merge = self._evidence.add(tokens, index)
        while merge is not None and self._families.add(merge.tokens, merge.members[0]):
            merges.append(merge)
            merge = self._evidence.add(merge.tokens, merge.members[0])
        return merges

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain values."""
        return {
            "drain": self._drain.snapshot(),
            "evidence": self._evidence.snapshot(),
            "families": self._families.snapshot(),
            "exact": [[list(tokens), index] for tokens, index in self._exact.items()],
            "by_cluster": list(self._by_cluster),
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: MiningParams) -> PairMiner:
        """Return the miner that `snapshot` described."""
        miner = cls(params)
        miner._drain = DrainMiner.restore(state["drain"], params.similarity, params.depth, params.max_children)
        miner._evidence.restore(state["evidence"])
        miner._families = Families.restore(state["families"])
        miner._exact = {tuple(tokens): index for tokens, index in state["exact"]}
        miner._by_cluster = list(state["by_cluster"])
        return miner
