"""First paint of each page with 10,000 incidents and 10,000 templates, in Chromium, over a real service.

Run as `python benchmarks/page_paint.py`. The store is filled with a small log's rows, multiplied: every incident with
an alert and events, every template with a day of hourly counts. First contentful paint is what the browser itself
tells, from the click to the first text, with a cold cache; of so many tries the least and the middle are printed, for
other work on the machine only ever adds. Wanted is 1 s at most (--limit-ms 1000).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from fm_anomaly.storage import default_path, open_store, tables
from tests.api.server import Server
from tests.live_store import fill

_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
_HOUR_US = 3_600_000_000
_PAINT = "performance.getEntriesByType('paint').find(p => p.name === 'first-contentful-paint')?.startTime ?? null"
_ROWS = 5_000


def main() -> int:
    """Fill, serve, look; with --limit-ms return 1 where a page's best try is above it."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("-n", type=int, default=10_000, help="incidents and templates (default: 10,000)")
    arguments.add_argument("--tries", type=int, default=5)
    arguments.add_argument("--limit-ms", type=float, default=float("inf"))
    args = arguments.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("page paint: no chromium on this machine, left out")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        paths = filled(Path(folder), args.n)
        with Server(Path(folder)) as server:
            times = painted(chromium, f"http://127.0.0.1:{server.port}", paths, args.tries)
    print(f"first contentful paint, {args.n:,} incidents and templates, ms: least and middle of {args.tries}")
    for path, found in times.items():
        print(f"  {path:<40.40} {min(found):6.0f} {statistics.median(found):6.0f}")
    return int(max(min(found) for found in times.values()) > args.limit_ms)


def filled(folder: Path, n: int) -> list[str]:
    """Fill a store; return the pages to look at."""
    with open_store(default_path(folder)) as store:
        fill(store)
        with store.writing() as connection:
            incident_id = _multiply_incidents(connection, n)
            template_id, service = _multiply_templates(connection, n)
    lists = [
        "/incidents",
        "/templates",
        "/templates?order=count",
        "/templates?q=port",
        "/services",
        "/digest",
        "/silences",
    ]
    return [*lists, f"/incidents/{incident_id}", f"/templates/{template_id}?service={service}"]


def _first(connection: Connection, table: Any) -> dict[str, Any]:
    return dict(connection.execute(select(table).limit(1)).one()._mapping)


def _insert(connection: Connection, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _ROWS:
            connection.execute(insert(table), waiting)
            waiting = []
    if waiting:
        connection.execute(insert(table), waiting)


def _multiply_incidents(connection: Connection, n: int) -> str:
    incident, alert = _first(connection, tables.incidents), _first(connection, tables.alerts)
    event = _first(connection, tables.events)
    head = dict(connection.execute(select(tables.heads)).one()._mapping)
    first, start_us = head["event_no"] + 1, incident["start_us"]

    def ids(at: int) -> dict[str, Any]:
        return {"incident_id": f"i-{at:06}", "start_us": start_us - at * 600_000_000}

    _insert(
        connection,
        tables.incidents,
        ({**incident, **ids(at), "number": 1_000 + at, "alert_ids": [f"a-{at:06}"]} for at in range(n)),
    )
    _insert(connection, tables.alerts, ({**alert, **ids(at), "alert_id": f"a-{at:06}"} for at in range(n)))
    _insert(
        connection,
        tables.events,
        (
            {
                **event,
                "event_no": first + at,
                "key": f"k{at}",
                "alert_id": f"a-{at // 3:06}",
                "incident_id": f"i-{at // 3:06}",
            }
            for at in range(3 * n)
        ),
    )
    connection.execute(tables.heads.update().values(event_no=first + 3 * n, incident_no=1_000 + n))
    return "i-000000"


def _multiply_templates(connection: Connection, n: int) -> tuple[str, str]:
    template = _first(connection, tables.templates)
    template["aliases"], template["merged_into"] = [], None
    day_us = template["last_us"] // _HOUR_US * _HOUR_US

    def rows() -> Iterator[dict[str, Any]]:
        for at in range(n):
            text = f"order <num> of room {at:05} was refused at port <num>"
            times = {"first_us": template["first_us"] + at, "last_us": template["last_us"]}
            yield {**template, **times, "template_id": f"z{at:015}", "template": text, "count": at, "errors": at % 3}

    def counts() -> Iterator[dict[str, Any]]:
        for at in range(n):
            for hour in range(24):
                key = {"service": template["service"], "name": "template", "subject": f"z{at:015}"}
                start = {"step_s": tables.HOUR_S, "start_us": day_us - hour * _HOUR_US}
                yield {"tenant": "default", **key, **start, "count": hour, "errors": 0, "total": None, "median": None}

    _insert(connection, tables.templates, rows())
    _insert(connection, tables.counts, counts())
    return f"z{n - 1:015}", str(template["service"])


def painted(chromium: str, base: str, paths: list[str], n_tries: int) -> dict[str, list[float]]:
    """Return the times of first contentful paint of each page, ms; every try in a browser context of its own."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {path: [] for path in paths}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        for _ in range(n_tries):
            for path in paths:
                context = browser.new_context(viewport={"width": 1400, "height": 900})
                page = context.new_page()
                page.goto(base + path, wait_until="load")
                # asked again and again: the page's policy lets nobody evaluate text within it
                while (painted_ms := page.evaluate(_PAINT)) is None:
                    page.wait_for_timeout(50)
                found[path].append(float(painted_ms))
                context.close()
        browser.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
