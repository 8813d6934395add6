"""Laws of identity: a category keeps its id while its errors stay together, and people's decisions hold for ever."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from fm_anomaly.core.categories import distinct_errors, fit
from fm_anomaly.core.category_edits import CategoryEdits
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.core.category_values import ChangeKind, DistinctError
from fm_anomaly.errors import UsageError
from fm_anomaly.evaluation.failure_texts import projects

KINDS = {
    "cache": "ConnectionError: redis at cache-{n}: connection refused while reading session {n}",
    "disk": "OSError: cannot write /var/lib/part.{n}: no space left on device",
    "token": "ExpiredSignatureError: token of user {n} has expired",
    "query": "OperationalError: statement timeout after {n} ms in table orders",
    "upload": "upload of file {n} rejected: larger than the quota of the tenant",
}


def errors_of(counts: dict[str, int]) -> list[DistinctError]:
    return distinct_errors([KINDS[kind].format(n=7) for kind in counts], list(counts.values()))


def id_of(model: CategoryModel, kind: str) -> str:
    (found,) = model.predict(distinct_errors([KINDS[kind].format(n=9)]))
    assert found.category is not None
    return found.category.category_id


@pytest.mark.parametrize("seed", [201, 202, 203])
def test_errors_of_surviving_categories_keep_their_id(seed: int) -> None:
    """Two runs over shifted weeks: of the errors in both, in categories that live on, 95 % keep their id."""
    texts = [each.text for project in projects(seed) for each in project.texts]
    random.Random(seed).shuffle(texts)
    n = len(texts)
    first, second = distinct_errors(texts[: int(n * 0.6)]), distinct_errors(texts[int(n * 0.4) :])
    before = fit(first)
    now = fit(second, previous=before)
    ids = [{each.category_id for each in model.categories} for model in (before, now)]
    was = {e.text: a.category.category_id for e, a in zip(first, before.predict(first), strict=True) if a.category}
    are = {e.text: a.category and a.category.category_id for e, a in zip(second, now.predict(second), strict=True)}
    both = [text for text in was if text in are and was[text] in ids[0] & ids[1]]
    assert len(both) >= 20
    assert sum(are[text] == was[text] for text in both) >= 0.95 * len(both)


def test_what_is_new_grows_shrinks_and_goes_is_told() -> None:
    """Each kind of change is told with the counts before and now."""
    before = fit(errors_of({"cache": 10, "disk": 30, "token": 12, "query": 9}))
    now = fit(errors_of({"cache": 40, "disk": 10, "token": 12, "upload": 5}), previous=before)
    told = {(each.kind, each.category_id): (each.count_before, each.count_now) for each in now.changes}
    assert told == {
        (ChangeKind.GROWN, id_of(before, "cache")): (10, 40),
        (ChangeKind.SHRUNK, id_of(before, "disk")): (30, 10),
        (ChangeKind.GONE, id_of(before, "query")): (9, 0),
        (ChangeKind.BORN, id_of(now, "upload")): (0, 5),
    }


def test_a_longer_look_is_no_growth() -> None:
    """Twice the errors in twice the time is the same category, steady."""
    day = 86_400_000_000
    once = [replace(each, first_us=0, last_us=day) for each in errors_of({"cache": 10, "disk": 30})]
    twice = [replace(each, first_us=0, last_us=2 * day) for each in errors_of({"cache": 20, "disk": 60})]
    assert fit(twice, previous=fit(once)).changes == ()


def test_what_comes_back_is_what_it_was() -> None:
    """A category that was gone for a run has its id again when its errors come back."""
    first = fit(errors_of({"cache": 10, "disk": 30}))
    without = fit(errors_of({"disk": 30, "token": 3}), previous=first)
    again = fit(errors_of({"cache": 4, "disk": 30}), previous=without)
    assert id_of(again, "cache") == id_of(first, "cache")


def test_merged_and_split_are_told() -> None:
    """Two categories that a decision made one are told as merged, with the one that took the other in."""
    before = fit(errors_of({"cache": 10, "disk": 30}))
    cache, disk = id_of(before, "cache"), id_of(before, "disk")
    edits = CategoryEdits().merged(cache, disk)
    now = fit(errors_of({"cache": 10, "disk": 30}), previous=before, edits=edits)
    told = [(each.kind, each.category_id, each.other_id) for each in now.changes]
    assert (ChangeKind.MERGED, cache, disk) in told
    apart = fit(errors_of({"cache": 10, "disk": 30}), previous=now, edits=edits.without(cache))
    split = next(each for each in apart.changes if each.category_id == cache)
    assert split.kind in (ChangeKind.SPLIT, ChangeKind.BORN)


def test_decisions_survive_ten_runs() -> None:
    """A name, a merge and a pin hold in ten runs over changing errors, each kept and read back."""
    rng = random.Random(7)
    counts = {"cache": 10, "disk": 30, "token": 12, "query": 9}
    model = fit(errors_of(counts))
    cache, disk, token = (id_of(model, kind) for kind in ("cache", "disk", "token"))
    (query,) = errors_of({"query": 1})
    edits = CategoryEdits().renamed(cache, "the cache is down").merged(token, disk).pinned(query.group_id, cache)
    for _ in range(10):
        counts = {kind: rng.randrange(1, 60) for kind in ("cache", "disk", "token", "query", "upload")}
        model = CategoryModel.from_state(fit(errors_of(counts), previous=model, edits=edits).to_state())
        by_id = {each.category_id: each for each in model.categories}
        assert by_id[cache].name == "the cache is down"
        assert by_id[cache].is_named
        assert id_of(model, "token") == id_of(model, "disk") == disk
        assert by_id[cache].count == counts["cache"] + counts["query"]
        assert by_id[disk].count == counts["disk"] + counts["token"]
        assert id_of(model, "query") == cache
        assert token not in by_id


def test_a_decision_shows_before_the_next_run() -> None:
    """Names and merges change the model at once, a pinned group is assigned at once."""
    model = fit(errors_of({"cache": 10, "disk": 30, "token": 12}))
    cache, disk, token = (id_of(model, kind) for kind in ("cache", "disk", "token"))
    (pinned,) = errors_of({"token": 1})
    edits = CategoryEdits().renamed(disk, "full").merged(cache, disk).pinned(pinned.group_id, disk)
    edited = model.edited(edits)
    assert {each.category_id: (each.name, each.count) for each in edited.categories} == {
        disk: ("full", 40),
        token: (next(each.name for each in model.categories if each.category_id == token), 12),
    }
    assert edited.predict([pinned])[0].category == edited.categories[0]


def test_edits_are_read_back_and_bad_ones_refused() -> None:
    """Edits are their plain form; circles, empty names and damaged files are sentences."""
    edits = CategoryEdits().renamed("a", "  the   kettle ").merged("b", "a").pinned("g", "a")
    assert CategoryEdits.from_plain(edits.to_plain()) == edits
    assert edits.names == {"a": "the kettle"}
    with pytest.raises(UsageError, match="one category already"):
        edits.merged("a", "b")
    with pytest.raises(UsageError, match="1 to"):
        edits.renamed("a", "  ")
    with pytest.raises(UsageError, match="nobody"):
        edits.without("zzz")
    for plain in (None, {}, {**edits.to_plain(), "names": {"a": 3}}):
        with pytest.raises(UsageError, match="begin anew"):
            CategoryEdits.from_plain(plain)
    assert CategoryEdits(merges={"a": "b", "b": "a"}).owner("a") in ("a", "b")
