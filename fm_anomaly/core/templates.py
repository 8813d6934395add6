"""Templates: redacted messages of many streams → indices of event types, with ids that stay.

Columns first: a message whose shape is known costs two dictionary look-ups; only what is new goes, in the
order of its first appearance, through the normaliser, Drain3 and the merging on evidence. Everything here is
a function of the records so far, however they were cut into calls. Knows nothing of time, alerts or storage.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import repeat
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fm_anomaly.core.normalizing import NORMALIZER_VERSION, Normalized, normalize
from fm_anomaly.core.template_health import HealthParams, HealthState, TemplateCounts, TemplateHealth, judge, suggest
from fm_anomaly.core.template_merging import Tokens
from fm_anomaly.core.template_mining import MiningParams, PairMiner
from fm_anomaly.core.template_shapes import Shapes
from fm_anomaly.core.template_values import MergeAt, Template, template_from_plain, template_to_plain
from fm_anomaly.core.tokens import is_word
from fm_anomaly.errors import SnapshotError, UsageError

Indices = NDArray[np.int64]

_CODE_BITS = 32
_CODE_MASK = (1 << _CODE_BITS) - 1
_TABLE_SIZE = 4_096
"""Pairs of stream and event key up to which a table is cheaper than sorting."""
_FEW = 2_000
"""Records up to which a dictionary is asked sooner than a table."""
_MAX_TABLE = 1 << 20
_OVERFLOW = "<overflow>"
_FIRST_WORD = re.compile(r"[^\W\d_]{2,40}(?=$|[\s:,])")


@dataclass(frozen=True, slots=True)
class TemplateParams:
    """Settings of the `TemplateStore`; all of them shape its state.

    The caps bound what text from outside can multiply: live templates and coarse templates a stream; templates,
    shapes remembered, and pairs of stream and event key over all streams; entries of the caches.
    """

    mining: MiningParams = field(default_factory=MiningParams)
    health: HealthParams = field(default_factory=HealthParams)
    max_templates_per_stream: int = 4_000
    max_templates: int = 20_000
    max_coarse_per_stream: int = 64
    max_shapes: int = 50_000
    max_pairs: int = 8_000
    max_cached: int = 200_000


@dataclass(slots=True)
class _Stream:
    n_live: int = 0
    is_capped: bool = False
    coarse: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(slots=True)
class _Pair:
    stream: int
    event_key: str
    miner: PairMiner


def template_id(event_key: str, tokens: Iterable[str]) -> str:
    """Return the id of a template born with `tokens`: 80 bits of BLAKE2b in 16 letters of base32."""
    text = "\x1f".join((str(NORMALIZER_VERSION), event_key, *tokens))
    return b32encode(blake2b(text.encode(), digest_size=10).digest()).decode().lower()


class TemplateStore:
    """Templates of all streams of a pipeline, one miner a (stream, event key).

    `templates` is append-only and dense; an index given out stays valid for ever. `normalizer` must be a pure
    function of the shape; `restore` takes the standard one.
    """

    def __init__(
        self,
        params: TemplateParams = TemplateParams(),
        normalizer: Callable[[str], Normalized] = normalize,
    ) -> None:
        self.params = params
        self.templates: list[Template] = []
        self._canonical: list[int] = []
        self._canonical_cache = np.zeros(0, dtype=np.int64)
        self._followers: dict[int, list[int]] = {}
        self._counts = np.zeros(256, dtype=np.int64)
        self._n_live = 0
        self._streams: dict[int, _Stream] = {}
        self._event_keys: dict[str, int] = {"": 0}
        self._event_key_names = [""]
        self._pairs: list[_Pair] = []
        self._pair_codes: dict[int, int] = {}
        self._shapes = Shapes(normalizer, params.max_shapes)
        # Caches of settled answers: dropping them changes nothing but speed.
        self._known: dict[int, int] = {}
        self._table = np.zeros((0, 0), dtype=np.int32)
        """`_known` by pair and code, for large batches, where it is not too large for a table."""
        self._is_table_old = True
        self._recent: dict[tuple[int, str], int] = {}
        # Merges of the row that is being assigned, (moved, target): rows behind it follow.
        self._moves: list[tuple[int, int]] = []
        self.n_merged = 0
        """Merges since this store was made or restored: whoever watches need not look at every template."""
        self.merge_log: list[MergeAt] = []
        """Merges of the last call of `assign`, in the order of the rows that brought them."""

    def assign(self, streams: NDArray[np.int32], bodies: pl.Series, event_keys: pl.Series | None = None) -> Indices:
        """Return per record the index of its template in `templates`, merges up to that record followed.

        Parameters
        ----------
        streams : shape (n,), small numbers chosen by the caller
        bodies : String series of n redacted messages; null counts as ""
        event_keys : String series of n, or None where all are ""

        Cost: about 1 µs a record of a known shape, some 100 µs for a new normalised form.
        """
        self.merge_log.clear()
        if not len(bodies):
            return np.zeros(0, dtype=np.int64)
        pairs = self._pairs_of(np.asarray(streams, dtype=np.int64), event_keys)
        texts, codes = self._shapes.codes_of(bodies)
        raw = self._look_up(pairs, codes)
        before = self._canonical_array()
        moves = self._assign_missing(pairs, codes, texts, raw)
        born = np.arange(len(before), len(self.templates), dtype=np.int64)
        out = np.concatenate((before, born))[raw]
        for move in moves:
            rest = out[move.row :]
            rest[rest == move.index] = move.into
        self.merge_log.extend(moves)
        self._count(out)
        return out

    def canonical(self, indices: Indices) -> Indices:
        """Return `indices` with merges followed, as they stand now."""
        return self._canonical_array()[indices] if self._canonical else indices

    def standing(self, index: int) -> int:
        """Return the template that stands for `index`, all merges followed."""
        return self._canonical[index]

    def members(self, index: int) -> list[int]:
        """Return `index` and every template that it stands for."""
        return [index, *self._followers.get(index, [])]

    def counts(self) -> Indices:
        """Return the records of each template, those of merged ones under their successor. Changes nothing."""
        own = np.zeros(len(self.templates), dtype=np.int64)
        np.add.at(own, self._canonical_array(), self._counts[: len(own)])
        return own

    def merge(self, index_a: int, index_b: int) -> int:
        """Merge two templates of one stream on a person's word; return the index that stays, the older one's.

        Raises `UsageError` where an index is unknown or the two belong to different streams.
        """
        for index in (index_a, index_b):
            if not 0 <= index < len(self.templates):
                raise UsageError(f"no template number {index}: there are {len(self.templates)}")
        target, other = sorted((self._canonical[index_a], self._canonical[index_b]))
        a, b = self.templates[target], self.templates[other]
        if a.stream != b.stream:
            raise UsageError(
                f"templates {a.template_id} and {b.template_id} are of different services; merge within one"
            )
        self._redirect(other, target)
        self._moves.clear()
        if other != target:
            self.merge_log.append(MergeAt(-1, other, target))
        return target

    def resolve(self, prefix: str) -> list[int]:
        """Return the live templates whose id or alias starts with `prefix` ("t:" allowed), oldest first.

        One id may stand in several streams, for it names the event and not who wrote it.
        """
        prefix = prefix.removeprefix("t:").lower()
        return sorted({self._canonical[i] for i, t in enumerate(self.templates) if t.template_id.startswith(prefix)})

    def health(self, stream: int) -> TemplateHealth:
        """Return whether the templates of `stream` can be trusted, in a sentence. Changes nothing."""
        counts = self.counts()
        mine = [(int(counts[i]), t) for i, t in enumerate(self.templates) if t.stream == stream]
        live = [(n, t) for n, t in mine if t.merged_into is None and not t.is_coarse]
        largest = max(live, key=lambda pair: pair[0], default=None)
        state = self._streams.get(stream, _Stream())
        verdict = judge(
            TemplateCounts(
                records=sum(n for n, _ in mine),
                templates=len(live),
                singletons=sum(n == 1 for n, _ in live),
                largest=largest[0] if largest else 0,
                overflow=sum(n for n, t in mine if t.is_coarse),
                is_capped=state.is_capped,
                wildcards_only=largest is not None and not any(map(is_word, largest[1].tokens)),
            ),
            self.params.health,
        )
        if verdict.state is HealthState.GOOD:
            return verdict
        return replace(verdict, suggestion=suggest([t.tokens for n, t in live if n == 1]))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain values. Changes nothing; caches are left out."""
        return {
            "normalizer": NORMALIZER_VERSION,
            "templates": [template_to_plain(t) for t in self.templates],
            "canonical": list(self._canonical),
            "counts": self._counts[: len(self.templates)].tolist(),
            "streams": [
                [number, s.n_live, s.is_capped, [[*key, index] for key, index in s.coarse.items()]]
                for number, s in self._streams.items()
            ],
            "event_keys": list(self._event_key_names),
            "pairs": [[p.stream, p.event_key, p.miner.snapshot()] for p in self._pairs],
            "pair_codes": [[wide, code] for wide, code in self._pair_codes.items()],
            **self._shapes.snapshot(),
        }

    @classmethod
    def restore(cls, state: dict[str, Any], params: TemplateParams = TemplateParams()) -> TemplateStore:
        """Return the store that `snapshot` described; it goes on as if it had never stopped.

        Raises `SnapshotError` where the state was made by another version of the normaliser.
        """
        if state["normalizer"] != NORMALIZER_VERSION:
            raise SnapshotError(
                f"templates were normalised by version {state['normalizer']}, this is {NORMALIZER_VERSION}; "
                "start them anew"
            )
        store = cls(params)
        store.templates = [template_from_plain(plain) for plain in state["templates"]]
        store._canonical = list(state["canonical"])
        for index, target in enumerate(store._canonical):
            if index != target:
                store._followers.setdefault(target, []).append(index)
        store._counts = np.array([*state["counts"], *([0] * 256)], dtype=np.int64)
        store._n_live = sum(t.merged_into is None and not t.is_coarse for t in store.templates)
        for number, n_live, is_capped, coarse in state["streams"]:
            store._streams[number] = _Stream(n_live, is_capped, {(key, word): i for key, word, i in coarse})
        store._event_key_names = list(state["event_keys"])
        store._event_keys = {key: code for code, key in enumerate(store._event_key_names)}
        for stream, event_key, miner in state["pairs"]:
            store._pairs.append(_Pair(stream, event_key, PairMiner.restore(miner, params.mining)))
        store._pair_codes = dict(state["pair_codes"])
        store._shapes.restore(state)
        return store

    # --- known messages, in columns

    def _pairs_of(self, streams: Indices, event_keys: pl.Series | None) -> Indices:
        """Return each record's pair number; new pairs are numbered by first appearance."""
        if event_keys is None and (streams == streams[0]).all():
            return np.full(len(streams), self._pair(int(streams[0]) << _CODE_BITS), dtype=np.int64)
        codes = np.zeros(len(streams), dtype=np.int64)
        if event_keys is not None:
            keys = event_keys.fill_null("").to_list() if event_keys.null_count() else event_keys.to_list()
            codes = np.fromiter(map(self._event_keys.get, keys, repeat(-1)), np.int64, len(keys))
            for row in np.flatnonzero(codes < 0).tolist():
                codes[row] = self._event_key_code(keys[row])
        distinct, inverse = _in_order(streams, codes, len(self._event_key_names))
        return np.array([self._pair(wide) for wide in distinct], dtype=np.int64)[inverse]

    def _event_key_code(self, event_key: str) -> int:
        """Return the code of an event key; beyond the cap all new ones count as ""."""
        code = self._event_keys.get(event_key)
        if code is None:
            if len(self._event_keys) >= self.params.max_pairs:
                return 0
            code = self._event_keys[event_key] = len(self._event_key_names)
            self._event_key_names.append(event_key)
        return code

    def _pair(self, wide: int) -> int:
        code = self._pair_codes.get(wide)
        if code is not None:
            return code
        stream, key_code = wide >> _CODE_BITS, wide & _CODE_MASK
        if key_code and len(self._pairs) >= self.params.max_pairs:
            return self._pair(stream << _CODE_BITS)
        self._streams.setdefault(stream, _Stream())
        self._pairs.append(_Pair(stream, self._event_key_names[key_code], PairMiner(self.params.mining)))
        self._pair_codes[wide] = len(self._pairs) - 1
        return len(self._pairs) - 1

    def _look_up(self, pairs: Indices, codes: Indices) -> Indices:
        """Return the settled template of each record's pair and code, -1 where there is none."""
        width = self._shapes.n_codes
        if len(codes) > _FEW and len(self._pairs) * width <= _MAX_TABLE:
            if self._table.shape != (len(self._pairs), width + 1) or self._is_table_old:
                self._lay_table(width)
            return self._table[pairs, codes].astype(np.int64)  # the last column is that of the code -1
        keys = (pairs << _CODE_BITS) | codes  # -1 | anything is -1, and that is never known
        return np.fromiter(map(self._known.get, keys.tolist(), repeat(-1)), np.int64, len(keys))

    def _lay_table(self, width: int) -> None:
        n = len(self._known)
        keys, values = (np.fromiter(part, np.int64, n) for part in (self._known, self._known.values()))
        self._table = np.full((len(self._pairs), width + 1), -1, dtype=np.int32)
        self._table[keys >> _CODE_BITS, keys & _CODE_MASK] = values
        self._is_table_old = False

    def _count(self, out: Indices) -> None:
        if len(self.templates) > len(self._counts):
            more = np.zeros(max(len(self.templates), 2 * len(self._counts)) - len(self._counts), dtype=np.int64)
            self._counts = np.concatenate((self._counts, more))
        self._counts += np.bincount(out, minlength=len(self._counts))

    # --- new messages, one by one in the order of the records

    def _assign_missing(self, pairs: Indices, codes: Indices, texts: list[str], raw: Indices) -> list[MergeAt]:
        """Fill the rows of `raw` that are -1; return the merges on the way. Texts are as `Shapes.codes_of` has them."""
        missing = np.flatnonzero(raw < 0)
        moves: list[MergeAt] = []
        found = []
        code_of, known = self._shapes.code, self._known.get
        columns = (missing.tolist(), pairs[missing].tolist(), codes[missing].tolist())
        for row, pair_code, known_code in zip(*columns, strict=True):
            text = texts[row]
            code = known_code if known_code >= 0 else code_of(text)
            # Known by now? In a first chunk most rows are, so this question is asked without a call.
            index = None if code is None else known((pair_code << _CODE_BITS) | code)
            if index is None:
                index = self._assign_one(pair_code, code, text)
                moves += [MergeAt(row, moved, target) for moved, target in self._moves]
                self._moves.clear()
            found.append(index)
        raw[missing] = found
        return moves

    def _canonical_array(self) -> Indices:
        if len(self._canonical_cache) != len(self._canonical):
            self._canonical_cache = np.array(self._canonical, dtype=np.int64)
        return self._canonical_cache

    def _assign_one(self, pair_code: int, code: int | None, text: str) -> int:
        """Return the template of a message that the pair does not know; without a code, `text` is its shape."""
        pair = self._pairs[pair_code]
        if code is None:
            if self._is_capped(pair.stream):
                return self._coarse(pair, text)
            if self._shapes.is_full:
                return self._assign_unlisted(pair_code, text)
            code = self._shapes.add(text)
        key = (pair_code << _CODE_BITS) | code
        index = self._known.get(key)
        if index is None:
            index = self._settle(pair, self._shapes.form(code), text)
            if len(self._known) >= self.params.max_cached:
                self._known.clear()
            self._known[key] = index
            self._is_table_old = True
        return index

    def _assign_unlisted(self, pair_code: int, shape: str) -> int:
        """Assign a message of a shape that came too late to be remembered as state."""
        index = self._recent.get((pair_code, shape))
        if index is None:
            index = self._settle(self._pairs[pair_code], self._shapes.normalize(shape), shape)
            if len(self._recent) >= self.params.max_cached:
                self._recent.clear()
            self._recent[pair_code, shape] = index
        return index

    def _settle(self, pair: _Pair, normalized: Normalized, text: str) -> int:
        """Return the template of a normalised message, mining it where it is new."""
        index = pair.miner.find(normalized.key)
        if index is None:
            if self._is_capped(pair.stream):
                return self._coarse(pair, text)
            index = self._mine(pair, normalized)
        self.templates[self._canonical[index]].widen(normalized.kinds)
        return index

    def _mine(self, pair: _Pair, normalized: Normalized) -> int:
        learned = pair.miner.learn(normalized.key, len(self.templates))
        if learned.is_new:
            self._born(pair, normalized.key, normalized.kinds, normalized.gaps)
        for merge in learned.merges:
            members = sorted({self._canonical[m] for m in merge.members})
            for other in members[1:]:
                self._redirect(other, members[0])
            self.templates[members[0]].open_slots(merge.tokens)
        return learned.index

    def _born(
        self, pair: _Pair, tokens: Tokens, kinds: tuple[str, ...], gaps: tuple[str, ...], is_coarse: bool = False
    ) -> int:
        index = len(self.templates)
        name = template_id(pair.event_key, tokens)
        born = Template(name, pair.stream, pair.event_key, tokens, kinds, gaps, index, is_coarse)
        born.birth_text = born.text
        self.templates.append(born)
        self._canonical.append(index)
        if not is_coarse:
            self._n_live += 1
            self._streams[pair.stream].n_live += 1
        return index

    def _redirect(self, other: int, target: int) -> None:
        """Let `target` stand for `other` and all that `other` stood for; the old ids become its aliases."""
        if other == target:
            return
        moved, kept = self.templates[other], self.templates[target]
        followers = [other, *self._followers.pop(other, [])]
        for index in followers:
            self._canonical[index] = target
        self._canonical_cache = self._canonical_cache[:0]
        self._followers.setdefault(target, []).extend(followers)
        moved.merged_into = target
        kept.aliases += [a for a in (moved.template_id, *moved.aliases) if a not in kept.aliases]
        if not moved.is_coarse:
            self._n_live -= 1
            self._streams[moved.stream].n_live -= 1
        self._moves.append((other, target))
        self.n_merged += 1

    def _is_capped(self, stream: int) -> bool:
        """Whether the stream has no room for a further template; once full, it stays so."""
        state = self._streams[stream]
        if not state.is_capped:
            state.is_capped = (
                state.n_live >= self.params.max_templates_per_stream or self._n_live >= self.params.max_templates
            )
        return state.is_capped

    def _coarse(self, pair: _Pair, text: str) -> int:
        """Return the catch-all template for a message of a capped stream: its event key and first word."""
        coarse = self._streams[pair.stream].coarse
        first = _FIRST_WORD.match(text)
        key = (pair.event_key, first[0] if first else "")
        if key not in coarse and len(coarse) >= self.params.max_coarse_per_stream:
            key = ("", "")
        if key not in coarse:
            tokens = (key[1] or "<*>", _OVERFLOW)
            coarse[key] = self._born(pair, tokens, ("" if key[1] else "*", "*"), ("", " ", ""), is_coarse=True)
        return coarse[key]


def _in_order(streams: Indices, codes: Indices, n_codes: int) -> tuple[list[int], Indices]:
    """Return the distinct pairs in the order of first appearance, as one number each, and which one each row has."""
    flat = streams * n_codes + codes
    size = (int(streams.max()) + 1) * n_codes
    if size <= _TABLE_SIZE:
        first = np.full(size, len(flat), dtype=np.int64)
        first[flat[::-1]] = np.arange(len(flat) - 1, -1, -1)
        found = np.flatnonzero(first < len(flat))
        found = found[np.argsort(first[found])]
        place = np.empty(size, dtype=np.int64)
        place[found] = np.arange(len(found))
        inverse = place[flat]
    else:
        values, at, inverse = np.unique(flat, return_index=True, return_inverse=True)
        order = np.argsort(at)
        found = values[order]
        inverse = np.argsort(order)[inverse]
    return [(pair // n_codes) << _CODE_BITS | (pair % n_codes) for pair in found.tolist()], inverse
