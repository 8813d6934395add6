"""Both clients against a running `fm-anomaly serve`: what they send is taken, what they ask is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from fm_anomaly.client import AsyncClient, Client, Effect
from fm_anomaly.errors import ClientError
from fm_anomaly.testing import outage_log
from tests.notify.servers import served, wait_until

TOKEN = "a-token-of-more-than-16"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that wants a token, which has seen an outage."""
    with served(tmp_path_factory.mktemp("served"), environ={"FM_ANOMALY_TOKEN": TOKEN}) as address:
        with Client(address, token=TOKEN) as client:
            lines = outage_log()
            sent = client.send_logs(lines, service="shop", batch_id="outage")
            assert (sent.rejected, sent.duplicates) == (0, 0)
            again = client.send_logs(lines, service="shop", batch_id="outage")
            assert (again.accepted, again.duplicates) == (0, sent.requests)
            assert wait_until(lambda: any(client.incidents()), 60)
            # every line once, though it was sent twice; here, since the tests send more, in any order
            n = sum(line.count("\n") + 1 for line in lines)
            assert wait_until(lambda: client.intake()["total"]["lines"] == n, 60)
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    """A client of it."""
    with Client(address, token=TOKEN) as opened:
        yield opened


def test_alerts_and_incidents_belong_together(client: Client) -> None:
    """An incident's alerts are those that the list has; each knows its history."""
    # not the last one: tests beside move the clock, which makes a silence, which has no lines to show
    incident = client.incident(next(client.alerts(kind="new_error")).incident_id)
    ids = {alert.alert_id for alert in client.alerts(incident_id=incident.incident_id)}
    assert {alert.alert_id for alert in incident.alerts} == ids
    assert client.alert(incident.alerts[0].alert_id).history[0].action == "triggered"
    assert any(client.alert(each).evidence for each in ids)
    assert list(client.alerts(service="nobody")) == []


def test_people_act_and_are_told_what_it_does(client: Client) -> None:
    """Ack, comment, feedback and its removal, a silence and its end, a marker: each answers with its effect."""
    alert = next(client.alerts())
    assert client.ack(alert.alert_id).effect
    assert client.alert(alert.alert_id).acked is not None
    client.comment(alert.alert_id, "looking at <it> & more")
    word = client.feedback(alert.alert_id, "noise", "the nightly job")
    assert word.effect
    assert client.alert(alert.alert_id).verdict == "noise"
    client.remove_feedback(word.command_id)
    assert client.alert(alert.alert_id).verdict == ""
    muted = client.silence({"service": "mail", "kind": "volume_spike"}, "re-indexing", for_s=3_600)
    assert [each.silence_id for each in client.silences(active=True)] == [muted.command_id]
    client.end_silence(muted.command_id)
    assert list(client.silences(active=True)) == []
    assert isinstance(client.mark("api 1.4.2", service="api"), Effect)
    said = [step.reason for step in client.alert(alert.alert_id).history if step.action == "commented"]
    assert said == ["looking at <it> & more"]


def test_refusals_are_errors_with_the_services_words(client: Client, address: str) -> None:
    """An unknown id, a wrong verdict, no token."""
    with pytest.raises(ClientError, match="no alert") as raised:
        client.alert("nothing")
    assert raised.value.status == 404
    assert raised.value.correlation_id
    with pytest.raises(ClientError, match="verdict"):
        client.feedback(next(client.alerts()).alert_id, "maybe")
    with Client(address) as stranger, pytest.raises(ClientError, match="a key is needed") as raised:
        stranger.intake()
    assert raised.value.status == 401


def test_the_async_client_beside(address: str) -> None:
    """Sends records as fields and reads, at the same time."""

    async def story() -> list[Any]:
        async with AsyncClient(address, token=TOKEN) as client:
            record = {"timestamp": "2026-03-02T11:40:00Z", "level": "info", "event": "hello", "service": "hello"}
            sent, services = await asyncio.gather(client.send_logs([record] * 3), client.services())
            incidents = [each async for each in client.incidents(min_severity="low")]
            return [sent.accepted, incidents, services]

    accepted, incidents, services = asyncio.run(story())
    assert accepted == 3
    assert incidents
    assert isinstance(services, list)


def test_the_stream_tells_what_happened(client: Client) -> None:
    """Events from the first on, each with an id that grows; behind one of them come the later ones."""
    try:
        events = client.events(after="0")
        first, second = next(events), next(events)
    except ClientError as exc:
        if exc.status == 404:
            pytest.skip("this service has no event stream yet")
        raise
    assert int(first.id) < int(second.id)
    assert next(client.events(after=first.id)).id == second.id
