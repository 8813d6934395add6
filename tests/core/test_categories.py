"""Laws of error categories: order and repetition do not matter, what is alike is together, names tell."""

from __future__ import annotations

import random

import pytest

from fm_anomaly.core.categories import (
    CategoriesParams,
    CategoryModel,
    ErrorTemplate,
    exception_type,
    fit,
    from_templates,
)
from fm_anomaly.errors import ModelError

GROUPS = [
    [
        ErrorTemplate("could not connect to redis at <ip>: Connection refused", "ConnectionError", 135, ("api",)),
        ErrorTemplate("redis get failed for key <*>: Connection refused", "ConnectionError", 20, ("worker",)),
        ErrorTemplate("lost connection to redis at <host>:<num>", "ConnectionError", 7, ("cache",)),
    ],
    [
        ErrorTemplate("query took over <num> ms, cancelled by statement timeout", "OperationalError", 12, ("api",)),
        ErrorTemplate("statement timeout while reading table <*>", "OperationalError", 9, ("api",)),
        ErrorTemplate("query cancelled: statement timeout after <num>", "OperationalError", 3, ("worker",)),
    ],
    [
        ErrorTemplate("job <num> failed: upstream returned 502, retrying", "", 104, ("worker",)),
        ErrorTemplate("upstream returned 503 for <path>, retrying", "", 14, ("worker",)),
    ],
    [
        ErrorTemplate("cannot write <path>: No space left on device", "OSError", 5, ("db",)),
        ErrorTemplate("disk <path> is full: no space left on device", "OSError", 4, ("db",)),
    ],
]
ERRORS = [each for group in GROUPS for each in group]


@pytest.fixture(scope="module")
def model() -> CategoryModel:
    return fit(ERRORS)


def test_what_is_alike_is_together_and_the_rest_apart(model: CategoryModel) -> None:
    """Four kinds of error, told in other words, become four categories; each error predicts its own."""
    assert model.metrics["n_categories"] == len(GROUPS) == len(model.categories)
    predicted = [{each.category_id for each in model.predict(group) if each is not None} for group in GROUPS]
    assert all(len(each) == 1 for each in predicted)
    assert len(set.union(*predicted)) == len(GROUPS)


def test_neither_order_nor_splitting_of_counts_matters(model: CategoryModel) -> None:
    """Shuffled errors, and counts told in two halves, give the same categories, names and ids."""
    halves = [ErrorTemplate(e.text, e.exc_type, part, e.services) for e in ERRORS for part in (1, e.count - 1)]
    for seed in range(3):
        shuffled = random.Random(seed).sample(halves, len(halves))
        again = fit(shuffled)
        assert again.categories == model.categories
        assert again.metrics == model.metrics


def test_a_new_error_finds_its_category_and_nonsense_none(model: CategoryModel) -> None:
    """An unseen wording is put with its kind; a text that has nothing in common is in no category."""
    refused, full, nonsense = model.predict([
        ErrorTemplate("redis connection refused again", "ConnectionError"),
        ErrorTemplate("no space left on <path>"),
        ErrorTemplate("banana split"),
    ])  # fmt: skip
    assert refused is not None
    assert refused.exc_type == "ConnectionError"
    assert full is not None
    assert full.exc_type == "OSError"
    assert nonsense is None
    assert model.predict([]) == []


def test_names_are_of_the_type_and_telling_words(model: CategoryModel) -> None:
    """A name begins with the exception type where there is one, then words of the messages; no two agree."""
    first = model.categories[0]
    assert first.name.startswith("ConnectionError: ")
    assert "redis" in first.words
    assert first.services == ("api", "cache", "worker")
    assert first.count == 162
    names = [each.name for each in model.categories]
    assert len(set(names)) == len(names)


def test_most_counted_comes_first_and_the_sums_hold(model: CategoryModel) -> None:
    """Categories come by falling count; their counts sum to the errors'."""
    counts = [each.count for each in model.categories]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == sum(each.count for each in ERRORS)
    assert sum(each.n_templates for each in model.categories) == len(ERRORS)


def test_what_is_beyond_the_cap_is_counted() -> None:
    """With a cap the most counted errors are clustered, and the metrics say how many were not."""
    model = fit(ERRORS, CategoriesParams(max_errors=3))
    assert (model.metrics["n_errors"], model.metrics["n_left_out"]) == (3, len(ERRORS) - 3)


@pytest.mark.parametrize("text", ["", "<*>", "<num> <ip>", "12 34", "\ud800\0"])
def test_an_error_without_words_is_a_category_too(text: str) -> None:
    """A template of masks alone neither breaks the fit nor pulls others in."""
    model = fit([ErrorTemplate(text)])
    assert [each.n_templates for each in model.categories] == [1]
    assert fit([ErrorTemplate(text), *GROUPS[0]]).metrics["n_categories"] == 2


def test_no_errors_is_said_and_not_a_model_of_nothing() -> None:
    """Fitting nothing raises, and says what to do."""
    with pytest.raises(ModelError, match="scan a log"):
        fit([])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis.exceptions.ConnectionError: refused", "ConnectionError"),
        ("java.net.SocketTimeoutException: Read timed out", "SocketTimeoutException"),
        ("httpx.ReadTimeout", "ReadTimeout"),
        ("Error: nothing more", ""),
        ("terror in the dungeon", ""),
    ],
)
def test_exception_types_in_text(text: str, expected: str) -> None:
    """The first class name that ends like an exception's is the type; ordinary words are none."""
    assert exception_type(text) == expected


def test_errors_out_of_a_scan() -> None:
    """Only templates with errors are taken, as often as they were errors; the type comes from text or sample."""
    same = {"service": "api"}
    templates = [
        {**same, "template": "lid <num> stuck", "sample": "lid 4 stuck: KettleError", "errors": 3, "count": 9},
        {**same, "template": "all is well", "sample": "all is well", "errors": 0, "count": 50},
    ]
    assert from_templates(templates) == [ErrorTemplate("lid <num> stuck", "KettleError", 3, ("api",))]
