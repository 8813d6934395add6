"""`Client`: the API of a running service, blocking.

It sends calls, waits and tries again; what is asked stands in `calls`, what an answer means in `answers`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from fm_anomaly.client import calls, connecting
from fm_anomaly.client.answers import RetryParams, read, refused, wait_s
from fm_anomaly.client.calls import Call, Time
from fm_anomaly.client.event_stream import EventParser
from fm_anomaly.client.log_bodies import Line, added, log_bodies
from fm_anomaly.client.values import Alert, Effect, Event, Incident, SentLogs, Service, Silence
from fm_anomaly.errors import ClientError

_T = TypeVar("_T")


class Client:
    """A running service. Close it, or use it in a ``with``; threads may share it.

    Parameters
    ----------
    base_url
        Where the service listens.
    token
        Its bearer token, where it wants one.
    retry
        How patiently a busy service is asked again.
    transport, sleep, rng
        For tests: what sends, what waits, and the chance in waits.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8010",
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        retry: RetryParams | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: Random | None = None,
    ) -> None:
        self._retry = retry or RetryParams()
        self._sleep = sleep
        self._rng = rng or Random()  # noqa: S311 - keeps many clients from coming back all at once
        self._timeout_s = timeout_s
        self._http = httpx.Client(**connecting.settings(base_url, token, timeout_s), transport=transport)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def send_logs(self, lines: Iterable[Line], *, service: str = "", batch_id: str | None = None) -> SentLogs:
        """Send lines of text, or records as mappings, in requests of up to a megabyte; return when all are durable.

        With the same `batch_id` and lines, sending again takes nothing in twice, however it ended the first time; an
        id is made where none is given, which holds for the retries of this call. `service` names records that tell
        none. Raises ClientError where the service refuses, or stays busy.
        """
        sent = SentLogs()
        for body in log_bodies(lines, batch_id or uuid4().hex, service):
            sent = added(sent, body, self._ask(body.call))
        return sent

    def alerts(
        self,
        *,
        state: str | None = None,
        min_severity: str | None = None,
        service: str | None = None,
        kind: str | None = None,
        incident_id: str | None = None,
        acked: bool | None = None,
        muted: bool | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> Iterator[Alert]:
        """Yield alerts, the latest start first, page by page as they are asked for."""
        where = {"state": state, "min_severity": min_severity, "service": service, "kind": kind}
        more = {"incident_id": incident_id, "acked": acked, "muted": muted, "since": since, "until": until}
        return self._pages(calls.alerts(**where, **more))  # type: ignore[arg-type]

    def incidents(
        self,
        *,
        state: str | None = None,
        min_severity: str | None = None,
        kind: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> Iterator[Incident]:
        """Yield incidents, the latest start first."""
        return self._pages(calls.incidents(state=state, min_severity=min_severity, kind=kind, since=since, until=until))

    def alert(self, alert_id: str) -> Alert:
        """Return one alert with its history."""
        return self._ask(calls.one_alert(alert_id))

    def incident(self, incident_id: str) -> Incident:
        """Return one incident with its alerts."""
        return self._ask(calls.one_incident(incident_id))

    def services(self) -> list[Service]:
        """Return the services, most records first."""
        return self._ask(calls.services())

    def intake(self) -> dict[str, Any]:
        """Return what became of every line."""
        return self._ask(calls.intake())

    def ack(self, found_id: str) -> Effect:
        """Take on an alert or incident."""
        return self._ask(calls.ack(found_id))

    def resolve(self, found_id: str) -> Effect:
        """Say that an alert or incident is over."""
        return self._ask(calls.resolve(found_id))

    def comment(self, found_id: str, text: str) -> Effect:
        """Say something of an alert or incident."""
        return self._ask(calls.comment(found_id, text))

    def feedback(self, alert_id: str, verdict: str, note: str = "") -> Effect:
        """Say that an alert was "expected", "noise" or "real"; the effect tells what that does."""
        return self._ask(calls.feedback(alert_id, verdict, note))

    def remove_feedback(self, feedback_id: str) -> Effect:
        """Take feedback back, and with it all that followed from it."""
        return self._ask(calls.remove_feedback(feedback_id))

    def silence(
        self,
        matchers: Mapping[str, str],
        reason: str,
        *,
        until: Time | None = None,
        for_s: int | None = None,
        until_worse: bool = False,
    ) -> Effect:
        """Silence alerts that match all of service, kind, template and severity, as far as given, for a while."""
        return self._ask(calls.silence(matchers, reason, until, for_s, until_worse=until_worse))

    def end_silence(self, silence_id: str) -> Effect:
        """End a silence."""
        return self._ask(calls.end_silence(silence_id))

    def silences(self, *, active: bool | None = None) -> Iterator[Silence]:
        """Yield silences, the latest start first."""
        return self._pages(calls.silences(active=active))

    def mark(self, title: str, *, service: str = "", at: Time | None = None) -> Effect:
        """Note a deploy or change, of one service or of all."""
        return self._ask(calls.marker(title, service, at))

    def events(self, after: str = "") -> Iterator[Event]:
        """Yield what happens, as it happens, without end; behind the event of id `after` where one is given.

        Goes on by itself where the connection breaks, without a gap. Raises ClientError where the service refuses.
        """
        parser = EventParser(after)
        n_tried = 0
        while True:
            try:
                for event in self._stream(parser):
                    n_tried = 0
                    yield event
            except connecting.ERRORS as exc:
                n_tried += 1
                if n_tried >= self._retry.attempts:
                    raise connecting.unreachable(self._http.base_url, exc) from exc
            except ClientError as exc:
                n_tried += 1
                if n_tried >= self._retry.attempts or not connecting.is_passing(exc):
                    raise
            parser.restart()
            self._sleep(parser.retry_s)

    def _stream(self, parser: EventParser) -> Iterator[Event]:
        call: Call[Any] = Call("GET", connecting.STREAM, None)
        headers = connecting.stream_headers(parser.last_id)
        with self._http.stream(
            "GET", call.path, headers=headers, timeout=connecting.stream_timeout(self._timeout_s)
        ) as response:
            if response.status_code != 200:
                raise refused(call, response.status_code, response.read())
            for line in response.iter_lines():
                event = parser.feed(line)
                if event is not None:
                    yield event

    def _pages(self, call: Call[list[_T]]) -> Iterator[_T]:
        following: Call[list[_T]] | None = call
        while following is not None:
            response = self._answer(following)
            yield from read(following, response.status_code, response.content)
            cursor = response.headers.get("X-Next-Cursor")
            following = calls.following(call, cursor) if cursor else None

    def _ask(self, call: Call[_T]) -> _T:
        response = self._answer(call)
        return read(call, response.status_code, response.content)

    def _answer(self, call: Call[Any]) -> httpx.Response:
        """Send a call until it is answered for good."""
        n_tried = 0
        while True:
            n_tried += 1
            try:
                response = self._http.request(
                    call.method, call.path, params=call.params, content=call.content or None, headers=call.headers
                )
            except connecting.ERRORS as exc:
                pause_s = wait_s(call, n_tried, 0, {}, self._retry, self._rng)
                if pause_s is None:
                    raise connecting.unreachable(self._http.base_url, exc) from exc
            else:
                pause_s = wait_s(call, n_tried, response.status_code, response.headers, self._retry, self._rng)
                if pause_s is None:
                    return response
            self._sleep(pause_s)
