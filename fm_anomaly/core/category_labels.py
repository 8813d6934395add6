"""What an alert is labelled with: the group and the category of its error, by the model in use, or none.

A label stands beside an alert and never in it: what a Pipeline finds does not depend on which model lies there. Knows
records' texts and a model, not where either comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.categories import distinct_errors
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.core.category_names import Member, name_of
from fm_anomaly.core.category_values import DistinctError
from fm_anomaly.core.error_records import first_error

OF_ERRORS = ("new_error", "error_spike")
"""Kinds of alerts that are of errors even where their lines, taken alone, do not say so."""


@dataclass(frozen=True, slots=True)
class CategoryLabel:
    """Group and category of one error, ids and names; "" for a category that the next run has to find.

    `model` is the version of the model that said so.
    """

    group_id: str
    group: str
    category_id: str = ""
    category: str = ""
    model: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the label as JSON has it."""
        category = {"category_id": self.category_id, "name": self.category, "model": self.model}
        return {
            "group": {"group_id": self.group_id, "name": self.group},
            "category": category if self.category_id else None,
        }


def label_of(plain: Mapping[str, Any]) -> CategoryLabel | None:
    """Return the label that an object of `plain` holds, None where it has none."""
    group, category = plain.get("group"), plain.get("category") or {}
    if not group:
        return None
    told = (category.get(name, "") for name in ("category_id", "name", "model"))
    return CategoryLabel(group["group_id"], group["name"], *told)


def first_label(labels: Sequence[CategoryLabel | None]) -> CategoryLabel | None:
    """Return the label of many alerts of one matter: the first with a category, else the first."""
    told = [each for each in labels if each is not None]
    return next((each for each in told if each.category_id), told[0] if told else None)


class Labeller:
    """Labels alerts by one version of a model; what it has said of a text it remembers, bounded."""

    def __init__(self, model: CategoryModel, version: str, max_remembered: int = 2_000) -> None:
        self.version = version
        self._model = model
        self._max_remembered = max_remembered
        self._known: dict[tuple[str, ...], CategoryLabel | None] = {}

    def is_known(self, kind: str, lines: Sequence[str], text: str) -> bool:
        """Whether `label` answers from memory."""
        return (kind, text, *lines) in self._known

    def label(self, kind: str, lines: Sequence[str], text: str) -> CategoryLabel | None:
        """Return the label of an alert, None where it is not about an error. Cost: some milliseconds, once a text.

        Parameters
        ----------
        lines
            The alert's evidence, raw and redacted, the most telling record first.
        text
            The template or exception that it is about.
        """
        key = (kind, text, *lines)
        if key not in self._known:
            if len(self._known) >= self._max_remembered:
                del self._known[next(iter(self._known))]
            self._known[key] = self._label(kind, lines, text)
        return self._known[key]

    def _label(self, kind: str, lines: Sequence[str], text: str) -> CategoryLabel | None:
        error = first_error(lines)
        if error is None and kind in OF_ERRORS and text:
            error = distinct_errors([text])[0]
        if error is None:
            return None
        (found,) = self._model.predict([error])
        category = found.category
        if category is None:
            return CategoryLabel(found.group_id, _name(error), model=self.version)
        return CategoryLabel(found.group_id, _name(error), category.category_id, category.name, self.version)


def with_labels(report: Mapping[str, Any], labeller: Labeller) -> dict[str, Any]:
    """Return the object of `scan --json` with `group` and `category` beside each alert and incident."""
    return {**report, "incidents": [_labelled(each, labeller) for each in report["incidents"]]}


def _labelled(incident: Mapping[str, Any], labeller: Labeller) -> dict[str, Any]:
    alerts, labels = [], []
    for alert in incident["alerts"]:
        lines = [line["text"] for line in alert["evidence"]]
        label = labeller.label(alert["kind"], lines, alert["title"])
        labels.append(label)
        alerts.append({**alert, **plain_label(label)})
    return {**incident, **plain_label(first_label(labels)), "alerts": alerts}


def plain_label(label: CategoryLabel | None) -> dict[str, Any]:
    """Return the keys `group` and `category`, null where there is none."""
    return label.plain() if label is not None else {"group": None, "category": None}


def _name(error: DistinctError) -> str:
    said = error.said
    return name_of([Member(said.message, said.exc_type, said.frame, error.services, 1.0)])[0]
