"""Laws of the alert book: each change told once, ends by silence of the cause, a budget, bounded state."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from fm_anomaly.core.alerts import AlertAction, AlertBook, AlertParams, AlertSeverity, AlertState, Evidence
from fm_anomaly.core.anomalies import Anomaly, AnomalyKind, Score
from fm_anomaly.core.frames import US_PER_S, StreamKey

MINUTE = 60 * US_PER_S


def _anomaly(minute: int, kind: AnomalyKind = AnomalyKind.NEW_ERROR, subject: str = "t1", **changes: object) -> Anomaly:
    plain = Anomaly(
        kind=kind,
        stream=StreamKey("default", "api"),
        subject=subject,
        start_us=minute * MINUTE,
        end_us=(minute + 1) * MINUTE,
        tick_us=(minute + 1) * MINUTE,
        score=Score(0.9, 12.0),
        observed=46.0,
        expected_low=0.0,
        expected_high=1.0,
        unit="records",
        history_us=150 * MINUTE,
        n=0,
        reason="never seen in the 2h30m before · 46/min, expected 0",
        title="redis: connection refused",
        templates=(1,),
        template_ids=("t1",),
        text="could not connect to redis",
        n_records=46,
        strength=46.0,
        share=0.4,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_matter_is_told_once_and_ends_when_it_is_quiet() -> None:
    """One fire, no update without news, one resolve five minutes after the last anomaly."""
    book = AlertBook()
    events = [e for m in range(5) for e in book.apply([_anomaly(m, is_onset=m == 0)], (m + 1) * MINUTE)]
    assert [e.action for e in events] == [AlertAction.FIRE]
    assert book.tick(10 * MINUTE) == []
    (end,) = book.tick(11 * MINUTE)
    assert end.action is AlertAction.RESOLVE
    assert (end.alert.start_us, end.alert.end_us) == (0, 5 * MINUTE)
    assert end.alert.state is AlertState.RESOLVED
    assert end.alert.n_events == 5 * 46
    assert book.tick(60 * MINUTE) == []


def test_the_same_anomaly_twice_is_nothing_new() -> None:
    """Early and closed findings of one bucket, or a replay of it, fire once."""
    book = AlertBook()
    assert len(book.apply([_anomaly(0, tick_us=20 * US_PER_S, end_us=20 * US_PER_S)], 20 * US_PER_S)) == 1
    assert book.apply([_anomaly(0), _anomaly(0)], MINUTE) == []


def test_an_id_is_fingerprint_and_start() -> None:
    """A replay gives the same ids; another subject or start gives another."""
    ids = []
    for anomaly in (_anomaly(0), _anomaly(0), _anomaly(1), _anomaly(0, subject="t2")):
        ids.append(AlertBook().apply([anomaly], 2 * MINUTE)[0].alert.alert_id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert ids[0].rsplit("-", 1)[0] == ids[2].rsplit("-", 1)[0]


def test_what_flaps_is_one_alert() -> None:
    """Fired again within half an hour, an alert is reopened and not notified anew."""
    book = AlertBook()
    book.apply([_anomaly(0)], MINUTE)
    book.tick(10 * MINUTE)
    (event,) = book.apply([_anomaly(20)], 21 * MINUTE)
    assert event.action is AlertAction.UPDATE
    assert not event.notify
    assert [a.start_us for a in book.alerts] == [0]


def test_a_rise_in_severity_is_told() -> None:
    """An update is notified when the severity rises, with the reason why."""
    book = AlertBook()
    book.apply([_anomaly(0, share=0.01, n_records=3, observed=3.0, strength=3.0)], MINUTE)
    (event,) = book.apply([_anomaly(1, is_onset=False)], 2 * MINUTE)
    assert (event.action, event.notify, event.reason) == (AlertAction.UPDATE, True, "severity medium → high")
    assert event.alert.severity is AlertSeverity.HIGH


def test_a_silence_lasts_until_records_come() -> None:
    """Silence has nothing that keeps it up, so it ends only when told."""
    book = AlertBook()
    book.apply([_anomaly(0, AnomalyKind.SILENCE, "")], MINUTE)
    assert book.tick(300 * MINUTE) == []
    over = _anomaly(0, AnomalyKind.SILENCE, "", tick_us=310 * MINUTE, end_us=309 * MINUTE, is_over=True)
    (event,) = book.apply([over], 310 * MINUTE)
    assert event.action is AlertAction.RESOLVE
    assert event.alert.end_us == 309 * MINUTE


def test_the_budget_cuts_spikes_and_never_new_errors() -> None:
    """Of many matters in a day a service notifies five; the others are in the digest; new errors always come."""
    book = AlertBook()
    events = []
    for i in range(12):
        minute = 20 * i
        events += book.apply([_anomaly(minute, AnomalyKind.VOLUME_SPIKE, f"t{i}", share=0.1)], (minute + 1) * MINUTE)
    fired = [e for e in events if e.action is AlertAction.FIRE]
    assert sum(e.notify for e in fired) == 5
    assert book.n_cut == 7
    assert len(book.digest) == 7
    minute = 300
    (event,) = [e for e in book.apply([_anomaly(minute)], (minute + 1) * MINUTE) if e.action is AlertAction.FIRE]
    assert event.notify


def test_the_digest_is_ranked_and_bounded() -> None:
    """Digest entries come by worth of kind, then by count, and never more than the cap."""
    book = AlertBook(AlertParams(max_digest=10))
    for i in range(50):
        kind = AnomalyKind.NEW_ERROR if i % 10 == 0 else AnomalyKind.NEW_TEMPLATE
        assert book.apply([_anomaly(i, kind, f"t{i}", is_digest=True, n_records=i + 1)], (i + 1) * MINUTE) == []
    entries = book.digest
    assert len(entries) == 10
    assert [e.kind for e in entries[:5]] == [AnomalyKind.NEW_ERROR] * 5
    assert [e.count for e in entries[5:]] == [50, 49, 48, 47, 46]


def test_an_alert_takes_its_digest_entry_along() -> None:
    """What began as a single record and grew is an alert, no digest line."""
    book = AlertBook()
    book.apply([_anomaly(0, is_digest=True, n_records=1)], MINUTE)
    book.apply([_anomaly(1)], 2 * MINUTE)
    assert book.digest == []


def test_state_is_bounded() -> None:
    """Subjects that never repeat keep open and recent alerts below their caps."""
    book = AlertBook(AlertParams(max_recent=20, max_open=30))
    book.apply([_anomaly(0, subject=f"t{i}") for i in range(100)], MINUTE)
    assert len(book.open) == 30
    assert book.n_beyond == 70
    book.tick(60 * MINUTE)
    assert len(book.alerts) == 20


def test_evidence_is_gathered_up_to_three_lines() -> None:
    """Lines come with the first anomalies, each once."""

    def lines(anomaly: Anomaly) -> tuple[Evidence, ...]:
        return tuple(Evidence("app.log", n, anomaly.start_us, "api", f"line {n}") for n in (1, 1 + anomaly.start_us))

    book = AlertBook(evidence=lines)
    for minute in range(4):
        book.apply([_anomaly(minute)], (minute + 1) * MINUTE)
    (alert,) = book.open
    numbers = [e.line for e in alert.evidence]
    assert len(numbers) == len(set(numbers)) == 3


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_a_snapshot_in_the_middle_changes_nothing(cut: int) -> None:
    """A book restored between any two ticks tells what it would have told."""
    kinds = (AnomalyKind.NEW_ERROR, AnomalyKind.VOLUME_SPIKE, AnomalyKind.SILENCE)

    def run(stop: int | None) -> list[object]:
        book, events = AlertBook(), []
        for i in range(40):
            if i == stop:
                book = AlertBook.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(book.snapshot())))
            new = [_anomaly(i * 7, kinds[i % 3], f"t{i % 4}", is_digest=i % 5 == 0)] if i % 2 else []
            events += book.apply(new, (i * 7 + 1) * MINUTE)
        return [*events, *book.alerts, *book.digest, book.n_cut]

    assert run(None) == run(cut)
