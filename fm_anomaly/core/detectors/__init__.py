"""The detectors, one file each, by name in a plain dict.

Each has ``score_one(at, x)`` (pure), ``learn_one(at, x)`` (the only one that learns), ``snapshot`` and
``restore``; ``at`` is the number of the bucket, ``x`` what its docstring says. A detector knows one
series, and neither streams, limits of alerts, nor words.
"""

from __future__ import annotations

from typing import Any

from fm_anomaly.core.detectors.burst import BurstDetector, BurstParams
from fm_anomaly.core.detectors.cadence import CadenceDetector, CadenceParams
from fm_anomaly.core.detectors.early import EarlyDetector, EarlyParams
from fm_anomaly.core.detectors.latency import LatencyDetector, LatencyParams, log_durations
from fm_anomaly.core.detectors.novelty import NoveltyDetector, NoveltyParams
from fm_anomaly.core.detectors.rate import RateDetector, RateParams
from fm_anomaly.core.detectors.sequence import SequenceDetector, SequenceParams
from fm_anomaly.core.detectors.share import ShareDetector, ShareParams
from fm_anomaly.core.detectors.silence import SilenceDetector, SilenceParams

DETECTORS: dict[str, type[Any]] = {
    "burst": BurstDetector,
    "cadence": CadenceDetector,
    "latency": LatencyDetector,
    "novelty": NoveltyDetector,
    "rate": RateDetector,
    "sequence": SequenceDetector,
    "share": ShareDetector,
    "silence": SilenceDetector,
}
"""Detectors by name; the contract tests run over all of them."""

__all__ = [
    "DETECTORS",
    "BurstDetector",
    "BurstParams",
    "CadenceDetector",
    "CadenceParams",
    "EarlyDetector",
    "EarlyParams",
    "LatencyDetector",
    "LatencyParams",
    "NoveltyDetector",
    "NoveltyParams",
    "RateDetector",
    "RateParams",
    "SequenceDetector",
    "SequenceParams",
    "ShareDetector",
    "ShareParams",
    "SilenceDetector",
    "SilenceParams",
    "log_durations",
]
