"""What has changed in a pipeline since it was last asked: closed buckets, templates, services, incidents, samples.

An observer for whoever keeps a store. It holds no state that a pipeline needs: one that is made anew, after a
restart, tells every template once more. It must not know tables, and nothing it does reaches back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fm_anomaly.core.alerts import Alert, AlertEvent, DigestEntry, Evidence
from fm_anomaly.core.features import ClosedBucket
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.incidents import Incident, IncidentParams, group
from fm_anomaly.core.scan_report import reason, services, what

if TYPE_CHECKING:
    from fm_anomaly.core.pipeline import LineOf, Pipeline

_REFRESH_US = 300 * US_PER_S
_SAMPLE_EVERY_US = 3600 * US_PER_S
_MAX_NEAR = 200


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as it stands: counts are those of all that it stands for."""

    service: str
    template_id: str
    event_key: str
    text: str
    birth_text: str
    count: int
    errors: int
    severity: int
    first_us: int
    last_us: int
    sample: str
    aliases: tuple[str, ...]
    is_coarse: bool
    merged_into: str | None
    """The id that stands for this one, None where it stands itself."""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident with what only a pipeline can say of it: its records, by template and exception, in words."""

    incident: Incident
    reason: str
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One redacted line of a template."""

    service: str
    template_id: str
    at_us: int
    line: Evidence


@dataclass(frozen=True, slots=True)
class Changed:
    """Everything that is worth a row since the last time."""

    as_of_us: int
    """The pipeline's event clock; 0 while there is none."""
    events: tuple[AlertEvent, ...] = ()
    incidents: tuple[IncidentRow, ...] = ()
    """Those whose alerts are in `events`."""
    buckets: tuple[ClosedBucket, ...] = ()
    templates: tuple[TemplateRow, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    services: tuple[dict[str, Any], ...] = ()
    """Rows of `scan_report.services`, all of them or none: every five minutes of event time."""
    digest: tuple[DigestEntry, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.events or self.buckets or self.templates or self.services or self.digest or self.samples)


@dataclass(slots=True)
class _Seen:
    """What has been told of templates, by index."""

    count: Any = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    merged: list[int] = field(default_factory=list)
    n_merged: int = 0


class Changes:
    """Watches one pipeline from now on; one a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._seen = _Seen()
        self._buckets: list[ClosedBucket] = []
        self._samples: list[SampleRow] = []
        self._sampled_us: dict[int, int] = {}
        self._refreshed_us: int | None = None
        pipeline.on_closed = self._closed

    def take(self, events: Sequence[AlertEvent] = ()) -> Changed:
        """Return what has changed since the last call; `events` are those that the pipeline returned meanwhile.

        Cheap where no bucket has closed: then new and merged templates are told, and other counts wait.
        """
        buckets, self._buckets = tuple(self._buckets), []
        samples, self._samples = tuple(self._samples), []
        as_of_us = self._pipeline.windows.clock_us or 0
        is_due = bool(buckets) and (self._refreshed_us is None or as_of_us >= self._refreshed_us + _REFRESH_US)
        if is_due:
            self._refreshed_us = as_of_us
        return Changed(
            as_of_us=as_of_us,
            events=tuple(events),
            incidents=self._incidents(events) if events else (),
            buckets=buckets,
            templates=self._templates(is_whole=bool(buckets)),
            samples=samples,
            services=tuple(services(self._pipeline)) if is_due else (),
            digest=tuple(self._pipeline.book.digest) if is_due or events else (),
        )

    def _closed(self, buckets: Sequence[ClosedBucket], line_of: LineOf) -> None:
        self._buckets += buckets
        for bucket in buckets:
            for template in bucket.templates:
                last_us = self._sampled_us.get(template.template)
                if last_us is not None and bucket.start_us < last_us + _SAMPLE_EVERY_US:
                    continue
                self._sampled_us[template.template] = bucket.start_us
                if (line := line_of(template.template)) is not None:
                    row = SampleRow(bucket.stream.service, template.template_id, bucket.start_us, line)
                    self._samples.append(row)

    def _templates(self, *, is_whole: bool) -> tuple[TemplateRow, ...]:
        store, stats, seen = self._pipeline.templates, self._pipeline.stats, self._seen
        n_before, n = len(seen.merged), len(store.templates)
        standing = [store.standing(index) for index in range(n_before, n)]
        changed = {*range(n_before, n), *standing}
        if is_whole:
            stats.grow(n)
            before = np.append(seen.count, np.zeros(n - seen.count.size, dtype=np.int64))
            changed |= {store.standing(int(index)) for index in np.flatnonzero(stats.count[:n] != before)}
            seen.count = stats.count[:n].copy()
        if seen.n_merged != store.n_merged:
            seen.n_merged = store.n_merged
            for index, known in enumerate(seen.merged):
                if (now := store.standing(index)) != known:
                    changed |= {index, now}
                    seen.merged[index] = now
        seen.merged += standing
        return tuple(self._template(index) for index in sorted(changed))

    def _template(self, index: int) -> TemplateRow:
        store, stats = self._pipeline.templates, self._pipeline.stats
        template, standing = store.templates[index], store.standing(index)
        stats.grow(len(store.templates))
        parts = store.members(index) if standing == index else [index]
        return TemplateRow(
            service=self._pipeline.streams.keys[template.stream].service,
            template_id=template.template_id,
            event_key=template.event_key,
            text=template.text,
            birth_text=template.birth_text,
            count=int(stats.count[parts].sum()) if standing == index else 0,
            errors=int(stats.n_errors[parts].sum()) if standing == index else 0,
            severity=int(stats.severity[parts].max()),
            first_us=int(stats.first_us[parts].min()),
            last_us=int(stats.last_us[parts].max()),
            sample=stats.samples[index] if index < len(stats.samples) else "",
            aliases=tuple(template.aliases),
            is_coarse=template.is_coarse,
            merged_into=None if standing == index else store.templates[standing].template_id,
        )

    def _incidents(self, events: Sequence[AlertEvent]) -> tuple[IncidentRow, ...]:
        changed = {event.alert.alert_id for event in events}
        params = self._pipeline.params.incidents
        near = near_to(self._pipeline.book.alerts, changed, params)
        return tuple(
            IncidentRow(incident, reason(self._pipeline, incident), tuple(what(self._pipeline, incident)))
            for incident in group(near, params, self._pipeline.markers)
            if any(alert.alert_id in changed for alert in incident.alerts)
        )


def near_to(alerts: Sequence[Alert], changed: set[str], params: IncidentParams) -> list[Alert]:
    """Return the alerts that can be of one matter with the changed ones, directly or through others.

    Grouping these gives the incidents that grouping all would give, for no rule joins over a longer gap. At most
    the newest 200, for grouping is quadratic; a flood beyond that is told as several incidents.
    """
    gap_us = max(params.near_s, params.chain_s, params.cascade_s, params.evidence_s) * US_PER_S
    ordered = sorted(alerts, key=lambda a: (a.start_us, a.alert_id))
    runs: list[list[Alert]] = []
    end_us = 0
    for alert in ordered:
        if not runs or alert.start_us > end_us + gap_us:
            runs.append([])
            end_us = alert.end_us
        runs[-1].append(alert)
        end_us = max(end_us, alert.end_us)
    return [a for run in runs if any(a.alert_id in changed for a in run) for a in run[-_MAX_NEAR:]]
