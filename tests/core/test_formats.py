"""What one line of each format says: severity, time, service, message, format."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from fm_anomaly.core.formats import is_service, tag_of
from fm_anomaly.core.parsing import ParsingParams, SourceParser

PARAMS = ParsingParams(reference_us=1_772_500_000_000_000)  # 2026-03-03


def parse_one(line: str, params: ParsingParams = PARAMS) -> dict[str, Any]:
    """Return the one record of a line."""
    parser = SourceParser("app.log", params)
    frame = pl.concat([parser.feed(line.encode() + b"\n"), parser.flush()])
    assert frame.height == 1
    return frame.row(0, named=True)


def stamp(us: int | None) -> str | None:
    return None if us is None else datetime.fromtimestamp(us / 1e6, UTC).isoformat().replace("+00:00", "Z")


T = "2026-03-02T10:00:00"
TEXTS = [
    # line, severity, time, service, body, format
    ("2026-03-02 10:00:00,123 ERROR [api] no route", 17, T + ".123000Z", "api", "no route", "plain"),
    ("2026-03-02 10:00:00 [worker-2] WARN retrying", 13, T + "Z", "worker-2", "retrying", "plain"),
    ("2026-03-02T10:00:00Z [main] INFO com.acme.Shop - ready", 9, T + "Z", None, "ready", "log4j"),
    (
        "2026-03-02 10:00:00.123  INFO 12345 --- [http-nio-8080-exec-1] c.a.shop.Api : up",
        *(9, T + ".123000Z", None, "up", "log4j"),
    ),
    ("2026-03-02T10:00:00Z  WARN 1 --- [orders] [main] c.a.shop.Api   : slow", 13, T + "Z", "orders", "slow", "log4j"),
    ("2026-03-02 10:00:00,123 - shop.pay - ERROR - declined", 17, T + ".123000Z", None, "declined", "python"),
    ("2026-03-02 10:00:00.123 | ERROR    | shop.pay:run:12 - declined", 17, T + ".123000Z", None, "declined", "log4j"),
    ("[2026-03-02 10:00:00,123: INFO/MainProcess] task done", 9, T + ".123000Z", None, "task done", "plain"),
    ("[2026-03-02 10:00:00 +0000] [123] [ERROR] worker timeout", 17, T + "Z", None, "worker timeout", "plain"),
    ("[2026-03-02T10:00:00Z INFO shop] hello", 9, T + "Z", None, "hello", "plain"),
    (
        "[2026-03-02T10:00:00,123][WARN ][o.a.s.Node] [node-1] starting",
        13,
        T + ".123000Z",
        "node-1",
        "starting",
        "plain",
    ),
    ("2026-03-02T10:00:00.5Z\tINFO\tcall/er.go:12\tsynced", 9, T + ".500000Z", None, "synced", "plain"),
    ("2026-03-02T10:00:00Z  INFO shop::db: connected", 9, T + "Z", None, "connected", "log4j"),
    ("I, [2026-03-02T10:00:00.5 #123]  INFO -- : job done", 9, T + ".500000Z", None, "job done", "plain"),
    (
        "2026-03-02 10:00:00.123 UTC [12] app@shop ERROR:  duplicate key",
        17,
        T + ".123000Z",
        None,
        "duplicate key",
        "plain",
    ),
    ("1:M 02 Mar 2026 10:00:00.123 * saving", 10, T + ".123000Z", None, "saving", "redis"),
    ("2026/03/02 10:00:00 [error] 12#12: *5 connect() failed", 17, T + "Z", None, "connect() failed", "nginx-error"),
    (
        "[Mon Mar 02 10:00:00.123456 2026] [core:error] [pid 1:tid 2] no file",
        17,
        T + ".123456Z",
        None,
        "no file",
        "plain",
    ),
    ("2026/03/02 10:00:00 main.go:12: listening", 0, T + "Z", None, "listening", "plain"),
    ("E0302 10:00:00.123456   12345 node.go:12] not ready", 17, T + ".123456Z", None, "not ready", "klog"),
    ("03-02 10:00:00.123  1702  2395 E ShopView: crashed", 17, T + ".123000Z", None, "crashed", "logcat"),
    ("<34>Mar  2 10:00:00 web1 su: 'su root' failed", 21, T + "Z", "su", "'su root' failed", "syslog"),
    ("Mar  2 10:00:00 web1 sshd[12]: error: gone", 17, T + "Z", "sshd", "error: gone", "syslog"),
    ("2026-03-02T10:00:00+02:00 web1 cron[12]: started", 0, "2026-03-02T08:00:00Z", "cron", "started", "syslog"),
    ('<165>1 2026-03-02T10:00:00Z web1 shop 42 ID47 [ex@1 a="b\\]"] up', 10, T + "Z", "shop", "up", "syslog5424"),
    ("081109 203615 148 INFO store.Node: moved", 9, "2008-11-09T20:36:15Z", None, "moved", "log4j"),
    ("17/06/09 20:10:40 INFO store.Node: moved", 9, "2017-06-09T20:10:40Z", None, "moved", "log4j"),
    (
        "- 1772445600 2026.03.02 n7 2026-03-02-02.00.00.675872 n7 RAS KERNEL FATAL bus error",
        *(21, T + "Z", None, "bus error", "plain"),
    ),
    ("20260302-10:00:00:606|Step_A|300|counted", 0, T + ".606000Z", None, "counted", "plain"),
    ("INFO:     Started server process", 9, None, None, "Started server process", "uvicorn"),
    ("WARNING:shop.pay:careful", 13, None, None, "careful", "python"),
    ("[ERROR] could not compile", 17, None, None, "could not compile", "level"),
    ("error: failed to push", 17, None, None, "error: failed to push", "text"),
    ("words without a header", 0, None, None, "words without a header", "text"),
    ("1772445600.5 ERROR late", 17, T + ".500000Z", None, "late", "plain"),
    ("[api] 2026-03-02 10:00:00 ERROR late", 17, T + "Z", "api", "late", "plain"),
    ("app.log.1 2026-03-02 10:00:00.5 77 INFO shop.api [req-1 - -] served", 9, T + ".500000Z", None, "served", "plain"),
    (
        "2026-03-02T10:00:00Z ERROR [pay] ConnectionError: refused",
        17,
        T + "Z",
        "pay",
        "ConnectionError: refused",
        "plain",
    ),
    ("2026-03-02 10:00:00 ERROR", 17, T + "Z", None, "2026-03-02 10:00:00 ERROR", "plain"),
]


@pytest.mark.parametrize(("line", "severity", "time", "service", "body", "name"), TEXTS)
def test_a_text_line_says(
    line: str, severity: int, time: str | None, service: str | None, body: str, name: str
) -> None:
    """Each usual header is taken off, and told."""
    record = parse_one(line)
    assert (record["severity"], stamp(record["ts_us"])) == (severity, time)
    assert (record["service"], record["body"], record["format"]) == (service, body, name)


def test_an_impossible_date_leaves_the_time_open() -> None:
    """A date that is none gives no time, is counted, and the rest of the header is read."""
    parser = SourceParser("app.log", PARAMS)
    frame = pl.concat([parser.feed(b"2026-13-45 10:00:00 ERROR odd\n"), parser.flush()])
    assert frame.row(0, named=True)["ts_us"] is None
    assert frame["severity"].to_list() == [17]
    assert (parser.counts.bad_times, parser.counts.timeless) == (1, 1)


def test_a_time_of_day_alone_is_no_time() -> None:
    """Without a date there is a header, but no time and nothing wrong."""
    parser = SourceParser("app.log", PARAMS)
    frame = pl.concat([parser.feed(b"10:00:00.123 [main] INFO  com.acme.Shop - ready\n"), parser.flush()])
    assert (frame["ts_us"].to_list(), frame["body"].to_list()) == ([None], ["ready"])
    assert parser.counts.bad_times == 0


def test_access_lines_tell_status_and_operation() -> None:
    """Ids in the path are masked, and a 5xx is an error whatever the level."""
    record = parse_one(
        '10.0.0.1 - - [02/Mar/2026:10:00:00 +0100] "GET /api/v1/orders/17?x=1 HTTP/1.1" 502 23 "-" "curl"'
    )
    assert (record["operation"], record["status"], record["severity"]) == ("GET /api/v1/orders/<id>", 502, 17)
    assert stamp(record["ts_us"]) == "2026-03-02T09:00:00Z"
    record = parse_one('INFO:     10.42.0.9:51544 - "POST /orders HTTP/1.1" 503 Service Unavailable')
    assert (record["operation"], record["status"], record["severity"]) == ("POST /orders", 503, 17)


def test_the_console_form_reads_as_the_json_form() -> None:
    """structlog's console line, with colours or without, gives the fields of its JSON line."""
    text = (
        "2026-03-02T10:00:00.5Z [warning  ] Operation completed: search [shop.kb] duration_seconds=0.9 "
        "event_type=operation_end layer=service operation=search"
    )
    plain = parse_one(text)
    assert (plain["event_key"], plain["duration_ms"]) == ("operation_end|service|search", 900.0)
    assert (plain["body"], plain["severity"]) == ("Operation completed: search", 13)
    coloured = parse_one("\x1b[2m" + text.replace("[warning  ]", "\x1b[33m[\x1b[1mwarning  \x1b[0m]"))
    assert coloured == plain


def test_logfmt_reads_by_the_table_of_fields() -> None:
    """Pairs from the start of the line, or after a timestamp, are fields."""
    record = parse_one('time="2026-03-02T10:00:00Z" level=warning msg="disk is full" service=db duration=12ms')
    assert (record["severity"], record["service"], record["body"]) == (13, "db", "disk is full")
    assert record["duration_ms"] == 12.0
    record = parse_one("2026-03-02 10:00:00 level=error msg=gone")
    assert (record["severity"], stamp(record["ts_us"]), record["body"]) == (17, T + "Z", "gone")


def test_a_dotnet_record_takes_its_message_from_the_second_line() -> None:
    """The first line of .NET's console form holds the category only."""
    record = parse_one("info: Shop.Hosting.Lifetime[0]\n      Now listening on port 80")
    assert (record["severity"], record["body"], record["n_lines"]) == (9, "Now listening on port 80", 2)


@pytest.mark.parametrize("thread", ["main", "http-nio-8080-exec-1", "pool-1-thread-3", "qtp12-4", "INFO", "123"])
def test_threads_are_no_services(thread: str) -> None:
    """A bracket that names a thread, a level or a number names no service."""
    assert not is_service(thread)
    assert parse_one(f"2026-03-02 10:00:00 ERROR [{thread}] late")["service"] is None


def test_a_tag_loses_path_and_process() -> None:
    """The application of a syslog header is its plain name."""
    assert tag_of(" web1 /usr/sbin/cron(pam_unix)[42]: ") == "cron"
    assert tag_of(" web1 ") is None


@pytest.mark.parametrize("key", ["svc", "service", "service_name", "app", "component", "svc_name"])
def test_a_well_known_key_names_the_service(key: str) -> None:
    """The same keys tell the service in logfmt and in JSON."""
    assert parse_one(f'time={T}Z level=info {key}=firmware msg="flash done"')["service"] == "firmware"
    assert parse_one(f'{{"time":"{T}Z","{key}":"firmware","message":"flash done"}}')["service"] == "firmware"


@pytest.mark.parametrize("lead", ["", T + "Z "])
@pytest.mark.parametrize(
    "text",
    [
        "git config --global user.name x",
        "config: read again",
        "fine - go on",
        "show info about it",
        "note: mind the gap",
    ],
)
def test_words_of_every_day_are_no_levels(lead: str, text: str) -> None:
    """Words that are levels in some logger are left in the message unless written as that logger does."""
    record = parse_one(lead + text)
    assert (record["severity"], record["body"]) == (0, text)


@pytest.mark.parametrize(
    ("line", "severity"),
    [("CONFIG: heap is 5", 9), ("FINE: heap", 5), ("[SEVERE] heap", 17), (T + "Z SEVERE [main] a.b.Core.go heap", 17)],
)
def test_levels_of_java_util_logging_are_upper_case(line: str, severity: int) -> None:
    """In upper case with its colon, bracket or timestamp, the word is a level."""
    assert parse_one(line)["severity"] == severity


@pytest.mark.parametrize("stamp", ["2026-03-02 10:00:00", T + "Z", "1772445600.123"])
@pytest.mark.parametrize(
    ("word", "severity"),
    [
        *(("error", 17), ("warn", 13), ("warning", 13), ("info", 9), ("debug", 5), ("fatal", 21)),
        *(("critical", 21), ("notice", 10), ("trace", 1)),
    ],
)
def test_a_lower_case_level_directly_after_the_time_is_one(stamp: str, word: str, severity: int) -> None:
    """Behind another word, or with more than a blank after it, it is one of every day."""
    record = parse_one(f"{stamp} {word} cannot reach database")
    assert (record["severity"], record["body"]) == (severity, "cannot reach database")
    for text in (f"show {word} about x", f"{word}s seen today"):
        record = parse_one(f"{stamp} {text}")
        assert (record["severity"], record["body"]) == (0, text)
