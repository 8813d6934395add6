"""`/metrics` for Prometheus: what comes in, how far behind we are, what fires, what waits to be told.

Reads counters that other parts keep anyway, on a registry of its own; docs/metrics.md lists them, and a test holds both
together. No label names a person, session, request or trace; labels out of logs are capped. It keeps no figures itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fm_anomaly import __version__
from fm_anomaly.api.receiving import now_us
from fm_anomaly.errors import FmAnomalyError
from fm_anomaly.storage import Store
from fm_anomaly.storage.figures import StoreFigures, store_figures
from fm_anomaly.storage.outbox import Outbox, OutboxCounts

NAMESPACE = "faultmaven_anomaly"
MAX_SERVICES = 100
"""Services that have a label value of their own; further ones count as `_other`."""
OTHER = "_other"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BECAME = ("records", "continuations", "blanks", "rejects", "skipped_own")
_US = 1_000_000
_PATIENCE_S = 2.0


class ServiceStats(Protocol):
    """What is asked of the running service."""

    def figures(self) -> Mapping[str, float]:
        """Return counters and gauges by the names of `FIGURES` and `STAGES`; what is missing is not shown."""
        ...

    async def accounting(self, tenant: str) -> Mapping[str, Any]:
        """Return the accounting of a tenant, as `GET /api/v1/intake` answers it."""
        ...


class ReceiverStats(Protocol):
    """What a sender has done for one receiver."""

    @property
    def messages(self) -> int:
        """Messages that were taken."""
        ...

    @property
    def failures(self) -> int:
        """Tries that failed."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it is being left alone after failures in a row."""
        ...


class SenderStats(Protocol):
    """What is asked of the sender of alerts."""

    def stats(self) -> Mapping[str, ReceiverStats]:
        """Return what has been done, by receiver."""
        ...


FIGURES: dict[str, tuple[str, str]] = {
    "lag_seconds": ("gauge", "Age of the oldest entry that has been taken and not yet worked on."),
    "queue_entries": ("gauge", "Entries taken and not yet worked on."),
    "queue_bytes": ("gauge", "Bytes of text in these."),
    "backlog_entries": ("gauge", "Entries of before the start that are still fed again."),
    "busy_refusals": ("counter", "Requests refused with 429 because too much waited."),
    "disk_refusals": ("counter", "Requests refused because they could not be written ahead."),
    "duplicate_batches": ("counter", "Batches that were there already, by their X-Batch-ID."),
    "store_refusals": ("counter", "Times the store refused a step, which is offered again until it is taken."),
    "clock_jumps": ("counter", "Jumps of the clock by a minute or more."),
    "damaged_at_start": ("gauge", "Damaged snapshots and places in segments that the start found."),
    "torn_bytes_at_start": ("gauge", "Bytes of an unfinished write that the start cut off."),
    "failed_groups": ("counter", "Groups of entries whose work failed and was left out."),
    "buckets": ("counter", "Buckets of a minute and service that were closed and judged, since the start."),
    "write_ahead_bytes": ("gauge", "Size of the write-ahead segments on disk."),
    "write_ahead_groups": ("counter", "Groups of entries made durable by one fsync."),
    "snapshots": ("counter", "Snapshots saved."),
    "snapshot_bytes": ("gauge", "Size of the last snapshot."),
    "snapshot_age_seconds": ("gauge", "Age of the last snapshot."),
    "syslog_messages": ("counter", "Messages of syslog that came."),
    "syslog_truncated": ("counter", "Messages of syslog that were too long and have been cut."),
    "syslog_dropped": ("counter", "Datagrams of syslog that found no room here."),
    "syslog_dropped_by_kernel": ("counter", "Datagrams of syslog that found no room in the socket."),
    "syslog_strangers": ("counter", "Datagrams and connections from networks that may not send."),
    "syslog_refused_connections": ("counter", "Connections of syslog beyond the most there may be."),
    "syslog_connections": ("gauge", "Connections of syslog that are open."),
    "followed_bytes": ("counter", "Bytes taken from followed files."),
}
"""Figures of the service: name (a counter's without `_total`) → type and help."""

STAGES = ("write_ahead", "pipeline", "store", "snapshot")
"""Stages whose time the service counts, as `STAGE_seconds_total`."""


@dataclass(slots=True)
class LabelCap:
    """Label values out of logs: the first `size` names keep theirs, whatever comes later is `_other`.

    Remembered, so that a counter never loses to another name what it has counted.
    """

    size: int = MAX_SERVICES
    _known: set[str] = field(default_factory=set)

    def capped(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Return the counts under label values, those beyond the cap together."""
        out: dict[str, int] = {}
        for name in sorted(counts, key=lambda name: (-counts[name], name)):
            if name not in self._known and len(self._known) < self.size and name != OTHER:
                self._known.add(name)
            label = name if name in self._known else OTHER
            out[label] = out.get(label, 0) + counts[name]
        return dict(sorted(out.items()))


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that one answer is made of."""

    now_us: int
    figures: Mapping[str, float] = field(default_factory=dict)
    accountings: Sequence[Mapping[str, Any]] = ()
    store: StoreFigures | None = None
    """None: the store could not be read."""
    outbox: Sequence[OutboxCounts] = ()
    receivers: Mapping[str, ReceiverStats] = field(default_factory=dict)


@dataclass(slots=True)
class Caps:
    """What one process remembers between two answers: label values, and the last accountings."""

    records: LabelCap = field(default_factory=LabelCap)
    accountings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    asked: dict[str, asyncio.Task[Mapping[str, Any]]] = field(default_factory=dict)

    async def ask(self, service: ServiceStats, tenants: Sequence[str]) -> list[Mapping[str, Any]]:
        """Return each tenant's accounting: where the service is too busy to say for two seconds, the last one.

        A watcher must get its answer above all when everything else is slow.
        """
        for tenant in tenants:
            if tenant not in self.asked:
                self.asked[tenant] = asyncio.ensure_future(_accounting(service, tenant))
        if self.asked:
            await asyncio.wait(self.asked.values(), timeout=_PATIENCE_S)
        for tenant in [tenant for tenant, task in self.asked.items() if task.done()]:
            task = self.asked.pop(tenant)
            if not task.cancelled() and task.exception() is None:
                self.accountings[tenant] = task.result()
        return [self.accountings[tenant] for tenant in tenants if tenant in self.accountings]


def routes() -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["health"])
    caps = Caps()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus, in its text format."""
        return Response(rendered(await measured(request.app.state, caps), caps), media_type=_CONTENT_TYPE)

    return router


async def measured(state: Any, caps: Caps) -> Measured:
    """Return what can be measured now: `state` has the store, and where they run the service and the sender."""
    store: Store = state.store
    service: ServiceStats | None = getattr(state, "service_stats", None)
    sender: SenderStats | None = getattr(state, "sender_stats", None)
    found, outbox = await _of_store(store)
    tenants = [] if found is None else found.tenants
    return Measured(
        now_us=now_us(),
        figures={} if service is None else service.figures(),
        accountings=[] if service is None else await caps.ask(service, tenants),
        store=found,
        outbox=outbox,
        receivers={} if sender is None else sender.stats(),
    )


def rendered(what: Measured, caps: Caps) -> bytes:
    """Return the answer in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(namespace=NAMESPACE, registry=registry)
    registry.register(_Families(families(what, caps)))
    return generate_latest(registry)


def families(what: Measured, caps: Caps) -> Iterator[Metric]:
    """Yield the metrics, in the order of docs/metrics.md; what cannot be measured is left out."""
    yield _gauge("build_info", "Always 1; the version is a label.", [(1, {"version": __version__})])
    yield _gauge("store_up", "Whether the store can be read.", [(what.store is not None, {})])
    if what.accountings:
        yield from _intake(what.accountings, caps)
    for name, (kind, said) in FIGURES.items():
        value = what.figures.get(f"{name}_total" if kind == "counter" else name)
        if value is not None:
            yield (_counter if kind == "counter" else _gauge)(name, said, [(value, {})])
    spent = [(what.figures[key], {"stage": s}) for s in STAGES if (key := f"{s}_seconds_total") in what.figures]
    if spent:
        yield _counter("stage_seconds", "Time spent, by stage.", spent)
    if what.store is not None:
        firing = [(n, {"severity": severity}) for severity, n in what.store.firing.items()]
        yield _gauge("alerts_firing", "Alerts that fire.", firing)
        yield _counter(
            "events",
            "Changes of alerts and incidents, and what people did, kept in the store.",
            [(what.store.events, {})],
        )
        yield from _outbox(what)
    if what.receivers:
        yield from _receivers(what.receivers)


@dataclass(frozen=True, slots=True)
class _Families(Collector):
    """Hands families to a registry."""

    found: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self.found


async def _accounting(service: ServiceStats, tenant: str) -> Mapping[str, Any]:
    return await service.accounting(tenant)


async def _of_store(store: Store) -> tuple[StoreFigures | None, Sequence[OutboxCounts]]:
    try:
        return await asyncio.to_thread(lambda: (store_figures(store), Outbox(store).counts()))
    except FmAnomalyError:
        return None, ()


def _intake(accountings: Sequence[Mapping[str, Any]], caps: Caps) -> Iterator[Metric]:
    protocols = _added(each["by_protocol"] for each in accountings)
    services = _added(each["by_service"] for each in accountings)
    total = _added({"": each["total"]} for each in accountings)[""]
    lines = [
        (counts.get(became, 0), {"protocol": protocol, "became": became})
        for protocol, counts in protocols.items()
        for became in _BECAME
    ]
    yield _counter("intake_lines", "Lines received, by protocol and by what became of them.", lines)
    for name, said in (("bytes", "Bytes of text received."), ("batches", "Requests taken.")):
        values = [(counts.get(name, 0), {"protocol": protocol}) for protocol, counts in protocols.items()]
        yield _counter(f"intake_{name}", said, values)
    for name, said in (("records", "Records, by service."), ("errors", "Records of ERROR and above, by service.")):
        counts = caps.records.capped({service: of.get(name, 0) for service, of in services.items()})
        yield _counter(f"service_{name}", said, [(n, {"service": service}) for service, n in counts.items()])
    counts = caps.records.capped({service: of.get("templates", 0) for service, of in services.items()})
    yield _gauge("templates", "Templates, by service.", [(n, {"service": service}) for service, n in counts.items()])
    yield _counter("late_records", "Records behind the watermark: counted, not judged.", [(total.get("late", 0), {})])
    formats = _added({"": each["total"].get("formats", {})} for each in accountings)[""]
    n_lines = sum(formats.values())
    if n_lines:
        share = 1 - formats.get("text", 0) / n_lines
        yield _gauge("parse_share", "Share of lines in a format that was recognised, in [0, 1].", [(share, {})])
    redacted = _added({"": each["total"].get("redacted", {})} for each in accountings)[""]
    yield _counter("redacted", "Secrets and personal data redacted.", [(n, {"kind": k}) for k, n in redacted.items()])


def _outbox(what: Measured) -> Iterator[Metric]:
    rows = [(each, {"receiver": each.receiver}) for each in what.outbox if each.receiver]
    yield _gauge("outbox_pending", "Changes that wait to be told.", [(each.pending, at) for each, at in rows])
    yield _gauge("outbox_held", "Firing alerts that are told again and again.", [(each.held, at) for each, at in rows])
    yield _gauge("outbox_dead", "Dead letters.", [(each.dead, at) for each, at in rows])
    ages = [(max(what.now_us - each.oldest_us, 0) / _US, at) for each, at in rows if each.oldest_us is not None]
    yield _gauge("outbox_oldest_seconds", "Age of the oldest change that waits to be told.", ages)
    unrouted = sum(each.pending for each in what.outbox if not each.receiver)
    yield _gauge("outbox_unrouted", "Changes for which no receiver has been chosen yet.", [(unrouted, {})])


def _receivers(receivers: Mapping[str, ReceiverStats]) -> Iterator[Metric]:
    told = [(each.messages, {"receiver": name, "result": "taken"}) for name, each in receivers.items()]
    told += [(each.failures, {"receiver": name, "result": "failed"}) for name, each in receivers.items()]
    yield _counter("notify_messages", "Messages to receivers, since the start.", told)
    opened = [(each.is_open, {"receiver": name}) for name, each in receivers.items()]
    yield _gauge("notify_breaker_open", "Whether a receiver is left alone after failures in a row.", opened)


def _added(parts: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, int]]:
    """Return the numbers of all parts added up, key by key."""
    out: dict[str, dict[str, int]] = {}
    for part in parts:
        for key, counts in part.items():
            sums = out.setdefault(key, {})
            for name, n in counts.items():
                if isinstance(n, int):
                    sums[name] = sums.get(name, 0) + n
    return dict(sorted(out.items()))


_Values = Sequence[tuple[float, Mapping[str, str]]]


def _gauge(name: str, said: str, values: _Values) -> Metric:
    return _filled(GaugeMetricFamily(f"{NAMESPACE}_{name}", said, labels=_labels(values)), values)


def _counter(name: str, said: str, values: _Values) -> Metric:
    return _filled(CounterMetricFamily(f"{NAMESPACE}_{name}", said, labels=_labels(values)), values)


def _labels(values: _Values) -> list[str]:
    return list(values[0][1]) if values else []


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: _Values) -> Metric:
    for value, labels in values:
        family.add_metric(list(labels.values()), float(value))
    return family
