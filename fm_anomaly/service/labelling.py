"""Categories beside the running service: the model in use of each tenant, what it says of alerts, people's edits.

A thread looks now and then whether another version is in use, or edits were written elsewhere, and loads it; the worker
asks and never waits. Where no run of `categorize` has been made, or its model is refused, nothing is labelled. It must
not know the store or HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from fm_anomaly.categorizing import KIND
from fm_anomaly.core.alerts import Alert
from fm_anomaly.core.category_edits import edited_by
from fm_anomaly.core.category_labels import CategoryLabel, Labeller
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.core.commands import Command
from fm_anomaly.errors import FmAnomalyError
from fm_anomaly.logs import Log
from fm_anomaly.storage.category_edits import FILE as EDITS
from fm_anomaly.storage.category_edits import load_edits, save_edits
from fm_anomaly.storage.model_registry import Manifest, Registry

_LOG = Log("categories")
_JOIN_S = 10.0


@dataclass(frozen=True, slots=True)
class LabellingParams:
    """look_every_s: how soon another model is in use. max_new: alerts read anew a step, so that a flood waits not."""

    look_every_s: float = 5.0
    max_new: int = 50
    max_tenants: int = 20


@dataclass(frozen=True, slots=True)
class InUse:
    """The model in use of a tenant, people's edits done, and what labels by it."""

    manifest: Manifest
    model: CategoryModel
    labeller: Labeller


class Labelling:
    """Labels alerts of all tenants: `own` has its models in `folder`, see `models_of`."""

    def __init__(self, folder: Path, own: str, params: LabellingParams | None = None) -> None:
        self.params = params or LabellingParams()
        self._folder = folder
        self._own = own
        self._in_use: dict[str, InUse] = {}
        self._seen: dict[str, object] = {}
        self._asked: dict[str, None] = {own: None}
        self._loading = threading.Lock()
        self._ended = threading.Event()
        self._look_now = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fm-anomaly-categories", daemon=True)

    def start(self) -> None:
        """Load the model in use, where there is one, and start the thread that looks for others."""
        self._refresh_guarded()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._look_now.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def look(self) -> None:
        """Look at once whether another model is in use."""
        self._look_now.set()

    def in_use(self, tenant: str) -> InUse | None:
        """Return the model in use of a tenant, None where there is none, or not yet."""
        if tenant not in self._asked and len(self._asked) < self.params.max_tenants:
            self._asked[tenant] = None
            self.look()
        return self._in_use.get(tenant)

    def labels(self, tenant: str, alerts: Sequence[Alert]) -> dict[str, CategoryLabel]:
        """Return what the model in use says, by alert; alerts that it says nothing of are left out."""
        used = self.in_use(tenant)
        if used is None:
            return {}
        try:
            return self._labels(used.labeller, alerts)
        except Exception as exc:  # noqa: BLE001 - alerts without categories are better than no alerts
            _LOG.exception("not_labelled", error=repr(exc))
            return {}

    def _labels(self, labeller: Labeller, alerts: Sequence[Alert]) -> dict[str, CategoryLabel]:
        found, n_new = {}, 0
        for alert in alerts:
            lines = [line.text for line in alert.evidence]
            n_new += not labeller.is_known(alert.kind.value, lines, alert.title)
            if n_new > self.params.max_new:
                break
            label = labeller.label(alert.kind.value, lines, alert.title)
            if label is not None:
                found[alert.alert_id] = label
        return found

    def edit(self, tenant: str, commands: Iterable[Command]) -> None:
        """Do what people said of categories, once more where it was done before: a replay ends in the same edits.

        Raises FmAnomalyError where the edits cannot be kept.
        """
        root = models_of(self._folder, self._own, tenant)
        edits = before = load_edits(root, KIND)
        for command in commands:
            edits = edited_by(edits, command)
        if edits != before:
            save_edits(root, KIND, edits)
            self.refresh()

    def refresh(self) -> None:
        """Load what has come into use since the last time."""
        with self._loading:
            for tenant in list(self._asked):
                try:
                    self._refresh(tenant)
                except (FmAnomalyError, OSError, ImportError) as exc:
                    self._in_use.pop(tenant, None)
                    _LOG.warning("no_model", reason=str(exc), meaning="alerts carry no category until it is mended")

    def _refresh(self, tenant: str) -> None:
        root = models_of(self._folder, self._own, tenant)
        registry = Registry(root)
        version = registry.active(KIND)
        seen = (version, _changed_ns(root / KIND / EDITS))
        if version is None or self._seen.get(tenant) == seen:
            return
        # noted before it is read: one that is refused is told once, and not every five seconds
        self._seen[tenant] = seen
        state, manifest = registry.load(KIND, version)
        model = CategoryModel.from_state(state).edited(load_edits(root, KIND))
        self._in_use[tenant] = InUse(manifest, model, Labeller(model, version))
        _LOG.info("model_in_use", tenant=tenant, version=version)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._look_now.wait(self.params.look_every_s)
            self._look_now.clear()
            self._refresh_guarded()

    def _refresh_guarded(self) -> None:
        try:
            self.refresh()
        except Exception as exc:  # noqa: BLE001 - as above
            _LOG.exception("model_not_loaded", error=repr(exc))


def models_of(folder: Path, own: str, tenant: str) -> Path:
    """Return where a tenant's models are: the service's own in `folder` itself, others apart from it."""
    if tenant == own:
        return folder
    return folder / "tenants" / blake2b(tenant.encode("utf-8", "replace"), digest_size=10).hexdigest()


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
