"""Sends three log records by splunk-handler: PORT."""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Send."""
    import splunk_handler

    handler = splunk_handler.SplunkHandler(
        host="127.0.0.1",
        port=sys.argv[1],
        token="none",
        index="main",
        protocol="http",
        source="shop-splunk",
        flush_interval=0.2,
        retry_backoff=0.1,
    )
    handler.setFormatter(logging.Formatter("%(levelname)s [cart] %(message)s"))
    logger = logging.getLogger("shop.cart")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.info("served page %d", 3)
    try:
        raise KeyError("991")
    except KeyError:
        logger.exception("no prices")
    logger.warning("slow")
    splunk_handler.force_flush()


if __name__ == "__main__":
    main()
