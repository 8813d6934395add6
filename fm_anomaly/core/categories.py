"""Error categories: kinds of errors, found by a batch job over distinct errors, with a name, a size and a history.

Two levels: a group is one fault (`error_groups`), a category a kind of error. `fit` clusters distinct errors by what
they say, knows again the categories of the run before, and does what people decided about them. Knows nothing of files
or stores: `storage.model_registry` keeps `category_model.CategoryModel`.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.core.category_clustering import Clustering, cluster, means
from fm_anomaly.core.category_edits import CategoryEdits
from fm_anomaly.core.category_matching import changes, flow_of, match
from fm_anomaly.core.category_model import CategoryModel, terms_of_errors
from fm_anomaly.core.category_names import Member, name_of
from fm_anomaly.core.category_values import CategoriesParams, CategoryChange, DistinctError, ErrorCategory
from fm_anomaly.core.error_groups import group_ids
from fm_anomaly.core.error_texts import ErrorText, exception_type, read_errors
from fm_anomaly.core.taxonomy import Taxonomy
from fm_anomaly.core.term_weights import fit_weights
from fm_anomaly.errors import ModelError

__all__ = ["CategoriesParams", "CategoryModel", "DistinctError", "distinct_errors", "fit", "from_templates", "new_id"]

_Ints = npt.NDArray[np.int64]
# an error whose group is new may well be of another category than it would have been put in
_GUESS_WEIGHT = 0.5


def distinct_errors(texts: Sequence[str], counts: Sequence[int] | None = None) -> list[DistinctError]:
    """Return one error a text, in order; texts are redacted, of any number of lines. Cost: about 40 µs a line."""
    said = read_errors(texts)
    groups = group_ids(said)
    times = counts or [1] * len(texts)
    return [DistinctError(*each) for each in zip(texts, said, groups, times, strict=True)]


def from_templates(templates: Iterable[Mapping[str, Any]]) -> list[DistinctError]:
    """Return the error templates among those of `scan --json` (or of the store, as mappings).

    A template counts as often as it was an error. Its exception type is the one that its text or its
    sample names, "" where neither does.
    """
    found = [each for each in templates if each["errors"] > 0]
    types = [exception_type(each["template"]) or exception_type(each["sample"]) for each in found]
    said = [ErrorText(each["template"], exc_type) for each, exc_type in zip(found, types, strict=True)]
    return [
        DistinctError(each["template"], what, group, int(each["errors"]), services=(each["service"],))
        for each, what, group in zip(found, said, group_ids(said), strict=True)
    ]


def fit(
    errors: Iterable[DistinctError],
    params: CategoriesParams | None = None,
    *,
    previous: CategoryModel | None = None,
    edits: CategoryEdits | None = None,
    taxonomy: Taxonomy | None = None,
) -> CategoryModel:
    """Cluster `errors` into named categories; what says the same is one, its counts added.

    The order of `errors` does not matter. Cost: some seconds up to 2,000 distinct ones, 100,000 take some minutes.

    Parameters
    ----------
    previous
        The run before: its categories keep their ids where their errors are still together.
    edits
        What people decided: names, merges, pinned groups.
    taxonomy
        Gives each category its class; without one it has none.

    Raises
    ------
    ModelError
        There is no error to cluster.
    """
    params, edits = params or CategoriesParams(), edits or CategoryEdits()
    distinct = merged(errors)
    kept = distinct[: params.max_errors]
    if not kept:
        raise ModelError("no error to cluster: scan a log that has errors first")
    terms = terms_of_errors(kept)
    counts = np.asarray([each.count for each in kept], dtype=np.int64)
    weights = fit_weights(terms, counts.tolist(), params.weights)
    vectors = weights.vectors(terms)
    clustering = params.clustering
    if previous is not None and previous.cut in clustering.cuts:
        clustering = replace(clustering, usual_cut=previous.cut)
    found = cluster(vectors, counts, clustering)
    run = _Run(kept, counts, found, previous, params, edits)
    labels, ids = run.decided()
    members = _members(labels, vectors)
    is_kept = [
        category_id in run.sticky or len(rows) > 1 or int(counts[rows].sum()) >= params.min_count
        for category_id, rows in zip(ids, members, strict=True)
    ]
    categories = _classed(_named(kept, members, ids, params, edits), kept, members, taxonomy)
    order = sorted((at for at in range(len(ids)) if is_kept[at]), key=lambda at: (-categories[at].count, ids[at]))
    place = {at: n for n, at in enumerate(order)}
    centroids = means(vectors, found.labels)
    owners = run.owners(labels, place)
    model = CategoryModel(
        params=params,
        categories=_with_neighbours([categories[at] for at in order], means(vectors, labels)[order], params),
        metrics=_metrics(kept, len(distinct) - len(kept), len(order), is_kept, found),
        cut=found.cut,
        weights=weights,
        centroids=centroids,
        part_ids=tuple(run.part_ids),
        part_category=owners,
        by_group=_by_group(kept, labels, place),
        part_by_group=run.part_by_group(),
        changes=(),
        span_us=_span_us(kept),
    )
    return replace(model, changes=tuple(_changes(previous, model, run, params)))


def merged(errors: Iterable[DistinctError]) -> list[DistinctError]:
    """Return errors of distinct text and group, most counted first, then by text."""
    seen: dict[tuple[str, str], DistinctError] = {}
    for each in errors:
        key = (each.group_id, each.text)
        old = seen.get(key)
        seen[key] = each if old is None else _together(old, each)
    return sorted(seen.values(), key=lambda each: (-each.count, each.text, each.group_id))


def new_id(group_id: str, attempt: int = 0) -> str:
    """Return the id of a category born around a group: 50 bits in 10 letters of base32."""
    text = group_id if attempt == 0 else f"{group_id}|{attempt}"
    return b32encode(blake2b(text.encode(), digest_size=10, person=b"category").digest()).decode().lower()[:10]


class _Run:
    """One run's parts (clusters before people's edits), what they are called, and which errors flow where."""

    def __init__(
        self,
        errors: Sequence[DistinctError],
        counts: _Ints,
        found: Clustering,
        previous: CategoryModel | None,
        params: CategoriesParams,
        edits: CategoryEdits,
    ) -> None:
        self._errors, self._labels, self._previous, self._params, self._edits = (
            errors,
            found.labels,
            previous,
            params,
            edits,
        )
        self._weights: npt.NDArray[np.float64] = np.log1p(counts.astype(np.float64))
        n = int(found.labels.max()) + 1
        self._sizes: Any = np.bincount(found.labels, weights=self._weights, minlength=n)
        self._before, ids_before, weights = self._where_before()
        self.flow = flow_of(found.labels, self._before, weights, (n, len(ids_before)))
        firsts = [errors[int(rows[0])].group_id for rows in _rows_of(found.labels)]
        self.ids_before = ids_before
        self.part_ids = match(
            self.flow, self._sizes, ids_before, lambda at, attempt: new_id(firsts[at], attempt), params.min_overlap
        )
        self.sticky = {*edits.names, *edits.merges.values(), *edits.pins.values()}

    def _where_before(self) -> tuple[_Ints, list[str], npt.NDArray[np.float64]]:
        """Return the part before of each error (-1 for none), the ids of the parts before, and each error's weight."""
        if self._previous is None:
            return np.full(len(self._errors), -1, dtype=np.int64), [], self._weights
        known = self._previous.part_by_group
        ids = sorted({*self._previous.part_ids, *known.values()})
        place = {each: at for at, each in enumerate(ids)}
        before = np.asarray([place.get(known.get(each.group_id, ""), -1) for each in self._errors], dtype=np.int64)
        weights = self._weights.copy()
        unknown = np.flatnonzero(before < 0)
        guesses = self._previous.nearest_parts([self._errors[at] for at in unknown.tolist()])
        for at, part in zip(unknown.tolist(), guesses, strict=True):
            if part is not None:
                before[at] = place[part]
                weights[at] *= _GUESS_WEIGHT
        return before, ids, weights

    def decided(self) -> tuple[_Ints, list[str]]:
        """Return each error's category as a number and the ids of the numbers: parts merged, pinned groups moved."""
        owners = [self._edits.owner(each) for each in self.part_ids]
        ids = list(dict.fromkeys(owners))
        place = {each: at for at, each in enumerate(ids)}
        labels = np.asarray([place[each] for each in owners], dtype=np.int64)[self._labels]
        for at, error in enumerate(self._errors):
            target = self._edits.pins.get(error.group_id)
            if target is not None:
                target = self._edits.owner(target)
                labels[at] = place.setdefault(target, len(place))
        ids = list(place)
        used, dense = np.unique(labels, return_inverse=True)
        return dense.astype(np.int64), [ids[at] for at in used.tolist()]

    def owners(self, labels: _Ints, place: Mapping[int, int]) -> _Ints:
        """Return for each part the place of its category, -1 where it is in none."""
        out = np.full(len(self.part_ids), -1, dtype=np.int64)
        pinned = np.asarray([each.group_id in self._edits.pins for each in self._errors], dtype=np.bool_)
        for at in np.flatnonzero(~pinned).tolist():
            out[self._labels[at]] = place.get(int(labels[at]), -1)
        return out

    def part_by_group(self) -> dict[str, str]:
        """Return the part of each group, those of earlier runs behind the ones of this, bounded."""
        now: dict[str, str] = {}
        for error, label in zip(self._errors, self._labels.tolist(), strict=True):
            now.setdefault(error.group_id, self.part_ids[label])
        earlier = self._previous.part_by_group if self._previous is not None else {}
        both = now | {group: part for group, part in earlier.items() if group not in now}
        return dict(list(both.items())[: max(self._params.max_remembered, len(now))])

    def flow_between(self) -> dict[tuple[str, str], float]:
        """Return (id now, id before) → weight of the errors that two categories share."""
        out: dict[tuple[str, str], float] = {}
        was = self._previous.category_of_part() if self._previous is not None else {}
        for now, before in zip(*np.nonzero(self.flow), strict=True):
            key = (self._edits.owner(self.part_ids[int(now)]), was.get(self.ids_before[int(before)], ""))
            out[key] = out.get(key, 0.0) + float(self.flow[now, before])
        return out


def _changes(
    previous: CategoryModel | None, model: CategoryModel, run: _Run, params: CategoriesParams
) -> list[CategoryChange]:
    if previous is None:
        return []
    rate = previous.span_us / model.span_us if previous.span_us and model.span_us else 1.0
    return changes(previous.categories, model.categories, run.flow_between(), rate, params.growth)


def _rows_of(labels: _Ints) -> list[_Ints]:
    """Return the rows of each label, ascending."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _members(labels: _Ints, vectors: Any) -> list[_Ints]:
    """Return the rows of each label, most typical first: by mean similarity with the others."""
    centroids = means(vectors, labels)
    likeness = np.empty(len(labels))
    # label by label: all rows beside their centroids at once would take gigabytes
    for label, rows in enumerate(_rows_of(labels)):
        likeness[rows] = np.round((vectors[rows] @ centroids[label].T).toarray().ravel(), 9)
    order = np.lexsort((np.arange(len(labels)), -likeness, labels))
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _together(a: DistinctError, b: DistinctError) -> DistinctError:
    starts = [each for each in (a.first_us, b.first_us) if each is not None]
    ends = [each for each in (a.last_us, b.last_us) if each is not None]
    return replace(
        a,
        count=a.count + b.count,
        n_recent=a.n_recent + b.n_recent,
        services=tuple(sorted({*a.services, *b.services})),
        first_us=min(starts, default=None),
        last_us=max(ends, default=None),
    )


def _named(
    errors: Sequence[DistinctError],
    members: Sequence[_Ints],
    ids: Sequence[str],
    params: CategoriesParams,
    edits: CategoryEdits,
) -> list[ErrorCategory]:
    """Return a category for each list of rows; of two that would have one name the smaller shows its id too."""
    out: list[ErrorCategory] = []
    for rows, category_id in zip(members, ids, strict=True):
        typical = [errors[at] for at in rows[: params.max_named].tolist()]
        out.append(_category(category_id, typical, [errors[at] for at in rows.tolist()], params))
    taken: set[str] = set(edits.names.values())
    for at in sorted(range(len(out)), key=lambda at: (-out[at].count, ids[at])):
        chosen = edits.names.get(ids[at])
        name = chosen or (out[at].name if out[at].name not in taken else f"{out[at].name} [{ids[at][:4]}]")
        out[at] = replace(out[at], name=name, is_named=chosen is not None)
        taken.add(name)
    return out


def _classed(
    categories: Sequence[ErrorCategory],
    errors: Sequence[DistinctError],
    members: Sequence[_Ints],
    taxonomy: Taxonomy | None,
) -> list[ErrorCategory]:
    """Return categories with the class of their most typical error."""
    if taxonomy is None:
        return list(categories)
    firsts = [errors[int(rows[0])].said for rows in members]
    return [
        replace(each, kind=str(taxonomy.classify(said.message, said.exc_type).kind))
        for each, said in zip(categories, firsts, strict=True)
    ]


def _category(
    category_id: str, typical: Sequence[DistinctError], members: Sequence[DistinctError], params: CategoriesParams
) -> ErrorCategory:
    name, words = name_of([
        Member(e.said.message, e.said.exc_type, e.said.frame, e.services, float(np.log1p(e.count))) for e in typical
    ])  # fmt: skip
    starts = [each.first_us for each in members if each.first_us is not None]
    ends = [each.last_us for each in members if each.last_us is not None]
    return ErrorCategory(
        category_id=category_id,
        name=name,
        exc_type=typical[0].said.exc_type,
        words=words,
        n_groups=len({each.group_id for each in members}),
        n_errors=len(members),
        count=sum(each.count for each in members),
        n_recent=sum(each.n_recent for each in members),
        first_us=min(starts, default=None),
        last_us=max(ends, default=None),
        services=tuple(sorted({service for each in members for service in each.services})),
        examples=tuple(dict.fromkeys(each.said.message for each in typical))[: params.n_examples],
    )


def _by_group(errors: Sequence[DistinctError], labels: _Ints, place: Mapping[int, int]) -> dict[str, int]:
    """Return the category of each group, -1 for none: that of most of its errors."""
    votes: dict[str, dict[int, int]] = {}
    for error, label in zip(errors, labels.tolist(), strict=True):
        of_group = votes.setdefault(error.group_id, {})
        at = place.get(label, -1)
        of_group[at] = of_group.get(at, 0) + error.count
    return {group: min(of_group, key=lambda at: (-of_group[at], at)) for group, of_group in votes.items()}


def _with_neighbours(
    categories: Sequence[ErrorCategory], centroids: Any, params: CategoriesParams
) -> tuple[ErrorCategory, ...]:
    if len(categories) < 2:
        return tuple(categories)
    near = np.round((centroids @ centroids.T).toarray(), 9)
    np.fill_diagonal(near, -1.0)
    best = np.argsort(-near, axis=1, kind="stable")[:, : params.n_neighbours]
    return tuple(
        replace(each, neighbours=tuple(categories[at].category_id for at in row.tolist() if near[i, at] > 0.05))
        for i, (each, row) in enumerate(zip(categories, best, strict=True))
    )


def _span_us(errors: Sequence[DistinctError]) -> int:
    starts = [each.first_us for each in errors if each.first_us is not None]
    ends = [each.last_us for each in errors if each.last_us is not None]
    return max(ends, default=0) - min(starts, default=0)


def _metrics(
    errors: Sequence[DistinctError], n_left_out: int, n_categories: int, is_kept: Sequence[bool], found: Clustering
) -> dict[str, float | int | None]:
    return {
        "n_errors": len(errors),
        "n_left_out": n_left_out,
        "n_groups": len({each.group_id for each in errors}),
        "n_categories": n_categories,
        "n_uncategorized": sum(not kept for kept in is_kept),
        "count": sum(each.count for each in errors),
        "cut": found.cut,
        "silhouette": found.silhouette,
    }
