"""Models that come with the package: read only where they are the very bytes that this code knows.

They were fitted on texts of our own by `make models`, which also writes the hashes below. They need no key: the code
itself vouches for them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import fm_anomaly
from fm_anomaly.errors import ModelError
from fm_anomaly.storage import restricted_pickle
from fm_anomaly.storage.model_registry import MANIFEST, MODEL_FILE, Manifest, read_manifest

SHA256: dict[str, str] = {
    "error-categories": "b7fdb56b64b9392d394f6be762f3b9fe2a8fe98997e9fa61e52f94042d99806a",
    "error-taxonomy": "700fcedcf29033f274fb235ef6197ac7cf29eb6f38733a1a200472e84cdd325e",
}
"""SHA-256 of model.joblib of each model that ships."""


def folder() -> Path:
    """Return where the models lie: in the installed package, or in a checkout beside it."""
    package = Path(fm_anomaly.__file__).resolve().parent
    installed = package / "_models"
    return installed if installed.is_dir() else package.parent / "models" / "default"


def load_default(name: str) -> tuple[Any, Manifest]:
    """Return the state of a shipped model and its manifest. Raises ModelError where it is not the one that shipped."""
    place = folder() / name
    try:
        data = (place / MODEL_FILE).read_bytes()
    except OSError as exc:
        raise ModelError(f"shipped model {place} cannot be read: {exc.strerror}; install fm-anomaly again") from exc
    if hashlib.sha256(data).hexdigest() != SHA256.get(name):
        raise ModelError(f"shipped model {place} is not the one that came with this version: install fm-anomaly again")
    return restricted_pickle.load(data, str(place / MODEL_FILE)), read_manifest(place / MANIFEST)
