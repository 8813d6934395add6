"""Snapshots of a Pipeline in a folder, together with the positions that they stand at.

Written aside, synced and renamed; the one before is kept, and read when the newest is damaged. It must not know what a
section of a snapshot means.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fm_anomaly.core.state import Snapshot
from fm_anomaly.errors import SnapshotError, UsageError
from fm_anomaly.storage.sealing import is_sealed, seal, unseal

_NEWEST = "pipeline.snapshot"
_BEFORE = "pipeline.snapshot.before"
_POSITIONS = "positions"


@dataclass(frozen=True, slots=True)
class Saved:
    """What a folder held: the snapshot, the position of each source by name, and a sentence where it fell back."""

    snapshot: Snapshot
    positions: dict[str, Any]
    warning: str = ""


def save_snapshot(folder: Path, snapshot: Snapshot, positions: Mapping[str, Any], key: bytes | None = None) -> int:
    """Write `snapshot` with `positions` (plain values by source name) into `folder`; a crash leaves the old or the new.

    Return its size in bytes. Raises UsageError when the folder cannot be written.
    """
    whole = replace(snapshot, sections={**snapshot.sections, _POSITIONS: dict(positions)})
    raw = whole.to_bytes() if key is None else seal(key, whole.to_bytes())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{_NEWEST}.new"
        with open(aside, "wb", opener=_private) as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        newest = folder / _NEWEST
        if newest.exists():
            newest.replace(folder / _BEFORE)
        aside.replace(newest)
        _sync(folder)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise UsageError(f"cannot write state to {folder}: {reason}; give --state a folder that is yours") from exc
    return len(raw)


def set_aside_damaged(folder: Path, key: bytes | None = None) -> list[str]:
    """Rename the snapshots of `folder` that cannot be read, so that they are not kept as good ones; return their names.

    The one before a damaged newest one becomes the newest.
    """
    damaged = []
    for name in (_NEWEST, _BEFORE):
        path = folder / name
        try:
            if path.exists():
                Snapshot.from_bytes(_plain(path, key))
        except SnapshotError:
            path.replace(folder / f"{name}.damaged")
            damaged.append(name)
    before = folder / _BEFORE
    if _NEWEST in damaged and before.exists():
        before.replace(folder / _NEWEST)
    return damaged


def load_snapshot(folder: Path, key: bytes | None = None) -> Saved | None:
    """Return the last good snapshot of `folder`, None where there is none yet.

    Raises SnapshotError when there are files but none can be read.
    """
    problems: list[str] = []
    for name in (_NEWEST, _BEFORE):
        path = folder / name
        if not path.exists():
            continue
        try:
            snapshot = Snapshot.from_bytes(_plain(path, key))
        except SnapshotError as exc:
            problems.append(f"{path}: {exc}")
            continue
        positions = snapshot.sections.pop(_POSITIONS, {})
        return Saved(snapshot, positions, "; ".join(problems))
    if problems:
        raise SnapshotError("; ".join(problems))
    return None


def _plain(path: Path, key: bytes | None) -> bytes:
    """Return a file's bytes, unsealed. Raises StoreError without their key: they are whole, and not to be set aside."""
    raw = path.read_bytes()
    return unseal(key, raw) if is_sealed(raw) else raw


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
