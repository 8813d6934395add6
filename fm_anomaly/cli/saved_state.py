"""`scan --state DIR`: the pipeline and the positions of its files, saved in a folder and found again there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.console import print_notice
from fm_anomaly.ingest.position import Position

if TYPE_CHECKING:
    from fm_anomaly.core.pipeline import Pipeline, PipelineParams


def save(folder: Path, pipeline: Pipeline, positions: dict[str, Position]) -> None:
    """Write the state of `pipeline` and how far each source was read; UsageError where the folder refuses.

    A line that is not at its end is left to be read again: only redacted text is kept.
    """
    from fm_anomaly.core.sources import forget_unfinished
    from fm_anomaly.storage.snapshots import save_snapshot

    snapshot = pipeline.snapshot()
    places = dict(positions)
    for state in snapshot.sections["sources"]:
        n_bytes, name = forget_unfinished(state), state["name"][0]
        if n_bytes and name in places:
            places[name] = replace(places[name], offset=places[name].offset - n_bytes)
    save_snapshot(folder, snapshot, {name: place.to_dict() for name, place in places.items()})


def load(folder: Path, params: PipelineParams) -> tuple[Pipeline, dict[str, Position]] | None:
    """Return the pipeline and the positions saved in `folder`; None where there is nothing yet.

    Raises SnapshotError when no file can be read, or the settings that shape state have changed.
    """
    from fm_anomaly.core.pipeline import Pipeline
    from fm_anomaly.storage.snapshots import load_snapshot

    saved = load_snapshot(folder)
    if saved is None:
        return None
    if saved.warning:
        print_notice(f"{saved.warning}; going on from the one before")
    places = {name: Position.from_dict(state) for name, state in saved.positions.items()}
    return Pipeline.restore(saved.snapshot, params), places
