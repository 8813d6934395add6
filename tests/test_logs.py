"""Laws of our own logs: one line of JSON whatever is said, known to our intake as ours, and never taken in."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.core.parsing import SourceParser
from fm_anomaly.logs import JsonFormatter, Log, configure


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written to stderr."""
    root, ours = logging.getLogger(), logging.getLogger("fm_anomaly")
    before = (list(root.handlers), root.level, ours.level)
    stream = io.StringIO()
    configure("info", stream)
    yield stream
    root.handlers[:], root.level, ours.level = before


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_fields(written: io.StringIO) -> None:
    """Event, logger, level, time and fields, as FaultMaven writes them; below the level nothing."""
    Log("notify").warning("notify_failed", receiver="pager", failures=3, error=None)
    Log("notify").debug("line_seen", text="secret")
    (line,) = lines(written)
    assert line["event"] == "notify_failed"
    assert line["logger"] == "fm_anomaly.notify"
    assert line["level"] == "warning"
    assert str(line["timestamp"]).endswith("Z")
    assert (line["receiver"], line["failures"], line["error"]) == ("pager", 3, None)


def test_our_own_records_are_skipped_on_intake(written: io.StringIO) -> None:
    """Whatever we write, with a traceback or from a library, our intake counts as ours and takes none of it in."""
    Log("service").info("started", port=8010)
    try:
        raise ValueError("no\nsuch thing")
    except ValueError:
        Log("service").exception("broke", event="x")
    logging.getLogger("uvicorn.error").error("cannot bind")
    parser = SourceParser("fm-anomaly.log")
    frames = [parser.feed(written.getvalue().encode()), parser.flush()]
    assert sum(frame.height for frame in frames) == 0
    assert parser.counts.skipped_own == parser.counts.lines == 3
    assert "no\nsuch thing" in str(lines(written)[1]["exception"])
    assert lines(written)[1]["event_"] == "x"


@given(text=st.text(max_size=3_000), number=st.floats())
def test_a_line_stays_a_line(text: str, number: float) -> None:
    """Line breaks, control characters, lone surrogates and huge texts are inside their field, cut to a length."""
    record = logging.LogRecord("fm_anomaly.x", logging.INFO, "", 0, "%s", (text,), None)
    record.fields = {"text": text, "number": number}
    line = JsonFormatter().format(record)
    assert "\n" not in line
    line.encode()
    assert len(line) < 30_000
    assert SourceParser("x").feed(line.encode() + b"\n").height == 0
    assert (
        json.loads(line, parse_constant=pytest.fail)["event"][:5]
        == text.encode("utf-8", "backslashreplace").decode()[:5]
    )


def test_configuring_again_does_not_write_twice(written: io.StringIO) -> None:
    """The last stream counts; handlers of others stay."""
    second = io.StringIO()
    configure("warning", second)
    Log("x").warning("once")
    Log("x").info("not at this level")
    assert written.getvalue() == ""
    assert len(lines(second)) == 1
