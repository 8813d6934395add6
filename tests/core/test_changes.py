"""Laws of watching a pipeline: nothing is changed by it, nothing is told twice or lost, whatever the cuts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fm_anomaly.core.changes import Changed, Changes, near_to
from fm_anomaly.core.incidents import IncidentParams, group
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.core.scan_report import templates
from fm_anomaly.evaluation.rendering import Format
from tests.core.test_pipeline_laws import NAME, by_lines, sample


def watched(pieces: list[bytes]) -> tuple[Pipeline, list[Changed]]:
    """Return the pipeline and what was taken after each piece and at the end."""
    pipeline = Pipeline()
    changes = Changes(pipeline)
    taken = [changes.take(pipeline.observe(NAME, piece)) for piece in pieces]
    taken.append(changes.take(pipeline.flush()))
    return pipeline, taken


def final_templates(taken: list[Changed]) -> dict[tuple[str, str], Any]:
    return {(row.service, row.template_id): row for each in taken for row in each.templates}


def test_watching_changes_nothing() -> None:
    """Law 2: a watched pipeline says what an unwatched one says, byte for byte."""
    pieces = by_lines(sample(Format.PLAIN), 1_500)
    plain = Pipeline()
    events = [event for piece in pieces for event in plain.observe(NAME, piece)] + plain.flush()
    pipeline, taken = watched(pieces)
    assert [event for each in taken for event in each.events] == events
    assert pipeline.snapshot().to_bytes() == plain.snapshot().to_bytes()


def test_buckets_samples_and_templates_come_once_and_whole() -> None:
    """Cuts decide when something is told, never what: buckets in order and once, templates as they end up."""
    data = sample(Format.PLAIN)
    pipeline, one = watched([data])
    _, many = watched(by_lines(data, 900))
    assert [b for each in one for b in each.buckets] == [b for each in many for b in each.buckets]
    assert [s for each in one for s in each.samples] == [s for each in many for s in each.samples]
    assert final_templates(one) == final_templates(many)
    starts = Counter((b.stream, b.start_us) for each in many for b in each.buckets)
    assert set(starts.values()) == {1}
    standing = {key: row for key, row in final_templates(many).items() if row.merged_into is None}
    assert {(row["service"], row["template_id"]): row["count"] for row in templates(pipeline)} == {
        key: row.count for key, row in standing.items()
    }


def test_incidents_near_a_change_are_those_of_all_alerts() -> None:
    """Grouping what is near the changed alerts gives the incidents that grouping everything gives."""
    pipeline, _ = watched([sample(Format.PLAIN)])
    alerts = pipeline.book.alerts
    whole = group(alerts)
    assert whole
    for incident in whole:
        near = near_to(alerts, {incident.alerts[0].alert_id}, IncidentParams())
        assert incident in group(near)


def test_every_alert_that_is_told_is_in_the_incident_that_comes_with_it() -> None:
    """An event of a notified alert is told together with its incident."""
    _, taken = watched(by_lines(sample(Format.PLAIN), 1_000))
    for each in taken:
        told = {alert.alert_id for row in each.incidents for alert in row.incident.alerts}
        assert {event.alert.alert_id for event in each.events if event.alert.is_notified} <= told
