"""What `/metrics` says, as families of Prometheus' client: names, helps, labels, bounded whatever a log says.

docs/metrics.md lists them in this order, and a test holds both together. Each help ends with what the figure is:
measured, of this service itself, or derived, what the logs say of those who wrote them. It asks nobody: figures come
in, families go out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from fm_anomaly import __version__
from fm_anomaly.core.layer_figures import BOUNDS_S, LayerCounts
from fm_anomaly.service.timings import Timing, cumulative
from fm_anomaly.storage.figures import StoreFigures
from fm_anomaly.storage.outbox import OutboxCounts

NAMESPACE = "faultmaven_anomaly"
MAX_SERVICES = 100
"""Services that have a label value of their own; further ones count as `_other`."""
MAX_TIMED_SERVICES = 30
"""The same where each value has a histogram for each layer."""
OTHER = "_other"
_BECAME = ("records", "continuations", "blanks", "rejects", "skipped_own")
_US = 1_000_000


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


FIGURES: dict[str, tuple[str, str]] = {
    "lag_seconds": ("gauge", "Age of the oldest entry that has been taken and not yet worked on."),
    "queue_entries": ("gauge", "Entries taken and not yet worked on."),
    "queue_bytes": ("gauge", "Bytes of text in these."),
    "backlog_entries": ("gauge", "Entries of before the start that are still fed again."),
    "busy_refusals": ("counter", "Requests refused with 429 because too much waited."),
    "bodies_bytes": ("gauge", "Bytes of request bodies that are being read."),
    "disk_refusals": ("counter", "Requests refused because they could not be written ahead."),
    "duplicate_batches": ("counter", "Batches that were there already, by their X-Batch-ID."),
    "store_refusals": ("counter", "Times the store refused a step, which is offered again until it is taken."),
    "clock_jumps": ("counter", "Jumps of the clock by a minute or more."),
    "damaged_at_start": ("gauge", "Damaged snapshots and places in segments that the start found."),
    "torn_bytes_at_start": ("gauge", "Bytes of an unfinished write that the start cut off."),
    "failed_groups": ("counter", "Groups of entries whose work failed and was left out."),
    "buckets": ("counter", "Buckets of a minute and service that were closed and judged, since the start."),
    "disk_free_bytes": ("gauge", "What is free on the disk of the write-ahead log and the snapshots."),
    "write_ahead_bytes": ("gauge", "Size of the write-ahead segments on disk."),
    "write_ahead_groups": ("counter", "Groups of entries made durable by one fsync."),
    "snapshots": ("counter", "Snapshots saved."),
    "snapshot_failures": ("counter", "Snapshots that could not be saved."),
    "snapshot_bytes": ("gauge", "Size of the last snapshot."),
    "snapshot_age_seconds": ("gauge", "Age of the last snapshot."),
    "listeners": ("gauge", "Listeners of syslog that were asked for."),
    "listeners_up": ("gauge", "Listeners of syslog whose socket is open."),
    "syslog_messages": ("counter", "Messages of syslog that came."),
    "syslog_truncated": ("counter", "Messages of syslog that were too long and have been cut."),
    "syslog_dropped": ("counter", "Datagrams of syslog that found no room here."),
    "syslog_dropped_by_kernel": ("counter", "Datagrams of syslog that found no room in the socket."),
    "syslog_strangers": ("counter", "Datagrams and connections from networks that may not send."),
    "syslog_refused_connections": ("counter", "Connections of syslog beyond the most there may be."),
    "syslog_connections": ("gauge", "Connections of syslog that are open."),
    "followed_files": ("gauge", "Files that are to be followed."),
    "followed_files_unreadable": ("gauge", "Files among them that cannot be read, or are followed no more."),
    "followed_bytes": ("counter", "Bytes taken from followed files."),
}
"""Figures of the service: name (a counter's without `_total`) → type and help."""


PARTS: dict[str, tuple[str, str]] = {
    "input_age_seconds": (
        "protocol",
        "Since when nothing has come, by protocol that has brought something since the start.",
    ),
    "memory_bytes": ("part", "Resident memory, by the kernel's kinds: anonymous, file, shared."),
    "state_bytes": ("part", "Size of each part of the learned state, as of the last snapshot."),
}
"""Figures with a value for each of a closed set of parts: name → label and help."""


_CASCADES = (
    ("request_errors", "Records of ERROR and above that name their request and their layer."),
    ("request_errors_repeated", "Those of them that are not the first of their request."),
    ("cascade_errors_avoidable", "Errors beyond the first that the summaries of requests tell of."),
    ("cascade_errors_avoided", "Those of them beyond one for each layer: not logged again within a layer."),
)


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
        for name, label in self.labels(counts).items():
            out[label] = out.get(label, 0) + counts[name]
        return dict(sorted(out.items()))

    def labels(self, counts: Mapping[str, int]) -> dict[str, str]:
        """Return the label value of each name; new ones are let in by their count, the largest first."""
        for name in sorted(counts, key=lambda name: (-counts[name], name)):
            if name not in self._known and len(self._known) < self.size and name != OTHER:
                self._known.add(name)
        return {name: name if name in self._known else OTHER for name in counts}


@dataclass(slots=True)
class LabelCaps:
    """What one process remembers of label values between two answers."""

    services: LabelCap = field(default_factory=LabelCap)
    timed: LabelCap = field(default_factory=lambda: LabelCap(MAX_TIMED_SERVICES))


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that one answer is made of."""

    now_us: int
    figures: Mapping[str, float] = field(default_factory=dict)
    accountings: Sequence[Mapping[str, Any]] = ()
    store: StoreFigures | None = None
    """None: the store could not be read."""
    layers: Sequence[LayerCounts] = ()
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Figures with a value for each part, by the names of `PARTS`."""
    stages: Mapping[str, Timing] = field(default_factory=dict)
    requests: Mapping[tuple[str, str], Timing] = field(default_factory=dict)
    """By surface and class of status."""
    outbox: Sequence[OutboxCounts] = ()
    receivers: Mapping[str, ReceiverStats] = field(default_factory=dict)


def families(what: Measured, caps: LabelCaps) -> Iterator[Metric]:
    """Yield the metrics, in the order of docs/metrics.md; what cannot be measured is left out."""
    yield _gauge("build_info", "Always 1; the version is a label.", [(1, {"version": __version__})])
    yield _gauge("store_up", "Whether the store can be read.", [(what.store is not None, {})])
    if what.accountings:
        yield from _intake(what.accountings, caps.services)
    if what.layers:
        yield from _layers(what.layers, caps.timed)
    for name, (kind, said) in FIGURES.items():
        value = what.figures.get(f"{name}_total" if kind == "counter" else name)
        if value is not None:
            yield (_counter if kind == "counter" else _gauge)(name, said, [(value, {})])
    for name, (label, said) in PARTS.items():
        if found := what.parts.get(name):
            yield _gauge(name, said, [(value, {label: part}) for part, value in sorted(found.items())])
    if what.stages:
        spent = [(timing.cumulative(), timing.total_s, {"stage": name}) for name, timing in what.stages.items()]
        yield _histogram("stage_seconds", "How long the stages take, a group of entries at a time.", spent)
    if what.requests:
        took = [
            (timing.cumulative(), timing.total_s, {"surface": surface, "status": status})
            for (surface, status), timing in sorted(what.requests.items())
        ]
        yield _histogram("request_seconds", "How long requests take until their answer begins.", took)
    if what.store is not None:
        firing = [(n, {"severity": severity}) for severity, n in what.store.firing.items()]
        yield _gauge("alerts_firing", "Alerts that fire.", firing, is_derived=True)
        yield _counter(
            "events",
            "Changes of alerts and incidents, and what people did, kept in the store.",
            [(what.store.events, {})],
        )
        yield from _outbox(what)
    if what.receivers:
        yield from _receivers(what.receivers)


def _intake(accountings: Sequence[Mapping[str, Any]], cap: LabelCap) -> Iterator[Metric]:
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
        counts = cap.capped({service: of.get(name, 0) for service, of in services.items()})
        yield _counter(
            f"service_{name}", said, [(n, {"service": service}) for service, n in counts.items()], is_derived=True
        )
    counts = cap.capped({service: of.get("templates", 0) for service, of in services.items()})
    values = [(n, {"service": service}) for service, n in counts.items()]
    yield _gauge("templates", "Templates, by service.", values, is_derived=True)
    yield _counter("late_records", "Records behind the watermark: counted, not judged.", [(total.get("late", 0), {})])
    formats = _added({"": each["total"].get("formats", {})} for each in accountings)[""]
    n_lines = sum(formats.values())
    if n_lines:
        share = 1 - formats.get("text", 0) / n_lines
        yield _gauge("parse_share", "Share of lines in a format that was recognised, in [0, 1].", [(share, {})])
    redacted = _added({"": each["total"].get("redacted", {})} for each in accountings)[""]
    yield _counter("redacted", "Secrets and personal data redacted.", [(n, {"kind": k}) for k, n in redacted.items()])


def _layers(found: Sequence[LayerCounts], cap: LabelCap) -> Iterator[Metric]:
    weights: dict[str, int] = {}
    for counts in found:
        for (service, _), each in counts.durations.items():
            weights[service] = weights.get(service, 0) + sum(each.counts)
        for service, errors in counts.cascades.items():
            weights[service] = weights.get(service, 0) + errors.errors
    labels = cap.labels(weights)
    durations: dict[tuple[str, str], tuple[list[int], int]] = {}
    cascades: dict[str, list[int]] = {}
    for counts in found:
        for (service, layer), each in counts.durations.items():
            key = (labels[service], layer or "none")
            bins, total_us = durations.get(key, ([0] * len(each.counts), 0))
            durations[key] = ([a + b for a, b in zip(bins, each.counts, strict=True)], total_us + each.total_us)
        for service, c in counts.cascades.items():
            sums = cascades.setdefault(labels[service], [0, 0, 0, 0])
            cascades[labels[service]] = [
                a + b for a, b in zip(sums, (c.errors, c.repeated, c.avoidable, c.avoided), strict=True)
            ]
    took = [
        (cumulative(BOUNDS_S, bins), total_us / _US, {"service": service, "layer": layer})
        for (service, layer), (bins, total_us) in sorted(durations.items())
    ]
    if took:
        yield _histogram("service_seconds", "Durations that records tell, by service and layer.", took, is_derived=True)
    for at, (name, said) in enumerate(_CASCADES):
        values = [(sums[at], {"service": service}) for service, sums in sorted(cascades.items())]
        if values:
            yield _counter(name, said, values, is_derived=True)


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
_Bins = Sequence[tuple[Sequence[tuple[str, int]], float, Mapping[str, str]]]


def _gauge(name: str, said: str, values: _Values, *, is_derived: bool = False) -> Metric:
    family = GaugeMetricFamily(f"{NAMESPACE}_{name}", _help(said, is_derived), labels=_labels(values))
    return _filled(family, values)


def _counter(name: str, said: str, values: _Values, *, is_derived: bool = False) -> Metric:
    family = CounterMetricFamily(f"{NAMESPACE}_{name}", _help(said, is_derived), labels=_labels(values))
    return _filled(family, values)


def _histogram(name: str, said: str, bins: _Bins, *, is_derived: bool = False) -> Metric:
    labels = list(bins[0][2])
    family = HistogramMetricFamily(f"{NAMESPACE}_{name}", _help(said, is_derived), labels=labels)
    for counts, total, values in bins:
        family.add_metric(list(values.values()), [(bound, float(n)) for bound, n in counts], total)
    return family


def _help(said: str, is_derived: bool) -> str:
    return f"{said} {'Derived' if is_derived else 'Measured'}."


def _labels(values: _Values) -> list[str]:
    return list(values[0][1]) if values else []


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: _Values) -> Metric:
    for value, labels in values:
        family.add_metric(list(labels.values()), float(value))
    return family
