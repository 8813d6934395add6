"""Laws of the event stream: in order, once, resumed exactly, bounded, and alive."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn

from fm_anomaly.api.application import create_app
from fm_anomaly.api.feed import Feed, FeedParams
from fm_anomaly.errors import BusyError
from fm_anomaly.storage import Store, alerts
from fm_anomaly.storage.timelines import events_after, newest_event
from tests.api.asking import ask
from tests.live_store import LocalIntake

FAST = FeedParams(poll_s=0.02, heartbeat_s=0.2, max_clients=3)


@dataclass
class Served:
    """A running application."""

    url: str
    feed: Feed

    def collect(self, n: int, found: list[dict[str, Any]], **asked: Any) -> threading.Thread:
        """Listen for `n` events in a thread; return once the listener has its place."""
        thread = threading.Thread(target=lambda: found.extend(listen(self.url, n, **asked)))
        thread.start()
        while not self.feed.n_clients:
            time.sleep(0.01)
        return thread


@contextmanager
def served(store: Store, params: FeedParams = FAST) -> Iterator[Served]:
    """Serve the application on a free port."""
    app = create_app(store, intake=LocalIntake(store))
    app.state.feed = Feed(store, params)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}/api/v1", app.state.feed)
    finally:
        app.state.feed.close()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def listen(url: str, n: int, **asked: Any) -> list[dict[str, Any]]:
    """Return the first `n` events of the stream, checked against their ids."""
    found: list[dict[str, Any]] = []
    with httpx.stream("GET", f"{url}/stream", timeout=30, **asked) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        said: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                said[name] = value
            elif "data" in said:
                event = json.loads(said["data"])
                assert (said["id"], said["event"]) == (str(event["event_no"]), event["action"])
                found.append(event)
                said = {}
                if len(found) == n:
                    break
    return found


def test_a_lost_connection_is_resumed_exactly(live_store: Store) -> None:
    """From any id on, the rest comes: in order, nothing twice, nothing missed, over a restart of the service too."""
    newest = newest_event(live_store, "default")
    with served(live_store) as running:
        first = listen(running.url, 3, params={"after": 0})
        assert [event["event_no"] for event in first] == [1, 2, 3]
        assert first[0]["alert"]["alert_id"] == first[0]["alert_id"]
    with served(live_store) as running:
        rest = listen(running.url, newest - 3, headers={"Last-Event-ID": "3"})
    assert [event["event_no"] for event in rest] == list(range(4, newest + 1))


def test_what_happens_comes_at_once(live_store: Store) -> None:
    """Without an id the stream begins now; what somebody does arrives, with its alert."""
    found: list[dict[str, Any]] = []
    alert_id = alerts(live_store, "default").items[0].alert_id
    with served(live_store) as running:
        listener = running.collect(2, found)
        for text in ("one", "two"):
            httpx.post(f"{running.url}/alerts/{alert_id}/comments", json={"text": text}, timeout=30).raise_for_status()
        listener.join(30)
    assert [(event["action"], event["reason"]) for event in found] == [("commented", "one"), ("commented", "two")]
    assert found[0]["alert"]["alert_id"] == alert_id


def test_a_quiet_stream_says_that_it_is_alive(live_store: Store) -> None:
    """A comment line comes within the heartbeat."""
    with served(live_store) as running, httpx.stream("GET", f"{running.url}/stream", timeout=30) as answer:
        assert next(line for line in answer.iter_lines() if line.startswith(":")) == ": nothing new"


def test_listeners_are_bounded(live_store: Store) -> None:
    """One too many is told to come again; a place that was left is free."""
    with served(live_store, FeedParams(poll_s=0.02, heartbeat_s=0.2, max_clients=1)) as running:
        url = running.url
        with httpx.stream("GET", f"{url}/stream", timeout=30) as answer:
            lines = answer.iter_lines()  # let go, it would close the connection
            next(lines)
            with httpx.stream("GET", f"{url}/stream", timeout=30) as refused:
                assert refused.status_code == 429
                assert int(refused.headers["Retry-After"]) > 0
        for _ in range(100):
            with httpx.stream("GET", f"{url}/stream", timeout=30) as again:
                if again.status_code == 200:
                    break
            time.sleep(0.1)
        assert again.status_code == 200


def test_an_id_that_is_no_number_is_refused(shared_live_store: Store) -> None:
    """What no event had as its id is 400, not the beginning of the stream."""
    app = create_app(shared_live_store)
    for header in ("x", "-1", "1.5", "9" * 30, "\u0661"):
        assert ask(app, "GET", "/api/v1/stream", Last_Event_ID=header).status_code == 400


def test_a_number_of_another_store_begins_now(live_store: Store) -> None:
    """A number beyond the newest cannot wait for ever: what comes next is told."""
    newest = newest_event(live_store, "default")
    found: list[dict[str, Any]] = []
    with served(live_store) as running:
        listener = running.collect(1, found, headers={"Last-Event-ID": str(newest + 1_000)})
        httpx.post(f"{running.url}/markers", json={"title": "v2"}, timeout=30).raise_for_status()
        listener.join(30)
    assert [event["event_no"] for event in found] == [newest + 1]


def test_a_tenant_hears_its_own_events_only(live_store: Store) -> None:
    """Two tenants' streams stand beside each other: the same numbers, other events."""

    async def first(tenant: str) -> list[Any]:
        feed, found = Feed(live_store, FAST), []
        feed.enter(tenant)
        async for event in feed.events(tenant, 0):
            found.append(event)
            if len(found) == 3:
                break
        feed.leave(tenant)
        return found

    for tenant in ("default", "other"):
        assert asyncio.run(first(tenant)) == list(events_after(live_store, tenant, 0, 3))


def test_the_feed_lets_go_of_who_left(live_store: Store) -> None:
    """Nobody is counted and nothing looks at the store when the last one has gone."""

    async def run() -> None:
        feed = Feed(live_store, FAST)
        for _ in range(FAST.max_clients):
            feed.enter("default")
        with pytest.raises(BusyError):
            feed.enter("other")
        await anext(feed.events("default", 0))
        for _ in range(FAST.max_clients):
            feed.leave("default")
        assert feed.n_clients == 0
        assert feed._watching is None

    asyncio.run(run())
