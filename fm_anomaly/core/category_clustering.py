"""Unit vectors → labels: average linkage on the cosine distance, with a cut that the errors themselves choose.

Up to `max_exact` distinct errors all distances are worked out. Beyond, the vectors are first reduced to
`n_dimensions` and packed into `max_exact` small balls, and the balls are clustered by their true mean distances: the
cost stays that of `max_exact` errors. The cut is the candidate with the best silhouette (Rousseeuw 1987), drawn to the
usual one. What has swallowed much of everything is cut again, nearer. Knows vectors and counts, not texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClusteringParams:
    """How errors are told apart; distances are cosine, 0 (same) to 1 (nothing in common)."""

    # distances up to which errors are one category: the middle one unless another parts them clearly better
    cuts: tuple[float, ...] = (0.45, 0.5, 0.55, 0.6, 0.65)
    usual_cut: float = 0.5
    # what a silhouette loses for each tenth that its cut is away from the usual one
    cut_penalty: float = 0.03
    max_exact: int = 2_000
    n_dimensions: int = 50
    # a category with more than this share of at least `giant_errors` distinct errors is cut again, nearer
    giant_share: float = 0.4
    giant_errors: int = 100
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Clustering:
    """Labels 0, 1, … in the order of their first error; the cut; the silhouette, None where it is not defined."""

    labels: Labels
    cut: float
    silhouette: float | None


def cluster(vectors: Any, counts: npt.NDArray[np.int64], params: ClusteringParams | None = None) -> Clustering:
    """Cluster the rows of a sparse matrix of unit rows, each seen `counts` times."""
    params = params or ClusteringParams()
    if vectors.shape[0] <= params.max_exact:
        return _exact(_distances(vectors), params)
    balls = _balls(vectors, counts, params)
    found = _exact(_distances(_means(vectors, balls)), params)
    return Clustering(_in_order(found.labels[balls]), found.cut, found.silhouette)


def _exact(distance: Matrix, params: ClusteringParams) -> Clustering:
    n = len(distance)
    if n < 2:
        return Clustering(np.zeros(n, dtype=np.int64), params.usual_cut, None)
    tree = _tree(distance)
    best = None
    for at in params.cuts:
        labels = _cut(tree, at)
        silhouette = _silhouette(distance, labels)
        merit = (silhouette or 0.0) - params.cut_penalty * abs(at - params.usual_cut) / 0.1
        if best is None or merit > best[0] + 1e-9:
            best = (merit, labels, at, silhouette)
    if best is None or all(_silhouette(distance, _cut(tree, at)) is None for at in params.cuts):
        labels = _cut(tree, params.usual_cut)
        return Clustering(labels, params.usual_cut, None)
    _, labels, at, silhouette = best
    labels = _without_giants(distance, labels, at, params)
    return Clustering(_in_order(labels), at, silhouette)


def _distances(vectors: Any) -> Matrix:
    # rounded, so that the last bit, which may differ with the build of BLAS, decides no tie
    similarity = np.round((vectors @ vectors.T).toarray(), 9)
    distance: Matrix = np.clip(1.0 - similarity, 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    return distance


def _tree(distance: Matrix) -> Matrix:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    tree: Matrix = linkage(squareform(distance, checks=False), "average")
    return tree


def _cut(tree: Matrix, at: float) -> Labels:
    from scipy.cluster.hierarchy import fcluster

    return _in_order(np.asarray(fcluster(tree, at, "distance"), dtype=np.int64))


def _in_order(labels: Labels) -> Labels:
    """Return labels renamed 0, 1, … in the order of their first row."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    renamed = np.empty(len(first), dtype=np.int64)
    renamed[np.argsort(first, kind="stable")] = np.arange(len(first))
    return renamed[inverse]


def _silhouette(distance: Matrix, labels: Labels) -> float | None:
    if not 2 <= int(labels.max()) + 1 < len(labels):
        return None
    from sklearn.metrics import silhouette_score

    return round(float(silhouette_score(distance, labels, metric="precomputed")), 6)


def _without_giants(distance: Matrix, labels: Labels, cut: float, params: ClusteringParams) -> Labels:
    """Cut again, by tenths, what holds too much and is not of one piece."""
    n = len(labels)
    if n < params.giant_errors:
        return labels
    out, n_labels = labels.copy(), int(labels.max()) + 1
    for label in range(n_labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) <= params.giant_share * n:
            continue
        parts = _parts(distance[np.ix_(rows, rows)], cut)
        out[rows] = np.where(parts == 0, label, n_labels + parts)
        n_labels += int(parts.max()) + 1
    return out


def _parts(distance: Matrix, cut: float) -> Labels:
    """Return the parts of one giant: the first nearer cut whose parts are clearly apart, else one part."""
    tree = _tree(distance)
    for at in (cut - 0.1, cut - 0.2):
        labels = _cut(tree, at)
        largest = int(np.bincount(labels).max())
        silhouette = _silhouette(distance, labels)
        if silhouette is not None and silhouette > 0.3 and largest < 0.8 * len(labels):
            return labels
    return np.zeros(len(distance), dtype=np.int64)


def _balls(vectors: Any, counts: npt.NDArray[np.int64], params: ClusteringParams) -> Labels:
    """Pack many vectors into `max_exact` small balls; a ball of the fitted centres that stays empty is dropped."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from threadpoolctl import threadpool_limits

    # one thread: sums in another order would give another packing
    with threadpool_limits(limits=1):
        n_dimensions = min(params.n_dimensions, vectors.shape[1] - 1)
        reduced = TruncatedSVD(n_dimensions, n_iter=4, random_state=params.seed).fit_transform(vectors)
        length = np.linalg.norm(reduced, axis=1, keepdims=True)
        reduced = np.round(reduced / np.where(length == 0.0, 1.0, length), 6)
        packing: Any = MiniBatchKMeans(
            n_clusters=params.max_exact, random_state=params.seed, batch_size=8_192, n_init=1, max_iter=20,
            init_size=3 * params.max_exact, reassignment_ratio=0.0, max_no_improvement=5,
        )  # fmt: skip
        labels = packing.fit(reduced, sample_weight=np.log1p(counts)).labels_
    return _in_order(np.asarray(labels, dtype=np.int64))


def _means(vectors: Any, labels: Labels) -> Any:
    """Return the mean of the rows of each label, as sparse rows in the order of the labels."""
    from scipy.sparse import csr_matrix

    n = len(labels)
    share = 1.0 / np.bincount(labels)[labels]
    pick: Any = csr_matrix((share, (labels, np.arange(n))), shape=(int(labels.max()) + 1, n))
    return (pick @ vectors).tocsr()


def means(vectors: Any, labels: Labels) -> Any:
    """Return the mean vector of each label: a vector times it is the mean similarity with the label's members."""
    return _means(vectors, labels)
