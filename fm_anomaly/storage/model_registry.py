"""Keeps fitted models under `models/<name>/<version>/`: joblib's file, a manifest that vouches for it, its metrics.

Nothing is unpickled before the manifest is signed with this installation's key, the file's size and SHA-256 agree with
it, its format is the one this version reads, and nobody but the owner and root can have written either; then only plain
values and arrays are found in it (`restricted_pickle`). Versions are never changed; which one is active is a small file
beside them. Knows no kind of model: what is kept is plain values.
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
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from fm_anomaly import __version__
from fm_anomaly.errors import ModelError
from fm_anomaly.storage import restricted_pickle
from fm_anomaly.storage.installation_key import default_key_file, is_signed, make_key, read_key, sign

SCHEMA = "fm-anomaly/model/1"
FORMAT = 1
"""Raised whenever what a model file holds changes; files of another format are refused, never guessed at."""
MANIFEST, MODEL_FILE, METRICS, ACTIVE = "manifest.json", "model.joblib", "metrics.json", "active.json"
KEPT_VERSIONS = 20
"""Versions kept of one name; of more the oldest that are not active go."""
_LIBRARIES = ("joblib", "numpy", "scikit-learn", "scipy")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_REFIT = "fit it again with fm-anomaly categorize"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands in manifest.json: which model it is, how it was made and how to know it again."""

    schema: str
    format: int
    name: str
    version: str
    kind: str
    file: str
    sha256: str
    size_bytes: int
    fitted_on: dict[str, Any]
    params: dict[str, Any]
    metrics: dict[str, Any]
    libraries: dict[str, str]
    hmac: str = ""

    def signed_bytes(self) -> bytes:
        """Return what the signature covers: everything but itself, in one spelling."""
        return json.dumps(asdict(self) | {"hmac": ""}, sort_keys=True, ensure_ascii=True).encode()


@dataclass(frozen=True, slots=True)
class Registry:
    """The models under one folder, signed with one key."""

    root: Path
    key_file: Path = field(default_factory=default_key_file)

    def save(
        self,
        name: str,
        state: object,
        *,
        kind: str,
        fitted_on: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write `state` (plain values and arrays) as the next version of `name`, make it active, return its folder.

        Written aside and renamed: a version is there whole or not at all, and none is ever changed. Raises
        ModelError where it cannot be written.
        """
        folder = self._folder(name)
        key = make_key(self.key_file)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
            try:
                restricted_pickle.dump(state, aside / MODEL_FILE)
                told: dict[str, Any] = {
                    "schema": SCHEMA,
                    "format": FORMAT,
                    "name": name,
                    "kind": kind,
                    "file": MODEL_FILE,
                    "sha256": _sha256((aside / MODEL_FILE).read_bytes()),
                    "size_bytes": (aside / MODEL_FILE).stat().st_size,
                    "fitted_on": dict(fitted_on or {}),
                    "params": dict(params or {}),
                    "metrics": dict(metrics or {}),
                    "libraries": libraries(),
                }
                _write_json(aside / METRICS, told["metrics"])
                made = _publish(aside, folder, told, key)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            self._set_active(name, made.name)
            self._prune(name)
        except OSError as exc:
            raise ModelError(f"model {name!r} cannot be written under {self.root}: {exc.strerror}") from exc
        return made

    def load(self, name: str, version: str | None = None) -> tuple[Any, Manifest]:
        """Return the state of model `name` (its active version where none is given) and its manifest.

        Raises ModelError where it is absent, was not signed here, differs from its manifest, is of another format,
        or may have been written by another user; the message says what to do.
        """
        version = version or self.active(name)
        if version is None:
            raise ModelError(f"no model {name!r} under {self.root}: fit one with fm-anomaly categorize")
        manifest = self.manifest(name, version)
        file = self._folder(name) / version / MODEL_FILE
        _refuse_foreign(file)
        data = _read(file)
        if len(data) != manifest.size_bytes or _sha256(data) != manifest.sha256:
            raise ModelError(f"model {file} is not the one its manifest describes: {_REFIT}")
        return restricted_pickle.load(data, str(file)), manifest

    def manifest(self, name: str, version: str) -> Manifest:
        """Return the signed manifest of one version, reading no pickle. Raises ModelError where it is not one."""
        path = self._folder(name) / _checked(version) / MANIFEST
        manifest = read_manifest(path)
        if (manifest.name, manifest.version) != (name, version):
            raise ModelError(f"manifest {path} belongs to another model: {_REFIT}")
        if not is_signed(read_key(self.key_file), manifest.signed_bytes(), manifest.hmac):
            raise ModelError(f"manifest {path} was not signed by this installation, so it is not loaded: {_REFIT}")
        return manifest

    def names(self) -> list[str]:
        """Return the names of the models that are there, in the order of the alphabet."""
        if not self.root.is_dir():
            return []
        found = (each.name for each in self.root.iterdir() if _NAME.fullmatch(each.name))
        return sorted(each for each in found if self.versions(each))

    def versions(self, name: str) -> list[str]:
        """Return the versions of `name`, oldest first."""
        return _versions(self._folder(name))

    def active(self, name: str) -> str | None:
        """Return the version in use: the one activated last, else the latest; None where there is none."""
        found = self.versions(name)
        chosen = self._history(name)[-1:]
        return chosen[0] if chosen and chosen[0] in found else (found[-1] if found else None)

    def activate(self, name: str, version: str) -> Manifest:
        """Make `version` the one in use, once it has been read to the end. Raises ModelError where it cannot be."""
        if version not in self.versions(name):
            there = ", ".join(self.versions(name)) or "none"
            raise ModelError(f"model {name!r} has no version {version!r} under {self.root}: there are {there}")
        _, manifest = self.load(name, version)
        self._set_active(name, version)
        return manifest

    def rollback(self, name: str) -> Manifest:
        """Go back to the version that was in use before, which assigns as it did; ModelError if there is none."""
        history = self._history(name)
        before = [each for each in history[:-1] if each in self.versions(name) and each != history[-1]]
        if not before:
            raise ModelError(f"model {name!r} has no version in use before: choose one with fm-anomaly models activate")
        _, manifest = self.load(name, before[-1])
        self._write_history(name, before)
        return manifest

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ModelError(f"model name {name!r} may have a-z, 0-9, - and _ only")
        return self.root / name

    def _history(self, name: str) -> list[str]:
        try:
            found = json.loads((self._folder(name) / ACTIVE).read_bytes())["history"]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []

    def _set_active(self, name: str, version: str) -> None:
        history = [each for each in self._history(name) if each != version]
        self._write_history(name, [*history, version][-KEPT_VERSIONS:])

    def _write_history(self, name: str, history: list[str]) -> None:
        try:
            _write_json(self._folder(name) / ACTIVE, {"active": history[-1], "history": history})
        except OSError as exc:
            raise ModelError(f"model {name!r} cannot be activated under {self.root}: {exc.strerror}") from exc

    def _prune(self, name: str) -> None:
        found, active = self.versions(name), self.active(name)
        for version in [each for each in found if each != active][: max(0, len(found) - KEPT_VERSIONS)]:
            shutil.rmtree(self._folder(name) / version, ignore_errors=True)


def read_manifest(path: Path) -> Manifest:
    """Return a manifest, its signature not checked. Raises ModelError where it is not one of this format."""
    _refuse_foreign(path)
    try:
        plain = json.loads(_read(path))
    except ValueError as exc:
        raise ModelError(f"manifest {path} cannot be read (no JSON): {_REFIT}") from exc
    if not isinstance(plain, dict) or plain.get("schema") != SCHEMA or plain.get("format") != FORMAT:
        wrote = plain.get("format") if isinstance(plain, dict) else None
        raise ModelError(f"model {path.parent} is of format {wrote}, this version reads {FORMAT}: {_REFIT}")
    try:
        manifest = Manifest(**plain)
    except TypeError as exc:
        raise ModelError(f"manifest {path} cannot be read ({exc}): {_REFIT}") from exc
    if manifest.file != MODEL_FILE or not isinstance(manifest.hmac, str):
        raise ModelError(f"manifest {path} names another file than {MODEL_FILE}: {_REFIT}")
    return manifest


def libraries() -> dict[str, str]:
    """Return the versions of what a model is made with."""
    told = {"python": ".".join(map(str, sys.version_info[:3])), "fm-anomaly": __version__}
    for each in _LIBRARIES:
        try:
            told[each] = installed_version(each)
        except PackageNotFoundError:
            continue
    return told


def _checked(version: str) -> str:
    if not re.fullmatch(r"\d{4,12}", version):
        raise ModelError(f"model version {version!r} is no number such as 0001")
    return version


def _versions(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted((each.name for each in folder.iterdir() if re.fullmatch(r"\d{4,12}", each.name)), key=int)


def _publish(aside: Path, folder: Path, told: dict[str, Any], key: bytes) -> Path:
    """Complete `aside` with its signed manifest and make it the next version of `folder`, in one step."""
    aside.chmod(0o755)
    while True:
        found = _versions(folder)
        manifest = Manifest(version=f"{int(found[-1] if found else 0) + 1:04}", **told)
        signed = asdict(manifest) | {"hmac": sign(key, manifest.signed_bytes())}
        _write_json(aside / MANIFEST, signed)
        try:
            return aside.rename(folder / manifest.version)
        except OSError:
            # a folder cannot be renamed onto one with files in it: another writer was first
            if not (folder / manifest.version).exists():
                raise


def _write_json(path: Path, plain: Mapping[str, Any]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    aside.write_text(json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(path)


def _refuse_foreign(path: Path) -> None:
    """Raise ModelError where another user may have written `path`, its folder or the folder above."""
    if os.name != "posix":
        return
    for each in (path, path.parent, path.parent.parent):
        try:
            status = each.stat()
        except OSError as exc:
            raise ModelError(f"model file {each} cannot be read: {exc.strerror}; see fm-anomaly models list") from exc
        if status.st_uid not in (0, os.getuid()) or status.st_mode & stat.S_IWOTH:
            raise ModelError(f"{each} can be written by other users, so it is not loaded: chown it, chmod o-w")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > restricted_pickle.MAX_MODEL_BYTES:
            raise ModelError(f"model file {path} is larger than any model: {_REFIT}")
        return path.read_bytes()
    except OSError as exc:
        raise ModelError(f"model file {path} cannot be read: {exc.strerror}; see fm-anomaly models list") from exc


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
