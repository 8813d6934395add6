"""A fitted clustering of errors: assigns an error to its group and category, and is kept as plain values.

A category has one part or more: parts are what the fit found, categories what people made of them. An error of a known
group is where the group is; another joins the part whose members it is most like on average, or none. Knows no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fm_anomaly.core.category_clustering import ClusteringParams
from fm_anomaly.core.category_edits import CategoryEdits
from fm_anomaly.core.category_values import (
    Assignment,
    CategoriesParams,
    CategoryChange,
    ChangeKind,
    DistinctError,
    ErrorCategory,
)
from fm_anomaly.core.error_terms import Terms, terms_of, with_type
from fm_anomaly.core.term_weights import TermWeights, WeightParams
from fm_anomaly.errors import ModelError

STATE_VERSION = 1


def terms_of_errors(errors: Sequence[DistinctError]) -> list[Terms]:
    """Return the terms of each error's text and its exception's type. Cost: about 20 µs a line."""
    found = terms_of([each.text for each in errors])
    return [with_type(terms, each.said.exc_type) for terms, each in zip(found, errors, strict=True)]


@dataclass(frozen=True, slots=True)
class CategoryModel:
    """Categories, most counted first, and what assigns errors to them.

    `cut` is the distance up to which an error is in a part; `centroids` has a sparse row a part, the mean of its
    members' unit vectors; `part_category` the place of each part's category, -1 for none; `by_group` that of each
    group; `part_by_group` the part's id of groups, earlier runs' included. `changes` tell what became of the
    categories of the run before; `span_us` how long the fit looked at, 0 where times are not known.
    """

    params: CategoriesParams
    categories: tuple[ErrorCategory, ...]
    metrics: dict[str, float | int | None]
    cut: float
    weights: TermWeights = field(repr=False)
    centroids: Any = field(repr=False)
    part_ids: tuple[str, ...] = field(repr=False)
    part_category: npt.NDArray[np.int64] = field(repr=False)
    by_group: Mapping[str, int] = field(repr=False)
    part_by_group: Mapping[str, str] = field(repr=False)
    changes: tuple[CategoryChange, ...] = ()
    span_us: int = 0

    def predict(self, errors: Sequence[DistinctError]) -> list[Assignment]:
        """Assign errors, seen in the fit or not. Cost: about 50 µs an error of one line."""
        if not errors:
            return []
        out = []
        for error, row in zip(errors, self._similarities(errors), strict=True):
            best = int(row.argmax()) if len(row) else -1
            is_near = best >= 0 and row[best] >= 1.0 - self.cut
            at = self.by_group.get(error.group_id)
            if at is None:
                at = int(self.part_category[best]) if is_near else -1
            category = self.categories[at] if at >= 0 else None
            likeness = float(row[self.part_category == at].max(initial=0.0)) if at >= 0 else 0.0
            out.append(Assignment(error.group_id, category, likeness))
        return out

    def nearest_parts(self, errors: Sequence[DistinctError]) -> list[str | None]:
        """Return the id of the part that each error would join, None where it is like none."""
        if not errors or not self.part_ids:
            return [None] * len(errors)
        near = self._similarities(errors)
        best = near.argmax(axis=1)
        is_near = near[np.arange(len(errors)), best] >= 1.0 - self.cut
        return [self.part_ids[at] if is_in else None for at, is_in in zip(best.tolist(), is_near.tolist(), strict=True)]

    def category_of_part(self) -> dict[str, str]:
        """Return the id of each part's category, for parts that are in one."""
        placed = zip(self.part_ids, self.part_category.tolist(), strict=True)
        return {part: self.categories[at].category_id for part, at in placed if at >= 0}

    def _similarities(self, errors: Sequence[DistinctError]) -> npt.NDArray[np.float64]:
        terms = terms_of_errors(errors)
        near: npt.NDArray[np.float64] = np.round((self.weights.vectors(terms) @ self.centroids.T).toarray(), 9)
        return near

    def edited(self, edits: CategoryEdits) -> CategoryModel:
        """Return the model with people's later decisions, until the next run works them in.

        Names and merges show at once, pinned groups are assigned at once; their counts move with the next run.
        """
        owners = [edits.owner(each.category_id) for each in self.categories]
        ids = list(dict.fromkeys(owners))
        place = {each: at for at, each in enumerate(ids)}
        moved = np.asarray([place[each] for each in owners] or [0], dtype=np.int64)
        parts: dict[str, list[ErrorCategory]] = {}
        for each, owner in zip(self.categories, owners, strict=True):
            parts.setdefault(owner, []).append(each)
        by_group = {group: int(moved[at]) if at >= 0 else -1 for group, at in self.by_group.items()}
        for group, target in edits.pins.items():
            if (at := place.get(edits.owner(target))) is not None:
                by_group[group] = at
        return replace(
            self,
            categories=tuple(_joined(owner, of, edits) for owner, of in parts.items()),
            part_category=np.where(self.part_category >= 0, moved[self.part_category], -1),
            by_group=by_group,
        )

    def to_state(self) -> dict[str, Any]:
        """Return the model as plain values and numpy arrays: nothing that needs a class to be read again."""
        indices, indptr = self.centroids.indices, self.centroids.indptr
        return {
            "version": STATE_VERSION,
            "params": asdict(self.params),
            "categories": [asdict(each) for each in self.categories],
            "metrics": dict(self.metrics),
            "cut": self.cut,
            "span_us": self.span_us,
            "changes": [{**asdict(each), "kind": str(each.kind)} for each in self.changes],
            "terms": list(self.weights.column),
            "weight": self.weights.weight,
            "centroids": [self.centroids.data, *(np.asarray(each, dtype=np.int64) for each in (indices, indptr))],
            "part_ids": list(self.part_ids),
            "part_category": self.part_category,
            "groups": list(self.by_group),
            "group_category": np.asarray(list(self.by_group.values()), dtype=np.int64),
            "remembered": list(self.part_by_group),
            "remembered_parts": list(self.part_by_group.values()),
        }

    @classmethod
    def from_state(cls, state: object) -> CategoryModel:
        """Return the model of a state. Raises ModelError where it is of another version or not a model's."""
        if not isinstance(state, Mapping) or state.get("version") != STATE_VERSION:
            raise ModelError("error categories of another version: fit them again with fm-anomaly categorize")
        try:
            return _from_plain(state)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ModelError(f"error categories cannot be read ({exc}): run fm-anomaly categorize again") from exc


def _from_plain(state: Mapping[str, Any]) -> CategoryModel:
    from scipy.sparse import csr_matrix

    data, indices, indptr = state["centroids"]
    shape = (len(state["part_ids"]), max(1, len(state["weight"])))
    return CategoryModel(
        params=_params(state["params"]),
        categories=tuple(ErrorCategory(**_tuples(each)) for each in state["categories"]),
        metrics=dict(state["metrics"]),
        cut=float(state["cut"]),
        weights=TermWeights({term: at for at, term in enumerate(state["terms"])}, state["weight"]),
        centroids=csr_matrix((data, indices, indptr), shape=shape),
        part_ids=tuple(state["part_ids"]),
        part_category=state["part_category"],
        by_group=dict(zip(state["groups"], state["group_category"].tolist(), strict=True)),
        part_by_group=dict(zip(state["remembered"], state["remembered_parts"], strict=True)),
        changes=tuple(CategoryChange(**{**each, "kind": ChangeKind(each["kind"])}) for each in state["changes"]),
        span_us=int(state["span_us"]),
    )


def _joined(owner: str, parts: Sequence[ErrorCategory], edits: CategoryEdits) -> ErrorCategory:
    first = next((each for each in parts if each.category_id == owner), parts[0])
    name = edits.names.get(owner)
    first = replace(first, category_id=owner, name=name or first.name, is_named=first.is_named or name is not None)
    if len(parts) == 1:
        return first
    starts = [each.first_us for each in parts if each.first_us is not None]
    ends = [each.last_us for each in parts if each.last_us is not None]
    return replace(
        first,
        n_groups=sum(each.n_groups for each in parts),
        n_errors=sum(each.n_errors for each in parts),
        count=sum(each.count for each in parts),
        n_recent=sum(each.n_recent for each in parts),
        first_us=min(starts, default=None),
        last_us=max(ends, default=None),
        services=tuple(sorted({service for each in parts for service in each.services})),
    )


def _params(plain: Mapping[str, Any]) -> CategoriesParams:
    rest = {name: value for name, value in plain.items() if name not in ("weights", "clustering")}
    clustering = {**plain["clustering"], "cuts": tuple(plain["clustering"]["cuts"])}
    return CategoriesParams(weights=WeightParams(**plain["weights"]), clustering=ClusteringParams(**clustering), **rest)


def _tuples(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
