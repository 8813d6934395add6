"""Laws of the model registry: versions are never changed, and nothing doubtful is unpickled."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.core.categories import CategoryModel, distinct_errors, fit
from fm_anomaly.errors import ModelError
from fm_anomaly.storage.model_registry import MANIFEST, MODEL_FILE, load_model, read_manifest, save_model, versions


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


def rewrite(manifest: Path, **changes: Any) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def test_a_model_predicts_after_loading_as_before(tmp_path: Path) -> None:
    """The round trip over disk changes no prediction, and the manifest carries the metrics."""
    errors = distinct_errors(["LidError: lid stuck on kettle", "no water in the well"], [3, 2])
    model = fit(errors)
    folder = save_model(tmp_path, "errors", model.to_state(), metrics=model.metrics)
    loaded, manifest = load_model(tmp_path, "errors")
    assert folder == tmp_path / "errors" / "0001"
    assert CategoryModel.from_state(loaded).predict(errors) == model.predict(errors)
    assert manifest.metrics == model.metrics
    assert set(manifest.libraries) == {"joblib", "numpy", "scikit-learn", "python", "fm-anomaly"}


def test_versions_only_grow(tmp_path: Path) -> None:
    """Each saving is a new version, the old ones stay readable, the latest is the default."""
    for n in range(3):
        save_model(tmp_path, "m", {"n": n})
    assert versions(tmp_path, "m") == ["0001", "0002", "0003"]
    assert load_model(tmp_path, "m")[0] == {"n": 2}
    assert load_model(tmp_path, "m", "0001")[0] == {"n": 0}


def test_writers_at_once_get_a_version_each(tmp_path: Path) -> None:
    """Several writers of one name neither fail nor overwrite; nothing half written stays behind."""
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda n: save_model(tmp_path, "m", {"n": n}), range(8)))
    assert len(set(folders)) == 8
    assert sorted(load_model(tmp_path, "m", each)[0]["n"] for each in versions(tmp_path, "m")) == list(range(8))
    assert len(list((tmp_path / "m").iterdir())) == 8
    for each in folders:
        assert read_manifest(tmp_path, "m", each.name).version == each.name


def test_a_changed_file_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    """A file that is not the one of its manifest runs nothing."""
    crater = tmp_path / "crater"
    folder = save_model(tmp_path, "m", {"n": 1})
    with (folder / MODEL_FILE).open("wb") as file:
        pickle.dump(Bomb(crater), file)
    with pytest.raises(ModelError, match="not the one"):
        load_model(tmp_path, "m")
    assert not crater.exists()


@pytest.mark.parametrize("target", [MODEL_FILE, MANIFEST, "."])
def test_what_others_can_write_is_refused(tmp_path: Path, target: str) -> None:
    """A model, manifest or folder that is writable by everybody is not loaded."""
    folder = save_model(tmp_path, "m", {"n": 1})
    (folder / target).chmod(0o777)
    with pytest.raises(ModelError, match="other users"):
        load_model(tmp_path, "m")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": "fm-anomaly/model/9"}, "another model or schema"),
        ({"name": "other"}, "another model or schema"),
        ({"file": "../../elsewhere"}, "another model or schema"),
        ({"size_bytes": 1}, "not the one"),
        ({"libraries": {"scikit-learn": "0.1.0"}}, r"scikit-learn 0\.1\.0"),
        ({"unknown": 1}, "cannot be read"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """Each field of the manifest that matters is held against the truth."""
    folder = save_model(tmp_path, "m", {"n": 1})
    rewrite(folder / MANIFEST, **changes)
    with pytest.raises(ModelError, match=told):
        load_model(tmp_path, "m")


@pytest.mark.parametrize("name", ["", "../up", "a/b", "UPPER", "."])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """Names cannot lead out of the models' folder."""
    with pytest.raises(ModelError, match="may have"):
        save_model(tmp_path, name, {})
    with pytest.raises(ModelError, match="may have"):
        load_model(tmp_path, name)


def test_what_is_absent_says_how_to_make_it(tmp_path: Path) -> None:
    """No model, no such version, no number: each is a sentence."""
    with pytest.raises(ModelError, match="fm-anomaly categorize"):
        load_model(tmp_path, "m")
    save_model(tmp_path, "m", {})
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(tmp_path, "m", "0002")
    with pytest.raises(ModelError, match="no number"):
        load_model(tmp_path, "m", "../0001")
