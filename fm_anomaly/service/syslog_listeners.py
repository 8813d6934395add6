"""Syslog over UDP and TCP: sockets whose messages are handed to the intake.

TCP holds a sender back: nothing more is read of a connection until what it sent is durable. UDP cannot, so it is best
effort: datagrams wait in a bounded buffer, what finds no room is dropped and counted, by us and by the kernel. There
are no credentials in syslog, so only peers of the networks given are heard. It must not know HTTP, nor what becomes of
batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from fm_anomaly.errors import BusyError, FmAnomalyError, UsageError
from fm_anomaly.ingest import syslog
from fm_anomaly.ingest.batches import Batch
from fm_anomaly.ingest.clock import Clock, SystemClock
from fm_anomaly.service.intake import Intake

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_READ_BYTES = 1 << 18
_DATAGRAM_OVERHEAD_BYTES = 100
_RETRY_S = 1.0
_CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class SyslogParams:
    """Where syslog is listened for, and its bounds; an address is `HOST:PORT`, port 0 is any free one."""

    udp: str | None = None
    tcp: str | None = None
    peers: tuple[Network, ...] = LOOPBACK
    """Networks whose messages are taken."""
    tz: str = "UTC"
    """Zone of times that name none."""
    max_message_bytes: int = syslog.MAX_MESSAGE_BYTES
    max_connections: int = 256
    idle_s: float = 3_600.0
    """A connection that sends nothing for so long is closed."""
    buffer_bytes: int = 16 << 20
    """Datagrams that may wait."""
    gather_s: float = 0.02
    """How long datagrams are gathered for one batch."""


@dataclass(slots=True)
class SyslogCounts:
    """What the sockets saw."""

    messages: int = 0
    truncated: int = 0
    dropped: int = 0
    """Datagrams that found no room here."""
    dropped_by_kernel: int = 0
    """Datagrams that found no room in the socket, so far as the kernel tells."""
    strangers: int = 0
    """Datagrams and connections from other networks."""
    refused_connections: int = 0
    connections: int = 0
    """Open now."""


@dataclass(slots=True)
class SyslogListeners:
    """The open sockets; `close` hands in what has been received."""

    counts: SyslogCounts
    udp_port: int = 0
    tcp_port: int = 0
    _closers: list[Callable[[], Any]] = field(default_factory=list)
    _is_up: dict[str, Callable[[], bool]] = field(default_factory=dict)

    def up(self) -> dict[str, bool]:
        """Return whether each listener that was asked for still hears: `syslog_udp`, `syslog_tcp`."""
        return {name: is_up() for name, is_up in self._is_up.items()}

    async def close(self) -> None:
        """Close the sockets; what they had received is handed in first, where the intake takes it."""
        for closer in reversed(self._closers):
            await closer()


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks that texts such as ``10.0.0.0/8`` name.

    Raises UsageError for one that names none.
    """
    try:
        return tuple(ip_network(text.strip()) for text in texts)
    except ValueError as exc:
        raise UsageError(f"{exc}: give a network such as 10.0.0.0/8, or an address") from exc


def check_addresses(params: SyslogParams) -> None:
    """Refuse an address that others can reach while only this machine's messages are taken.

    Raises UsageError; also for what is no address.
    """
    for option, text in (("--syslog-udp", params.udp), ("--syslog-tcp", params.tcp)):
        if text is None:
            continue
        host, _ = _address(option, text)
        if not _is_loopback(host) and params.peers == LOOPBACK:
            raise UsageError(
                f"{option} {text} can be reached by other machines, and syslog knows no token: name the networks that "
                "may send, for example --syslog-allow 10.0.0.0/8"
            )


async def listen(intake: Intake, tenant: str, params: SyslogParams, clock: Clock | None = None) -> SyslogListeners:
    """Return the listeners that `params` ask for.

    Raises UsageError where an address cannot be bound.
    """
    check_addresses(params)
    counts = SyslogCounts()
    found = SyslogListeners(counts)
    hand_in = _HandIn(intake, tenant, clock or SystemClock(), params, counts)
    try:
        if params.udp is not None:
            await _listen_udp(found, hand_in, _address("--syslog-udp", params.udp))
        if params.tcp is not None:
            await _listen_tcp(found, hand_in, _address("--syslog-tcp", params.tcp))
    except (OSError, OverflowError) as exc:
        await found.close()
        raise UsageError(f"cannot listen for syslog on {params.udp or params.tcp}: {exc}; choose another port") from exc
    except UsageError:
        await found.close()
        raise
    return found


class _HandIn:
    """Decodes messages and submits them, again and again while the intake is busy."""

    def __init__(self, intake: Intake, tenant: str, clock: Clock, params: SyslogParams, counts: SyslogCounts) -> None:
        self.params = params
        self.counts = counts
        self._intake = intake
        self._tenant = tenant
        self._clock = clock

    def decoded(self, messages: Sequence[tuple[str, bytes]], source: str) -> Batch:
        self.counts.messages += len(messages)
        return syslog.decode(messages, source, self._clock.now_us(), self.params.tz)

    async def submit(self, batch: Batch) -> None:
        """Return once the batch is durable, however long that takes."""
        while batch.parts:
            try:
                await self._intake.submit(self._tenant, batch)
            except BusyError as exc:
                await asyncio.sleep(exc.retry_after_s)
            except FmAnomalyError:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def is_heard(self, host: str) -> bool:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.params.peers)


# -- UDP -------------------------------------------------------------------------------------------------------------


async def _listen_udp(found: SyslogListeners, hand_in: _HandIn, address: tuple[str, int]) -> None:
    loop = asyncio.get_running_loop()
    buffer = _Datagrams(hand_in)
    transport, _ = await loop.create_datagram_endpoint(lambda: buffer, local_addr=address)
    bound: socket.socket = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the kernel's own limit may be lower
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    found.udp_port = bound.getsockname()[1]
    inode = _inode(bound)
    task = loop.create_task(buffer.run())

    async def close() -> None:
        found.counts.dropped_by_kernel = _kernel_drops(inode)
        transport.close()
        buffer.end()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(task, _CLOSE_S)

    buffer.inode = inode
    found._closers.append(close)
    found._is_up["syslog_udp"] = lambda: not (transport.is_closing() or task.done())


class _Datagrams(asyncio.DatagramProtocol):
    """Datagrams that wait, and the task that hands them in."""

    def __init__(self, hand_in: _HandIn) -> None:
        self.inode = 0
        self._hand_in = hand_in
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._has_come = asyncio.Event()
        self._is_ended = False

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Keep a datagram, if there is room."""
        params, counts = self._hand_in.params, self._hand_in.counts
        if not self._hand_in.is_heard(addr[0]):
            counts.strangers += 1
        elif self._size + len(data) + _DATAGRAM_OVERHEAD_BYTES > params.buffer_bytes:
            counts.dropped += 1
        else:
            self._waiting.append((addr[0], data))
            self._size += len(data) + _DATAGRAM_OVERHEAD_BYTES
            self._has_come.set()

    def end(self) -> None:
        self._is_ended = True
        self._has_come.set()

    async def run(self) -> None:
        """Hand in what has come, in the order of its coming, until `end`."""
        while not (self._is_ended and not self._waiting):
            await self._has_come.wait()
            if not self._is_ended:
                await asyncio.sleep(self._hand_in.params.gather_s)
            self._has_come.clear()
            while self._waiting:
                await self._hand_in.submit(self._next())
            self._hand_in.counts.dropped_by_kernel = _kernel_drops(self.inode)

    def _next(self) -> Batch:
        """Take some of what waits, and decode it."""
        messages: list[tuple[str, bytes]] = []
        size = 0
        while self._waiting and size < _READ_BYTES:
            messages.append(self._waiting.popleft())
            size += len(messages[-1][1]) + _DATAGRAM_OVERHEAD_BYTES
        self._size -= size
        return self._hand_in.decoded(messages, "syslog/udp")


def _inode(bound: socket.socket) -> int:
    try:
        return Path(f"/proc/self/fd/{bound.fileno()}").stat().st_ino
    except OSError:
        return 0


def _kernel_drops(inode: int) -> int:
    """Return how many datagrams the kernel has dropped for a socket; 0 where it does not tell."""
    for name in ("udp", "udp6"):
        try:
            rows = Path(f"/proc/self/net/{name}").read_text().splitlines()
        except OSError:
            continue
        for row in rows[1:]:
            fields = row.split()
            if len(fields) > 12 and fields[9] == str(inode):
                return int(fields[12])
    return 0


# -- TCP -------------------------------------------------------------------------------------------------------------


async def _listen_tcp(found: SyslogListeners, hand_in: _HandIn, address: tuple[str, int]) -> None:
    open_now: dict[asyncio.Task[None], tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as a task
        open_now[task] = (reader, writer)
        try:
            await _serve_connection(reader, writer, hand_in)
        finally:
            del open_now[task]

    server = await asyncio.start_server(on_connection, *address, limit=_READ_BYTES)
    found.tcp_port = server.sockets[0].getsockname()[1]

    async def close() -> None:
        server.close()
        for reader, writer in open_now.values():
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            reader.feed_eof()  # what has been received is handed in still
        if tasks := list(open_now):
            _, late = await asyncio.wait(tasks, timeout=_CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    found._closers.append(close)
    found._is_up["syslog_tcp"] = server.is_serving


async def _serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hand_in: _HandIn) -> None:
    counts, params = hand_in.counts, hand_in.params
    peer = str((writer.get_extra_info("peername") or ("",))[0])
    try:
        if not hand_in.is_heard(peer):
            counts.strangers += 1
        elif counts.connections >= params.max_connections:
            counts.refused_connections += 1
        else:
            counts.connections += 1
            try:
                await _take_stream(reader, hand_in, peer)
            finally:
                counts.connections -= 1
    finally:
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()


async def _take_stream(reader: asyncio.StreamReader, hand_in: _HandIn, peer: str) -> None:
    """Take what a connection brings until it ends; no more is read before that is durable."""
    framer = syslog.Framer(hand_in.params.max_message_bytes)
    data = b"begun"
    while data:
        try:
            data = await asyncio.wait_for(reader.read(_READ_BYTES), hand_in.params.idle_s)
        except (TimeoutError, OSError):
            data = b""
        truncated = framer.n_truncated
        messages = framer.feed(data) if data else framer.flush()
        hand_in.counts.truncated += framer.n_truncated - truncated
        if messages:
            await hand_in.submit(hand_in.decoded([(peer, message) for message in messages], "syslog/tcp"))


def _address(option: str, text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``:PORT``, ``PORT`` or ``[v6]:PORT``; the loopback where no host is."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise UsageError(f"{option} {text!r} is no address: give HOST:PORT, for example 127.0.0.1:5514")
    return host, int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
