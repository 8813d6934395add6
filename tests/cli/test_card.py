"""Laws of the terminal: the look of the mock-up, and no text of a log that acts on the terminal."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from fm_anomaly.cli.card import MAX_CARDS, scan_lines, short_ids
from fm_anomaly.cli.report import html_report

HERE = Path(__file__).parent
SCHEMA = HERE.parent.parent / "docs" / "schemas" / "scan.schema.json"


@pytest.fixture
def scan() -> dict[str, Any]:
    """Return a scan by hand, with hostile lines in it."""
    found: dict[str, Any] = json.loads((HERE / "golden" / "scan.json").read_text("utf-8"))
    return found


def printed(scan: dict[str, Any], **options: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, soft_wrap=True, highlight=False, markup=False, emoji=False)
    for line in scan_lines(scan, **options):
        console.print(line)
    return out.getvalue()


def test_the_fixture_keeps_to_the_schema(scan: dict[str, Any]) -> None:
    """What these tests print is what a scan can return."""
    jsonschema.validate(scan, json.loads(SCHEMA.read_text("utf-8")))


def test_a_scan_is_printed_in_the_look_of_the_mock_up(scan: dict[str, Any]) -> None:
    """The golden file is the look; a change of it is a change of design."""
    assert printed(scan) == (HERE / "golden" / "scan.txt").read_text("utf-8")


def test_brackets_print_and_controls_do_not_act(scan: dict[str, Any]) -> None:
    """A line of a log is text: no markup, no escape sequence, no change of direction."""
    text = printed(scan, verbose=True)
    assert "GET [/api/v1/cases] 500" in text
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    assert "\u202e" not in text


def test_what_was_looked_at_is_told_when_nothing_was_found(scan: dict[str, Any]) -> None:
    """No incident is an answer, with what it rests on."""
    scan["incidents"] = []
    text = printed(scan)
    assert "NO INCIDENT" in text
    assert "3 services over 2h59m: 6 event types, 239 error records" in text


def test_nothing_read_is_not_called_well(scan: dict[str, Any]) -> None:
    """A scan of no records does not say that all is well."""
    scan["incidents"], scan["services"], scan["templates"] = [], [], []
    scan["intake"]["records"] = 0
    scan["source"]["first"] = scan["source"]["last"] = None
    assert "nothing could be judged" in printed(scan)


def test_a_scan_without_times_names_the_next_step(scan: dict[str, Any]) -> None:
    """What tells no time cannot be judged over time, and is not called well."""
    scan["incidents"] = []
    scan["intake"].update(records=100, timeless=51)
    text = printed(scan)
    assert "nothing could be judged over time: 51 of 100 records tell no time" in text
    assert "fm-anomaly diff good.log bad.log" in text
    assert "looked at" not in text


def test_an_incident_that_goes_on_is_not_called_over(scan: dict[str, Any]) -> None:
    """The state says it: the last time seen is an end only of what is over."""
    for incident in scan["incidents"]:
        incident["state"] = "firing"
        incident["end"] = scan["source"]["last"]
    for text in (printed(scan), html_report(scan)):
        assert "going on)" in text
        assert "over)" not in text


def test_many_incidents_are_folded_and_counted(scan: dict[str, Any]) -> None:
    """Beyond eight, the rest is one line; --all unfolds it."""
    first = scan["incidents"][0]
    scan["incidents"] = [{**deepcopy(first), "number": n, "severity": "low"} for n in range(1, 13)]
    text = printed(scan)
    assert text.count("   why   ") == MAX_CARDS
    assert "+ 4 MORE  4 low · api 4" in text
    assert printed(scan, show_all=True).count("   why   ") == 12


def test_short_ids_stay_unique() -> None:
    """Each prefix belongs to one id."""
    ids = ["aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaab", "aaaaaabaaaaaaaaa", "zzzzzzzzzzzzzzzz"]
    short = short_ids(ids)
    for text, prefix in short.items():
        assert [i for i in ids if i.startswith(prefix)] == [text]
