"""Syslog sockets: what is sent arrives, whoever may send is heard, and nothing is held without bound."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Any

import pytest

from fm_anomaly.errors import BusyError, UsageError
from fm_anomaly.service.syslog_listeners import SyslogListeners, SyslogParams, check_addresses, listen, networks_of
from fm_anomaly.testing import ListIntake, ManualClock

ANY = "127.0.0.1:0"
CLOCK = ManualClock(start_us=1_772_445_600_000_000)


def lines_of(intake: ListIntake) -> list[bytes]:
    """The messages' texts in the order of their coming."""
    data = b"".join(part.data for _, batch, _ in intake.batches for part in batch.parts)
    return [line.split(b" ", 5)[5] for line in data.splitlines()]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.005)


def run(steps: Callable[[SyslogListeners], Awaitable[Any]], intake: ListIntake, **params: Any) -> SyslogListeners:
    async def whole() -> SyslogListeners:
        found = await listen(intake, "acme", SyslogParams(**params), CLOCK)
        try:
            await steps(found)
        finally:
            await found.close()
        return found

    return asyncio.run(whole())


async def send_tcp(port: int, *pieces: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    writer.close()
    await writer.wait_closed()


def test_tcp_takes_both_framings_in_any_pieces() -> None:
    """Several messages in one read, one message over several; the last needs no line end."""
    intake = ListIntake()

    async def steps(found: SyslogListeners) -> None:
        await send_tcp(found.tcp_port, b"<13>one\n<13>two\n<1", b"3>three\n10 <13>fo", b"ur\n\n<13>five")
        await until(lambda: len(lines_of(intake)) == 5)

    found = run(steps, intake, tcp=ANY)
    assert lines_of(intake) == [b"one", b"two", b"three", b"four", b"five"]
    assert (found.counts.messages, found.counts.connections) == (5, 0)
    assert {(tenant, batch.protocol, batch.parts[0].source) for tenant, batch, _ in intake.batches} == {
        ("acme", "syslog", "syslog/tcp")
    }


def test_udp_takes_each_datagram_as_a_message() -> None:
    """A thousand, gathered into few batches, in order."""
    intake = ListIntake()

    async def steps(found: SyslogListeners) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for n in range(1000):
                out.sendto(b"<13>%d" % n, ("127.0.0.1", found.udp_port))
                if n % 100 == 99:
                    await asyncio.sleep(0.005)
        await until(lambda: len(lines_of(intake)) == 1000)

    found = run(steps, intake, udp=ANY)
    assert lines_of(intake) == [b"%d" % n for n in range(1000)]
    assert (found.counts.dropped, found.counts.dropped_by_kernel) == (0, 0)
    assert len(intake.batches) < 500


def test_a_busy_intake_holds_tcp_back_and_loses_nothing() -> None:
    """Messages wait while the intake is busy, and are taken once it is not."""
    intake = ListIntake()
    intake.refusal = BusyError("later", 0)

    async def steps(found: SyslogListeners) -> None:
        await send_tcp(found.tcp_port, *(b"<13>%d\n" % n for n in range(20)))
        await asyncio.sleep(0.05)
        assert intake.batches == []
        intake.refusal = None
        await until(lambda: len(lines_of(intake)) == 20)

    run(steps, intake, tcp=ANY)
    assert lines_of(intake) == [b"%d" % n for n in range(20)]


def test_udp_without_room_is_dropped_and_counted() -> None:
    """While the intake is busy the buffer fills; each datagram is either taken or counted as dropped."""
    intake = ListIntake()
    intake.refusal = BusyError("later", 0)

    async def steps(found: SyslogListeners) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for _ in range(200):
                out.sendto(b"<13>" + b"x" * 400, ("127.0.0.1", found.udp_port))
        await until(lambda: found.counts.dropped > 0)
        await asyncio.sleep(0.1)
        intake.refusal = None

    found = run(steps, intake, udp=ANY, buffer_bytes=20_000)
    assert len(lines_of(intake)) + found.counts.dropped + found.counts.dropped_by_kernel == 200


def test_connections_are_bounded_and_closing_hands_in_what_came() -> None:
    """One too many is closed at once; what an open connection had sent is taken when the listener closes."""
    intake = ListIntake()

    async def steps(found: SyslogListeners) -> None:
        first.connect(("127.0.0.1", found.tcp_port))
        await until(lambda: found.counts.connections == 1)
        reader, second = await asyncio.open_connection("127.0.0.1", found.tcp_port)
        assert await reader.read() == b""
        second.close()
        first.sendall(b"<13>one\n<13>unfinished")
        await until(lambda: bool(intake.batches))

    with socket.socket() as first:
        found = run(steps, intake, tcp=ANY, max_connections=1)
    assert found.counts.refused_connections == 1
    assert lines_of(intake) == [b"one", b"unfinished"]


def test_strangers_are_not_heard() -> None:
    """Peers of other networks are counted, and nothing of them is taken."""
    intake = ListIntake()

    async def steps(found: SyslogListeners) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", found.tcp_port)
        assert await reader.read() == b""
        writer.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"<13>x", ("127.0.0.1", found.udp_port))
        await until(lambda: found.counts.strangers == 2)

    run(steps, intake, tcp=ANY, udp=ANY, peers=(ip_network("192.0.2.0/24"),))
    assert intake.batches == []


def test_an_open_address_needs_the_networks_that_may_send() -> None:
    """Closed by default, as the HTTP port is; a taken port is one sentence."""
    for address in ("0.0.0.0:5514", "[::]:5514", "192.0.2.1:5514", "example.org:5514"):
        with pytest.raises(UsageError, match="--syslog-allow"):
            check_addresses(SyslogParams(udp=address))
    check_addresses(SyslogParams(udp="0.0.0.0:5514", peers=networks_of(["10.0.0.0/8", "192.0.2.7"])))
    check_addresses(SyslogParams(tcp="5514"))
    for text in ("nowhere", "127.0.0.1:99999", "127.0.0.1:"):
        with pytest.raises(UsageError, match="HOST:PORT"):
            check_addresses(SyslogParams(tcp=text))
    with pytest.raises(UsageError, match=r"10\.0\.0\.0/8"):
        networks_of(["10.0.0.0/99"])
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="cannot listen"):
        asyncio.run(listen(ListIntake(), "acme", SyslogParams(tcp=f"127.0.0.1:{taken.getsockname()[1]}")))


def test_a_closed_socket_is_told() -> None:
    """Each listener that was asked for is up until it is closed; who watches sees the difference."""
    intake = ListIntake()
    seen: list[dict[str, bool]] = []

    async def steps(found: SyslogListeners) -> None:
        seen.append(found.up())

    found = run(steps, intake, udp=ANY, tcp=ANY)
    assert seen == [{"syslog_udp": True, "syslog_tcp": True}]
    assert found.up() == {"syslog_udp": False, "syslog_tcp": False}
