"""Laws of categories for texts that come one by one: assigned at once, for good, by what came before."""

from __future__ import annotations

from fm_anomaly.core.category_stream import CategoryStream, CategoryStreamParams
from fm_anomaly.core.error_terms import terms_of

TEXTS = [
    "connection to cache refused",
    "assertion failed: expected 3 lids, received 4",
    "connection to cache refused after 3 attempts",
    "no space left on device",
    "assertion failed: expected 1 lids, received 9",
    "connection to cache refused",
]


def labels_of(texts: list[str], params: CategoryStreamParams | None = None) -> list[int]:
    stream = CategoryStream(params)
    return [stream.assign(terms) for terms in terms_of(texts)]


def test_like_texts_join_and_others_open_their_own() -> None:
    """Kinds that come mixed are told apart, numbered in the order of their first text."""
    assert labels_of(TEXTS) == [0, 1, 0, 2, 1, 0]


def test_no_text_is_told_by_a_later_one() -> None:
    """The labels of the first texts are the same whatever follows."""
    whole = labels_of(TEXTS)
    assert [labels_of(TEXTS[:n]) for n in range(len(TEXTS))] == [whole[:n] for n in range(len(TEXTS))]


def test_texts_without_words_are_one_kind() -> None:
    """What says nothing is like what says nothing, and like nothing else."""
    assert labels_of(["", "12 34", *TEXTS[:1], ""]) == [0, 0, 1, 0]


def test_memory_is_bounded() -> None:
    """Only the latest texts are remembered, so a kind that was long ago may open anew; no number is given twice."""
    stream = CategoryStream(CategoryStreamParams(max_texts=2))
    found = [stream.assign(terms) for terms in terms_of(TEXTS)]
    assert len(stream._texts) == 2
    assert stream.n_categories == max(found) + 1
