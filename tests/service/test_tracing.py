"""Laws of traces: off unless asked for; requests and stages are spans, and nothing of logs or keys is in them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fm_anomaly.api.application import create_app
from fm_anomaly.service.running import Service
from fm_anomaly.service.tracing import off, spans, tracing
from fm_anomaly.storage import default_path, open_store

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_off_is_nothing() -> None:
    """Without being asked for, spans do nothing, and no library of OpenTelemetry's SDK is imported."""
    with tracing(is_on=False) as span, span("x", {"a": 1}) as tell:
        tell("b", 2)
    assert span is off
    code = "import sys, fm_anomaly.api.serving; print(any(m.startswith('opentelemetry.sdk') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_requests_and_stages_are_spans(tmp_path: Path) -> None:
    """A request with its caller's context, the pipeline, the store and the snapshot: names and numbers only."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = spans(provider)
    with open_store(default_path(tmp_path)) as store:
        service = Service(tmp_path, store)
        service.worker.span = span
        app = create_app(store, intake=service, span=span)
        service.start()

        async def send() -> int:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
                answer = await client.post(
                    "/api/v1/logs?service=secretshop",
                    content="2026-03-02T09:00:00Z ERROR the word is sesame\n",
                    headers={"content-type": "text/plain", "traceparent": PARENT, "authorization": "Bearer hush"},
                )
                return answer.status_code

        assert asyncio.run(send()) == 200
        service.stop()
    found = {each.name: each for each in exporter.get_finished_spans()}
    assert {"POST logs", "pipeline", "store", "snapshot"} == set(found)
    request = found["POST logs"]
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    assert request.context is not None
    assert f"{request.context.trace_id:032x}" == PARENT.split("-")[1]
    told = "".join(each.to_json() for each in found.values())
    assert not any(word in told for word in ("sesame", "secretshop", "hush", "default"))
