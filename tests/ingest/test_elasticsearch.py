"""`_bulk`: pairs of lines, a result for each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fm_anomaly.errors import DecodeError
from fm_anomaly.ingest import elasticsearch
from tests.ingest.wire import T_US, records_of

RECEIVED_US = T_US + 9_000_000
TIME = "2026-03-02T10:00:00.000Z"


def bulk(*rows: Any, index: str = "") -> elasticsearch.Bulk:
    body = b"".join((row if isinstance(row, bytes) else msgspec.json.encode(row)) + b"\n" for row in rows)
    return elasticsearch.decode(body, index, RECEIVED_US)


def test_documents_are_read_by_their_own_names() -> None:
    """ECS: time, level, service and error."""
    document = {
        "@timestamp": TIME,
        "log.level": "ERROR",
        "message": "no prices",
        "service": {"name": "shop"},
        "error": {"type": "KeyError", "message": "x"},
    }
    (record,) = records_of(bulk({"create": {"_index": "logs"}}, document).batch)
    assert (record["ts_us"], record["severity"], record["service"]) == (T_US, 17, "shop")
    assert (record["body"], record["exc_type"], record["format"]) == ("no prices", "KeyError", "ecs")


def test_a_line_that_was_only_moved_is_read_as_what_it_is() -> None:
    """Filebeat's documents: the line in `message`, the file beside it; tracebacks of one file join."""
    lines = [
        "2026-03-02 10:00:00 ERROR [cart] no prices",
        "Traceback (most recent call last):",
        '  File "/app/cart.py", line 7, in total',
        "KeyError: 'x'",
    ]
    rows: list[Any] = []
    for line in lines:
        for path in ("/var/log/shop.log", "/var/log/pods/web-1_default_web-" + "0" * 64 + ".log"):
            document = {"@timestamp": TIME, "message": line, "log": {"file": {"path": path}, "offset": 0}}
            rows += [{"create": {}}, document | {"agent": {"type": "filebeat"}, "ecs": {"version": "8.0.0"}}]
    shop, web = records_of(bulk(*rows).batch)
    assert (shop["exc_type"], web["exc_type"]) == ("KeyError", "KeyError")
    assert (shop["severity"], shop["ts_us"]) == (17, T_US)
    assert {r["service"] for r in records_of(bulk({"index": {}}, {"message": "x", "file": "/a/shop.log"}).batch)} == {
        "shop"
    }


def test_what_a_document_leaves_open_is_filled() -> None:
    """The time of receipt; the service by the index, where it is named after one."""
    (record,) = records_of(bulk({"index": {"_index": "shop-2026.03.02"}}, {"message": "x", "level": "info"}).batch)
    assert (record["ts_us"], record["service"], record["body"]) == (RECEIVED_US, "shop", "x")
    (record,) = records_of(bulk({"index": {}}, {}, index="logs-web-default").batch)
    assert (record["ts_us"], record["service"]) == (RECEIVED_US, "web")


def test_every_item_has_its_result() -> None:
    """Items in order, each under its action; what cannot be taken is told in its place, the others are taken."""
    found = bulk(
        {"create": {"_index": "a", "_id": "1"}},
        {"message": "x"},
        b"",
        {"index": {}},
        b'{"message": ',
        {"delete": {"_index": "a", "_id": "2"}},
        {"update": {"_id": "3"}},
        {"doc": {}},
        b"   ",
        {"index": {"_id": 4}},
        {"message": "y"},
        index="b",
    )
    answer = found.answer(seq=7, took_ms=3)
    assert (answer["took"], answer["errors"]) == (3, True)
    said = [(action, item["_index"], item["status"]) for each in answer["items"] for action, item in each.items()]
    assert said == [
        ("create", "a", 201),
        ("index", "b", 400),
        ("delete", "a", 400),
        ("update", "b", 400),
        ("index", "b", 201),
    ]
    assert answer["items"][0]["create"]["_id"] == "1"
    assert answer["items"][4]["index"]["_id"] == "4"
    assert answer["items"][1]["index"]["error"]["type"] == "document_parsing_exception"
    assert [each.at for each in found.batch.rejected] == [5, 6, 8]
    assert found.batch.n_lines == 2
    assert found.answer(7, 3, is_brief=True)["items"][0] == {"create": {"status": 201}}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"create":{}}\n{"a":1}\nnonsense\n', "line 3"),
        (b'\n{"create":{}}\n', "line 2"),
        (b'{"search":{}}\n{}\n', "line 1"),
        (b'{"create":[]}\n{}\n', "line 1"),
        (b"", "required"),
        (b"\n\n", "required"),
    ],
)
def test_an_action_that_cannot_be_read_refuses_the_whole(body: bytes, line: str) -> None:
    """Behind it actions and documents cannot be told apart; the line is named."""
    with pytest.raises(DecodeError, match=line):
        elasticsearch.decode(body, "", 0)
