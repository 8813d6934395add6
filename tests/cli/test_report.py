"""Laws of the HTML report: self-contained, nothing of a log acts on the page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.cli.charts import MAX_BARS, binned, series_chart
from fm_anomaly.cli.report import html_report

HERE = Path(__file__).parent
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e\x00"
VOID = {"meta", "line", "rect", "path", "polygon"}


class _Page(HTMLParser):
    """Tags in order, and whether every one that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("href", "src", "srcset", "style") or name[:2] == "on"
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture
def scan() -> dict[str, Any]:
    """Return a scan by hand."""
    found: dict[str, Any] = json.loads((HERE / "golden" / "scan.json").read_text("utf-8"))
    return found


def poisoned(value: Any, key: str = "") -> Any:
    """Return `value` with every free text in it hostile."""
    if isinstance(value, dict):
        return {k: poisoned(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, key) for v in value]
    fixed = {"schema", "severity", "kind", "state", "start", "end", "first", "last", "timestamp"}
    return value if not isinstance(value, str) or key in fixed else value + HOSTILE


def test_the_page_loads_and_runs_nothing(scan: dict[str, Any]) -> None:
    """No script, no link, no inline style; the policy allows the one style sheet by its digest."""
    html = html_report(scan)
    page = _Page()
    page.feed(html)
    assert not {"script", "link", "img", "iframe", "object", "a", "form"} & set(page.tags)
    assert page.links == []
    assert page.open == []
    css = re.search(r"<style>(.*?)</style>", html, re.S)
    assert css is not None
    digest = base64.b64encode(hashlib.sha256(css[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in html
    assert "url(" not in css[1]


def test_no_text_of_a_log_becomes_markup(scan: dict[str, Any]) -> None:
    """Whatever stands in any text field, the page has the same tags and no raw control character."""
    plain, hostile = _Page(), _Page()
    plain.feed(html_report(scan))
    html = html_report(poisoned(scan))
    hostile.feed(html)
    assert hostile.tags == plain.tags
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", html)


def test_a_page_without_incidents_or_records_is_whole(scan: dict[str, Any]) -> None:
    """Every part may be empty."""
    scan |= {"incidents": [], "known": [], "digest": [], "services": [], "templates": [], "exception_types": []}
    scan["source"] |= {"first": None, "last": None, "names": []}
    scan["intake"] |= {"records": 0, "formats": {}}
    page = _Page()
    page.feed(html_report(scan))
    assert page.open == []


def test_a_burst_of_one_bucket_shows_in_a_long_series() -> None:
    """Binning keeps the largest value; what is outside the band is marked."""
    values: list[float | None] = [0.0] * 10_000
    values[7777] = 50.0
    bars = binned(values, [0.0] * 10_000, [1.0] * 10_000, 60.0)
    assert len(bars.values) <= MAX_BARS
    assert max(v or 0 for v in bars.values) == 50.0
    assert 'class="outside"' in series_chart(bars, (7700 * 60, 7800 * 60), "x")


def test_gaps_and_missing_bands_are_drawn_as_nothing() -> None:
    """None is not zero."""
    chart = series_chart(binned([1.0, None, 1.0], [], [], 60.0), (0, 60), "x")
    assert chart.count("M") == 2
    assert "polygon" not in chart
