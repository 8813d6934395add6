"""Laws of the model registry: versions are never changed, and nothing doubtful is unpickled."""

from __future__ import annotations

import hashlib
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from fm_anomaly.core.categories import CategoryModel, distinct_errors, fit
from fm_anomaly.errors import ModelError
from fm_anomaly.storage.model_registry import (
    ACTIVE,
    KEPT_VERSIONS,
    MANIFEST,
    METRICS,
    MODEL_FILE,
    Manifest,
    Registry,
)


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models", tmp_path / "key" / "model.key")


def rewrite(manifest: Path, **changes: Any) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def sign_again(registry: Registry, folder: Path) -> None:
    """Sign a manifest as this installation would: what is refused then is refused for another reason."""
    from fm_anomaly.storage.installation_key import read_key, sign

    manifest = Manifest(**json.loads((folder / MANIFEST).read_text()))
    signed = asdict(manifest) | {"hmac": sign(read_key(registry.key_file), manifest.signed_bytes())}
    (folder / MANIFEST).write_text(json.dumps(signed))


def test_a_model_predicts_after_loading_as_before(registry: Registry) -> None:
    """The round trip over disk changes no assignment, and the manifest carries what it was fitted on."""
    errors = distinct_errors(["LidError: lid stuck on kettle", "no water in the well"], [3, 2])
    model = fit(errors)
    folder = registry.save("errors", model.to_state(), kind="categories", metrics=model.metrics, fitted_on={"n": 2})
    state, manifest = registry.load("errors")
    assert folder == registry.root / "errors" / "0001"
    assert CategoryModel.from_state(state).predict(errors) == model.predict(errors)
    assert (manifest.metrics, manifest.kind, manifest.fitted_on) == (model.metrics, "categories", {"n": 2})
    assert json.loads((folder / METRICS).read_text()) == model.metrics
    assert {"joblib", "numpy", "scikit-learn", "python", "fm-anomaly"} <= set(manifest.libraries)


def test_versions_only_grow(registry: Registry) -> None:
    """Each saving is a new version and the one in use; the old ones stay readable."""
    for n in range(3):
        registry.save("m", {"n": n}, kind="test")
    assert registry.versions("m") == ["0001", "0002", "0003"]
    assert registry.load("m")[0] == {"n": 2}
    assert registry.load("m", "0001")[0] == {"n": 0}
    assert registry.names() == ["m"]


def test_old_versions_go_but_the_active_one_stays(registry: Registry) -> None:
    """Beyond the number kept the oldest go, never the one in use, and no number is given twice."""
    for n in range(KEPT_VERSIONS + 3):
        registry.save("m", {"n": n}, kind="test")
    assert len(registry.versions("m")) == KEPT_VERSIONS
    assert registry.load("m")[0] == {"n": KEPT_VERSIONS + 2}


def test_rollback_brings_back_the_very_same_assignments(registry: Registry) -> None:
    """A second fit changes what is assigned; rolled back, every assignment is what it was; forward again too."""
    texts = ["ConnectionError: cache refused", "no space left on device", "token expired", "kettle is empty"]
    first = fit(distinct_errors(texts[:2]))
    second = fit(distinct_errors(texts))
    asked = distinct_errors(texts)
    registry.save("m", first.to_state(), kind="categories")
    registry.save("m", second.to_state(), kind="categories")
    assert CategoryModel.from_state(registry.load("m")[0]).predict(asked) == second.predict(asked)
    assert registry.rollback("m").version == "0001"
    assert CategoryModel.from_state(registry.load("m")[0]).predict(asked) == first.predict(asked)
    with pytest.raises(ModelError, match="models activate"):
        registry.rollback("m")
    registry.activate("m", "0002")
    assert CategoryModel.from_state(registry.load("m")[0]).predict(asked) == second.predict(asked)
    assert registry.rollback("m").version == "0001"


def test_writers_at_once_get_a_version_each(registry: Registry) -> None:
    """Several writers of one name neither fail nor overwrite; nothing half written stays behind."""
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda n: registry.save("m", {"n": n}, kind="test"), range(8)))
    assert len(set(folders)) == 8
    assert sorted(registry.load("m", each)[0]["n"] for each in registry.versions("m")) == list(range(8))
    assert {each.name for each in (registry.root / "m").iterdir()} == {*registry.versions("m"), ACTIVE}


@pytest.mark.parametrize("at", [0, 10, -1])
def test_a_changed_byte_is_refused_before_it_is_unpickled(registry: Registry, at: int) -> None:
    """A file that differs in one byte from the one that was signed runs nothing, and the message says what to do."""
    file = registry.save("m", {"n": 1}, kind="test") / MODEL_FILE
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelError, match="not the one its manifest describes: fit it again with fm-anomaly categorize"):
        registry.load("m")


def test_a_pickle_with_its_own_checksum_is_refused(registry: Registry, tmp_path: Path) -> None:
    """A file put there with a manifest that describes it is not signed, and nothing of it runs."""
    crater = tmp_path / "crater"
    folder = registry.save("m", {"n": 1}, kind="test")
    data = pickle.dumps(Bomb(crater))
    (folder / MODEL_FILE).write_bytes(data)
    rewrite(folder / MANIFEST, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    with pytest.raises(ModelError, match=r"not signed by this installation.*fm-anomaly categorize"):
        registry.load("m")
    assert not crater.exists()


@pytest.mark.parametrize("writer", ["pickle", "joblib", "array of objects"])
def test_even_a_signed_pickle_runs_nothing(registry: Registry, tmp_path: Path, writer: str) -> None:
    """Were the key stolen, a pickle that names anything but plain arrays would still be refused unread."""
    crater = tmp_path / "crater"
    folder = registry.save("m", {"n": 1}, kind="test")
    file = folder / MODEL_FILE
    if writer == "pickle":
        file.write_bytes(pickle.dumps(Bomb(crater)))
    else:
        bomb = Bomb(crater)
        joblib.dump(bomb if writer == "joblib" else np.array([bomb, bomb], dtype=object), file)
    data = file.read_bytes()
    rewrite(folder / MANIFEST, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    sign_again(registry, folder)
    with pytest.raises(ModelError, match=r"no model needs|cannot be read"):
        registry.load("m")
    assert not crater.exists()


def test_an_older_format_is_refused_with_the_next_step(registry: Registry) -> None:
    """A model of another format is not guessed at, whoever signed it."""
    folder = registry.save("m", {"n": 1}, kind="test")
    rewrite(folder / MANIFEST, format=0)
    sign_again(registry, folder)
    with pytest.raises(ModelError, match="format 0, this version reads 1: fit it again with fm-anomaly categorize"):
        registry.load("m")


def test_another_installations_model_is_refused(registry: Registry, tmp_path: Path) -> None:
    """The same folder under another key, or under none, is not loaded."""
    registry.save("m", {"n": 1}, kind="test")
    with pytest.raises(ModelError, match="no key"):
        Registry(registry.root, tmp_path / "other.key").load("m")
    other = Registry(tmp_path / "elsewhere", tmp_path / "other.key")
    other.save("x", {}, kind="test")
    with pytest.raises(ModelError, match="not signed by this installation"):
        Registry(registry.root, tmp_path / "other.key").load("m")


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_a_key_that_others_can_read_is_refused(registry: Registry, mode: int) -> None:
    """What others can read, others can sign with."""
    registry.save("m", {"n": 1}, kind="test")
    registry.key_file.chmod(mode)
    with pytest.raises(ModelError, match="other users"):
        registry.load("m")


@pytest.mark.parametrize("target", [MODEL_FILE, MANIFEST, "."])
def test_what_others_can_write_is_refused(registry: Registry, target: str) -> None:
    """A model, manifest or folder that is writable by everybody is not loaded."""
    folder = registry.save("m", {"n": 1}, kind="test")
    (folder / target).chmod(0o777)
    with pytest.raises(ModelError, match="other users"):
        registry.load("m")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": "fm-anomaly/model/9"}, "this version reads"),
        ({"name": "other"}, "another model"),
        ({"version": "0007"}, "another model"),
        ({"file": "../../elsewhere"}, "another file"),
        ({"size_bytes": 1}, "not the one"),
        ({"unknown": 1}, "cannot be read"),
        ({"hmac": 3}, "another file|not signed"),
    ],
)
@pytest.mark.parametrize("is_signed", [True, False])
def test_a_manifest_that_does_not_fit_is_refused(
    registry: Registry, changes: dict[str, Any], told: str, is_signed: bool
) -> None:
    """Each field of the manifest that matters is held against the truth, signed or not."""
    folder = registry.save("m", {"n": 1}, kind="test")
    rewrite(folder / MANIFEST, **changes)
    if is_signed and "unknown" not in changes and "hmac" not in changes:
        sign_again(registry, folder)
    with pytest.raises(ModelError, match=f"{told}|not signed"):
        registry.load("m")


@pytest.mark.parametrize("name", ["", "../up", "a/b", "UPPER", "."])
def test_a_name_is_no_path(registry: Registry, name: str) -> None:
    """Names cannot lead out of the models' folder."""
    for act in (lambda: registry.save(name, {}, kind="test"), lambda: registry.load(name)):
        with pytest.raises(ModelError, match="may have"):
            act()


def test_what_is_absent_says_how_to_make_it(registry: Registry) -> None:
    """No model, no such version, no number: each is a sentence."""
    with pytest.raises(ModelError, match="fm-anomaly categorize"):
        registry.load("m")
    registry.save("m", {}, kind="test")
    with pytest.raises(ModelError, match="models list"):
        registry.load("m", "0002")
    with pytest.raises(ModelError, match="no number"):
        registry.load("m", "../0001")
    with pytest.raises(ModelError, match="there are 0001"):
        registry.activate("m", "0002")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"history": 3}', '{"history": ["0009"]}'])
def test_a_damaged_note_of_the_active_version_hides_nothing(registry: Registry, text: str) -> None:
    """Where the note cannot be read or names what is gone, the latest version is in use."""
    registry.save("m", {"n": 1}, kind="test")
    (registry.root / "m" / ACTIVE).write_text(text)
    assert registry.active("m") == "0001"
