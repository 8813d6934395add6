"""Findings about a stream's sessions and beats, with the templates that they are about.

Pure functions of what `core.sequence_series` and `core.cadences` tell. They must not know of words or alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fm_anomaly.core.anomalies import AnomalyKind, Finding, OddSessions
from fm_anomaly.core.cadences import Missed
from fm_anomaly.core.features import TemplateCount
from fm_anomaly.core.template_series import TemplateSeries

Templates = Mapping[int, TemplateSeries]
"""What a stream knows of its templates, by index."""


def of_beat(templates: Templates, beat: Missed, bucket_us: int) -> Finding:
    """Return the finding that something regular has not come, or has come again."""
    reading = beat.reading
    start_us = (beat.last_at + max(int(reading.expected), 1)) * bucket_us
    template = _seen(templates, beat.template)
    name = "" if template is None else template.template_id
    is_onset, is_over = not beat.is_over, beat.is_over
    kind = AnomalyKind.SILENCE
    return Finding(kind, name, reading, is_onset, start_us, 0, template, is_over=is_over, is_beat=True)


def of_sessions(templates: Templates, odd: OddSessions) -> Finding:
    """Return the finding that many sessions are unusual in one way."""
    begin, aspect, step, other = odd.shape
    seen = [templates.get(index) for index in (step, other, begin)]
    text, other_text, begin_text = (series.text if series is not None else "" for series in seen)
    ids = [series.template_id if series is not None else "" for series in seen]
    return Finding(
        AnomalyKind.SEQUENCE,
        "|".join((aspect, *ids)).rstrip("|"),
        odd.decision.reading,
        odd.decision.is_onset,
        odd.start_us,
        odd.n_odd,
        _seen(templates, step),
        sessions=replace(odd, texts=(text, other_text, begin_text)),
    )


def _seen(templates: Templates, index: int) -> TemplateCount | None:
    series = templates.get(index)
    if series is None:
        return None
    return TemplateCount(index, series.template_id, series.text, max(series.count, 1), 0, series.first_us)
