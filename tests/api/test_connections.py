"""Laws of connections: one that says nothing, or drips, is closed; one that asks is answered as often as it likes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from fm_anomaly.api.connections import PatientProtocol


class Hasty(PatientProtocol):
    """Waits for a third of a second."""

    head_timeout_s = 0.3


async def slow_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer after longer than a head may take."""
    import asyncio

    await asyncio.sleep(0.6)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server whose patience is short."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(slow_app, http=Hasty, log_config=None, lifespan="off", h11_max_incomplete_event_size=8192)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    listener.close()


def is_closed(connection: socket.socket, within_s: float) -> bool:
    connection.settimeout(within_s)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Dripping: "])
def test_a_head_that_does_not_come_is_given_up(port: int, sent: bytes) -> None:
    """Whether nothing came or half of it, the connection is closed; drops that come now and then do not help."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.monotonic()
        connection.sendall(sent)
        with contextlib.suppress(OSError):
            for _ in range(20 if sent else 0):
                connection.sendall(b"x")
                time.sleep(0.05)
        assert is_closed(connection, 3)
        assert time.monotonic() - began < 3


def test_a_request_may_take_its_time_and_be_followed_by_others(port: int) -> None:
    """The limit is on heads: an answer may take longer, and the connection serves on."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            raw = b""
            while b"ok" not in raw:
                raw += connection.recv(4096)
            time.sleep(0.4)


def test_a_head_of_any_size_is_not_held(port: int) -> None:
    """A head beyond the limit is refused instead of being kept."""
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(OSError):
        for _ in range(100):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 4_000)
        assert is_closed(connection, 3)
