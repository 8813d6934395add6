"""Grouping accuracy: how well predicted event types agree with labelled ones, as sets of lines.

Pure functions of two label sequences. GA is Zhu et al., ICSE-SEIP 2019: the share of lines whose predicted
group is exactly a true group. FGA is Jiang et al., ISSTA 2024: the F1 of groups, which does not let a few large
groups decide.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grouping:
    """Agreement of a grouping with the truth; `ga` and `fga` in [0, 1]."""

    ga: float
    fga: float
    n_predicted: int
    n_true: int
    n_right: int


def compare(predicted: Sequence[Hashable], truth: Sequence[Hashable]) -> Grouping:
    """Return the agreement of two labellings of the same lines. Raises `ValueError` on unequal lengths."""
    ours, theirs = _members(predicted), _members(truth)
    pairs = zip(predicted, truth, strict=True)
    first_truth: dict[Hashable, Hashable] = {}
    for label, true_label in pairs:
        first_truth.setdefault(label, true_label)
    right = [lines for label, lines in ours.items() if lines == theirs[first_truth[label]]]
    n_lines = sum(map(len, right))
    return Grouping(
        ga=n_lines / len(truth) if truth else 1.0,
        fga=2 * len(right) / (len(ours) + len(theirs)) if truth else 1.0,
        n_predicted=len(ours),
        n_true=len(theirs),
        n_right=len(right),
    )


def _members(labels: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = {}
    for line, label in enumerate(labels):
        members.setdefault(label, []).append(line)
    return members
