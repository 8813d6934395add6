"""Laws of grouping: alerts of one matter are one incident, others stay apart, the headline is the worthiest."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from fm_anomaly.core.alerts import Alert, AlertSeverity, AlertState
from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.core.frames import US_PER_S, StreamKey
from fm_anomaly.core.incidents import group

MINUTE = 60 * US_PER_S


def _alert(service: str, kind: AnomalyKind, start: float, length: float = 5, **changes: object) -> Alert:
    plain = Alert(
        alert_id=f"{service}-{kind}-{start}-{changes.get('subject', '')}",
        fingerprint=f"{service}-{kind}",
        state=AlertState.RESOLVED,
        severity=AlertSeverity.MEDIUM,
        kind=kind,
        stream=StreamKey("default", service),
        subject="",
        start_us=int(start * MINUTE),
        end_us=int((start + length) * MINUTE),
        updated_us=int((start + length) * MINUTE),
        title=f"{kind.value.upper()} {service}",
        reason="because",
        observed=40.0,
        expected_low=0.0,
        expected_high=1.0,
        unit="records",
        score=9.0,
        strength=9.0,
        n_events=40,
        n_anomalies=4,
        templates=(),
        template_ids=(),
        text="",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_alerts_of_a_service_at_one_time_are_one_incident_with_the_worthiest_headline() -> None:
    """New error before error spike before slowness; the incident spans them all."""
    alerts = [
        _alert("api", AnomalyKind.LATENCY, 0),
        _alert("api", AnomalyKind.ERROR_SPIKE, 1),
        _alert("api", AnomalyKind.NEW_ERROR, 2, 8),
    ]
    (incident,) = group(alerts)
    assert incident.kind is AnomalyKind.NEW_ERROR
    assert (incident.start_us, incident.end_us) == (0, 10 * MINUTE)
    assert incident.services == ("api",)
    assert incident.joined == ("same service api at the same time",)


def test_what_is_back_soon_after_its_end_is_the_same_matter() -> None:
    """A failure that pauses for ten minutes is one incident; after an hour, or with other words, it is another."""
    first = _alert("api", AnomalyKind.NEW_ERROR, 0, 4, template_ids=("aa", "bb"))
    back = _alert("api", AnomalyKind.ERROR_SPIKE, 14, 4, template_ids=("bb",))
    (incident,) = group([first, back])
    assert incident.joined == ("api has it again",)
    assert len(group([first, _alert("api", AnomalyKind.ERROR_SPIKE, 14, 4, template_ids=("cc",))])) == 2
    assert len(group([first, _alert("api", AnomalyKind.ERROR_SPIKE, 64, 4, template_ids=("bb",))])) == 2
    assert len(group([first, _alert("web", AnomalyKind.ERROR_SPIKE, 14, 4, template_ids=("bb",))])) == 2


def test_matters_far_apart_stay_apart() -> None:
    """The same service an hour later, and another service half an hour later, are other matters."""
    alerts = [
        _alert("api", AnomalyKind.NEW_ERROR, 0),
        _alert("api", AnomalyKind.NEW_ERROR, 60, subject="other"),
        _alert("worker", AnomalyKind.SILENCE, 30),
    ]
    assert len(group(alerts)) == 3


def test_a_cascade_names_the_service_where_it_began() -> None:
    """Errors of three services within two minutes are one incident; the first comes first."""
    alerts = [
        _alert("api", AnomalyKind.NEW_ERROR, 2, text="upstream orders answered <num>"),
        _alert("orders", AnomalyKind.NEW_ERROR, 0.2, text="could not connect to postgres"),
        _alert("web", AnomalyKind.ERROR_SPIKE, 2.5),
    ]
    (incident,) = group(alerts)
    assert incident.services[0] == "orders"
    assert incident.title == "NEW_ERROR orders"
    assert incident.reason == "because · 2 more services affected"


def test_the_one_that_others_speak_of_is_the_root() -> None:
    """Within one minute, the service named in the others' words is taken for the root."""
    alerts = [
        _alert("api", AnomalyKind.NEW_ERROR, 0.1, text="call to inventory failed"),
        _alert("inventory", AnomalyKind.NEW_ERROR, 0.5, text="deadlock detected"),
    ]
    (incident,) = group(alerts)
    assert incident.services[0] == "inventory"


def test_shared_words_join_what_starts_later() -> None:
    """Two services that speak of the same rare thing ten minutes apart are of one matter."""
    alerts = [
        _alert("api", AnomalyKind.NEW_ERROR, 0, 20, text="could not connect to redis"),
        _alert("worker", AnomalyKind.NEW_ERROR, 10, 5, text="redis pool exhausted", title="pool exhausted"),
    ]
    (incident,) = group(alerts)
    assert 'same word "redis"' in incident.joined


def test_other_tenants_are_never_joined() -> None:
    """The same trouble of two tenants is two incidents."""
    first = _alert("api", AnomalyKind.NEW_ERROR, 0)
    other = replace(first, alert_id="x", stream=StreamKey("other", "api"))
    assert len(group([first, other])) == 2


def test_the_budget_hides_what_it_cut_unless_it_joins() -> None:
    """An alert cut by the budget makes no incident of its own, but belongs to one that was told."""
    cut = _alert("api", AnomalyKind.VOLUME_SPIKE, 0, is_notified=False)
    assert group([cut]) == []
    (incident,) = group([cut, _alert("api", AnomalyKind.NEW_ERROR, 1)])
    assert len(incident.alerts) == 2
    assert incident.kind is AnomalyKind.NEW_ERROR


def test_an_incident_is_open_while_an_alert_fires() -> None:
    """Its end is None until all of its alerts are resolved."""
    alerts = [
        _alert("api", AnomalyKind.NEW_ERROR, 0),
        _alert("api", AnomalyKind.LATENCY, 1, state=AlertState.FIRING),
    ]
    assert group(alerts)[0].end_us is None


def test_order_of_alerts_does_not_matter() -> None:
    """The same alerts in another order give the same incidents."""
    rng = Random(0)
    kinds = list(AnomalyKind)
    alerts = [
        _alert(rng.choice(("api", "web", "db")), rng.choice(kinds), rng.randrange(0, 300), subject=str(i))
        for i in range(40)
    ]
    shuffled = rng.sample(alerts, len(alerts))
    assert group(alerts) == group(shuffled)


def test_an_incident_begins_with_the_record_and_not_with_the_window() -> None:
    """An error spike is dated by its window, the new error of the same service by its first record."""
    spike = _alert("api", AnomalyKind.ERROR_SPIKE, 10)
    news = _alert("api", AnomalyKind.NEW_ERROR, 13, subject="t1")
    (incident,) = group([spike, news])
    assert incident.start_us == news.start_us


def test_one_slow_operation_alone_does_not_date_an_incident_of_several() -> None:
    """Among three slow operations it is the second that tells when."""
    slow = [_alert("api", AnomalyKind.LATENCY, start, 40, subject=f"op{start}") for start in (10, 14, 15)]
    (incident,) = group(slow)
    assert incident.start_us == slow[1].start_us
