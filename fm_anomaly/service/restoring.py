"""What a start finds: the last good snapshot, and the entries of the log behind it.

A damaged snapshot is set aside and the one before it used, whose entries are still there. It must not know threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from fm_anomaly.core.state import Snapshot, State
from fm_anomaly.errors import SnapshotError
from fm_anomaly.logs import Log
from fm_anomaly.service.applying import Applier, ApplierParams
from fm_anomaly.service.batch_ids import BatchIdParams, BatchIds
from fm_anomaly.service.entries import BatchEntry, Entry, from_bytes
from fm_anomaly.service.positions import Positions
from fm_anomaly.storage.segments import SegmentReader
from fm_anomaly.storage.snapshots import load_snapshot, save_snapshot, set_aside_damaged

_DIGEST = "service-1"
_LOG = Log("service")


@dataclass(frozen=True, slots=True)
class SnapshotParams:
    """When snapshots are taken. Two are kept, and segments until both cover them: `every_s` is half their life."""

    every_s: float = 150.0
    every_bytes: int = 256 << 20
    idle_every_s: float = 3600.0


@dataclass(slots=True)
class Restored:
    """The state as of the snapshot, and what is to be fed to it."""

    applier: Applier
    batch_ids: BatchIds
    positions: Positions
    reader: SegmentReader
    next_seq: int
    last_us: int | None
    n_backlog: int
    torn_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    """What was damaged, in sentences."""

    def backlog(self) -> Iterator[tuple[int, Entry]]:
        """Yield the entries behind the snapshot, in order; a batch whose id came before is left out."""
        for seq, payload in self.reader.entries(self.applier.seq):
            entry = from_bytes(payload)
            if isinstance(entry, BatchEntry) and entry.batch_id is not None:
                first = self.batch_ids.seq_of(entry.tenant, entry.batch_id)
                if first is not None and first < seq:
                    continue
            yield seq, entry


def restored(folder: Path, params: ApplierParams, id_params: BatchIdParams, key: bytes | None) -> Restored:
    """Return what `folder` holds; reads every segment behind the snapshot once, for ids and for damage.

    Raises ConfigError or StoreError where segments cannot be read because of their key or permissions.
    """
    problems: list[str] = []
    applier, ids, positions = _last_good(folder / "state", params, id_params, problems, key)
    reader = SegmentReader(folder / "log", key)
    last_seq, last_us, n = applier.seq, applier.last_us, 0
    for seq, payload in reader.entries(applier.seq):
        entry = from_bytes(payload)
        last_seq, last_us, n = seq, entry.at_us, n + 1
        if isinstance(entry, BatchEntry) and entry.batch_id is not None:
            first = ids.seq_of(entry.tenant, entry.batch_id)
            if first is None:
                ids.add(entry.tenant, entry.batch_id, seq, entry.at_us)
        if isinstance(entry, BatchEntry) and entry.place is not None:
            positions.note(entry.tenant, *entry.place)
    found = reader.result
    if found.torn_bytes:
        _LOG.info(
            "segments_torn", bytes=found.torn_bytes, meaning="an unfinished write, never acknowledged, was cut off"
        )
    for problem in found.problems:
        _LOG.warning("segments_damaged", problem=problem, meaning="entries in it are lost; the others are worked on")
    problems += found.problems
    _LOG.info("service_restored", snapshot_seq=applier.seq, backlog_entries=n, tenants=len(applier.tenants))
    return Restored(applier, ids, positions, reader, last_seq + 1, last_us, n, found.torn_bytes, problems)


def _last_good(
    folder: Path, params: ApplierParams, id_params: BatchIdParams, problems: list[str], key: bytes | None
) -> tuple[Applier, BatchIds, Positions]:
    try:
        saved = load_snapshot(folder, key)
        if saved is not None and saved.warning:
            problems.append(saved.warning)
            _LOG.warning(
                "snapshot_damaged", problem=saved.warning, meaning="the one before it is used; nothing is lost"
            )
            set_aside_damaged(folder, key)
    except SnapshotError as exc:
        problems.append(str(exc))
        _LOG.warning(
            "snapshot_lost", problem=str(exc), meaning="learned state is lost; what the log still holds is worked on"
        )
        set_aside_damaged(folder, key)
        saved = None
    if saved is None:
        return Applier(params, _tell), BatchIds(id_params), Positions()
    sections = saved.snapshot.sections
    return (
        Applier.restore(sections["applier"], params, _tell),
        BatchIds.restore(sections["batch_ids"], id_params),
        Positions.restore(sections["places"]),
    )


@dataclass(frozen=True, slots=True)
class Saved:
    """What has been saved: its size, and that of each part of the state, over all tenants."""

    size_bytes: int
    part_bytes: dict[str, int]


def save(folder: Path, applier: Applier, ids: BatchIds, positions: Positions, key: bytes | None = None) -> Saved:
    """Save a snapshot with the position that it stands at. Raises UsageError where it cannot be."""
    sizes: dict[str, int] = {}

    def packed(part: str, state: State) -> msgspec.Raw:
        # encoded once: the envelope takes it as it is, and its size is known
        body = msgspec.msgpack.encode(state)
        sizes[part] = sizes.get(part, 0) + len(body)
        return msgspec.Raw(body)

    whole = applier.snapshot()
    for _, tenant in whole["tenants"]:
        tenant["pipeline"] = {part: packed(part, state) for part, state in tenant["pipeline"].items()}
    sections = {
        "applier": whole,
        "batch_ids": packed("batch_ids", ids.snapshot(applier.seq)),
        "places": positions.snapshot(),
    }
    return Saved(save_snapshot(folder / "state", Snapshot(sections, _DIGEST), {}, key), sizes)


def _tell(event: str, fields: dict[str, Any]) -> None:
    if "exc" in fields:
        exc = fields.pop("exc")
        _LOG.logger.error(event, extra={"fields": fields}, exc_info=exc)
    else:
        _LOG.warning(event, **fields)
