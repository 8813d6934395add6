"""Laws of the clients: both say the same, retry what may be retried, page to the end, and raise errors of our own."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fm_anomaly
from fm_anomaly import client as client_room
from fm_anomaly.client import AsyncClient, Client
from fm_anomaly.client.answers import RetryParams
from fm_anomaly.client.event_stream import EventParser
from fm_anomaly.client.log_bodies import MAX_BYTES, MAX_LINES, log_bodies
from fm_anomaly.errors import ClientError, UsageError

ALERT = {
    "alert_id": "a1",
    "incident_id": None,
    "kind": "new_error",
    "service": "api",
    "severity": "high",
    "state": "firing",
    "title": "t",
    "reason": "r",
    "start": "2026-03-02T12:30:03Z",
    "end": None,
    "observed": 46.0,
    "expected_low": 0.0,
    "expected_high": 1.0,
    "unit": "per minute",
    "subject": "s",
    "evidence": [{"text": "x", "timestamp": "2026-03-02T12:30:03Z"}],
    "something": "from a later release",
}
KEPT = {"accepted": 1, "rejected": 0, "errors": [], "seq": 1, "duplicate": False}

Answers = Callable[[httpx.Request], httpx.Response]


class Asked:
    """A service that answers as told; `client` asks it, `waits` are what was slept."""

    def __init__(self, answer: Answers) -> None:
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

        def handle(request: httpx.Request) -> httpx.Response:
            request.read()
            self.requests.append(request)
            return answer(request)

        self.client = Client(
            "http://service.test", transport=httpx.MockTransport(handle), sleep=self.waits.append, rng=Random(1)
        )


def scripted(*answers: httpx.Response | Exception) -> Answers:
    """Answer with each in turn, then with the last again."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, Exception):
            raise one
        # a response is used up when read
        return httpx.Response(one.status_code, headers=one.headers, content=one.content)

    return answer


def ok(body: Any, **headers: str) -> httpx.Response:
    return httpx.Response(200, json=body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def test_values_are_read_and_unknown_fields_left_out() -> None:
    """Times become aware datetimes; what a later service tells besides breaks nothing."""
    asked = Asked(scripted(ok(ALERT)))
    alert = asked.client.alert("a/../1?x")
    assert alert.start == datetime(2026, 3, 2, 12, 30, 3, tzinfo=UTC)
    assert alert.is_firing
    assert alert.evidence[0].text == "x"
    assert asked.requests[0].url.raw_path == b"/api/v1/alerts/a%2F..%2F1%3Fx"


def test_lists_are_followed_to_their_end_as_asked_for() -> None:
    """One request a page, filters kept, none before its rows are wanted."""
    pages = [
        ok([{**ALERT, "alert_id": "a1"}], X_Next_Cursor="c1"),
        ok([{**ALERT, "alert_id": "a2"}], X_Next_Cursor="c2"),
        ok([{**ALERT, "alert_id": "a3"}]),
    ]
    asked = Asked(scripted(*pages))
    found = asked.client.alerts(state="firing", acked=False, since=datetime(2026, 3, 2, tzinfo=UTC))
    assert asked.requests == []
    assert next(found).alert_id == "a1"
    assert len(asked.requests) == 1
    assert [each.alert_id for each in found] == ["a2", "a3"]
    assert [dict(r.url.params).get("cursor") for r in asked.requests] == [None, "c1", "c2"]
    for request in asked.requests:
        params = dict(request.url.params)
        assert (params["state"], params["acked"], params["since"]) == ("firing", "false", "2026-03-02T00:00:00+00:00")


def test_a_busy_service_is_asked_again_as_it_says() -> None:
    """429 with Retry-After: the same body under the same batch id, not before; then it is taken."""
    busy = httpx.Response(429, headers={"Retry-After": "3"}, json={"detail": "busy"})
    asked = Asked(scripted(busy, busy, ok(KEPT)))
    sent = asked.client.send_logs(["one"])
    assert sent.accepted == 1
    assert asked.waits == [3.0, 3.0]
    assert len({(r.headers["X-Batch-ID"], r.content) for r in asked.requests}) == 1


def test_patience_ends() -> None:
    """A service that stays busy is an error with its own words and correlation id."""
    asked = Asked(scripted(httpx.Response(429, json={"detail": "too much waits", "correlation_id": "c-1"})))
    with pytest.raises(ClientError, match="too much waits") as raised:
        asked.client.send_logs(["one"])
    assert (raised.value.status, raised.value.correlation_id) == (429, "c-1")
    assert len(asked.requests) == RetryParams().attempts
    assert sorted(asked.waits) == asked.waits


def test_what_may_not_arrive_twice_is_not_sent_again() -> None:
    """Where nobody knows whether it arrived, logs (with their id) and reads are sent again, a comment is not."""
    broken = httpx.ReadError("connection reset")
    asked = Asked(scripted(broken, ok(KEPT)))
    assert asked.client.send_logs(["one"]).accepted == 1
    asked = Asked(scripted(broken, ok([])))
    assert asked.client.services() == []
    asked = Asked(scripted(broken))
    with pytest.raises(ClientError, match="does not answer") as raised:
        asked.client.comment("a1", "hello")
    assert (raised.value.status, len(asked.requests)) == (0, 1)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>not here"),
        httpx.Response(302, headers={"Location": "http://evil.test/"}),
        httpx.Response(200, text="hello"),
        httpx.Response(200, json={"alert_id": 3}),
        httpx.Response(500, json=[1]),
    ],
)
def test_whoever_answers_instead_is_an_error_of_ours(answer: httpx.Response) -> None:
    """A proxy's page, a redirect, another service: ClientError, one request, nothing followed."""
    asked = Asked(scripted(answer))
    with pytest.raises(ClientError) as raised:
        asked.client.alert("a1")
    assert raised.value.status == answer.status_code
    assert len(asked.requests) == 1


def test_ids_of_incidents_and_alerts_go_their_own_way() -> None:
    """`ack`, `resolve` and `comment` take either."""
    asked = Asked(scripted(ok({"command_id": "c", "effect": "done", "numbers": {"alerts": 2}})))
    assert asked.client.ack("i-a1").numbers == {"alerts": 2}
    asked.client.resolve("a1")
    asked.client.comment("a1", "x < y")
    assert [r.url.path for r in asked.requests] == [
        "/api/v1/incidents/i-a1/ack",
        "/api/v1/alerts/a1/resolve",
        "/api/v1/alerts/a1/comments",
    ]
    assert json.loads(asked.requests[2].content) == {"text": "x < y"}
    assert {r.headers["content-type"] for r in asked.requests} == {"application/json"}


def test_a_silence_needs_an_end() -> None:
    """Neither or both of until and for_s is refused before anything is sent."""
    asked = Asked(scripted(ok({})))
    for ends in ({}, {"for_s": 60, "until": "2026-03-02T00:00:00Z"}):
        with pytest.raises(UsageError, match="when it ends"):
            asked.client.silence({"service": "api"}, "testing", **ends)  # type: ignore[arg-type]
    assert asked.requests == []


def test_the_token_goes_with_every_request_and_is_not_shown() -> None:
    """Bearer token in the header; no error repeats it."""
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(401, json={"detail": "a bearer token is needed"})

    with Client("http://s.test", token="hunter2-hunter2", transport=httpx.MockTransport(answer)) as client:
        with pytest.raises(ClientError) as raised:
            client.intake()
        assert "hunter2" not in f"{raised.value!r} {client!r}"
    assert seen == ["Bearer hunter2-hunter2"]


# -- logs --------------------------------------------------------------------------------------------------------------


@given(lines=st.lists(st.text(max_size=40), max_size=60), size=st.integers(1, 200))
def test_bodies_hold_every_line_once_and_in_order(lines: list[str], size: int) -> None:
    """However they are cut, the bodies together are the lines; ids differ and are the same the next time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fm_anomaly.client.log_bodies.MAX_BYTES", size)
        first, again = list(log_bodies(lines, "id", "")), list(log_bodies(iter(lines), "id", ""))
    assert first == again
    assert b"".join(_plain(body.call) for body in first) == b"".join(
        line.encode("utf-8", "replace") + (b"" if line.endswith("\n") else b"\n") for line in lines
    )
    ids = [body.call.headers["X-Batch-ID"] for body in first]
    assert len(set(ids)) == len(ids)
    assert [body.n_before for body in first][:1] in ([], [0])


def test_bodies_are_bounded_and_compressed() -> None:
    """At most a megabyte and 5,000 lines each; small ones go as they are."""
    bodies = list(log_bodies(("x" * 100 for _ in range(30_000)), "id", "api"))
    assert len(bodies) == 6
    for body in bodies:
        assert body.call.headers["Content-Encoding"] == "gzip"
        assert len(_plain(body.call)) <= MAX_BYTES
        assert _plain(body.call).count(b"\n") <= MAX_LINES
        assert body.call.params == {"service": "api"}
    (small,) = log_bodies(["one"], "id", "")
    assert "Content-Encoding" not in small.call.headers


def test_records_go_as_ndjson_and_are_not_mixed_with_text() -> None:
    """Mappings are JSON objects, one a line; text among them is refused."""
    (body,) = log_bodies([{"event": "a\nb"}, {"n": 1}], "id", "")
    assert body.call.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in body.call.content.splitlines()] == [{"event": "a\nb"}, {"n": 1}]
    with pytest.raises(UsageError, match="in one call"):
        list(log_bodies([{"event": "a"}, "text"], "id", ""))


def test_errors_name_the_line_that_was_given() -> None:
    """A line's number counts over all requests of a call."""
    told = {**KEPT, "rejected": 1, "errors": [{"line": 7, "reason": "not a JSON object"}]}
    asked = Asked(scripted(ok(KEPT), ok(told)))
    sent = asked.client.send_logs("x" for _ in range(MAX_LINES + 10))
    assert [(error.line, error.reason) for error in sent.errors] == [(MAX_LINES + 7, "not a JSON object")]
    assert (sent.accepted, sent.rejected, sent.requests) == (2, 1, 2)


def _plain(call: Any) -> bytes:
    return gzip.decompress(call.content) if call.headers.get("Content-Encoding") == "gzip" else call.content


# -- events ------------------------------------------------------------------------------------------------------------

_STREAM = b': hello\nretry: 10\n\nid: 1\nevent: alert\ndata: {"n": 1}\n\nid: 2\ndata: one\ndata: two\n\n'


def test_the_stream_goes_on_behind_the_last_event_when_it_breaks() -> None:
    """A broken or refused connection is made again with Last-Event-ID; nothing is told twice, nothing left out."""
    answers = [
        httpx.Response(200, content=_STREAM),
        httpx.Response(503, json={"detail": "starting"}),
        httpx.ReadError("reset"),
        httpx.Response(200, content=b"id: 3\ndata: 3\n\nid: 4\ndata: {"),
        httpx.Response(200, content=b"id: 4\ndata: 4\n\n"),
    ]
    asked = Asked(scripted(*answers))
    events = asked.client.events()
    got = [next(events) for _ in range(4)]
    assert [(event.id, event.type, event.data) for event in got] == [
        ("1", "alert", {"n": 1}),
        ("2", "message", "one\ntwo"),
        ("3", "message", 3),
        ("4", "message", 4),
    ]
    assert [r.headers.get("Last-Event-ID") for r in asked.requests] == [None, "2", "2", "2", "4"]


def test_a_stream_that_is_not_there_is_an_error() -> None:
    """404 and a wrong token end it; a service that stays away ends it after some tries."""
    with pytest.raises(ClientError, match="404"):
        next(Asked(scripted(httpx.Response(404))).client.events())
    asked = Asked(scripted(httpx.ConnectError("refused")))
    with pytest.raises(ClientError, match="does not answer"):
        next(asked.client.events())
    assert len(asked.requests) == RetryParams().attempts


@given(lines=st.lists(st.text(st.characters(exclude_characters="\r\n"), max_size=50), max_size=50))
def test_any_lines_are_parsed_without_an_error(lines: list[str]) -> None:
    """Whoever answers, the parser raises nothing and stays small."""
    parser = EventParser()
    for line in lines:
        parser.feed(line)
    assert len(parser.last_id) <= 200


def test_an_event_without_end_is_cut_off() -> None:
    """A megabyte at most is kept of one event."""
    parser = EventParser()
    for _ in range(3_000):
        parser.feed("data: " + "x" * 1_000)
    event = parser.feed("")
    assert event is not None
    assert len(event.data) < 1_100_000


# -- the other client --------------------------------------------------------------------------------------------------


def test_both_clients_have_the_same_methods() -> None:
    """Same names, same parameters."""

    def surface(kind: type) -> dict[str, list[str]]:
        public = [name for name in dir(kind) if not name.startswith("_")]
        return {name: list(inspect.signature(getattr(kind, name)).parameters) for name in public}

    assert surface(Client) == surface(AsyncClient)
    assert fm_anomaly.Client is Client
    assert fm_anomaly.AsyncClient is AsyncClient
    assert all(hasattr(client_room, name) for name in client_room.__all__)


def test_the_async_client_does_what_the_other_does() -> None:
    """Pages, retries, sends and streams alike."""
    busy = httpx.Response(429, headers={"Retry-After": "2"})
    answers = scripted(
        ok([ALERT], X_Next_Cursor="c1"),
        ok([{**ALERT, "alert_id": "a2"}]),
        busy,
        ok(KEPT),
        httpx.ReadError("reset"),
        httpx.Response(200, content=_STREAM),
    )
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def story() -> None:
        transport = httpx.MockTransport(answers)
        async with AsyncClient("http://s.test", transport=transport, sleep=sleep, rng=Random(1)) as client:
            assert [each.alert_id async for each in client.alerts()] == ["a1", "a2"]
            assert (await client.send_logs(["one"])).accepted == 1
            async for event in client.events():
                assert event.data == {"n": 1}
                break

    asyncio.run(story())
    assert waits == [2.0, 2.0]
