"""Laws of the generated failure texts, and that `categorize` finds their kinds."""

from __future__ import annotations

from statistics import fmean

import pytest

from fm_anomaly.core.categories import distinct_errors, fit
from fm_anomaly.core.category_stream import CategoryStream
from fm_anomaly.core.error_terms import terms_of
from fm_anomaly.evaluation.failure_texts import Project, projects, stacks

ALL = [each for seed in (101, 102) for each in projects(seed)]


def test_a_seed_is_its_texts() -> None:
    """Equal seeds give equal projects, one a stack; other seeds others."""
    again = [each for seed in (101, 102) for each in projects(seed)]
    assert again == ALL
    assert len(ALL) == 2 * len(stacks())
    assert all(len({each.category for each in project.texts}) >= 2 for project in ALL)


def agreement(project: Project, labels: list[object]) -> float:
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score([each.category for each in project.texts], labels))


@pytest.mark.parametrize("is_online", [False, True])
def test_kinds_are_found(is_online: bool) -> None:
    """Number not given, on seeds that nothing was developed on: mean adjusted mutual information of .93 at least."""
    found = []
    for project in ALL:
        texts = [each.text for each in project.texts]
        if is_online:
            stream = CategoryStream()
            labels: list[object] = [stream.assign(terms) for terms in terms_of(texts)]
        else:
            errors = distinct_errors(texts)
            labels = [each.category and each.category.category_id for each in fit(errors).predict(errors)]
        found.append(agreement(project, labels))
    assert fmean(found) >= 0.93
