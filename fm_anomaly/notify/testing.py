"""A test alert for one receiver: that it fires, and that it is over, so that nothing is left behind.

It goes the way of every message, past the outbox. It must not know the settings file or the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fm_anomaly.core.alert_values import AlertAction, AlertSeverity, AlertState, Evidence
from fm_anomaly.core.notices import Notice, Novelty, to_payload
from fm_anomaly.core.outbox_rows import OutboxRow, State
from fm_anomaly.notify.planning import changes
from fm_anomaly.notify.receivers import NotifyParams, ReceiverKind, Target
from fm_anomaly.notify.requests import Answer
from fm_anomaly.notify.sender import MESSAGES
from fm_anomaly.notify.transport import HttpTransport, Transport


def send_test(
    target: Target, params: NotifyParams, now_us: int, transport: Callable[[Target], Transport] = HttpTransport
) -> list[tuple[str, Answer]]:
    """Send a test alert and its end; return what was sent, in words, with the answers. Stops at the first failure.

    An Alertmanager waits before it tells anybody, so there the alert ends by itself, after `ends_after_s`.
    """
    fires = _row(_notice(target, now_us), State.PENDING)
    held = replace(fires, state=State.HELD)
    ended = replace(fires.notice, action=AlertAction.RESOLVE, state=AlertState.RESOLVED, at_us=now_us + 1)
    steps: list[tuple[str, list[OutboxRow], dict[str, OutboxRow]]] = [("it fires", [fires], {})]
    if target.receiver.kind is not ReceiverKind.ALERTMANAGER:
        steps.append(("it is over", [held, _row(ended, State.PENDING)], {held.alert_id: held}))
    line = transport(target)
    answers: list[tuple[str, Answer]] = []
    try:
        for said, rows, told in steps:
            for message in MESSAGES[target.receiver.kind](target, changes(rows, told), told, params, now_us):
                answers.append((said, line.send(message.request)))
            if not all(answer.is_ok for _, answer in answers):
                break
    finally:
        line.close()
    return answers


def _notice(target: Target, now_us: int) -> Notice:
    return Notice(
        action=AlertAction.FIRE,
        novelty=Novelty.NEW,
        why="new",
        at_us=now_us,
        tenant=target.receiver.tenant,
        alert_id=f"test-{now_us // 1_000_000}",
        fingerprint="test",
        service="fm-anomaly",
        kind="new_error",
        subject="",
        severity=max(target.receiver.min_severity, AlertSeverity.LOW, key=lambda severity: severity.rank),
        state=AlertState.FIRING,
        title="test alert: somebody ran `fm-anomaly notify test`",
        reason="Nothing is wrong. This shows that alerts of fm-anomaly arrive here.",
        start_us=now_us,
        end_us=now_us,
        observed=1.0,
        expected_low=0.0,
        expected_high=0.0,
        unit="per minute",
        n_events=1,
        evidence=(Evidence("test", 1, now_us, "fm-anomaly", "ERROR <this> is & was a test"),),
    )


def _row(notice: Notice, state: State) -> OutboxRow:
    return OutboxRow(
        tenant=notice.tenant,
        id=f"{notice.alert_id}.{notice.action.value}",
        receiver="",
        alert_id=notice.alert_id,
        action=notice.action.value,
        payload=to_payload(notice),
        created_us=notice.at_us,
        state=state.value,
        attempts=0,
        next_us=0,
        last_error="",
    )
