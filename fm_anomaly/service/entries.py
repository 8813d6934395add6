"""The entries of the log: batches, ticks of time and people's commands, as values and as bytes.

Everything that a tenant's Pipeline is told stands here, in one order, with the time of its receipt. It must not know
where the bytes are kept.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fm_anomaly.core.commands import Command
from fm_anomaly.errors import StoreError
from fm_anomaly.ingest.batches import Batch


class PartEntry(msgspec.Struct, frozen=True, array_like=True):
    """Whole lines of one source, each ended by a line feed."""

    source: str
    service: str
    data: bytes


class BatchEntry(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """A request, decoded. `n_rejected`: records of it that could not be read, counted and set aside."""

    at_us: int
    tenant: str
    protocol: str
    batch_id: str | None
    parts: list[PartEntry]
    n_lines: int
    n_rejected: int
    place: tuple[str, str] | None = None
    """Source and position of a `Place`."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(len(part.data) for part in self.parts)


class TickEntry(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """Time has passed; what came before it is worked on as one group."""

    at_us: int


class StartEntry(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """The service has been started: while it was down nobody was silent, and senders need a while to come again."""

    at_us: int


class CommandEntry(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """What a person told; `command` holds the fields of a `Command` as plain values."""

    at_us: int
    tenant: str
    command: dict[str, Any]

    def to_command(self) -> Command:
        """Return the command."""
        return msgspec.convert(self.command, Command)


Entry = BatchEntry | TickEntry | StartEntry | CommandEntry

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(BatchEntry | TickEntry | StartEntry | CommandEntry)


def batch_entry(at_us: int, tenant: str, batch: Batch, batch_id: str | None) -> BatchEntry:
    """Return the entry of a batch; a last line without its line feed gets one."""
    parts = [
        PartEntry(part.source, part.service, part.data if part.data.endswith(b"\n") else part.data + b"\n")
        for part in batch.parts
        if part.data
    ]
    place = None if batch.place is None else (batch.place.source, batch.place.position)
    return BatchEntry(at_us, tenant, batch.protocol, batch_id, parts, batch.n_lines, len(batch.rejected), place)


def command_entry(at_us: int, tenant: str, command: Command) -> CommandEntry:
    """Return the entry of a command."""
    return CommandEntry(at_us, tenant, msgspec.to_builtins(command))


def to_bytes(entry: Entry) -> bytes:
    """Return what is written for an entry."""
    return _encoder.encode(entry)


def from_bytes(payload: bytes) -> Entry:
    """Return the entry that was written; raises StoreError where it is none of this release."""
    try:
        entry: Entry = _decoder.decode(payload)
    except msgspec.MsgspecError as exc:
        raise StoreError(f"an entry of the log cannot be read by this release: {exc}") from exc
    return entry
