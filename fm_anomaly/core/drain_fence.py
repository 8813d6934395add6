"""Drain3 behind a fence: token tuples in, cluster numbers out, and its tree as plain values.

Only the algorithm is used (`drain3.drain.Drain`): none of its masking, its configuration (`TemplateMiner()`
reads `drain3.ini` from the working directory) or its persistence (jsonpickle, unsafe to load). This module
must not know of streams, ids or masks. Drain: He et al., ICWS 2017.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from drain3.drain import Drain, LogCluster, Node

VARIED = "<word>"
"""What Drain writes into a slot where two messages of one cluster differ.

It must differ from the masks that our tokens hold: Drain does not count its own parameter as similar, so a
message of many masks would not even be similar to itself.
"""


class Mined(NamedTuple):
    """Drain's answer: the cluster, its tokens now, and whether this message created or widened it."""

    cluster: int
    tokens: tuple[str, ...]
    is_new: bool
    is_widened: bool


class DrainMiner:
    """One Drain tree. Not thread-safe; the caller bounds the number of clusters."""

    def __init__(self, similarity: float, depth: int, max_children: int) -> None:
        self._drain = Drain(
            depth=depth,
            sim_th=similarity,
            max_children=max_children,
            param_str=VARIED,
            parametrize_numeric_tokens=False,
        )

    def add(self, tokens: tuple[str, ...]) -> Mined:
        """Mine one message, given as tokens without white space. Cluster numbers count from 0."""
        cluster, change = self._drain.add_log_message(" ".join(tokens))
        return Mined(
            cluster.cluster_id - 1,
            cluster.log_template_tokens,
            change == "cluster_created",
            change == "cluster_template_changed",
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the tree as plain values; child order is kept, for Drain's answers depend on it."""
        clusters = self._drain.id_to_cluster.values()
        return {
            "clusters": [[c.cluster_id, list(c.log_template_tokens), c.size] for c in clusters],
            "counter": self._drain.clusters_counter,
            "root": _node_to_plain(self._drain.root_node),
        }

    @classmethod
    def restore(cls, state: dict[str, Any], similarity: float, depth: int, max_children: int) -> DrainMiner:
        """Return the miner that `snapshot` described."""
        miner = cls(similarity, depth, max_children)
        for number, tokens, size in state["clusters"]:
            cluster = LogCluster(tokens, number)
            cluster.size = size
            miner._drain.id_to_cluster[number] = cluster
        miner._drain.clusters_counter = state["counter"]
        miner._drain.root_node = _node_from_plain(state["root"])
        return miner


def _node_to_plain(node: Any) -> list[Any]:
    children = [[token, _node_to_plain(child)] for token, child in node.key_to_child_node.items()]
    return [list(node.cluster_ids), children]


def _node_from_plain(plain: list[Any]) -> Any:
    node = Node()
    node.cluster_ids = list(plain[0])
    for token, child in plain[1]:
        node.key_to_child_node[token] = _node_from_plain(child)
    return node
