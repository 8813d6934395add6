"""`/metrics` for Prometheus: what comes in, how far behind we are, what fires, what waits to be told.

Asks the parts for counters that they keep anyway, and renders what `metric_families` makes of them, on a registry of
its own. It keeps no figures itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from fm_anomaly.api.clock import now_us
from fm_anomaly.api.metric_families import NAMESPACE, LabelCaps, Measured, ReceiverStats, families
from fm_anomaly.core.layer_figures import LayerCounts
from fm_anomaly.errors import FmAnomalyError
from fm_anomaly.service.timings import Timing
from fm_anomaly.storage import Store
from fm_anomaly.storage.figures import StoreFigures, store_figures
from fm_anomaly.storage.outbox import Outbox, OutboxCounts

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE_S = 2.0


class ServiceStats(Protocol):
    """What is asked of the running service."""

    def figures(self) -> Mapping[str, float]:
        """Return counters and gauges by the names of `FIGURES`; what is missing is not shown."""
        ...

    def parts(self) -> Mapping[str, Mapping[str, float]]:
        """Return figures with a value for each of several parts, by the names of `PARTS`."""
        ...

    def timings(self) -> Mapping[str, Timing]:
        """Return how long the stages take."""
        ...

    async def layers(self, tenant: str) -> LayerCounts:
        """Return what the layers of a tenant's services logged."""
        ...

    async def accounting(self, tenant: str) -> Mapping[str, Any]:
        """Return the accounting of a tenant, as `GET /api/v1/intake` answers it."""
        ...


class SenderStats(Protocol):
    """What is asked of the sender of alerts."""

    def stats(self) -> Mapping[str, ReceiverStats]:
        """Return what has been done, by receiver."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What the service tells of one tenant."""

    accounting: Mapping[str, Any]
    layers: LayerCounts


@dataclass(slots=True)
class Caps:
    """What one process remembers between two answers: label values, and what was told last."""

    labels: LabelCaps = field(default_factory=LabelCaps)
    told: dict[str, Told] = field(default_factory=dict)
    asked: dict[str, asyncio.Task[Told]] = field(default_factory=dict)

    async def ask(self, service: ServiceStats, tenants: Sequence[str]) -> list[Told]:
        """Return what can be told of each tenant: where the service is too busy to say for two seconds, the last one.

        A watcher must get its answer above all when everything else is slow.
        """
        for tenant in tenants:
            if tenant not in self.asked:
                self.asked[tenant] = asyncio.ensure_future(_told(service, tenant))
        if self.asked:
            await asyncio.wait(self.asked.values(), timeout=_PATIENCE_S)
        for tenant in [tenant for tenant, task in self.asked.items() if task.done()]:
            task = self.asked.pop(tenant)
            if not task.cancelled() and task.exception() is None:
                self.told[tenant] = task.result()
        return [self.told[tenant] for tenant in tenants if tenant in self.told]


def routes() -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["health"])
    caps = Caps()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus, in its text format."""
        return Response(rendered(await measured(request.app.state, caps), caps.labels), media_type=_CONTENT_TYPE)

    return router


async def measured(state: Any, caps: Caps) -> Measured:
    """Return what can be measured now: `state` has the store, and where they run the service and the sender."""
    store: Store = state.store
    service: ServiceStats | None = getattr(state, "service_stats", None)
    sender: SenderStats | None = getattr(state, "sender_stats", None)
    found, outbox = await _of_store(store)
    told = [] if service is None or found is None else await caps.ask(service, found.tenants)
    figures: dict[str, float] = {"bodies_bytes": state.bodies.held_bytes}
    parts: dict[str, Mapping[str, float]] = {"memory_bytes": resident_bytes()}
    if service is not None:
        figures.update(service.figures())
        parts.update(service.parts())
    return Measured(
        now_us=now_us(),
        figures=figures,
        accountings=[each.accounting for each in told],
        layers=[each.layers for each in told],
        parts=parts,
        stages={} if service is None else service.timings(),
        requests=dict(state.timings.by_kind),
        store=found,
        outbox=outbox,
        receivers={} if sender is None else sender.stats(),
    )


def resident_bytes(status: Path = Path("/proc/self/status")) -> dict[str, float]:
    """Return this process's resident memory by kind, in bytes; nothing where the system does not tell."""
    kinds = {"RssAnon": "anonymous", "RssFile": "file", "RssShmem": "shared"}
    try:
        rows = [line.split() for line in status.read_text().splitlines()]
    except OSError:
        return {}
    return {kinds[row[0][:-1]]: float(row[1]) * 1024 for row in rows if row and row[0][:-1] in kinds}


def rendered(what: Measured, labels: LabelCaps) -> bytes:
    """Return the answer in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(namespace=NAMESPACE, registry=registry)
    registry.register(_Families(families(what, labels)))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class _Families(Collector):
    """Hands families to a registry."""

    found: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self.found


async def _told(service: ServiceStats, tenant: str) -> Told:
    return Told(await service.accounting(tenant), await service.layers(tenant))


async def _of_store(store: Store) -> tuple[StoreFigures | None, Sequence[OutboxCounts]]:
    try:
        return await asyncio.to_thread(lambda: (store_figures(store), Outbox(store).counts()))
    except FmAnomalyError:
        return None, ()
