"""OpenTelemetry traces of the service's own work: off, and costing a call, unless asked for.

The libraries are an extra (`tracing`), imported when traces are switched on; where they go is said by OpenTelemetry's
own environment variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME). Spans name stages and surfaces, never
log text, tenants or keys. It must not know what the stages do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from fm_anomaly.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Attributes = Mapping[str, str | int | float]
Told = Callable[[str, str | int], None]
"""Adds an attribute that is known only when the work is done."""
Span = Callable[..., AbstractContextManager[Told]]
"""`span(name, attributes, headers)`: the work of the block is one span; headers may carry the caller's context."""

_NAME = "fm_anomaly"


def _silent(key: str, value: str | int) -> None:
    """Say nothing."""


_OFF = nullcontext(_silent)


def off(name: str, attributes: Attributes | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """Trace nothing."""
    return _OFF


def spans(provider: TracerProvider) -> Span:
    """Return what makes spans of a provider."""
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    tracer = provider.get_tracer(_NAME)

    @contextmanager
    def span(
        name: str, attributes: Attributes | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Told]:
        kind = SpanKind.INTERNAL if headers is None else SpanKind.SERVER
        context = None if headers is None else extract(headers)
        with tracer.start_as_current_span(name, context, kind, attributes) as made:
            yield made.set_attribute

    return span


@contextmanager
def tracing(*, is_on: bool) -> Iterator[Span]:
    """Yield what makes spans, exported until the block ends; `off` where traces are not asked for.

    Raises UsageError where the libraries are missing.
    """
    if not is_on:
        yield off
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise UsageError("--traces needs more libraries: pip install 'fm-anomaly[tracing]'") from exc
    # OTEL_SERVICE_NAME wins over the name given here
    provider = TracerProvider(resource=Resource({"service.name": "fm-anomaly"}).merge(Resource.create()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield spans(provider)
    finally:
        provider.shutdown()
