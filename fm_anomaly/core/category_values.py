"""The values of error categories: what goes into a fit, what comes out, how it is set.

Plain frozen values, shared by fitting, matching, people's edits and those who show them. Knows no algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fm_anomaly.core.category_clustering import ClusteringParams
from fm_anomaly.core.error_texts import ErrorText
from fm_anomaly.core.term_weights import WeightParams

UNCATEGORIZED = "uncategorized"
"""In place of a category's id and name: an error that is like no other."""


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
    # distinct errors fitted, the most counted ones
    max_errors: int = 200_000
    # groups of earlier runs whose category is remembered, so that it has its id again when it comes back
    max_remembered: int = 100_000
    n_examples: int = 3
    n_neighbours: int = 3
    # members that a name is made from, the most typical ones
    max_named: int = 200
    # share of a category's errors that must come from an earlier one for it to be that one
    min_overlap: float = 0.3
    # a category whose errors a time became this many times more has grown, a like part of them has shrunk
    growth: float = 1.5


@dataclass(frozen=True, slots=True)
class ErrorCategory:
    """A kind of error. `neighbours` are the ids of the categories most like it, most alike first.

    `kind` is its class in the taxonomy, "" where none was asked; `is_named` tells that a person gave the name.
    """

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
    kind: str = ""
    is_named: bool = False

    @property
    def trend(self) -> str:
        """Return "rising" or "falling" where one half of the span has twice the errors of the other, else "steady".

        A difference that chance gives one time in twenty is none: one error is no trend.
        """
        earlier = self.count - self.n_recent
        if (self.n_recent - earlier) ** 2 <= 4 * self.count:
            return "steady"
        if self.n_recent > 2 * earlier:
            return "rising"
        return "falling" if earlier > 2 * self.n_recent else "steady"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where an error belongs: its group, its category or None; `similarity` in [0, 1] to the category's members."""

    group_id: str
    category: ErrorCategory | None
    similarity: float


class ChangeKind(StrEnum):
    """What became of a category since the run before."""

    BORN = "born"
    GROWN = "grown"
    SHRUNK = "shrunk"
    GONE = "gone"
    MERGED = "merged"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class CategoryChange:
    """One change; `other_id` is the category it was merged into or split from, "" for other kinds."""

    kind: ChangeKind
    category_id: str
    name: str
    count_before: int
    count_now: int
    other_id: str = ""
