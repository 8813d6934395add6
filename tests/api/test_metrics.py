"""Laws of /metrics: documented as it is, valid for promtool, bounded whatever a log says, there without a store."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fm_anomaly.api.application import create_app
from fm_anomaly.api.metric_families import (
    FIGURES,
    NAMESPACE,
    OTHER,
    PARTS,
    LabelCap,
    LabelCaps,
    Measured,
    families,
)
from fm_anomaly.api.metrics import Caps, Told, rendered, resident_bytes
from fm_anomaly.core.layer_figures import BOUNDS_S, Cascades, Durations, LayerCounts
from fm_anomaly.notify import Sent
from fm_anomaly.service.timings import Timing
from fm_anomaly.storage import Store, open_store, save_scan
from fm_anomaly.storage.figures import StoreFigures
from fm_anomaly.storage.outbox import OutboxCounts, enqueue
from tests.notice_objects import fired, make_alert, rows
from tests.scan_objects import make_alert as scanned_alert
from tests.scan_objects import make_incident, make_scan

DOC = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def accounting(**services: int) -> dict[str, Any]:
    """Return what `GET /api/v1/intake` answers, in short."""
    counts = {"lines": 10, "records": 6, "continuations": 1, "blanks": 1, "rejects": 1, "skipped_own": 1, "bytes": 900}
    return {
        "total": {**counts, "late": 2, "formats": {"json": 3, "text": 1}, "redacted": {"email": 4}},
        "by_protocol": {"otlp": {**counts, "batches": 2}},
        "by_service": {name: {"records": n, "errors": 1, "templates": 2} for name, n in services.items()},
        "health": [],
    }


def layers(*services: str) -> LayerCounts:
    """Return what the layers of services logged: one duration of two seconds each, and one request with errors."""
    bins = [int(bound == 3.0) for bound in BOUNDS_S] + [0]
    return LayerCounts(
        {(service, "core"): Durations(list(bins), 2_000_000) for service in services},
        {service: Cascades(4, 3, 3, 1) for service in services},
    )


def timing() -> Timing:
    """Return one duration of 4 ms."""
    found = Timing()
    found.add(0.004)
    return found


def everything() -> Measured:
    """Return measurements that leave nothing out."""
    figures = {f"{name}_total" if kind == "counter" else name: 1.0 for name, (kind, _) in FIGURES.items()}
    return Measured(
        now_us=2_000_000,
        figures=figures,
        parts={name: {"one": 1.0} for name in PARTS},
        stages={"store": timing()},
        requests={("logs", "2xx"): timing()},
        layers=[layers("api"), layers("api")],
        accountings=[accounting(api=4, worker=2), accounting(api=6)],
        store=StoreFigures(("default",), {"low": 0, "high": 1}, 7),
        outbox=[OutboxCounts("", 1, 0, 0, 0), OutboxCounts("pager", 2, 3, 4, 1_000_000)],
        receivers={"pager": Sent(5, 6, 7, is_open=True)},
    )


def samples(text: str) -> dict[str, float]:
    """Return each sample's value under its name and labels, the process's own left out."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix(NAMESPACE + '_')}{{{labels}}}"] = sample.value
    return {name: value for name, value in found.items() if not name.startswith("process_")}


def test_what_is_exported_is_what_is_documented() -> None:
    """Every metric stands in docs/metrics.md with its type and labels, measured or derived, in that order; no other."""
    documented = re.findall(r"^\| `(\w+)` \| (\w+) \|(.*?)\| (\w+) \|", DOC, re.MULTILINE)
    exported = []
    for family in families(everything(), LabelCaps()):
        name = family.name.removeprefix(f"{NAMESPACE}_") + ("_total" if family.type == "counter" else "")
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        exported.append((name, family.type, labels, family.documentation.split()[-1].strip(".").lower()))
    assert [
        (name, kind, sorted(re.findall(r"\w+", labels)), what) for name, kind, labels, what in documented
    ] == exported


def test_sums_are_over_tenants_and_add_up() -> None:
    """What became of lines adds up to the lines; services of two tenants are one label."""
    found = samples(rendered(everything(), LabelCaps()).decode())
    lines = {name: value for name, value in found.items() if name.startswith("intake_lines_total")}
    assert sum(lines.values()) == 20
    assert found["service_records_total{service=api}"] == 10
    assert found["parse_share{}"] == 0.75
    assert found["outbox_oldest_seconds{receiver=pager}"] == 1
    assert found["notify_messages_total{receiver=pager,result=failed}"] == 6


def test_no_label_names_a_person_or_a_request() -> None:
    """The labels are a closed list."""
    labels = {
        label for family in families(everything(), LabelCaps()) for sample in family.samples for label in sample.labels
    }
    known = {"version", "protocol", "became", "service", "kind", "stage", "severity", "receiver", "result"}
    assert labels == {*known, "layer", "le", "part", "surface", "status"}


def test_services_are_capped_and_counters_never_fall() -> None:
    """A hundred names keep their own label for good, all others are one; the sum stays the sum."""
    cap = LabelCap(3)
    first = cap.capped({"a": 5, "b": 4, "c": 3, "d": 2, "e": 1})
    assert first == {"a": 5, "b": 4, "c": 3, OTHER: 3}
    later = cap.capped({"a": 5, "b": 4, "c": 3, "d": 200, "e": 1, "f": 9})
    assert later == {"a": 5, "b": 4, "c": 3, OTHER: 210}
    text = rendered(Measured(0, accountings=[accounting(**{f"s{n}": 1 for n in range(5_000)})]), LabelCaps()).decode()
    assert text.count("service_records_total{") == 101
    many = Measured(0, layers=[layers(*(f"s{n}" for n in range(5_000)))])
    text = rendered(many, LabelCaps()).decode()
    assert text.count("service_seconds_count{") == 31
    assert samples(text)[f"request_errors_total{{service={OTHER}}}"] == 4 * 4_970


def test_hostile_names_stay_inside_their_label() -> None:
    """A quote, a line break or a backslash in a service's name makes no sample of its own."""
    hostile = 'x"} 1\nfaultmaven_anomaly_evil 1\n\\'
    text = rendered(Measured(0, accountings=[accounting(**{hostile: 3})]), LabelCaps()).decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert f"{NAMESPACE}_evil" not in names


def test_promtool_finds_nothing_to_complain_of() -> None:
    """`promtool check metrics` of Debian's Prometheus is content with names, types and helps."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: install Debian's package prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=rendered(everything(), LabelCaps()),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


# -- over a store ------------------------------------------------------------------------------------------------------


class Running:
    """A service that has two figures and one tenant's accounting."""

    def parts(self) -> Mapping[str, Mapping[str, float]]:
        """Return one."""
        return {"state_bytes": {"alerts": 5.0}}

    def timings(self) -> Mapping[str, Timing]:
        """Return one."""
        return {"store": timing()}

    async def layers(self, tenant: str) -> LayerCounts:
        """Return the same for each tenant."""
        return layers("api")

    def figures(self) -> Mapping[str, float]:
        """Return two figures."""
        return {"lag_seconds": 1.5, "busy_refusals_total": 3.0, "unknown": 1.0}

    async def accounting(self, tenant: str) -> Mapping[str, Any]:
        """Return the same for each tenant."""
        return accounting(api=4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with one firing alert and one change that waits."""
    with open_store(tmp_path / "s.db") as opened:
        save_scan(opened, "default", make_scan(make_incident(scanned_alert(state="firing", end=None))))
        with opened.writing() as connection:
            enqueue(connection, rows(fired(make_alert())))
        yield opened


def get(app: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return await client.get("/metrics")

    return asyncio.run(ask())


def test_the_route_tells_of_store_and_service(store: Store) -> None:
    """One answer holds what the store and the running service say; a figure that nobody documented is left out."""
    app = create_app(store)
    app.state.service_stats = Running()
    answer = get(app)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert found["alerts_firing{severity=high}"] == 1
    assert found["outbox_unrouted{}"] == 1
    assert found["lag_seconds{}"] == 1.5
    assert found["busy_refusals_total{}"] == 3
    assert "unknown" not in answer.text
    assert found["state_bytes{part=alerts}"] == 5
    assert found["stage_seconds_bucket{le=0.005,stage=store}"] == 1
    assert found["service_seconds_sum{layer=core,service=api}"] == 2
    assert found["cascade_errors_avoided_total{service=api}"] == 1
    assert f"{NAMESPACE}_process_resident_memory_bytes" in answer.text


def test_without_a_store_it_still_answers(store: Store) -> None:
    """The watcher must learn that the store is gone, from 200 and `store_up 0`."""
    with store.writing() as connection:
        connection.exec_driver_sql("drop table heads")
    answer = get(create_app(store))
    assert answer.status_code == 200
    assert samples(answer.text)["store_up{}"] == 0


class Busy(Running):
    """A service that says how it stands when it is let."""

    def __init__(self) -> None:
        self.is_let = asyncio.Event()
        self.n_asked = 0

    async def accounting(self, tenant: str) -> Mapping[str, Any]:
        """Wait until let."""
        self.n_asked += 1
        await self.is_let.wait()
        return accounting(api=4)


def test_a_busy_service_does_not_hold_the_answer_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it cannot say, the last accounting stands, it is asked once only, and nothing waits for it for long."""
    monkeypatch.setattr("fm_anomaly.api.metrics._PATIENCE_S", 0.05)

    async def story() -> None:
        busy, caps = Busy(), Caps()
        assert await caps.ask(busy, ["default"]) == []
        assert await caps.ask(busy, ["default"]) == []
        assert busy.n_asked == 1
        busy.is_let.set()
        assert await caps.ask(busy, ["default"]) == [Told(accounting(api=4), layers("api"))]
        busy.is_let.clear()
        assert await caps.ask(busy, ["default"]) == [Told(accounting(api=4), layers("api"))]
        busy.is_let.set()
        await caps.ask(busy, ["default"])

    asyncio.run(story())


def test_memory_is_read_of_the_kernel(tmp_path: Path) -> None:
    """Three kinds in bytes; a system that does not tell has none."""
    status = tmp_path / "status"
    status.write_text("Name:\tx\nRssAnon:\t  12 kB\nRssFile:\t 3 kB\nRssShmem:\t 0 kB\n")
    assert resident_bytes(status) == {"anonymous": 12_288, "file": 3_072, "shared": 0}
    assert resident_bytes(tmp_path / "none") == {}
