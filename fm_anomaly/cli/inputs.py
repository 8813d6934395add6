"""From parsed arguments to settings and to sources that a scan can read, with progress.

The one place where the command line meets `config` and `ingest`; it prints nothing but progress and notices.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fm_anomaly.cli.console import Progress, print_notice
from fm_anomaly.ingest.files import FileSource, find_sources
from fm_anomaly.ingest.position import Position

if TYPE_CHECKING:
    from fm_anomaly.config import Settings
    from fm_anomaly.core.pipeline import PipelineParams


class Reading:
    """A file source as `scanning.scan` wants it: with its service, its place to go on from, and progress."""

    def __init__(self, source: FileSource, service: str | None, progress: Progress, after: Position | None) -> None:
        self.name = source.name
        self.service = service or source.service
        self.file = source
        self._progress = progress
        self._after = after

    def chunks(self) -> Iterator[bytes]:
        """Yield the source's bytes."""
        yield from self.file.chunks(after=self._after, on_bytes=self._progress.add)


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings with the command's options on top."""
    from fm_anomaly.config import load_settings

    return load_settings(args.config, options={"parsing.tz": args.tz, "tenant": args.tenant})


def open_files(
    args: argparse.Namespace,
    paths: Sequence[str],
    progress_label: str,
    positions: dict[str, Position] | None = None,
) -> tuple[list[Reading], Progress]:
    """Return the sources that `paths` name; close the progress when they have been read.

    Raises
    ------
    SourceError
        A path is not there or cannot be read.
    """
    sources = find_sources(paths, warn=print_notice)
    sizes = [source.size_bytes for source in sources]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    progress = Progress(total, progress_label)
    places = positions or {}
    return [Reading(s, getattr(args, "service", None), progress, places.get(s.name)) for s in sources], progress


def warn_of(readings: Sequence[Reading]) -> list[str]:
    """Return, and print to stderr, what the files had to say: cut, damaged, replaced."""
    warnings = [text for reading in readings for text in reading.file.warnings]
    for text in warnings:
        print_notice(text)
    return warnings


def dated(params: PipelineParams, readings: Sequence[Reading]) -> tuple[PipelineParams, int]:
    """Return the params with the newest file's time as reference for years that a log leaves out, and that time, µs.

    The reference is an input like the bytes themselves: the core reads no clock.
    """
    import time

    times = [Path(path).stat().st_mtime_ns // 1000 for r in readings for path in r.file.paths if path != "-"]
    newest_us = max(times, default=time.time_ns() // 1000)
    if params.parsing.reference_us is None:
        params = replace(params, parsing=replace(params.parsing, reference_us=newest_us))
    return params, newest_us
