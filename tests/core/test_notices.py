"""Laws of notices: what is told is what happened, its payload survives the store, its id survives a replay."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.alert_values import AlertSeverity, Evidence
from fm_anomaly.core.notices import SCHEMA, Novelty, from_payload, notices
from tests.notice_objects import MINUTE_US, START_US, again, fired, make_alert, make_incident, resolved, worse

ALERT = make_alert()


@given(text=st.text(max_size=2_000), number=st.floats())
def test_a_payload_survives_json_and_every_database(text: str, number: float) -> None:
    """Whatever a log says, the payload is JSON without NUL, lone surrogates and NaN, and gives the notice back."""
    line = Evidence("app.log", 1, None, "api", text)
    alert = replace(ALERT, title=text, reason=text, subject=text, observed=number, evidence=(line,))
    (row,) = notices([fired(alert)], [make_incident(alert)])
    sent = json.dumps(row.payload, allow_nan=False, ensure_ascii=False)
    assert "\0" not in sent
    sent.encode()
    back = from_payload(json.loads(sent))
    assert (back.alert_id, back.severity, back.start_us) == (alert.alert_id, alert.severity, alert.start_us)
    assert back.incident is not None
    assert back.incident.alert_ids == (alert.alert_id,)
    assert from_payload(row.payload) == back


def test_payloads_are_bounded() -> None:
    """A line of a megabyte or an incident of thousands of alerts gives a payload of some kilobytes."""
    text = "x" * 1_000_000
    alert = replace(ALERT, title=text, reason=text, subject=text, template_ids=(text[:16],) * 5_000)
    alert = replace(alert, evidence=tuple(Evidence("s", n, None, "api", text) for n in range(3)))
    incident = make_incident(alert, *(make_alert(f"b{n}") for n in range(3_000)))
    (row,) = notices([fired(alert)], [incident])
    assert len(json.dumps(row.payload)) < 20_000


def test_novelty_says_why_it_is_told() -> None:
    """New, worse and back again are told apart; an end is nothing new."""
    events = [
        fired(ALERT),
        worse(ALERT, AlertSeverity.CRITICAL, START_US + 2 * MINUTE_US),
        resolved(ALERT, START_US + 9 * MINUTE_US),
        again(ALERT, START_US + 20 * MINUTE_US),
    ]
    assert [row.notice.novelty for row in notices(events)] == [
        Novelty.NEW,
        Novelty.ESCALATING,
        Novelty.ONGOING,
        Novelty.REGRESSED,
    ]


def test_what_the_budget_cut_is_never_told() -> None:
    """An alert that was cut is not told when it fires, nor when it fires again."""
    cut = replace(ALERT, is_notified=False)
    assert notices([replace(fired(cut), notify=False), again(cut, START_US + 20 * MINUTE_US)]) == []


def test_ids_are_those_of_the_change() -> None:
    """The same change has the same id in every replay; another change of the same alert has another."""
    events = [fired(ALERT), worse(ALERT, AlertSeverity.CRITICAL, START_US), resolved(ALERT, START_US + 9 * MINUTE_US)]
    ids = [row.id for row in notices(events)]
    assert len(set(ids)) == 3
    assert ids == [row.id for row in notices(events, [make_incident(ALERT)])]


@pytest.mark.parametrize("broken", [{}, {"schema": "x"}, {"schema": SCHEMA}, {"schema": SCHEMA, "action": "dance"}])
def test_a_payload_of_another_kind_is_refused(broken: dict[str, object]) -> None:
    """What this release cannot read is a ValueError, not a guess."""
    with pytest.raises(ValueError, match="notice"):
        from_payload(broken)
