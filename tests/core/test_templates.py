"""Laws of the template store: cuts and snapshots do not show, ids stay, everything is bounded."""

from __future__ import annotations

import json
import random
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.parameters import parameters, parameters_of
from fm_anomaly.core.template_health import HealthState, suggest
from fm_anomaly.core.template_mining import MiningParams
from fm_anomaly.core.templates import TemplateParams, TemplateStore, _in_order, template_id
from fm_anomaly.errors import SnapshotError, UsageError

NAMES = ["ada", "bob", "cleo", "dan", "eve", "fay", "gus", "hal"]
FORMS = [
    "user {w} logged in from {i}",
    "user {w} logged out",
    "job {n} failed: upstream returned 502, retrying",
    "cache miss for key {h} after {n} ms",
    "volume {w} on node{n} is full",
    "shutting down",
    "",
]


def messages(n: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [
        rng.choice(FORMS).format(
            w=rng.choice(NAMES), i=f"10.0.{rng.randrange(9)}.{rng.randrange(99)}", n=rng.randrange(9999),
            h=f"{rng.getrandbits(64):016x}",
        )
        for _ in range(n)
    ]  # fmt: skip


def garbage(n: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [" ".join("".join(rng.choices("bdghkmnprstvw", k=6)) for _ in range(6)) for _ in range(n)]


def assign(store: TemplateStore, bodies: list[str], stream: int = 0) -> list[int]:
    return store.assign(np.full(len(bodies), stream, np.int32), pl.Series(bodies, dtype=pl.String)).tolist()


SMALL = TemplateParams(
    max_templates_per_stream=30, max_templates=50, max_coarse_per_stream=4, max_shapes=60, max_pairs=6, max_cached=16
)


@pytest.mark.parametrize("params", [TemplateParams(), SMALL], ids=["default", "small"])
@pytest.mark.parametrize("cut", [1, 7, 100])
def test_cuts_and_snapshots_do_not_show(params: TemplateParams, cut: int) -> None:
    """The same records give the same indices and the same state, however cut, and through a snapshot."""
    rng = random.Random(4)
    bodies = messages(300) + garbage(120)
    rng.shuffle(bodies)
    streams = np.array([rng.randrange(3) for _ in bodies], np.int32)
    keys = pl.Series([rng.choice(["", "a", "b", f"k{rng.randrange(9)}"]) for _ in bodies])
    column = pl.Series(bodies)
    whole = TemplateStore(params)
    expected = whole.assign(streams, column, keys).tolist()
    store, got = TemplateStore(params), []
    for start in range(0, len(bodies), cut):
        part = slice(start, start + cut)
        got += store.assign(streams[part], column[part], keys[part]).tolist()
        if start // cut == 2:
            state = json.loads(json.dumps(store.snapshot()))
            store = TemplateStore.restore(state, params)
    assert got == expected
    assert store.snapshot() == whole.snapshot()


@pytest.mark.parametrize("params", [TemplateParams(), SMALL], ids=["default", "small"])
def test_large_batches_are_looked_up_as_small_ones(params: TemplateParams) -> None:
    """The tables of large batches and the dictionary of small ones hold the same."""
    large, small = TemplateStore(params), TemplateStore(params)
    for seed in range(3):
        bodies, streams = messages(2_500, seed), np.arange(2_500, dtype=np.int32) % (seed + 2)
        got = large.assign(streams, pl.Series(bodies)).tolist()
        parts = [small.assign(streams[at : at + 500], pl.Series(bodies[at : at + 500])) for at in range(0, 2_500, 500)]
        assert got == np.concatenate(parts).tolist()
    assert large.snapshot() == small.snapshot()


def test_merges_need_evidence_and_keep_the_older_id() -> None:
    """Five names stay five templates; the sixth makes them one, whose id is the oldest and whose aliases the rest."""
    store = TemplateStore()
    first = assign(store, [f"user {name} logged out" for name in NAMES[:5]])
    assert len(set(first)) == 5
    sixth, seventh = assign(store, ["user fay logged out", "user gus logged out"])
    assert sixth == seventh == first[0]
    assert set(store.canonical(np.array(first)).tolist()) == {first[0]}
    template = store.templates[first[0]]
    assert template.text == "user <*> logged out"
    assert template.template_id == template_id("", ("user", "ada", "logged", "out"))
    assert len(template.aliases) == 5
    assert store.resolve("t:" + template.aliases[2][:8]) == [first[0]]


def test_a_merge_never_leaves_no_constant_word() -> None:
    """Lines of a single word are never merged."""
    store = TemplateStore()
    assert len(set(assign(store, [*NAMES, *NAMES]))) == len(NAMES)


def test_event_keys_and_streams_keep_messages_apart() -> None:
    """One text under two event keys is two templates with two ids; in two streams two with one id."""
    store = TemplateStore()
    column = pl.Series(["done"] * 3)
    a, b, c = store.assign(np.array([0, 0, 1], np.int32), column, pl.Series(["x", "y", "x"])).tolist()
    assert len({a, b, c}) == 3
    ids = [store.templates[i].template_id for i in (a, b, c)]
    assert ids[0] == ids[2] != ids[1]
    assert store.resolve(ids[0]) == [a, c]


def test_ids_are_sixteen_letters_and_do_not_depend_on_the_process() -> None:
    """An id is 80 bits of BLAKE2b in base32: this one must be so in every process and release."""
    name = template_id("operation_end|service", ("took", "<*>"))
    assert len(name) == 16
    assert name == "ehod45xlv3p32dm7"


def test_a_person_may_merge_within_a_stream() -> None:
    """A person's merge redirects the younger template; across streams, or of unknown numbers, it is refused."""
    store = TemplateStore()
    a, b = assign(store, ["disk is full", "no space left"])
    c = assign(store, ["disk is full"], stream=1)[0]
    assert store.merge(b, a) == a
    assert assign(store, ["no space left"]) == [a]
    assert store.counts()[a] == 3
    with pytest.raises(UsageError, match="different services"):
        store.merge(a, c)
    with pytest.raises(UsageError, match="no template number 99"):
        store.merge(a, 99)


def test_garbage_is_bounded_and_told() -> None:
    """Never-repeating garbage stops at the caps; what was known before is still recognised."""
    store = TemplateStore(SMALL)
    known = assign(store, ["shutting down"])
    assign(store, garbage(500))
    assert len(store.templates) <= SMALL.max_templates_per_stream + SMALL.max_coarse_per_stream + 1
    assert len(store.snapshot()["shapes"]) <= SMALL.max_shapes
    health = store.health(0)
    assert health.state is HealthState.DEGRADED
    assert "reached the limit" in health.reason
    assert assign(store, ["shutting down"]) == known
    assert store.counts().sum() == 502
    other = assign(store, ["shutting down"], stream=1)
    assert store.health(1).state is HealthState.GOOD
    assert not store.templates[other[0]].is_coarse


def test_event_keys_are_bounded() -> None:
    """Beyond the cap new event keys count as none, and lines are still assigned."""
    store = TemplateStore(SMALL)
    keys = pl.Series([f"k{i}" for i in range(40)])
    store.assign(np.zeros(40, np.int32), pl.Series(["done"] * 40), keys)
    assert len(store.snapshot()["pairs"]) <= SMALL.max_pairs + 1


def test_singletons_degrade_a_stream() -> None:
    """A stream in which every other record has a template of its own is not to be trusted."""
    store = TemplateStore()
    assign(store, messages(1_000))
    assert store.health(0).state is HealthState.GOOD
    assign(store, garbage(600))
    health = store.health(0)
    assert health.state is HealthState.DEGRADED
    assert "template of their own" in health.reason
    assert "a-z" in health.suggestion


def test_the_suggested_mask_matches_what_varies() -> None:
    """The mask has the word before the varying slot as its context."""
    words = ["kestrel", "plover", "heron"]
    mask = suggest([("opened", "ticket", word, "for", "<*>") for word in words])
    assert all(re.search(mask, f"opened ticket {word} for 7")[0] == word for word in words)
    assert suggest([]) == ""


def test_strictness_is_a_parameter() -> None:
    """With another number of words the merge comes at that number."""
    store = TemplateStore(TemplateParams(mining=MiningParams(merge_words=3)))
    assert len(set(assign(store, [f"user {name} logged out" for name in NAMES])[2:])) == 1


def test_a_snapshot_of_another_normaliser_is_refused() -> None:
    """Keys of another version would not meet ours: a clear refusal."""
    with pytest.raises(SnapshotError, match="version 0"):
        TemplateStore.restore({**TemplateStore().snapshot(), "normalizer": 0})


def test_no_records_is_no_templates() -> None:
    """An empty call changes nothing."""
    store = TemplateStore()
    assert assign(store, []) == []
    assert store.templates == []


def test_parameters_are_cut_from_the_raw_message() -> None:
    """Position, type and the raw value, digits and all."""
    store = TemplateStore()
    body = "job 17 on 10.0.0.7:80 took 512ms, wrote /tmp/a9.db name=x1"
    template = store.templates[assign(store, [body])[0]]
    assert parameters(template, body) == [
        ("num", "17"), ("ip", "10.0.0.7:80"), ("dur", "512ms"), ("path", "/tmp/a9.db"), ("value", "x1"),
    ]  # fmt: skip


def test_parameters_round_trip() -> None:
    """Each body has as many parameters as its template has wildcards, and all else in it is constant."""
    store = TemplateStore()
    bodies = messages(400)
    index = store.canonical(np.array(assign(store, bodies)))
    templates = [store.templates[i] for i in index]
    for template, body, found in zip(templates, bodies, parameters_of(templates, bodies), strict=True):
        assert len(found) == sum(map(bool, template.kinds))
        position = 0
        for _, value in found:
            position = body.index(value, position) + len(value)
        words = iter(value for _, value in found)
        text = "".join(
            gap + (next(words) if kind else token)
            for gap, token, kind in zip(template.gaps, template.tokens, template.kinds, strict=False)
        )
        assert text == body


@given(st.integers(1, 3), st.integers(1, 9_000), st.data())
def test_pairs_are_numbered_in_the_order_of_the_records(n_streams: int, n_codes: int, data: st.DataObject) -> None:
    """By table or by sorting: each row finds its pair, and pairs stand as they came."""
    pair = st.tuples(st.integers(0, n_streams), st.integers(0, n_codes - 1))
    pairs = data.draw(st.lists(pair, min_size=1, max_size=30))
    distinct, inverse = _in_order(*(np.array(column) for column in zip(*pairs, strict=True)), n_codes)
    assert distinct == [stream << 32 | code for stream, code in dict.fromkeys(pairs)]
    assert [distinct[i] for i in inverse.tolist()] == [stream << 32 | code for stream, code in pairs]
