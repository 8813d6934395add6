"""`scan --state DIR`: a pipeline's snapshot with the positions of its files, in a folder, safely.

Written aside, synced and renamed; the one before is kept, and read where the newest is damaged. What a
snapshot holds is the core's business.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.console import print_notice
from fm_anomaly.errors import SnapshotError, UsageError
from fm_anomaly.ingest.position import Position

if TYPE_CHECKING:
    from fm_anomaly.core.pipeline import Pipeline, PipelineParams

_NEWEST, _BEFORE = "scan.snapshot", "scan.snapshot.1"
_SECTION = "positions"


def save(folder: Path, pipeline: Pipeline, positions: dict[str, Position]) -> None:
    """Write the state of `pipeline` and how far each source was read, as one file.

    Raises
    ------
    UsageError
        The folder cannot be written.
    """
    snapshot = pipeline.snapshot()
    places = {name: position.to_dict() for name, position in positions.items()}
    raw = replace(snapshot, sections={**snapshot.sections, _SECTION: places}).to_bytes()
    newest, aside = folder / _NEWEST, folder / f"{_NEWEST}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if newest.exists():
            newest.replace(folder / _BEFORE)
        aside.replace(newest)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise UsageError(f"cannot write state to {folder}: {reason}; give --state a folder that is yours") from exc


def load(folder: Path, params: PipelineParams) -> tuple[Pipeline, dict[str, Position]] | None:
    """Return the pipeline and the positions saved in `folder`; None where there is nothing yet.

    A damaged file falls back to the one before, with a notice.

    Raises
    ------
    SnapshotError
        No file can be read, or the settings that shape state have changed.
    """
    from fm_anomaly.core.pipeline import Pipeline
    from fm_anomaly.core.state import Snapshot

    failures: list[SnapshotError] = []
    for name in (_NEWEST, _BEFORE):
        try:
            snapshot = Snapshot.from_bytes((folder / name).read_bytes())
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise UsageError(f"cannot read {folder / name}: {(exc.strerror or str(exc)).lower()}") from exc
        except SnapshotError as exc:
            failures.append(SnapshotError(f"{folder / name}: {exc}"))
            continue
        if failures:
            print_notice(f"{failures[0]}; going on from the one before")
        places = {name: Position.from_dict(state) for name, state in snapshot.sections.get(_SECTION, {}).items()}
        return Pipeline.restore(snapshot, params), places
    if failures:
        raise failures[0]
    return None
