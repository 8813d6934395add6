"""What a pipeline has found, as the plain object that `scan --json` prints (schema fm-anomaly/scan/1).

One place turns state into what people and machines read; the terminal, the HTML report, the store and notebooks
take this object. It changes nothing, decides nothing, and must not know how any of them shows it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import fm_anomaly
from fm_anomaly.core.accounting import IntakeCounts
from fm_anomaly.core.alerts import Alert, AlertState, Evidence
from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.history import ERRORS, VOLUME
from fm_anomaly.core.incidents import Incident, group
from fm_anomaly.core.reasons import duration

if TYPE_CHECKING:
    from fm_anomaly.core.pipeline import Pipeline

SCHEMA = "fm-anomaly/scan/1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN_BUCKETS = 30
_MAX_POINTS = 400
_MIN_TOLD = 5
_USUAL_BUCKETS = 1_440
_MIN_USUAL = 10
_SERIES_NAMES = {"template": "this error", "exception": "this exception"}

Json = dict[str, Any]


def scan_report(pipeline: Pipeline, names: Sequence[str], elapsed_s: float) -> Json:
    """Return the report on everything that `pipeline` has seen; `names` are those of the sources."""
    counts = pipeline.counts()
    found = group(_so_far(pipeline, counts.last_us), pipeline.params.incidents, pipeline.markers)
    incidents = [ended(pipeline, incident) for incident in found]
    rows = templates(pipeline)
    zone_assumed = 2 * counts.zones.get("none", 0) > sum(counts.zones.values())
    return {
        "schema": SCHEMA,
        "tool": {"name": "fm-anomaly", "version": fm_anomaly.__version__},
        "source": {
            "names": list(names),
            "first": iso(counts.first_us),
            "last": iso(counts.last_us),
            "bytes": counts.bytes,
            "elapsed_s": round(elapsed_s, 3),
            "lines_per_s": round(counts.lines / elapsed_s) if elapsed_s > 0 else 0,
            "zone": {"name": pipeline.params.parsing.tz, "assumed": zone_assumed},
        },
        "intake": _intake(pipeline, counts),
        "services": services(pipeline),
        "templates": rows,
        "exception_types": _exception_types(pipeline),
        "incidents": [_incident(pipeline, i, n) for n, i in enumerate(_by_worth(incidents), start=1)],
        "known": _known(pipeline),
        "digest": _digest(pipeline, incidents, rows),
    }


def ended(pipeline: Pipeline, incident: Incident) -> Incident:
    """Return an incident that ends with its last error, where that is known and not with the bucket that held it.

    What has no records of its own, a rise in volume or a slow operation, ends with its bucket: one that is over
    within a bucket of the last error lasts no longer. Only at the end of an input: what else came shows in the counts.
    """
    ends = {alert.alert_id: _last_error_us(pipeline, alert) for alert in incident.alerts}
    exact = [us for us in ends.values() if us is not None]
    others = [alert.end_us for alert in incident.alerts if ends[alert.alert_id] is None]
    if not exact or max(others, default=0) > max(exact) + pipeline.params.windows.bucket_us:
        return incident
    last_us = max(exact)
    return replace(incident, last_us=last_us, end_us=None if incident.end_us is None else last_us)


def _last_error_us(pipeline: Pipeline, alert: Alert) -> int | None:
    """Return when the last record of an error's alert came, None where its templates do not tell."""
    if alert.kind not in (AnomalyKind.NEW_ERROR, AnomalyKind.ERROR_SPIKE) or not alert.templates:
        return None
    store = pipeline.templates
    parts = [part for index in alert.templates for part in store.members(store.standing(index))]
    last_us = int(pipeline.stats.last_us[parts].max())
    is_within = alert.end_us - pipeline.params.windows.bucket_us <= last_us < alert.end_us
    return last_us if is_within else None


def _so_far(pipeline: Pipeline, last_us: int | None) -> list[Alert]:
    """Return the alerts; a silence that goes on lasts until the newest record of the others."""
    goes_on = (AnomalyKind.SILENCE, AlertState.FIRING)
    return [
        replace(alert, end_us=max(alert.end_us, last_us or 0)) if (alert.kind, alert.state) == goes_on else alert
        for alert in pipeline.book.alerts
    ]


def iso(us: int | None) -> str | None:
    """Return an instant (µs, UTC) as ISO 8601 with `Z`, fractions only where there are some.

    >>> iso(1_772_442_847_118_204), iso(0), iso(None)
    ('2026-03-02T09:14:07.118204Z', '1970-01-01T00:00:00Z', None)
    """
    if us is None:
        return None
    try:
        moment = _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return None
    return moment.replace(tzinfo=None).isoformat() + "Z"


def templates(pipeline: Pipeline) -> list[Json]:
    """Return every template in use, most records first; merged ones are added up under the one that stands."""
    stats, store = pipeline.stats, pipeline.templates
    members: dict[int, list[int]] = defaultdict(list)
    for index, standing in enumerate(pipeline.standing_templates()):
        members[standing].append(index)
    rows = []
    for standing, parts in members.items():
        count = int(stats.count[parts].sum())
        if not count:
            continue
        template = store.templates[standing]
        rows.append(
            {
                "template_id": template.template_id,
                "service": pipeline.streams.keys[template.stream].service,
                "event_key": template.event_key,
                "template": template.text,
                "count": count,
                "errors": int(stats.n_errors[parts].sum()),
                "severity": int(stats.severity[parts].max()),
                "first": iso(int(stats.first_us[parts].min())),
                "last": iso(int(stats.last_us[parts].max())),
                "sample": stats.samples[standing],
                "aliases": [store.templates[i].template_id for i in parts if i != standing],
            }
        )
    return sorted(rows, key=lambda row: (-row["count"], row["service"], row["template_id"], row["event_key"]))


def _intake(pipeline: Pipeline, counts: IntakeCounts) -> Json:
    names = ("lines", "records", "continuations", "blanks", "rejects", "skipped_own")
    more = ("bytes", "truncated", "repaired", "tracebacks", "bad_times", "timeless")
    return {
        **{name: getattr(counts, name) for name in names},
        "counted": pipeline.n_counted,
        "late": pipeline.n_late,
        **{name: getattr(counts, name) for name in more},
        "future": sum(source.n_future for source in pipeline.sources.values()),
        "formats": _by_count(counts.formats),
        "redacted": _by_count(counts.redacted),
        "rejects_by_reason": _by_count(counts.rejects_by_reason),
        "zones": _by_count(counts.zones),
        "health": pipeline.health(),
    }


def _by_count(tally: dict[str, int]) -> dict[str, int]:
    return dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))


def services(pipeline: Pipeline) -> list[Json]:
    """Return every service with its totals, what it has learned and its templates' health, most records first."""
    totals: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for index, standing in enumerate(pipeline.standing_templates()):
        row = totals[pipeline.templates.templates[index].stream]
        row[0] += int(pipeline.stats.count[index])
        row[1] += int(pipeline.stats.n_errors[index])
        row[2] += index == standing
    rows = []
    for stream, key in enumerate(pipeline.streams.keys):
        learned = pipeline.detection.learned(key)
        records, errors, n_templates = totals[stream]
        rows.append(
            {
                "service": key.service,
                "records": records,
                "errors": errors,
                "templates": n_templates,
                "learned_s": learned.history_us // US_PER_S if learned else 0,
                "ready": dict(learned.ready) if learned else {},
                "health": pipeline.templates.health(stream).state.value,
            }
        )
    return sorted(rows, key=lambda service: (-service["records"], service["service"]))


def _exception_types(pipeline: Pipeline) -> list[Json]:
    rows = [
        {
            "type": name,
            "frame": frame,
            "service": pipeline.streams.keys[stream].service,
            "count": count,
        }
        for (stream, name, frame), count in pipeline.stats.exceptions.items()
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["service"], row["type"], row["frame"] or ""))


def _known(pipeline: Pipeline) -> list[Json]:
    """Return chronic errors that no alert is about (one of a whole service only names its templates)."""
    alerted = {template for alert in pipeline.book.alerts if alert.subject for template in alert.template_ids}
    return [
        {
            "template_id": known.template_id,
            "service": known.stream.service,
            "template": known.text,
            "count": known.count,
            "rate_per_min": round(known.rate_per_min, 3),
            "first": iso(known.first_us),
            "last": iso(known.last_us),
            "reason": known.reason,
        }
        for known in pipeline.detection.known()
        if known.template_id not in alerted
    ]


def _digest(pipeline: Pipeline, incidents: Sequence[Incident], rows: Sequence[Json]) -> list[Json]:
    """Return what is worth a line but no page, without what an incident tells already.

    Errors that came before there was a history to hold them against are told here too: nothing is silent.
    """
    told = {
        (alert.stream, named) for i in incidents for alert in i.alerts for named in (alert.subject, *alert.template_ids)
    }
    return [
        {
            "kind": entry.kind.value,
            "service": entry.stream.service,
            "title": entry.title,
            "reason": entry.reason,
            "start": iso(entry.start_us),
            "count": entry.count,
            "template_ids": list(entry.template_ids),
        }
        for entry in pipeline.book.digest
        if not {(entry.stream, named) for named in (entry.subject, *entry.template_ids)} & told
    ] + _from_the_start(pipeline, {named for _, named in told}, rows)


def _from_the_start(pipeline: Pipeline, told: set[str], rows: Sequence[Json]) -> list[Json]:
    """Return error templates of several records that are told nowhere else."""
    told = told | {named for entry in pipeline.book.digest for named in (entry.subject, *entry.template_ids)}
    told |= {known.template_id for known in pipeline.detection.known()}
    return [
        {
            "kind": AnomalyKind.NEW_ERROR.value,
            "service": row["service"],
            "title": row["template"],
            "reason": f"{row['errors']:,} errors, with too little before them to say whether they are new",
            "start": row["first"],
            "count": row["errors"],
            "template_ids": [row["template_id"]],
        }
        for row in rows
        if row["errors"] >= _MIN_TOLD and 2 * row["errors"] >= row["count"] and row["template_id"] not in told
    ]


def _by_worth(incidents: Sequence[Incident]) -> list[Incident]:
    return sorted(incidents, key=lambda i: (-i.severity.rank, i.start_us, i.incident_id))


def _incident(pipeline: Pipeline, incident: Incident, number: int) -> Json:
    return {
        "incident_id": incident.incident_id,
        "number": number,
        "severity": incident.severity.value,
        "kind": incident.kind.value,
        "title": incident.title,
        "services": list(incident.services),
        "reason": reason(pipeline, incident),
        "start": iso(incident.start_us),
        "end": iso(incident.end_us if incident.end_us is not None else incident.last_us),
        "state": "firing" if incident.end_us is None else "resolved",
        "what": what(pipeline, incident),
        "joined": list(incident.joined),
        "alerts": [_alert(alert) for alert in incident.alerts],
        "template_ids": list(incident.template_ids),
        "evidence": [_evidence(line) for line in incident.evidence],
        "series": _series(pipeline, incident),
    }


def _alert(alert: Alert) -> Json:
    return {
        "alert_id": alert.alert_id,
        "kind": alert.kind.value,
        "service": alert.stream.service,
        "severity": alert.severity.value,
        "title": alert.title,
        "reason": alert.reason,
        "start": iso(alert.start_us),
        "end": iso(alert.end_us),
        "state": alert.state.value,
        "observed": alert.observed,
        "expected_low": alert.expected_low,
        "expected_high": alert.expected_high,
        "unit": alert.unit,
        "score": alert.score,
        "n_events": alert.n_events,
        "subject": alert.subject,
        "template_ids": list(alert.template_ids),
        "is_notified": alert.is_notified,
        "evidence": [_evidence(line) for line in alert.evidence],
    }


def _evidence(line: Evidence) -> Json:
    return {
        "source": line.source,
        "line": line.line,
        "timestamp": iso(line.ts_us),
        "service": line.service,
        "text": line.text,
    }


def reason(pipeline: Pipeline, incident: Incident) -> str:
    """Return the incident's sentence; a new error's rate, that of its first minutes, gives way to the count of all."""
    first, *rest = incident.reason.split(" · ")
    counts = [
        _n_in(pipeline, incident, alert, "template", template_id)
        for alert in incident.alerts
        if alert.stream == incident.alerts[0].stream and alert.kind is AnomalyKind.NEW_ERROR
        for template_id in alert.template_ids[:1]
    ]
    if incident.kind is not AnomalyKind.NEW_ERROR or not counts or not rest or "expected" not in rest[0]:
        return incident.reason
    lasted = duration(incident.last_us - incident.start_us)
    return " · ".join([first, f"{max(counts):,} in {lasted}, expected 0", *rest[1:]])


def what(pipeline: Pipeline, incident: Incident) -> list[str]:
    """Return one line for each of the most frequent templates, then the exception identities, most records first.

    Where alerts name none, what they say; of one alone its title, for the reason is told anyway.
    """
    by_id = {t.template_id: t for t in pipeline.templates.templates}
    counts: Counter[str] = Counter()
    raised: Counter[str] = Counter()
    for alert in incident.alerts:
        for template_id in alert.template_ids[:1]:
            counts[template_id] = max(counts[template_id], _n_in(pipeline, incident, alert, "template", template_id))
        if alert.kind is AnomalyKind.NEW_ERROR and alert.subject not in by_id:
            raised[alert.subject] += _n_in(pipeline, incident, alert, "exception", alert.subject)
    lines = [f'{n:,} × "{by_id[t].text if t in by_id else t}"' for t, n in counts.most_common(3)]
    n_tracebacks = sum(n for subject, n in raised.items() if " at " in subject)
    if lines and n_tracebacks:
        lines[0] += f" + {n_tracebacks:,} traceback{'s' if n_tracebacks > 1 else ''}"
    placed = {subject.partition(" at ")[0] for subject in raised if " at " in subject}
    lines += [subject for subject, _ in raised.most_common() if subject not in placed][:2]
    if lines or len(incident.alerts) == 1:
        return lines or [incident.alerts[0].title]
    return [f"{alert.title}: {alert.reason.partition(' · ')[0]}" for alert in incident.alerts[:3]]


def _n_in(pipeline: Pipeline, incident: Incident, alert: Alert, name: str, subject: str) -> int:
    """Return how many records of a template or an exception came while the incident lasted."""
    bucket_us = pipeline.params.windows.bucket_us
    points = pipeline.history.points(alert.stream, name, subject)
    start_us, end_us = incident.start_us // bucket_us * bucket_us, incident.last_us
    n = int(sum(value for at_us, value in points if start_us <= at_us < max(end_us, start_us + 1)))
    # a history that began with the alert has fewer than the alert's own window
    return max(n, alert.n_events) if alert.subject == subject else n or alert.n_events


def _series(pipeline: Pipeline, incident: Incident) -> Json | None:
    """Return the series that shows the headline: values a bucket around it, and the range that was usual before it."""
    head = incident.alerts[0]
    name, subject, unit = _series_of(head)
    points = dict(pipeline.history.points(head.stream, name, subject))
    step_us = pipeline.params.windows.bucket_us
    volume = pipeline.history.points(head.stream, VOLUME)
    if not volume:
        return None
    first, last = volume[0][0], max(volume[-1][0], incident.last_us // step_us * step_us)
    margin = max(_MARGIN_BUCKETS * step_us, 2 * (incident.last_us - incident.start_us))
    start = max(first, (incident.start_us - margin) // step_us * step_us)
    end = min(last, incident.last_us + margin)
    step = step_us * max(1, -(-((end - start) // step_us) // _MAX_POINTS))
    values = [_over(points, at, step, step_us, is_mean=name == "latency") for at in range(start, end + 1, step)]
    low, high = _usual(points, first, incident.start_us, step_us, is_mean=name == "latency")
    return {
        "name": f"{head.stream.service} {subject if name == 'latency' else _SERIES_NAMES.get(name, name)}",
        "unit": unit,
        "start": iso(start),
        "step_s": step // US_PER_S,
        "values": values,
        "low": [low] * len(values),
        "high": [high] * len(values),
    }


def _series_of(alert: Alert) -> tuple[str, str, str]:
    if alert.kind is AnomalyKind.LATENCY:
        return "latency", alert.subject, "ms"
    if alert.kind is AnomalyKind.NEW_ERROR:
        return "template" if alert.subject in alert.template_ids else "exception", alert.subject, "records/min"
    if alert.kind is AnomalyKind.ERROR_SPIKE:
        return ERRORS, "", "errors/min"
    return VOLUME, "", "records/min"


def _usual(
    points: dict[int, float], first: int, start_us: int, step_us: int, *, is_mean: bool
) -> tuple[float | None, float | None]:
    """Return the 5th and 95th percentile of a bucket's values before the incident; (None, None) where there are few."""
    times = range(max(first, start_us - _USUAL_BUCKETS * step_us) // step_us * step_us, start_us - step_us, step_us)
    before = sorted(points.get(t, 0.0) for t in times if not is_mean or t in points)
    if len(before) < _MIN_USUAL:
        return None, None
    return before[len(before) // 20], before[-1 - len(before) // 20]


def _over(points: dict[int, float], at: int, step: int, step_us: int, *, is_mean: bool) -> float | None:
    found = [points[t] for t in range(at, at + step, step_us) if t in points]
    if is_mean:
        return sum(found) / len(found) if found else None
    return sum(found) * step_us / step
