"""Sends three log records by python-logging-loki: URL VERSION."""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Send."""
    import logging_loki

    path = {"0": "/api/prom/push", "1": "/loki/api/v1/push"}[sys.argv[2]]
    handler = logging_loki.LokiHandler(url=sys.argv[1] + path, tags={"application": "shop-loki"}, version=sys.argv[2])
    logger = logging.getLogger("shop.cart")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.info("served page %d", 3)
    try:
        raise KeyError("991")
    except KeyError:
        logger.exception("no prices")
    logger.warning("slow", extra={"tags": {"level": "warning"}})


if __name__ == "__main__":
    main()
