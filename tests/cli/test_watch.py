"""Laws of watching: time passes from the log's own clock on, and silence becomes visible."""

from __future__ import annotations

from fm_anomaly.cli.watch import Watching, event_lines
from fm_anomaly.core.pipeline import Pipeline
from fm_anomaly.ingest.follow import Arrival
from fm_anomaly.testing import as_bytes, outage_log, quiet_log

YEAR_2030_US = 1_893_456_000_000_000
S = 1_000_000


def test_an_old_log_that_is_replayed_is_not_taken_for_silent() -> None:
    """What counts is how long nothing came, and not how old the last line is."""
    watching = Watching(Pipeline(), {"shop": "shop"})
    events = watching.take(Arrival("shop", as_bytes(quiet_log(90)), YEAR_2030_US))
    for second in range(1, 20):
        events += watching.take(Arrival("", b"", YEAR_2030_US + second * S))
    assert events == []


def test_silence_is_told_when_it_has_lasted() -> None:
    """A service that stops writing is noticed by time alone."""
    watching = Watching(Pipeline(), {"shop": "shop"})
    watching.take(Arrival("shop", as_bytes(quiet_log(90)), YEAR_2030_US))
    kinds = set()
    for second in range(1, 1800):
        for event in watching.take(Arrival("", b"", YEAR_2030_US + second * S)):
            kinds.add(event.alert.kind.value)
    assert "silence" in kinds


def test_ticks_do_not_tear_a_traceback_that_is_being_written() -> None:
    """Open records end only after a second without a line."""
    watching = Watching(Pipeline(), {"shop": "shop"})
    data = as_bytes(outage_log(90))
    half = data.index(b"Traceback") + 40
    for now_us, part in ((0, data[:half]), (200_000, b""), (400_000, data[half:]), (600_000, b"")):
        watching.take(Arrival("shop" if part else "", part, YEAR_2030_US + now_us))
    watching.pipeline.flush()
    assert watching.pipeline.counts().tracebacks == data.count(b"Traceback")


def test_cards_are_plain_text() -> None:
    """A fired alert is a card with a reason; nothing in it acts on the terminal."""
    lines = [line.replace("price service", "price \x1b[31m [red]service") for line in outage_log(90)]
    watching = Watching(Pipeline(), {"shop": "shop"})
    events = watching.take(Arrival("shop", as_bytes(lines), YEAR_2030_US)) + watching.pipeline.flush()
    shown = [line.plain for event in events for line in event_lines(event, "UTC")]
    assert any("cart  NEW ERROR" in line for line in shown)
    assert any("   why   " in line for line in shown)
    assert not any("\x1b" in line for line in shown)
