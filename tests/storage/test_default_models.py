"""Laws of the models that ship: the very bytes that the code pins, made again byte for byte, and useful."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fm_anomaly.core.categories import distinct_errors
from fm_anomaly.core.category_model import CategoryModel
from fm_anomaly.errors import ModelError
from fm_anomaly.storage import default_models
from fm_anomaly.storage.default_models import SHA256, folder, load_default
from fm_anomaly.storage.model_registry import MODEL_FILE, libraries

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "samples" / "faultmaven"


@pytest.mark.parametrize("name", sorted(SHA256))
def test_what_ships_is_what_the_code_pins(name: str) -> None:
    """Each model is read, and its manifest tells the same hash."""
    _, manifest = load_default(name)
    assert manifest.sha256 == SHA256[name]
    assert (manifest.name, manifest.kind) == (name, name)


def test_a_changed_byte_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit of a shipped model differs: it is not read, and the message says what to do."""
    shutil.copytree(folder(), tmp_path / "default")
    file = tmp_path / "default" / "error-taxonomy" / MODEL_FILE
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    monkeypatch.setattr(default_models, "folder", lambda: tmp_path / "default")
    with pytest.raises(ModelError, match="install fm-anomaly again"):
        load_default("error-taxonomy")
    with pytest.raises(ModelError, match="install fm-anomaly again"):
        load_default("none-such")


def test_the_default_assigns_what_it_knows() -> None:
    """Out of the box an error of the bundled sample's kind has a category, and nonsense has none."""
    model = CategoryModel.from_state(load_default("error-categories")[0])
    known, other = model.predict(distinct_errors([model.categories[0].examples[0], "banana split"]))
    assert known.category == model.categories[0]
    assert other.category is None
    assert all(each.kind for each in model.categories)


def test_made_again_they_are_the_same_bytes(tmp_path: Path) -> None:
    """`make models` in another process, with another hash seed, writes what is in the repository."""
    made_with = (ROOT / "requirements-dev.lock").read_text()
    here = libraries()
    if any(f"{each}=={here[each]}" not in made_with for each in ("numpy", "scikit-learn", "scipy", "joblib")):
        pytest.skip("other library versions than those of the lock file")
    done = subprocess.run(
        [sys.executable, "-m", "fm_anomaly.evaluation.own_models", str(tmp_path), str(SAMPLE)],
        env={**os.environ, "PYTHONHASHSEED": "11", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(digest in done.stdout for digest in SHA256.values())
    for name in SHA256:
        for file in (MODEL_FILE, "manifest.json", "metrics.json"):
            assert (tmp_path / name / file).read_bytes() == (folder() / name / file).read_bytes()
