"""Routes of the protocols: answers, statuses and headers are those that each one's clients expect."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any

import cramjam
import httpx
import msgspec
import pytest
from fastapi import FastAPI
from google.rpc import status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from fm_anomaly.api.application import create_app
from fm_anomaly.errors import BusyError, DiskFullError
from fm_anomaly.storage import open_store
from fm_anomaly.testing import ListIntake

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
OTLP = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": 9, "body": {"stringValue": "x"}}]}]}]}
LOKI = {"streams": [{"stream": {"app": "a"}, "values": [["1772445600000000000", "x"]]}]}
BULK = b'{"create":{"_index":"i"}}\n{"message":"x"}\n'
EVENT = {"event": "x"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with open_store(tmp_path_factory.mktemp("store") / "s.db") as store:
        yield create_app(store, "acme")


@pytest.fixture
def intake(app: FastAPI) -> ListIntake:
    app.state.intake = ListIntake()
    return app.state.intake


def ask(app: FastAPI, method: str, path: str, body: Any = b"", headers: dict[str, str] | None = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8010") as client:
            return await client.request(method, path, content=content, headers=headers or {})

    return asyncio.run(send())


SENDS: list[tuple[str, str, Any, dict[str, str], int]] = [
    ("otlp", "/v1/logs", OTLP, JSON, 200),
    ("loki", "/loki/api/v1/push", LOKI, JSON, 204),
    ("elasticsearch", "/_bulk", BULK, {"Content-Type": "application/x-ndjson"}, 200),
    ("splunk", "/services/collector", EVENT, {}, 200),
]


@pytest.mark.parametrize(("protocol", "path", "body", "headers", "status"), SENDS, ids=[each[0] for each in SENDS])
def test_what_is_answered_with_success_has_been_submitted(
    app: FastAPI, intake: ListIntake, protocol: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    """Once, for the tenant, under the batch's id; gzip or not."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    assert ask(app, "POST", path, raw, {**headers, "X-Batch-ID": "b1"}).status_code == status
    zipped = {**headers, "Content-Encoding": "gzip"}
    assert ask(app, "POST", path, gzip.compress(raw), zipped).status_code == status
    assert [(tenant, batch.protocol, batch.n_lines, key) for tenant, batch, key in intake.batches] == [
        ("acme", protocol, 1, "b1"),
        ("acme", protocol, 1, None),
    ]


@pytest.mark.parametrize(("protocol", "path", "body", "headers", "status"), SENDS, ids=[each[0] for each in SENDS])
def test_refusals(
    app: FastAPI, intake: ListIntake, protocol: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    """Busy and full are told as such, to be sent again; damaged, too large and unknown encodings are not."""
    busy = 503 if protocol == "splunk" else 429
    for refusal, expected in ((BusyError("later", 7), busy), (DiskFullError("full"), 503)):
        intake.refusal = refusal
        answer = ask(app, "POST", path, body, headers)
        assert answer.status_code == expected
        assert int(answer.headers["Retry-After"]) > 0
    intake.refusal = None
    assert ask(app, "POST", path, b"\xff{", headers).status_code == 400
    assert ask(app, "POST", path, b"no gzip", {**headers, "Content-Encoding": "gzip"}).status_code == 400
    assert ask(app, "POST", path, b"x", {**headers, "Content-Encoding": "br"}).status_code == 415
    bomb = gzip.compress(bytes(80 << 20))
    assert ask(app, "POST", path, bomb, {**headers, "Content-Encoding": "gzip"}).status_code == 413
    app.state.intake = None
    assert ask(app, "POST", path, body, headers).status_code == busy
    assert intake.batches == []


def test_otlp_answers_in_the_encoding_of_the_request(app: FastAPI, intake: ListIntake) -> None:
    """Protobuf for protobuf; an empty export is fine; an error is a `google.rpc.Status`."""
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "x"
    answer = ask(app, "POST", "/v1/logs", request.SerializeToString(), PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert ExportLogsServiceResponse.FromString(answer.content) == ExportLogsServiceResponse()
    assert ask(app, "POST", "/v1/logs", b"", PROTOBUF).status_code == 200
    assert len(intake.batches) == 1
    status = status_pb2.Status.FromString(ask(app, "POST", "/v1/logs", b"\xff", PROTOBUF).content)
    assert (status.code, bool(status.message)) == (3, True)
    intake.refusal = BusyError("later")
    assert ask(app, "POST", "/v1/logs", OTLP, JSON).json() == {"code": 8, "message": "later"}
    assert ask(app, "POST", "/v1/logs", b"x", {"Content-Type": "text/plain"}).status_code == 415
    assert ask(app, "POST", "/v1/logs", b"x").status_code == 415


def test_loki_takes_snappy_whatever_is_said_of_it(app: FastAPI, intake: ListIntake) -> None:
    """Protobuf is a raw block; naming it as the encoding, or leaving the content type out, changes nothing."""
    from tests.ingest.test_loki import protobuf_body

    body = protobuf_body('{app="a"}', (1_772_445_600_000_000_000, b"x", {}))
    for headers in (PROTOBUF, {**PROTOBUF, "Content-Encoding": "snappy"}, {}):
        assert ask(app, "POST", "/loki/api/v1/push", body, headers).status_code == 204
    assert [batch.n_lines for _, batch, _ in intake.batches] == [1, 1, 1]
    bomb = bytes(cramjam.snappy.compress_raw(bytes(80 << 20)))
    assert ask(app, "POST", "/loki/api/v1/push", bomb, PROTOBUF).status_code == 413
    assert ask(app, "GET", "/ready").text == "ready\n"


def test_loki_takes_the_good_entries_and_tells_of_the_bad(app: FastAPI, intake: ListIntake) -> None:
    """As Loki: 400 with the first entry's number, all others taken."""
    body = {"streams": [{"stream": {"app": "a"}, "values": [["1", "x"], ["soon", "y"]]}]}
    answer = ask(app, "POST", "/loki/api/v1/push", body, JSON)
    assert (answer.status_code, answer.text[:8]) == (400, "entry 2:")
    assert intake.batches[0][1].n_lines == 1


@pytest.mark.parametrize("prefix", ["", "/elasticsearch"])
def test_elasticsearch_answers_what_its_clients_ask_first(app: FastAPI, intake: ListIntake, prefix: str) -> None:
    """Each answer names the product, in the content type of its own that the client asks for."""
    accept = {"Accept": "application/vnd.elasticsearch+json; compatible-with=9"}
    about = ask(app, "GET", f"{prefix}/", headers=accept)
    assert about.json()["version"]["number"] == "9.0.0"
    assert about.headers["content-type"] == accept["Accept"]
    questions = [("HEAD", "/"), ("GET", "/_license"), ("GET", "/_cluster/health"), ("GET", "/_cat/health")]
    for kind in ("_ilm/policy", "_index_template", "_ingest/pipeline", "_data_stream"):
        questions += [(method, f"/{kind}/filebeat") for method in ("GET", "HEAD", "PUT")]
    for method, path in questions:
        answer = ask(app, method, prefix + path)
        assert (answer.status_code, answer.headers["X-Elastic-Product"]) == (200, "Elasticsearch"), path


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("path", ["/_bulk", "/i/_bulk", "/elasticsearch/i/_bulk?filter_path=errors,items.*.status"])
def test_bulk_answers_item_by_item(app: FastAPI, intake: ListIntake, method: str, path: str) -> None:
    """Under every path and method; a refused whole is an error of Elasticsearch's shape."""
    headers = {"Content-Type": "application/vnd.elasticsearch+x-ndjson; compatible-with=9"}
    answer = ask(app, method, path, BULK + b'{"delete":{"_id":"1"}}\n', headers).json()
    assert answer["errors"] is True
    assert [item["status"] for each in answer["items"] for item in each.values()] == [201, 400]
    refused = ask(app, method, path, b"x\n", headers)
    assert (refused.status_code, refused.json()["status"]) == (400, 400)
    assert "line 1" in refused.json()["error"]["reason"]
    intake.refusal = BusyError("later")
    busy = ask(app, method, path, BULK, headers)
    assert (busy.status_code, busy.json()["error"]["type"]) == (429, "es_rejected_execution_exception")


def test_one_document_is_a_record_too(app: FastAPI, intake: ListIntake) -> None:
    """`_doc` and `_create`, as senders without bulk use them."""
    for path in ("/i/_doc", "/i/_doc/7", "/i/_create/7"):
        answer = ask(app, "POST", path, {"message": "x"}, JSON)
        assert (answer.status_code, answer.json()["result"]) == (201, "created")
    assert len(intake.batches) == 3


def test_splunk_says_its_codes(app: FastAPI, intake: ListIntake) -> None:
    """Success, no data, the number of a bad event, busy, health; an acknowledgement where a channel asks for it."""
    said = ask(app, "POST", "/services/collector/event", EVENT).json()
    assert said == {"text": "Success", "code": 0}
    assert ask(app, "POST", "/services/collector/raw?source=shop", b"ERROR x").json()["code"] == 0
    assert b" shop ERROR x" in intake.batches[1][1].parts[0].data
    refused = ask(app, "POST", "/services/collector/event/1.0", b'{"event":"a"}{}')
    assert (refused.status_code, refused.json()) == (
        400,
        {"text": "Event field is required", "code": 12, "invalid-event-number": 1},
    )
    assert ask(app, "POST", "/services/collector", b"").json() == {"text": "No data", "code": 5}
    assert ask(app, "GET", "/services/collector/health").json()["code"] == 17
    channel = {"X-Splunk-Request-Channel": "c"}
    ack = ask(app, "POST", "/services/collector", EVENT, channel).json()["ackId"]
    assert ask(app, "POST", "/services/collector/ack", {"acks": [ack]}, channel).json() == {"acks": {str(ack): True}}
    assert ask(app, "POST", "/services/collector/ack", {"acks": 7}, channel).status_code == 400
    intake.refusal = BusyError("later")
    assert ask(app, "POST", "/services/collector", EVENT).json()["code"] == 9
