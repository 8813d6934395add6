"""One run of the batch job: errors in, categories fitted on the run before and on people's edits, the model kept.

The command line, the service's schedule and notebooks call `categorize`, so they cannot differ. It knows models and
edits under a folder and reads a store, and must not know logs or how a result is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fm_anomaly.core.categories import distinct_errors, fit
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.core.category_values import CategoriesParams, DistinctError
from fm_anomaly.core.error_records import errors_of_records
from fm_anomaly.core.taxonomy import Taxonomy
from fm_anomaly.errors import ModelError
from fm_anomaly.storage import Store
from fm_anomaly.storage.category_edits import load_edits
from fm_anomaly.storage.default_models import load_default
from fm_anomaly.storage.errors import StoredError, stored_errors
from fm_anomaly.storage.model_registry import Registry

KIND = "error-categories"


@dataclass(frozen=True, slots=True)
class Categorized:
    """A run's model, and the folder that it was kept in."""

    model: CategoryModel
    folder: Path


def categorize(
    errors: Sequence[DistinctError],
    root: Path,
    name: str = KIND,
    params: CategoriesParams | None = None,
    *,
    registry: Registry | None = None,
    on_refused: Callable[[str], None] = lambda told: None,
) -> Categorized:
    """Fit `errors` into the next version of model `name` under `root` and make it the one in use.

    Parameters
    ----------
    on_refused
        Told where the model before is refused: this run then begins anew, with new ids.

    Raises
    ------
    ModelError
        There is no error, or the model cannot be written.
    """
    registry = registry or Registry(root)
    previous = None
    try:
        if registry.active(name) is not None:
            previous = load_model(root, name, registry=registry)
    except ModelError as exc:
        on_refused(f"{exc} (this run begins anew)")
    model = fit(errors, params, previous=previous, edits=load_edits(root, name), taxonomy=default_taxonomy())
    starts = [each.first_us for each in errors if each.first_us is not None]
    ends = [each.last_us for each in errors if each.last_us is not None]
    fitted_on = {
        "errors": sum(each.count for each in errors),
        "distinct": len(errors),
        "first_us": min(starts, default=None),
        "last_us": max(ends, default=None),
        "before": registry.active(name),
    }
    told = {"params": asdict(model.params), "metrics": model.metrics, "fitted_on": fitted_on}
    return Categorized(model, registry.save(name, model.to_state(), kind=KIND, **told))


def errors_of_store(store: Store, tenant: str, since_us: int | None = None) -> list[DistinctError]:
    """Return the distinct errors that a store holds since a time; what its lines say of a template is read in them.

    Where a template's lines tell several errors, its count is shared among them.
    """
    by_service: dict[str, list[StoredError]] = {}
    for each in stored_errors(store, tenant, since_us):
        by_service.setdefault(each.service, []).append(each)
    out: list[DistinctError] = []
    for service, stored in by_service.items():
        told = iter(errors_of_records([line for each in stored for line in each.lines], service))
        for each in stored:
            found = {error.group_id: error for _ in each.lines if (error := next(told)) is not None}
            said = list(found.values()) or distinct_errors([each.text])
            out += _shared(each, said)
    return out


def _shared(stored: StoredError, said: Sequence[DistinctError]) -> list[DistinctError]:
    n = len(said)
    return [
        replace(
            each,
            count=stored.count // n + (at < stored.count % n),
            n_recent=stored.n_recent // n + (at < stored.n_recent % n),
            services=(stored.service,),
            first_us=stored.first_us,
            last_us=stored.last_us,
        )
        for at, each in enumerate(said[: max(1, stored.count)])
    ]


def default_taxonomy() -> Taxonomy:
    """Return the taxonomy that comes with the package."""
    return Taxonomy.from_state(load_default("error-taxonomy")[0])


def model_in_use(root: Path, name: str = KIND) -> CategoryModel:
    """Return the model in use under `root`, the one that comes with the package where none was fitted yet.

    Raises ModelError where the one in use is refused.
    """
    if Registry(root).active(name) is None:
        return CategoryModel.from_state(load_default(name)[0])
    return load_model(root, name)


def load_model(root: Path, name: str = KIND, *, registry: Registry | None = None) -> CategoryModel:
    """Return the model in use, with what people decided since it was fitted. Raises ModelError where it is refused."""
    state, _ = (registry or Registry(root)).load(name)
    return CategoryModel.from_state(state).edited(load_edits(root, name))
