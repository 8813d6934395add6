"""Error categories: similar error templates put together by a batch job and given a name.

TF-IDF over words and character n-grams, average-linkage clustering on the cosine distance (scikit-learn,
imported only where it is used), a name from the exception type and the most telling words. Knows nothing
of files or stores; `storage.model_registry` keeps the fitted model. A first, plain form: no match with
the categories of the run before, one distance for all.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.errors import ModelError

_Matrix = npt.NDArray[np.float64]

_EXCEPTION = re.compile(r"\b([A-Z][\w$]*(?:Error|Exception|Timeout|Interrupt|Panic|Fault))\b")
_SEARCHED_CHARACTERS = 2000
_MASK = re.compile(r"<[^<>\s]*>")
_WORD = r"[^\W\d_]{2,}"
# words that every error has tell nothing of the kind of error
_COMMON = frozenset({"the", "and", "for", "with", "from", "not", "to", "could", "cannot", "error", "failed", "failure"})


@dataclass(frozen=True, slots=True)
class ErrorTemplate:
    """One kind of error message, as it is to be clustered."""

    text: str
    exc_type: str = ""
    count: int = 1
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CategoriesParams:
    """How errors are told apart; distances are cosine, 0 (same) to 1 (nothing in common)."""

    # clusters nearer than this become one; a message farther than this from all of them is in none
    max_distance: float = 0.7
    # features kept of each kind, the most frequent ones
    max_features: int = 4096
    # weight of an equal exception type beside an equal text
    exc_weight: float = 0.6
    # most templates clustered, the most counted ones: the distance matrix takes 8 bytes × n²
    max_errors: int = 3000
    n_name_words: int = 3
    n_examples: int = 3


@dataclass(frozen=True, slots=True)
class ErrorCategory:
    """A group of similar error templates."""

    category_id: str
    name: str
    exc_type: str
    words: tuple[str, ...]
    n_templates: int
    count: int
    services: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CategoryModel:
    """A fitted clustering: predicts the category of an error never seen; most counted category first."""

    params: CategoriesParams
    categories: tuple[ErrorCategory, ...]
    metrics: dict[str, float | int | None]
    # one row a category, unit length: the mean of its members
    centroids: _Matrix = field(repr=False)
    features: _Features = field(repr=False)

    def predict(self, errors: Sequence[ErrorTemplate]) -> list[ErrorCategory | None]:
        """Return the nearest category of each error, None where all are farther than `max_distance`."""
        if not errors or not self.categories:
            return [None] * len(errors)
        distance = 1.0 - np.round(self.features.transform(errors) @ self.centroids.T, 9)
        nearest = distance.argmin(axis=1)
        near = distance[np.arange(len(errors)), nearest] <= self.params.max_distance
        return [self.categories[at] if is_near else None for at, is_near in zip(nearest, near, strict=True)]


class _Features:
    """Errors as unit vectors: words, character n-grams and the exception type side by side."""

    def __init__(self, params: CategoriesParams) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        same: dict[str, Any] = {"max_features": params.max_features, "sublinear_tf": True, "dtype": np.float64}
        self._weights = (1.0, 1.0, params.exc_weight)
        self.words: Any = TfidfVectorizer(token_pattern=_WORD, ngram_range=(1, 2), **same)
        self._characters: Any = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **same)
        self._exceptions: Any = TfidfVectorizer(analyzer=_whole, use_idf=False, **same)

    def fit(self, errors: Sequence[ErrorTemplate]) -> None:
        texts, types = _texts(errors), _types(errors)
        for vectorizer, documents in self._pairs(texts, types):
            try:
                vectorizer.fit(documents)
            except ValueError:
                # scikit-learn's word for "no document has a feature": then this kind says nothing
                vectorizer.fit(["nothing"])

    def transform(self, errors: Sequence[ErrorTemplate]) -> Any:
        """Return a sparse matrix, one unit row an error; a row of zeros where no feature is known."""
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        pairs = self._pairs(_texts(errors), _types(errors))
        blocks = [vectorizer.transform(documents) for vectorizer, documents in pairs]
        weighted = [block * weight for block, weight in zip(blocks, self._weights, strict=True)]
        return normalize(hstack(weighted).tocsr())

    def _pairs(self, texts: list[str], types: list[str]) -> list[tuple[Any, list[str]]]:
        return [(self.words, texts), (self._characters, texts), (self._exceptions, types)]


def fit(errors: Iterable[ErrorTemplate], params: CategoriesParams | None = None) -> CategoryModel:
    """Cluster `errors` into named categories; equal text and type are one, their counts added.

    The order of `errors` does not matter. Cost: n² distances, 3,000 templates take some seconds.
    Raises ModelError where there is no error to cluster.
    """
    params = params or CategoriesParams()
    distinct = _distinct(errors)
    kept = distinct[: params.max_errors]
    if not kept:
        raise ModelError("no error template to cluster: scan a log that has errors first")
    features = _Features(params)
    features.fit(kept)
    vectors = features.transform(kept)
    distance = _distances(vectors)
    labels = _cluster(distance, params.max_distance)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    groups.sort(key=lambda group: (-sum(kept[at].count for at in group), group[0]))
    categories = _named(kept, groups, features, distance, params)
    centroids = np.vstack([_centroid(vectors[group]) for group in groups])
    metrics: dict[str, float | int | None] = {
        "n_errors": len(kept),
        "n_left_out": len(distinct) - len(kept),
        "n_categories": len(groups),
        "n_singletons": sum(len(group) == 1 for group in groups),
        "silhouette": _silhouette(distance, labels),
    }
    return CategoryModel(params, categories, metrics, centroids, features)


def from_templates(templates: Iterable[Mapping[str, Any]]) -> list[ErrorTemplate]:
    """Return the error templates among those of `scan --json` (or of the store, as mappings), without masks.

    A template counts as often as it was an error. Its exception type is the one that its text or its
    sample names, "" where neither does.
    """
    return [
        ErrorTemplate(
            text=each["template"],
            exc_type=exception_type(each["template"]) or exception_type(each["sample"]),
            count=int(each["errors"]),
            services=(each["service"],),
        )
        for each in templates
        if each["errors"] > 0
    ]


def exception_type(text: str) -> str:
    """Return the last part of the first exception class that `text` names, "" where it names none.

    >>> exception_type("job <num>: redis.exceptions.ConnectionError: refused")
    'ConnectionError'
    """
    found = _EXCEPTION.search(text[:_SEARCHED_CHARACTERS])
    return found[1] if found else ""


def _whole(text: str) -> list[str]:
    return [text] if text else []


def _distinct(errors: Iterable[ErrorTemplate]) -> list[ErrorTemplate]:
    """Return errors of distinct text and type, most counted first, then by text."""
    merged: dict[tuple[str, str], ErrorTemplate] = {}
    for each in errors:
        key = (each.text, each.exc_type)
        old = merged.get(key)
        services = set(each.services) | set(old.services if old else ())
        count = each.count + (old.count if old else 0)
        merged[key] = ErrorTemplate(each.text, each.exc_type, count, tuple(sorted(services)))
    return sorted(merged.values(), key=lambda each: (-each.count, each.text, each.exc_type))


def _texts(errors: Sequence[ErrorTemplate]) -> list[str]:
    return [_MASK.sub(" ", each.text) for each in errors]


def _types(errors: Sequence[ErrorTemplate]) -> list[str]:
    return [each.exc_type for each in errors]


def _distances(vectors: Any) -> _Matrix:
    # rounded, so that the last bit, which may differ with the build of BLAS, decides no tie
    similarity = np.round((vectors @ vectors.T).toarray(), 9)
    distance: _Matrix = np.clip(1.0 - similarity, 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    return distance


def _cluster(distance: _Matrix, max_distance: float) -> npt.NDArray[np.intp]:
    if len(distance) == 1:
        return np.zeros(1, dtype=np.intp)
    from sklearn.cluster import AgglomerativeClustering

    clustering: Any = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=max_distance
    )
    labels: npt.NDArray[np.intp] = clustering.fit_predict(distance)
    return labels


def _centroid(vectors: Any) -> _Matrix:
    mean = np.asarray(vectors.mean(axis=0), dtype=np.float64).ravel()
    length = math.sqrt(float(mean @ mean))
    return mean / length if length else mean


def _silhouette(distance: _Matrix, labels: npt.NDArray[np.intp]) -> float | None:
    """Return the mean silhouette (Rousseeuw 1987), None where it is not defined."""
    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    from sklearn.metrics import silhouette_score

    return round(float(silhouette_score(distance, labels, metric="precomputed")), 4)


def _named(
    errors: Sequence[ErrorTemplate],
    groups: Sequence[npt.NDArray[np.intp]],
    features: _Features,
    distance: _Matrix,
    params: CategoriesParams,
) -> tuple[ErrorCategory, ...]:
    weights = features.words.transform(_texts(errors))
    vocabulary = features.words.get_feature_names_out()
    overall = np.asarray(weights.mean(axis=0)).ravel()
    named = []
    taken: set[str] = set()
    for group in groups:
        members = [errors[at] for at in group]
        telling = np.asarray(weights[group].mean(axis=0)).ravel()
        medoid = members[int(distance[np.ix_(group, group)].sum(axis=1).argmin())]
        words = _telling_words(telling, telling - overall, vocabulary, params.n_name_words)
        words = tuple(sorted(words, key=lambda word: _place(word, medoid.text)))
        category = _category(members, medoid, words, params, taken)
        taken.add(category.name)
        named.append(category)
    return tuple(named)


def _category(
    members: Sequence[ErrorTemplate],
    medoid: ErrorTemplate,
    words: tuple[str, ...],
    params: CategoriesParams,
    taken: set[str],
) -> ErrorCategory:
    exc_type = _main_type(members)
    told = [each for each in words if each not in exc_type.lower()]
    name = ": ".join(part for part in (exc_type, " ".join(told)) if part) or medoid.text[:60]
    identity = f"{medoid.exc_type}\0{medoid.text}".encode(errors="replace")
    category_id = hashlib.blake2b(identity, digest_size=5).hexdigest()
    return ErrorCategory(
        category_id=category_id,
        name=name if name not in taken else f"{name} ({category_id})",
        exc_type=exc_type,
        words=words,
        n_templates=len(members),
        count=sum(each.count for each in members),
        services=tuple(sorted({service for each in members for service in each.services})),
        examples=tuple(each.text for each in members[: params.n_examples]),
    )


def _main_type(members: Sequence[ErrorTemplate]) -> str:
    """Return the exception type of most of the members' counts, "" where most have none."""
    counts: dict[str, int] = {}
    for each in members:
        counts[each.exc_type] = counts.get(each.exc_type, 0) + each.count
    return min(counts, key=lambda name: (-counts[name], name))


def _telling_words(weights: _Matrix, lift: _Matrix, vocabulary: Any, n_words: int) -> tuple[str, ...]:
    """Return the single words of three letters or more that weigh most here beside elsewhere."""
    words = [
        (round(float(lift[at]), 9), str(vocabulary[at]))
        for at in np.flatnonzero(weights)
        if len(vocabulary[at]) > 2 and " " not in vocabulary[at] and vocabulary[at] not in _COMMON
    ]
    return tuple(word for _, word in sorted(words, key=lambda each: (-each[0], each[1]))[:n_words])


def _place(word: str, text: str) -> tuple[bool, int]:
    """Return where `word` stands in `text`, words that do not stand there last: names read as messages do."""
    at = text.lower().find(word)
    return at < 0, at
