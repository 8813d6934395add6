"""`SourceParser` by example: FaultMaven's sample, joined records, hostile input, public logs."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import polars as pl
import pytest

from fm_anomaly.core.frames import RECORD_SCHEMA
from fm_anomaly.core.parsing import ParsingParams, SourceParser
from fm_anomaly.errors import ConfigError

DATA = Path(os.environ.get("FM_ANOMALY_DATA", Path(__file__).parents[3] / "shared" / "data"))


def parse(data: bytes, params: ParsingParams | None = None) -> tuple[pl.DataFrame, SourceParser]:
    parser = SourceParser("app.log", params)
    frame = pl.concat([parser.feed(data), parser.flush()])
    assert parser.counts.is_balanced
    return frame, parser


def test_a_traceback_is_one_record_with_its_header() -> None:
    """Lines of a traceback belong to the record before them; raw keeps them, the body is the first line."""
    frame, parser = parse(
        b"2026-03-02 10:00:00 ERROR [shop] charge failed\n"
        b"Traceback (most recent call last):\n"
        b'  File "/app/shop/pay.py", line 12, in charge\n'
        b"    raise TimeoutError('late')\n"
        b"TimeoutError: late\n"
        b"2026-03-02 10:00:01 INFO [shop] on\n"
    )
    first = frame.row(0, named=True)
    assert (first["line"], first["n_lines"], first["body"]) == (1, 5, "charge failed")
    assert (first["exc_type"], first["exc_frame"]) == ("TimeoutError", "shop/pay.py:12 in charge")
    assert first["raw"].count("\n") == 4
    assert (parser.counts.tracebacks, parser.counts.continuations) == (1, 4)


def test_the_last_record_is_open_until_flush() -> None:
    """A line that may go on is not given out before it is known to be complete."""
    parser = SourceParser("app.log")
    assert parser.feed(b"2026-03-02 10:00:00 ERROR [shop] late\n").height == 0
    assert parser.feed(b"  with more\n").height == 0
    assert parser.flush()["n_lines"].to_list() == [2]
    assert parser.flush().height == 0


def test_nothing_comes_of_nothing() -> None:
    """An empty source, and an empty call, give an empty record frame."""
    frame, parser = parse(b"")
    assert dict(frame.schema) == RECORD_SCHEMA
    assert (frame.height, parser.counts.lines) == (0, 0)


def test_binary_content_is_rejected_and_counted() -> None:
    """Lines that are no text are set aside by reason; text between them is kept."""
    frame, parser = parse(bytes(range(1, 9)) * 40 + b"\ntext\n" + b"\x7fELF\x02\x01\x01\x03\x04\n")
    assert frame["body"].to_list() == ["text"]
    assert parser.counts.rejects_by_reason == {"binary": 2}


def test_secrets_are_gone_before_anything_is_kept() -> None:
    """Redaction stands before parsing: no column and no carried line holds the secret."""
    parser = SourceParser("app.log")
    parser.feed(b'{"event": "login", "extra": {"password": "hunter2secret"}, "level": "info"}\n')
    parser.feed(b"2026-03-02 10:00:00 INFO [shop] password=hunter2secret\n")
    state = str(parser.snapshot())
    frame = parser.flush()
    assert "hunter2" not in state
    assert "hunter2" not in str(frame.to_dicts())
    assert sum(parser.counts.redacted.values()) == 2


def test_an_unknown_zone_is_refused_with_a_name_to_try() -> None:
    """A wrong --tz is a usage error."""
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        SourceParser("app.log", ParsingParams(tz="Mars/Olympus"))


def test_zones_and_formats_are_counted() -> None:
    """Stated zones by offset, assumed ones as none; lines of records by format."""
    _, parser = parse(
        b'2026-03-02 10:00:00 INFO a\n2026-03-02 10:00:00+02:00 INFO b\n{"event":"x","level":"info"}\n  more\n'
    )
    assert parser.counts.zones == {"none": 1, "+02:00": 1}
    assert parser.counts.formats == {"plain": 2, "structlog": 1, "text": 1}


SYSTEMS = ("Apache", "BGL", "HDFS", "Hadoop", "OpenSSH", "OpenStack", "Spark", "Zookeeper")


@pytest.mark.parametrize("system", SYSTEMS)
def test_headers_of_public_logs_are_taken_off(system: str) -> None:
    """The body is the reference's content, or its end, on 95 % of the lines; times are read on all."""
    folder = DATA / "loghub" / system
    if not folder.is_dir():
        pytest.skip(f"no public logs in {folder}; set FM_ANOMALY_DATA")
    frame, _ = parse((folder / f"{system}_2k.log").read_bytes(), ParsingParams(reference_us=1_500_000_000_000_000))
    bodies = dict(zip(frame["line"].to_list(), frame["body"].to_list(), strict=True))
    with (folder / f"{system}_2k.log_structured.csv").open(encoding="utf-8", errors="replace") as file:
        contents = [row["Content"].strip() for row in csv.DictReader(file)]
    good = sum(content.endswith(bodies.get(i, "\0")) for i, content in enumerate(contents, 1))
    assert good >= 0.95 * len(contents)
    assert frame["ts_us"].null_count() == 0
