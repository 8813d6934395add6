"""Laws of error categories: order and repetition do not matter, what is alike is together, names tell."""

from __future__ import annotations

import random

import pytest

from fm_anomaly.core.categories import (
    CategoriesParams,
    CategoryModel,
    DistinctError,
    distinct_errors,
    fit,
    from_templates,
)
from fm_anomaly.core.error_texts import ErrorText
from fm_anomaly.errors import ModelError

GROUPS = [
    [
        ("ConnectionError: could not connect to redis at 10.0.0.1:6379: Connection refused", 135, "api"),
        ("ConnectionError: redis get failed for key 12: Connection refused", 20, "worker"),
        ("ConnectionError: lost connection to redis at cache:6379: Connection refused", 7, "cache"),
    ],
    [
        ("OperationalError: query took over 20 ms, cancelled by statement timeout", 12, "api"),
        ("OperationalError: statement timeout while reading table orders", 9, "api"),
        ("OperationalError: query cancelled: statement timeout after 4", 3, "worker"),
    ],
    [
        ("job 7 failed: upstream returned 502, retrying", 104, "worker"),
        ("upstream returned 503 for /api/x, retrying", 14, "worker"),
    ],
    [
        ("OSError: cannot write /var/x: No space left on device", 5, "db"),
        ("OSError: disk /var is full: no space left on device", 4, "db"),
    ],
]


def errors_of(rows: list[tuple[str, int, str]]) -> list[DistinctError]:
    plain = distinct_errors([text for text, _, _ in rows], [count for _, count, _ in rows])
    return [
        DistinctError(e.text, e.said, e.group_id, e.count, services=(service,))
        for e, (_, _, service) in zip(plain, rows, strict=True)
    ]


ERRORS = [each for group in GROUPS for each in errors_of(group)]


@pytest.fixture(scope="module")
def model() -> CategoryModel:
    return fit(ERRORS)


def test_what_is_alike_is_together_and_the_rest_apart(model: CategoryModel) -> None:
    """Four kinds of error, told in other words, become four categories; each error predicts its own."""
    assert model.metrics["n_categories"] == len(GROUPS) == len(model.categories)
    predicted = [
        {each.category.category_id for each in model.predict(errors_of(group)) if each.category} for group in GROUPS
    ]
    assert all(len(each) == 1 for each in predicted)
    assert len(set.union(*predicted)) == len(GROUPS)


def test_neither_order_nor_splitting_of_counts_matters(model: CategoryModel) -> None:
    """Shuffled errors, and counts told in two halves, give the same categories, names and ids."""
    halves = [
        DistinctError(e.text, e.said, e.group_id, part, services=e.services)
        for e in ERRORS
        for part in (1, e.count - 1)
    ]
    for seed in range(3):
        again = fit(random.Random(seed).sample(halves, len(halves)))
        assert again.categories == model.categories
        assert again.metrics == model.metrics


def test_a_new_error_finds_its_category_and_nonsense_none(model: CategoryModel) -> None:
    """An unseen wording is put with its kind; a text that has nothing in common is in no category."""
    refused, full, nonsense = (
        each.category
        for each in model.predict(
            distinct_errors([
                "ConnectionError: redis connection refused again",
                "OSError: no space left on device /dev/sda1",
                "banana split",
            ])
        )
    )  # fmt: skip
    assert refused is not None
    assert refused.exc_type == "ConnectionError"
    assert full is not None
    assert full.exc_type == "OSError"
    assert nonsense is None
    assert model.predict([]) == []


def test_a_group_keeps_its_category(model: CategoryModel) -> None:
    """An error whose group the fit has seen is where the fit put the group, whatever its text says else."""
    first = ERRORS[0]
    again = DistinctError("something else entirely", first.said, first.group_id)
    assert model.predict([again])[0].category == model.predict([first])[0].category


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
    assert sum(each.n_errors for each in model.categories) == len(ERRORS)


def test_a_model_is_its_state(model: CategoryModel) -> None:
    """A model read back from its state has the same categories and assigns the same."""
    again = CategoryModel.from_state(model.to_state())
    assert again.categories == model.categories
    assert again.predict(ERRORS) == model.predict(ERRORS)


@pytest.mark.parametrize("state", [{}, {"version": 99}, None, {"version": 1}])
def test_a_state_of_another_version_is_refused(state: object) -> None:
    """What is not a model's state of this version is refused, with the command that makes one."""
    with pytest.raises(ModelError, match="fm-anomaly categorize"):
        CategoryModel.from_state(state)  # type: ignore[arg-type]


def test_what_is_beyond_the_cap_is_counted() -> None:
    """With a cap the most counted errors are clustered, and the metrics say how many were not."""
    model = fit(ERRORS, CategoriesParams(max_errors=3))
    assert (model.metrics["n_errors"], model.metrics["n_left_out"]) == (3, len(ERRORS) - 3)


def test_a_rare_error_like_no_other_stays_uncategorized() -> None:
    """With a least count, what was seen less often and is like nothing else is in no category."""
    lone = distinct_errors(["banana split over the counter"])
    model = fit([*ERRORS, *lone], CategoriesParams(min_count=2))
    assert model.metrics["n_uncategorized"] == 1
    assert model.predict(lone)[0].category is None
    assert sum(each.count for each in model.categories) == sum(each.count for each in ERRORS)


@pytest.mark.parametrize("text", ["", "<*>", "<num> <ip>", "12 34", "\ud800\0"])
def test_an_error_without_words_is_a_category_too(text: str) -> None:
    """A text without a word neither breaks the fit nor pulls others in."""
    lone = distinct_errors([text.encode("utf-8", "replace").decode()])
    assert [each.n_errors for each in fit(lone).categories] == [1]
    assert fit([*lone, *ERRORS]).metrics["n_categories"] == len(GROUPS) + 1


def test_no_errors_is_said_and_not_a_model_of_nothing() -> None:
    """Fitting nothing raises, and says what to do."""
    with pytest.raises(ModelError, match="scan a log"):
        fit([])


def test_errors_out_of_a_scan() -> None:
    """Only templates with errors are taken, as often as they were errors; the type comes from text or sample."""
    same = {"service": "api"}
    templates = [
        {**same, "template": "lid <num> stuck", "sample": "lid 4 stuck: KettleError", "errors": 3, "count": 9},
        {**same, "template": "all is well", "sample": "all is well", "errors": 0, "count": 50},
    ]
    (found,) = from_templates(templates)
    assert found.said == ErrorText("lid <num> stuck", "KettleError")
    assert (found.text, found.count, found.services) == ("lid <num> stuck", 3, ("api",))
