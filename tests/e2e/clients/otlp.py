"""Sends three log records by the OpenTelemetry SDK for Python: URL."""

from __future__ import annotations

import logging
import sys


def total() -> None:
    """Fail."""
    raise KeyError("991")


def main() -> None:
    """Send."""
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    exporter = OTLPLogExporter(endpoint=f"{sys.argv[1]}/v1/logs", compression=Compression.Gzip)
    provider = LoggerProvider(resource=Resource.create({"service.name": "shop-python"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.getLogger("shop.cart")
    logger.setLevel(logging.INFO)
    logger.addHandler(LoggingHandler(logger_provider=provider))

    logger.info("served page %d", 3)
    try:
        total()
    except KeyError:
        logger.exception("no prices")
    logger.warning("slow", extra={"duration_ms": 12.0})
    provider.force_flush()
    provider.shutdown()


if __name__ == "__main__":
    main()
