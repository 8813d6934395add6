"""Settings of detection, and the settings of all detectors that follow from one false-alarm rate.

Values only. It must not know of streams, buckets or findings.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fm_anomaly.core.calibration import CalibrationParams, limit_decades
from fm_anomaly.core.detectors import (
    BurstParams,
    CadenceParams,
    EarlyParams,
    LatencyParams,
    NoveltyParams,
    RateParams,
    SequenceParams,
    ShareParams,
    SilenceParams,
)
from fm_anomaly.core.detectors.rhythm import RhythmParams
from fm_anomaly.core.sequence_series import SequenceSeriesParams


@dataclass(frozen=True, slots=True)
class DetectionParams:
    """Settings of detection; the defaults serve every log."""

    bucket_s: int = 60
    """Width of a bucket, seconds."""
    calibration: CalibrationParams = field(default_factory=CalibrationParams)
    restart_grace_buckets: int = 3
    """Further empty buckets allowed after a stream has spoken of a shutdown, a start or a deploy."""
    silence_adopt_s: int = 24 * 3600
    """A stream silent for so long is taken for gone."""
    regressed_after_s: int = 24 * 3600
    """An error that comes back after so long, and after ten of its usual gaps, is told as a new one would be."""
    digest_history_s: int = 600
    """History from which on something new is worth a line in the digest."""
    max_streams: int = 2_000
    max_templates: int = 5_000
    """Templates followed in one stream; further ones count as `overflow`."""
    max_exceptions: int = 1_000
    max_operations: int = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of all detectors, made from one false-alarm rate."""

    rate: RateParams
    share: ShareParams
    burst: BurstParams
    silence: SilenceParams
    novelty: NoveltyParams
    latency: LatencyParams
    early: EarlyParams
    sequences: SequenceSeriesParams
    cadence: CadenceParams
    rhythm: RhythmParams

    @classmethod
    def of(cls, params: DetectionParams) -> Limits:
        """Return the detectors' settings: one limit, more decades where a stream has tens or hundreds of series."""
        limit = limit_decades(params.calibration, params.bucket_s)
        return cls(
            RateParams(bucket_s=params.bucket_s, limit=limit),
            ShareParams(limit=limit),
            BurstParams(limit=limit + 1),
            SilenceParams(limit=limit),
            NoveltyParams(limit=limit),
            LatencyParams(limit=limit + 1),
            EarlyParams(bucket_s=params.bucket_s, limit=limit),
            SequenceSeriesParams(
                bucket_s=params.bucket_s,
                calibration=params.calibration,
                share=ShareParams(limit=limit + 2, min_share=0.5, ratio=3.0),
                sequence=SequenceParams(adopt_after_s=params.calibration.adopt_after_s),
            ),
            CadenceParams(bucket_s=params.bucket_s),
            RhythmParams(bucket_s=params.bucket_s),
        )
