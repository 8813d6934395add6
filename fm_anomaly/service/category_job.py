"""One run of `categorize` over the store, in a process of its own: `python -m fm_anomaly.service.category_job`.

What to do comes as one JSON object on standard input, for an address of a database is no argument that others should
see; what came of it goes to standard output as one JSON object. It gives way to everything else on the machine. It
must not know when it is started.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fm_anomaly.errors import FmAnomalyError

NICENESS = 19
_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class CategoryJob:
    """What one run is of: a store (path or URL), whose errors, how far back from the latest, and where models are."""

    store: str
    tenant: str
    models: str
    since_days: int
    min_count: int

    def to_json(self) -> str:
        """Return what the process reads."""
        return json.dumps(asdict(self))


def run(job: CategoryJob) -> dict[str, Any]:
    """Fit and keep the categories of a store's errors; return what is told of it. Raises FmAnomalyError."""
    from fm_anomaly.categorizing import categorize, errors_of_store
    from fm_anomaly.core.category_values import CategoriesParams
    from fm_anomaly.storage import open_store
    from fm_anomaly.storage.errors import last_error_us

    refused: list[str] = []
    with open_store(job.store) as store:
        since_us = last_error_us(store, job.tenant) - job.since_days * _DAY_US
        errors = errors_of_store(store, job.tenant, since_us)
    if not errors:
        return {"is_empty": True}
    params = CategoriesParams(min_count=job.min_count)
    made = categorize(errors, Path(job.models), params=params, on_refused=refused.append)
    n_labelled = _label_what_waited(job, since_us)
    return {
        "is_empty": False,
        "version": made.folder.name,
        "categories": len(made.model.categories),
        "errors": sum(each.count for each in errors),
        "changes": len(made.model.changes),
        "labelled": n_labelled,
        "refused": refused,
    }


def _label_what_waited(job: CategoryJob, since_us: int) -> int:
    """Give alerts that no model knew the category that this run found; return how many have one now."""
    from fm_anomaly.categorizing import KIND, load_model
    from fm_anomaly.core.category_labels import Labeller
    from fm_anomaly.storage import open_store
    from fm_anomaly.storage.labels import fill_labels, unlabelled
    from fm_anomaly.storage.model_registry import Registry

    root = Path(job.models)
    labeller = Labeller(load_model(root), Registry(root).active(KIND) or "")
    found = {}
    with open_store(job.store) as store:
        for alert in unlabelled(store, job.tenant, since_us):
            label = labeller.label(alert.kind, [line["text"] for line in alert.evidence], alert.title)
            if label is not None and label.category_id:
                found[alert.alert_id] = label
        fill_labels(store, job.tenant, found)
    return len(found)


def main() -> int:
    """Read a job, do it, tell what came of it."""
    os.nice(NICENESS)
    try:
        told = run(CategoryJob(**json.loads(sys.stdin.read())))
    except (FmAnomalyError, ImportError) as exc:
        told = {"error": str(exc)}
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if "error" in told else 0


if __name__ == "__main__":
    sys.exit(main())
