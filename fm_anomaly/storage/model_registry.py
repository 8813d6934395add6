"""Keeps fitted models under `models/<name>/<version>/`: joblib's file and a manifest that vouches for it.

A model file is a pickle: loading one runs what is in it. So nothing is unpickled before the manifest has
been read, the file's size and SHA-256 agree with it, and nobody but the owner and root can have written
either. The checksum guards against damage and mix-ups, the ownership against other users of the
machine; neither makes a model from a stranger safe.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from fm_anomaly import __version__
from fm_anomaly.errors import ModelError

SCHEMA = "fm-anomaly/model/1"
MANIFEST, MODEL_FILE = "manifest.json", "model.joblib"
_LIBRARIES = ("joblib", "numpy", "scikit-learn")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands in manifest.json: which model it is, how it was made and how to know it again."""

    schema: str
    name: str
    version: str
    kind: str
    file: str
    sha256: str
    size_bytes: int
    params: dict[str, Any]
    metrics: dict[str, Any]
    libraries: dict[str, str]


def save_model(
    root: Path,
    name: str,
    model: object,
    *,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Path:
    """Write `model` as the next version of `name` and return its folder, `root/name/0001` and so on.

    Written aside and renamed: a version is there whole or not at all, and none is ever changed. Raises
    ModelError where it cannot be written.
    """
    import joblib

    folder = _folder(root, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        try:
            joblib.dump(model, aside / MODEL_FILE, compress=3)
            told = {
                "schema": SCHEMA,
                "name": name,
                "kind": f"{type(model).__module__}.{type(model).__qualname__}",
                "file": MODEL_FILE,
                "sha256": _sha256(aside / MODEL_FILE),
                "size_bytes": (aside / MODEL_FILE).stat().st_size,
                "params": dict(params or {}),
                "metrics": dict(metrics or {}),
                "libraries": _libraries(),
            }
            return _publish(aside, folder, told)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as exc:
        raise ModelError(f"model {name!r} cannot be written under {root}: {exc.strerror}") from exc


def load_model(root: Path, name: str, version: str | None = None) -> tuple[Any, Manifest]:
    """Return the model `name` (its latest version where none is given) and its manifest.

    Raises ModelError where it is absent, differs from its manifest, may have been written by another
    user, or was written with another minor version of scikit-learn, whose pickles are not compatible.
    """
    import joblib

    folder = _folder(root, name)
    version = version or _latest_version(folder)
    if version is None:
        raise ModelError(f"no model {name!r} under {root}: fit one with fm-anomaly categorize")
    manifest = read_manifest(root, name, version)
    file = folder / version / MODEL_FILE
    _refuse_foreign(file)
    if file.stat().st_size != manifest.size_bytes or _sha256(file) != manifest.sha256:
        raise ModelError(f"model {file} is not the one its manifest describes: fit it again")
    here = _libraries()["scikit-learn"]
    if _minor(here) != _minor(manifest.libraries.get("scikit-learn", "")):
        wrote = manifest.libraries.get("scikit-learn")
        raise ModelError(f"model {file} was written with scikit-learn {wrote}, here is {here}: fit it again")
    try:
        return joblib.load(file), manifest
    except (OSError, ValueError, ImportError, AttributeError, EOFError) as exc:
        raise ModelError(f"model {file} cannot be read ({type(exc).__name__}): fit it again") from exc


def read_manifest(root: Path, name: str, version: str) -> Manifest:
    """Return the manifest of one version, reading no pickle. Raises ModelError where it is not one."""
    if not re.fullmatch(r"\d{4,}", version):
        raise ModelError(f"model version {version!r} is no number such as 0001")
    path = _folder(root, name) / version / MANIFEST
    _refuse_foreign(path)
    try:
        manifest = Manifest(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as exc:
        raise ModelError(f"manifest {path} cannot be read ({type(exc).__name__}): fit the model again") from exc
    if (manifest.schema, manifest.name, manifest.version, manifest.file) != (SCHEMA, name, version, MODEL_FILE):
        raise ModelError(f"manifest {path} belongs to another model or schema: fit the model again")
    return manifest


def versions(root: Path, name: str) -> list[str]:
    """Return the versions of `name`, oldest first."""
    return _versions(_folder(root, name))


def _folder(root: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ModelError(f"model name {name!r} may have a-z, 0-9, - and _ only")
    return root / name


def _versions(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted((each.name for each in folder.iterdir() if re.fullmatch(r"\d{4,}", each.name)), key=int)


def _latest_version(folder: Path) -> str | None:
    found = _versions(folder)
    return found[-1] if found else None


def _next_version(folder: Path) -> str:
    return f"{int(_latest_version(folder) or 0) + 1:04}"


def _publish(aside: Path, folder: Path, told: dict[str, Any]) -> Path:
    """Complete `aside` with its manifest and make it the next version of `folder`, in one step."""
    aside.chmod(0o755)
    while True:
        version = _next_version(folder)
        manifest = Manifest(version=version, **told)
        (aside / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n")
        try:
            return aside.rename(folder / version)
        except OSError:
            # a folder cannot be renamed onto one with files in it: another writer was first
            if not (folder / version).exists():
                raise


def _refuse_foreign(path: Path) -> None:
    """Raise ModelError where another user may have written `path`, its folder or the folder above."""
    if os.name != "posix":
        return
    for each in (path, path.parent, path.parent.parent):
        try:
            status = each.stat()
        except OSError as exc:
            raise ModelError(f"model file {each} cannot be read: {exc.strerror}") from exc
        if status.st_uid not in (0, os.getuid()) or status.st_mode & stat.S_IWOTH:
            raise ModelError(f"{each} can be written by other users, so it is not loaded: chown it, chmod o-w")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _libraries() -> dict[str, str]:
    told = {each: installed_version(each) for each in _LIBRARIES}
    return told | {"python": ".".join(map(str, sys.version_info[:3])), "fm-anomaly": __version__}


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
