"""Error categories: kinds of errors, found by a batch job over distinct errors, with a name, a size and a history.

Two levels: a group is one fault (`error_groups`), a category a kind of error. `fit` clusters distinct errors by what
they say; a `CategoryModel` assigns errors that it has never seen, or says that it knows none like them. Knows nothing
of files or stores: `storage.model_registry` keeps `CategoryModel.to_state`.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.core.category_clustering import Clustering, ClusteringParams, cluster, means
from fm_anomaly.core.category_names import Member, name_of
from fm_anomaly.core.error_groups import group_ids
from fm_anomaly.core.error_terms import Terms, terms_of, with_type
from fm_anomaly.core.error_texts import ErrorText, exception_type, read_errors
from fm_anomaly.core.term_weights import TermWeights, WeightParams, fit_weights
from fm_anomaly.errors import ModelError

STATE_VERSION = 1
UNCATEGORIZED = "uncategorized"
"""In place of a category's id and name: an error that is like no other."""

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DistinctError:
    """One distinct error, as often as it was seen.

    `text` is redacted and may have many lines; `said` is what `error_texts` reads in it. `n_recent` of `count` were
    seen in the later half of the span looked at.
    """

    text: str
    said: ErrorText
    group_id: str
    count: int = 1
    n_recent: int = 0
    services: tuple[str, ...] = ()
    first_us: int | None = None
    last_us: int | None = None


@dataclass(frozen=True, slots=True)
class CategoriesParams:
    """How errors are weighed, told apart and kept."""

    weights: WeightParams = field(default_factory=WeightParams)
    clustering: ClusteringParams = field(default_factory=ClusteringParams)
    # an error that is alone in its category and was seen less often than this stays uncategorized
    min_count: int = 1
    # distinct errors fitted, the most counted ones, and groups whose category is remembered
    max_errors: int = 200_000
    n_examples: int = 3
    n_neighbours: int = 3
    # members that a name is made from, the most typical ones
    max_named: int = 200


@dataclass(frozen=True, slots=True)
class ErrorCategory:
    """A kind of error. `neighbours` are the ids of the categories most like it, most alike first."""

    category_id: str
    name: str
    exc_type: str
    words: tuple[str, ...]
    n_groups: int
    n_errors: int
    count: int
    n_recent: int
    first_us: int | None
    last_us: int | None
    services: tuple[str, ...]
    examples: tuple[str, ...]
    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where an error belongs: its group, and its category or None; `similarity` in [0, 1] to the category's members."""

    group_id: str
    category: ErrorCategory | None
    similarity: float


@dataclass(frozen=True, slots=True)
class CategoryModel:
    """A fitted clustering; most counted category first."""

    params: CategoriesParams
    categories: tuple[ErrorCategory, ...]
    metrics: dict[str, float | int | None]
    # distances of one cut: an error nearer to a category than this is in it
    cut: float
    weights: TermWeights = field(repr=False)
    # sparse, one row a category: the mean of its members' unit vectors
    centroids: Any = field(repr=False)
    # group → position of its category in `categories`, -1 for none
    by_group: Mapping[str, int] = field(repr=False)

    def predict(self, errors: Sequence[DistinctError]) -> list[Assignment]:
        """Assign errors, seen in the fit or not. Cost: about 50 µs an error of one line."""
        if not errors:
            return []
        terms = _terms(errors)
        near = self._similarities(terms)
        out = []
        for error, row in zip(errors, near, strict=True):
            at = self.by_group.get(error.group_id)
            if at is None:
                best = int(row.argmax()) if len(row) else -1
                at = best if best >= 0 and row[best] >= 1.0 - self.cut else -1
            category = self.categories[at] if at >= 0 else None
            out.append(Assignment(error.group_id, category, float(row[at]) if at >= 0 else 0.0))
        return out

    def _similarities(self, terms: Sequence[Terms]) -> npt.NDArray[np.float64]:
        if not self.categories:
            return np.zeros((len(terms), 0))
        near: npt.NDArray[np.float64] = np.round((self.weights.vectors(terms) @ self.centroids.T).toarray(), 9)
        return near

    def _places(self) -> tuple[Any, Any]:
        return self.centroids.indices, self.centroids.indptr

    def to_state(self) -> dict[str, Any]:
        """Return the model as plain values and numpy arrays: nothing that needs a class to be read again."""
        return {
            "version": STATE_VERSION,
            "params": asdict(self.params),
            "categories": [asdict(each) for each in self.categories],
            "metrics": dict(self.metrics),
            "cut": self.cut,
            "terms": list(self.weights.column),
            "weight": self.weights.weight,
            "centroids": [self.centroids.data, *(np.asarray(at, dtype=np.int64) for at in self._places())],
            "groups": list(self.by_group),
            "group_category": np.asarray(list(self.by_group.values()), dtype=np.int64),
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CategoryModel:
        """Return the model of a state. Raises ModelError where it is of another version or not a model's."""
        from scipy.sparse import csr_matrix

        if not isinstance(state, Mapping) or state.get("version") != STATE_VERSION:
            raise ModelError("error categories of another version: fit them again with fm-anomaly categorize")
        try:
            categories = tuple(ErrorCategory(**_tuples(each)) for each in state["categories"])
            data, indices, indptr = state["centroids"]
            shape = (len(categories), max(1, len(state["weight"])))
            return cls(
                params=_params(state["params"]),
                categories=categories,
                metrics=dict(state["metrics"]),
                cut=float(state["cut"]),
                weights=TermWeights({term: at for at, term in enumerate(state["terms"])}, state["weight"]),
                centroids=csr_matrix((data, indices, indptr), shape=shape),
                by_group=dict(zip(state["groups"], state["group_category"].tolist(), strict=True)),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise ModelError(f"error categories cannot be read ({exc}): run fm-anomaly categorize again") from exc


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


def fit(errors: Iterable[DistinctError], params: CategoriesParams | None = None) -> CategoryModel:
    """Cluster `errors` into named categories; what says the same is one, its counts added.

    The order of `errors` does not matter. Cost: about 0.1 ms an error of one line up to 2,000 distinct ones, which take
    some seconds; 100,000 take some minutes. Raises ModelError where there is no error to cluster.
    """
    params = params or CategoriesParams()
    distinct = merged(errors)
    kept = distinct[: params.max_errors]
    if not kept:
        raise ModelError("no error to cluster: scan a log that has errors first")
    terms = _terms(kept)
    counts = np.asarray([each.count for each in kept], dtype=np.int64)
    weights = fit_weights(terms, counts.tolist(), params.weights)
    vectors = weights.vectors(terms)
    found = cluster(vectors, counts, params.clustering)
    order = _by_size(found.labels, counts)
    labels = order[found.labels]
    centroids = means(vectors, labels)
    members = _members(labels, vectors, centroids)
    categories = _named(kept, members, params)
    model = _without_loners(kept, labels, members, categories, params)
    return CategoryModel(
        params=params,
        categories=_with_neighbours(model.categories, centroids[model.rows], params.n_neighbours),
        metrics=_metrics(kept, len(distinct) - len(kept), model, found),
        cut=found.cut,
        weights=weights,
        centroids=centroids[model.rows],
        by_group=model.by_group,
    )


def _terms(errors: Sequence[DistinctError]) -> list[Terms]:
    found = terms_of([each.text for each in errors])
    return [with_type(terms, each.said.exc_type) for terms, each in zip(found, errors, strict=True)]


def merged(errors: Iterable[DistinctError]) -> list[DistinctError]:
    """Return errors of distinct text and group, most counted first, then by text."""
    seen: dict[tuple[str, str], DistinctError] = {}
    for each in errors:
        key = (each.group_id, each.text)
        old = seen.get(key)
        seen[key] = each if old is None else _together(old, each)
    return sorted(seen.values(), key=lambda each: (-each.count, each.text, each.group_id))


def _together(a: DistinctError, b: DistinctError) -> DistinctError:
    times = [each for each in (a.first_us, b.first_us) if each is not None]
    ends = [each for each in (a.last_us, b.last_us) if each is not None]
    return DistinctError(
        text=a.text,
        said=a.said,
        group_id=a.group_id,
        count=a.count + b.count,
        n_recent=a.n_recent + b.n_recent,
        services=tuple(sorted({*a.services, *b.services})),
        first_us=min(times, default=None),
        last_us=max(ends, default=None),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """The categories that stay, with their rows among the centroids, and where each group belongs."""

    categories: tuple[ErrorCategory, ...]
    rows: npt.NDArray[np.int64]
    by_group: dict[str, int]
    n_uncategorized: int


def _by_size(labels: npt.NDArray[np.int64], counts: _Counts) -> npt.NDArray[np.int64]:
    """Return for each label its place by falling count; of equals the earlier comes first."""
    sizes = np.bincount(labels, weights=counts)
    place = np.empty(len(sizes), dtype=np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return place


def _members(labels: npt.NDArray[np.int64], vectors: Any, centroids: Any) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each label, most typical first: by mean similarity with the others."""
    likeness = np.round(np.asarray(vectors.multiply(centroids[labels]).sum(axis=1)).ravel(), 9)
    order = np.lexsort((np.arange(len(labels)), -likeness, labels))
    ends = np.cumsum(np.bincount(labels))
    return np.split(order, ends[:-1])


def _named(
    errors: Sequence[DistinctError], members: Sequence[npt.NDArray[np.int64]], params: CategoriesParams
) -> list[ErrorCategory]:
    named = []
    taken: set[str] = set()
    for rows in members:
        typical = [errors[at] for at in rows[: params.max_named]]
        category = _category(typical, [errors[at] for at in rows], taken, params)
        taken.add(category.name)
        named.append(category)
    return named


def _category(
    typical: Sequence[DistinctError], members: Sequence[DistinctError], taken: set[str], params: CategoriesParams
) -> ErrorCategory:
    name, words = name_of([
        Member(e.said.message, e.said.exc_type, e.said.frame, e.services, float(np.log1p(e.count))) for e in typical
    ])  # fmt: skip
    first = typical[0]
    category_id = new_id(first.group_id)
    times = [each.first_us for each in members if each.first_us is not None]
    ends = [each.last_us for each in members if each.last_us is not None]
    return ErrorCategory(
        category_id=category_id,
        name=name if name not in taken else f"{name} ({category_id[:6]})",
        exc_type=first.said.exc_type,
        words=words,
        n_groups=len({each.group_id for each in members}),
        n_errors=len(members),
        count=sum(each.count for each in members),
        n_recent=sum(each.n_recent for each in members),
        first_us=min(times, default=None),
        last_us=max(ends, default=None),
        services=tuple(sorted({service for each in members for service in each.services})),
        examples=tuple(dict.fromkeys(each.said.message for each in typical))[: params.n_examples],
    )


def new_id(group_id: str) -> str:
    """Return the id of a category born around a group: 50 bits in 10 letters of base32."""
    return b32encode(blake2b(group_id.encode(), digest_size=10, person=b"category").digest()).decode().lower()[:10]


def _without_loners(
    errors: Sequence[DistinctError],
    labels: npt.NDArray[np.int64],
    members: Sequence[npt.NDArray[np.int64]],
    categories: Sequence[ErrorCategory],
    params: CategoriesParams,
) -> _Kept:
    is_kept = [each.n_groups > 1 or each.count >= params.min_count for each in categories]
    rows = np.flatnonzero(is_kept)
    place = np.full(len(categories), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    votes: dict[str, dict[int, int]] = {}
    for error, label in zip(errors, labels.tolist(), strict=True):
        of_group = votes.setdefault(error.group_id, {})
        at = int(place[label])
        of_group[at] = of_group.get(at, 0) + error.count
    by_group = {group: min(of_group, key=lambda at: (-of_group[at], at)) for group, of_group in votes.items()}
    n_loners = sum(not kept for kept in is_kept)
    return _Kept(tuple(categories[at] for at in rows.tolist()), rows, by_group, n_loners)


def _with_neighbours(categories: Sequence[ErrorCategory], centroids: Any, n: int) -> tuple[ErrorCategory, ...]:
    from dataclasses import replace

    if len(categories) < 2:
        return tuple(categories)
    near = np.round((centroids @ centroids.T).toarray(), 9)
    np.fill_diagonal(near, -1.0)
    best = np.argsort(-near, axis=1, kind="stable")[:, :n]
    return tuple(
        replace(each, neighbours=tuple(categories[at].category_id for at in row.tolist() if near[i, at] > 0.05))
        for i, (each, row) in enumerate(zip(categories, best, strict=True))
    )


def _metrics(
    errors: Sequence[DistinctError], n_left_out: int, kept: _Kept, found: Clustering
) -> dict[str, float | int | None]:
    return {
        "n_errors": len(errors),
        "n_left_out": n_left_out,
        "n_groups": len(kept.by_group),
        "n_categories": len(kept.categories),
        "n_uncategorized": kept.n_uncategorized,
        "count": sum(each.count for each in errors),
        "cut": found.cut,
        "silhouette": found.silhouette,
    }


def _params(plain: Mapping[str, Any]) -> CategoriesParams:
    rest = {name: value for name, value in plain.items() if name not in ("weights", "clustering")}
    clustering = {**plain["clustering"], "cuts": tuple(plain["clustering"]["cuts"])}
    return CategoriesParams(weights=WeightParams(**plain["weights"]), clustering=ClusteringParams(**clustering), **rest)


def _tuples(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
