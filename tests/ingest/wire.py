"""What tests of decoders share: a batch read by the core, as the service would."""

from __future__ import annotations

from typing import Any

import polars as pl

from fm_anomaly.core.parsing import SourceParser
from fm_anomaly.ingest.batches import Batch

T_US = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z
T_NS = T_US * 1_000


def records_of(batch: Batch) -> list[dict[str, Any]]:
    """Return the records that the core reads in a batch; checks that its sums hold."""
    frames = []
    for part in batch.parts:
        assert part.data.endswith(b"\n")
        assert part.data.count(b"\n") == part.n_lines
        parser = SourceParser(part.source)
        frames += [parser.feed(part.data), parser.flush()]
        assert parser.counts.is_balanced
        assert parser.counts.lines == part.n_lines
    return pl.concat(frames).to_dicts() if frames else []
