"""Which batch ids have been taken, so that a batch that is sent again is taken once; bounded in time and number.

Ids are remembered as digests of tenant and id, in generations that are forgotten whole, oldest first. It must not know
what a batch holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Self

import numpy as np

from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.state import State, pack_array, unpack_array

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class BatchIdParams:
    """How long ids are remembered: so long, or so many, whichever is less. Some 200 bytes each."""

    remember_s: int = 24 * 3600
    max_ids: int = 1_000_000
    generation_s: int = 3600
    generation_ids: int = 50_000


@dataclass(slots=True)
class _Generation:
    """Ids of some span, with the numbers of their entries, ascending."""

    begun_us: int
    seq_by_id: dict[bytes, int] = field(default_factory=dict)


class BatchIds:
    """The ids of all tenants. Added in the order of the log; looked up from one thread, saved from another."""

    def __init__(self, params: BatchIdParams | None = None) -> None:
        self.params = params or BatchIdParams()
        self._generations: deque[_Generation] = deque()

    def __len__(self) -> int:
        return sum(len(generation.seq_by_id) for generation in self._generations)

    def seq_of(self, tenant: str, batch_id: str) -> int | None:
        """Return the number of the entry with that id, None where it is not remembered."""
        key = _key(tenant, batch_id)
        for generation in reversed(self._generations):
            if (seq := generation.seq_by_id.get(key)) is not None:
                return seq
        return None

    def add(self, tenant: str, batch_id: str, seq: int, at_us: int) -> None:
        """Remember that entry `seq`, received at `at_us`, has this id; forget what is old."""
        newest = self._generations[-1] if self._generations else None
        if (
            newest is None
            or at_us - newest.begun_us >= self.params.generation_s * US_PER_S
            or len(newest.seq_by_id) >= self.params.generation_ids
        ):
            self._forget(at_us)
            newest = _Generation(at_us)
            self._generations.append(newest)
        newest.seq_by_id[_key(tenant, batch_id)] = seq

    def _forget(self, now_us: int) -> None:
        """Drop the generations whose newest id is too old, or is not needed to hold the most there may be."""
        kept = self._generations
        horizon_us = now_us - self.params.remember_s * US_PER_S
        while len(kept) > 1 and (
            kept[1].begun_us <= horizon_us or len(self) - len(kept[0].seq_by_id) >= self.params.max_ids
        ):
            kept.popleft()

    def snapshot(self, seq: int) -> State:
        """Return the ids of entries up to `seq` as plain values; entries may be added meanwhile."""
        generations = []
        for generation in list(self._generations):
            items = list(generation.seq_by_id.items())
            seqs = np.array([each for _, each in items], dtype=np.int64)
            n = int(np.searchsorted(seqs, seq, side="right"))
            if n:
                ids = b"".join(key for key, _ in items[:n])
                generations.append({"begun_us": generation.begun_us, "ids": ids, "seqs": pack_array(seqs[:n])})
        return {"generations": generations}

    @classmethod
    def restore(cls, state: State, params: BatchIdParams | None = None) -> Self:
        """Return the ids as they were."""
        ids = cls(params)
        for saved in state["generations"]:
            digests, seqs = saved["ids"], unpack_array(saved["seqs"]).tolist()
            keys = (digests[at : at + _DIGEST_BYTES] for at in range(0, len(digests), _DIGEST_BYTES))
            ids._generations.append(_Generation(saved["begun_us"], dict(zip(keys, seqs, strict=True))))
        return ids


def _key(tenant: str, batch_id: str) -> bytes:
    return blake2b(f"{tenant}\0{batch_id}".encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
