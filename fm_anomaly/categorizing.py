"""One run of the batch job: errors in, categories fitted on the run before and on people's edits, the model kept.

The command line, the service's schedule and notebooks call `categorize`, so they cannot differ. It knows models and
edits under a folder, and must not know where errors come from or how a result is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fm_anomaly.core.categories import fit
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.core.category_values import CategoriesParams, DistinctError
from fm_anomaly.core.taxonomy import Taxonomy
from fm_anomaly.errors import ModelError
from fm_anomaly.storage.category_edits import load_edits
from fm_anomaly.storage.default_models import load_default
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
