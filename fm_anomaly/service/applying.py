"""Entries of the log in, what each tenant's Pipeline makes of them out: the state behind the log, and nothing else.

Entries are worked on in groups that the log itself defines: up to a tick, a command, or so many bytes. So a replay
forms the groups of the first run, and gives their results, byte for byte. Time is what passes between entries, never
what a clock says. It must not know files, threads, the store or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from fm_anomaly.core.batch import Batch
from fm_anomaly.core.changes import Changed, Changes
from fm_anomaly.core.commands import Applied, Effect
from fm_anomaly.core.frames import US_PER_S
from fm_anomaly.core.layer_figures import LayerFigures
from fm_anomaly.core.pipeline import Pipeline, PipelineParams
from fm_anomaly.core.sources import Arrived, SourceName
from fm_anomaly.core.state import Snapshot, State
from fm_anomaly.errors import FmAnomalyError, SnapshotError, UsageError
from fm_anomaly.service.accounting import Received
from fm_anomaly.service.entries import BatchEntry, CommandEntry, Entry, StartEntry, TickEntry
from fm_anomaly.service.liveness import Liveness

_PAUSE_US = 5 * US_PER_S
"""After so long without a batch what was posted has come to its end."""

OnProblem = Callable[[str, dict[str, Any]], None]
"""Told of what an operator should know: the name of an event and its fields."""


@dataclass(frozen=True, slots=True)
class ApplierParams:
    """How entries are worked on.

    group_bytes: text worked on at once; bounds memory. max_gap_s: the most that passes between two entries: when a
    machine was suspended, or a clock jumped, nobody was silent. max_grace_s: silence begins so long after a tenant's
    last batch at most; by default after the longest that it lately had between two. start_grace_s: after a start it
    begins no sooner than so long, for senders come again one after the other.
    """

    pipeline: PipelineParams = field(default_factory=PipelineParams)
    group_bytes: int = 8 << 20
    max_gap_s: int = 10
    max_grace_s: int = 120
    start_grace_s: int = 60
    max_tenants: int = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a group changed in one tenant's pipeline, and the command that ended the group."""

    tenant: str
    changed: Changed
    commands: tuple[Applied, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the entries up to `seq`. `effects`: what commands did, or why they could not be done."""

    seq: int
    size_bytes: int
    n_batches: int
    found: tuple[Found, ...]
    effects: tuple[tuple[int, dict[str, Any] | FmAnomalyError], ...] = ()


class Tenant:
    """One tenant's pipeline, what it has received, and how far its time has come."""

    def __init__(self, pipeline: Pipeline, received: Received, layers: LayerFigures | None = None) -> None:
        self.pipeline = pipeline
        self.received = received
        self.layers = layers or LayerFigures()
        self.liveness = Liveness()
        pipeline.on_taken = self._note_taken
        self.changes = Changes(pipeline)
        self.clock_us: int | None = None
        """The pipeline's clock after the last batch."""
        self.batch_at_us = 0
        """Elapsed time of the last batch."""
        self.gap_us = 0
        """The longest time between two batches; those long past count for less."""

    def _note_taken(self, batch: Batch) -> None:
        self.layers.add(batch, self.pipeline.streams)
        newest = np.full(len(self.pipeline.streams.keys), -1, dtype=np.int64)
        np.maximum.at(newest, batch.stream, batch.ts_us)
        for code in np.flatnonzero(newest >= 0).tolist():
            self.liveness.note(self.pipeline.streams.keys[code].service, self.batch_at_us, int(newest[code]))

    def expect_no_history(self) -> None:
        """Say that time passes: whoever was not heard live is not waited for."""
        streams = {key.service: key for key in self.pipeline.detection.streams()}
        for service in self.liveness.not_live(streams):
            self.pipeline.detection.expect_nothing(streams[service])

    def note_batch(self, elapsed_us: int) -> None:
        """Say that a batch has come after so much time."""
        self.gap_us = max(elapsed_us - self.batch_at_us if self.clock_us is not None else 0, self.gap_us * 15 // 16)
        self.batch_at_us = elapsed_us

    def now_us(self, elapsed_us: int, max_grace_us: int) -> int | None:
        """Return the event time that it is; None where no time is known yet."""
        if self.clock_us is None:
            return None
        idle_us = elapsed_us - self.batch_at_us
        return self.clock_us + max(0, idle_us - min(self.gap_us, max_grace_us))


class Applier:
    """All tenants' state. Deterministic: the same entries give the same outcomes, from any snapshot on."""

    def __init__(self, params: ApplierParams | None = None, on_problem: OnProblem | None = None) -> None:
        self.params = params or ApplierParams()
        self.tenants: dict[str, Tenant] = {}
        self.seq = 0
        """The last entry that has had its effect."""
        self.n_failures = 0
        """Groups that made the code raise: their records may be missing."""
        self._on_problem = on_problem or (lambda event, fields: None)
        self._elapsed_us = 0
        self._last_us: int | None = None
        self._waiting: list[BatchEntry] = []
        self._waiting_bytes = 0

    def take(self, seq: int, entry: Entry) -> Outcome | None:
        """Take the next entry; return what its group gave once the group is complete."""
        if isinstance(entry, StartEntry):
            self._start(entry.at_us)
            return None
        self._pass_time(entry.at_us)
        if isinstance(entry, BatchEntry):
            self._waiting.append(entry)
            self._waiting_bytes += entry.size_bytes
            self._tenant(entry.tenant).note_batch(self._elapsed_us)
            return self._close(seq) if self._waiting_bytes >= self.params.group_bytes else None
        return self._close(seq, entry)

    def adopt(self, name: str, pipeline: Pipeline) -> None:
        """Take a pipeline that has learned elsewhere; nobody has listened since its newest record."""
        tenant = self.tenants[name] = Tenant(pipeline, Received())
        tenant.clock_us = pipeline.windows.clock_us
        if self._last_us is None:
            self._last_us = tenant.clock_us

    @property
    def last_us(self) -> int | None:
        """Receipt of the last entry, µs; None before any."""
        return self._last_us

    @property
    def n_waiting(self) -> int:
        """Entries of the group that is not complete."""
        return len(self._waiting)

    def _start(self, at_us: int) -> None:
        down_us = max(at_us - self._last_us, 0) if self._last_us is not None else 0
        self._last_us = at_us
        for tenant in self.tenants.values():
            tenant.batch_at_us = self._elapsed_us
            tenant.clock_us = tenant.pipeline.windows.clock_us
            tenant.pipeline.unheard(down_us)
            tenant.liveness.restarted()
            tenant.gap_us = max(tenant.gap_us, self.params.start_grace_s * US_PER_S)

    def _pass_time(self, at_us: int) -> None:
        if self._last_us is not None:
            self._elapsed_us += min(max(at_us - self._last_us, 0), self.params.max_gap_s * US_PER_S)
        self._last_us = at_us

    def _tenant(self, name: str) -> Tenant:
        tenant = self.tenants.get(name)
        if tenant is None:
            if len(self.tenants) >= self.params.max_tenants and name != "_other":
                return self._tenant("_other")
            pipeline = Pipeline(replace(self.params.pipeline, tenant=name))
            tenant = self.tenants[name] = Tenant(pipeline, Received())
        return tenant

    def _close(self, seq: int, last: TickEntry | CommandEntry | None = None) -> Outcome:
        waiting, size_bytes = self._waiting, self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0
        by_tenant: dict[str, list[BatchEntry]] = {}
        for entry in waiting:
            by_tenant.setdefault(entry.tenant, []).append(entry)
        events: dict[str, list[Any]] = {}
        for name, batches in by_tenant.items():
            events[name] = self._guarded(seq, name, partial(self._receive, name, batches))
        effects: list[tuple[int, dict[str, Any] | FmAnomalyError]] = []
        if isinstance(last, TickEntry):
            for name in self.tenants:
                more = self._guarded(seq, name, partial(self._advance, name))
                events.setdefault(name, []).extend(more)
        applied: dict[str, tuple[Applied, ...]] = {}
        if isinstance(last, CommandEntry):
            effect = self._apply(last)
            if isinstance(effect, Effect):
                events.setdefault(last.tenant, []).extend(effect.events)
                applied[last.tenant] = (Applied(last.to_command(), effect, last.at_us),)
                effects.append((seq, effect.to_dict()))
            else:
                effects.append((seq, effect))
        self.seq = seq
        found = tuple(
            Found(name, changed, applied.get(name, ()))
            for name, fired in events.items()
            if not (changed := self._tenant(name).changes.take(fired)).is_empty or name in applied
        )
        return Outcome(seq, size_bytes, len(waiting), found, tuple(effects))

    def _guarded(self, seq: int, tenant: str, work: Callable[[], list[Any]]) -> list[Any]:
        """Return what `work` gives. A fault of ours must not stop everybody's logs: it is told and counted."""
        try:
            return work()
        except Exception as exc:  # noqa: BLE001 - see above; a replay fails in the same place and goes on the same way
            self.n_failures += 1
            self._on_problem("group_failed", {"seq": seq, "tenant": tenant, "error": repr(exc), "exc": exc})
            return []

    def _receive(self, name: str, batches: list[BatchEntry]) -> list[Any]:
        tenant = self._tenant(name)
        arrived = []
        for batch in batches:
            tenant.received.add(batch)
            for part in batch.parts:
                arrived.append(Arrived(SourceName(part.source, part.service), part.data, batch.at_us))
        events = tenant.pipeline.receive(arrived)
        tenant.clock_us = tenant.pipeline.windows.clock_us
        return events

    def _advance(self, name: str) -> list[Any]:
        tenant = self.tenants[name]
        now_us = tenant.now_us(self._elapsed_us, self.params.max_grace_s * US_PER_S)
        if self._elapsed_us - tenant.batch_at_us >= _PAUSE_US:
            tenant.expect_no_history()
        events: list[Any] = tenant.pipeline.advance(now_us or 0)
        if tenant.clock_us is None:
            tenant.clock_us = tenant.pipeline.windows.clock_us
        return events

    def _apply(self, entry: CommandEntry) -> Effect | FmAnomalyError:
        try:
            return self._tenant(entry.tenant).pipeline.apply(entry.to_command())
        except FmAnomalyError as exc:
            return exc
        except Exception as exc:  # noqa: BLE001 - as for records
            self.n_failures += 1
            self._on_problem("command_failed", {"tenant": entry.tenant, "error": repr(exc), "exc": exc})
            return UsageError("the command could not be carried out; the service's log says why")

    # -- state ------------------------------------------------------------------------------------------------------

    def snapshot(self) -> State:
        """Return all state as plain values. Only between groups: raises ValueError while entries wait."""
        if self._waiting:
            raise ValueError("a snapshot is taken between groups")
        return {
            "seq": self.seq,
            "elapsed_us": self._elapsed_us,
            "last_us": self._last_us,
            "n_failures": self.n_failures,
            "tenants": [[name, _tenant_state(tenant)] for name, tenant in self.tenants.items()],
        }

    @classmethod
    def restore(cls, state: State, params: ApplierParams | None = None, on_problem: OnProblem | None = None) -> Applier:
        """Return the state as it was. A tenant whose state was shaped by other settings begins anew, and it is told."""
        applier = cls(params, on_problem)
        applier.seq, applier._elapsed_us = state["seq"], state["elapsed_us"]
        applier._last_us, applier.n_failures = state["last_us"], state["n_failures"]
        for name, saved in state["tenants"]:
            pipeline_params = replace(applier.params.pipeline, tenant=name)
            received = Received.restore(saved["received"])
            layers = LayerFigures.restore(saved["layers"]) if "layers" in saved else None
            snapshot = Snapshot(saved["pipeline"], saved["digest"], saved["libraries"])
            try:
                pipeline = Pipeline.restore(snapshot, pipeline_params)
            except (SnapshotError, LookupError, TypeError, ValueError) as exc:
                # of other settings, or whole but of another build's shape: either way it cannot be gone on with
                reason = str(exc) if isinstance(exc, SnapshotError) else f"its state is of another build ({exc!r})"
                applier._on_problem("tenant_reset", {"tenant": name, "reason": reason})
                applier.tenants[name] = Tenant(Pipeline(pipeline_params), received, layers)
                continue
            tenant = applier.tenants[name] = Tenant(pipeline, received, layers)
            tenant.clock_us, tenant.batch_at_us, tenant.gap_us = saved["times"]
            tenant.liveness = Liveness.restore(saved.get("liveness", []))
        return applier


def _tenant_state(tenant: Tenant) -> State:
    snapshot = tenant.pipeline.snapshot()
    return {
        "pipeline": snapshot.sections,
        "digest": snapshot.params_digest,
        "libraries": snapshot.libraries,
        "received": tenant.received.snapshot(),
        "layers": tenant.layers.snapshot(),
        "liveness": tenant.liveness.snapshot(),
        "times": [tenant.clock_us, tenant.batch_at_us, tenant.gap_us],
    }
