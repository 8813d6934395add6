"""A receiver that answers as told and remembers what it was sent, and an outbox to send from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fm_anomaly.core.alert_values import AlertEvent
from fm_anomaly.core.incidents import Incident
from fm_anomaly.notify import NotifyParams, Receiver, Sender, Target
from fm_anomaly.notify.requests import Answer, Request
from fm_anomaly.storage import Store
from fm_anomaly.storage.outbox import Outbox, enqueue
from tests.notice_objects import MINUTE_US, START_US, rows

SECOND_US = 1_000_000


@dataclass
class FakeTransport:
    """Answers each request by `answer`, 200 at first; keeps what was sent."""

    answer: Callable[[Request], Answer] = lambda request: Answer(200)
    requests: list[Request] = field(default_factory=list)

    def send(self, request: Request) -> Answer:
        """Keep the request, and answer."""
        self.requests.append(request)
        return self.answer(request)

    def close(self) -> None:
        """Do nothing."""

    @property
    def bodies(self) -> list[Any]:
        """What was sent, read."""
        return [json.loads(request.body) for request in self.requests]

    def taken(self) -> list[Any]:
        """Return the bodies sent since the last call."""
        found = self.bodies
        self.requests.clear()
        return found


class Post:
    """A store's outbox, one receiver and a clock: what most tests of sending need.

    With a `target` it really sends; else a fake transport keeps what was sent.
    """

    def __init__(
        self, store: Store, receiver: Receiver, params: NotifyParams | None = None, target: Target | None = None
    ) -> None:
        self.store = store
        self.outbox = Outbox(store)
        self.receiver = receiver
        self.params = params or NotifyParams()
        self.target = target
        self.transport = FakeTransport()
        self.now_us = START_US + 10 * MINUTE_US
        self.sender = self.restarted()

    def restarted(self) -> Sender:
        """Return a new sender, as after a restart of the service."""
        if self.target is None:
            target = Target(self.receiver, "http://receiver.test/hook")
            self.sender = Sender(self.outbox, [target], self.params, rng=Random(1), transport=lambda _: self.transport)
        else:
            self.sender = Sender(self.outbox, [self.target], self.params, rng=Random(1))
        self.sender.start(self.now_us)
        return self.sender

    def happen(self, *events: AlertEvent, incident: Incident | None = None) -> None:
        """Write what the service would write."""
        with self.store.writing() as connection:
            enqueue(connection, rows(*events, incident=incident))

    def run(self, seconds: float = 0, step_s: float = 1.0) -> list[Any]:
        """Let time pass with a run each step, at least one; return what was sent."""
        end_us = self.now_us + round(seconds * SECOND_US)
        self.sender.run_once(self.now_us)
        while self.now_us < end_us:
            self.now_us = min(self.now_us + round(step_s * SECOND_US), end_us)
            self.sender.run_once(self.now_us)
        return self.transport.taken()

    def fail(self, status: int = 0, **more: Any) -> None:
        """Let the receiver fail from now on."""
        self.transport.answer = lambda request: Answer(status, f"failed with {status}", **more)

    def recover(self) -> None:
        """Let the receiver answer again."""
        self.transport.answer = lambda request: Answer(200)
