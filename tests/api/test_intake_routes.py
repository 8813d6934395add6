"""Laws of plain HTTP intake: lines in, refusals that name the line, answers of the kind that clients expect."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fm_anomaly.api import create_app
from fm_anomaly.api.application import create_app as create_any_app
from fm_anomaly.errors import BusyError, DecodeError, DiskFullError
from fm_anomaly.ingest.log_lines import decode
from fm_anomaly.storage import open_store
from fm_anomaly.testing import ListIntake

ND = "application/x-ndjson"
GOOD = b'{"event": "served", "n": 1}\n'


@pytest.fixture
def intake() -> ListIntake:
    return ListIntake()


def post(
    tmp_path: Path, intake: ListIntake | None, body: bytes, content_type: str, query: str = "", **headers: str
) -> httpx.Response:
    async def ask() -> httpx.Response:
        with open_store(tmp_path / "s.db") as store:
            transport = httpx.ASGITransport(create_any_app(store, intake=intake), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                sent = {"Content-Type": content_type, **{k.replace("_", "-"): v for k, v in headers.items()}}
                return await client.post(f"/api/v1/logs{query}", content=body, headers=sent)

    return asyncio.run(ask())


def sent(intake: ListIntake) -> bytes:
    return b"".join(part.data for _, batch, _ in intake.batches for part in batch.parts)


@pytest.mark.parametrize(
    ("body", "content_type", "lines"),
    [
        (GOOD * 3, ND, GOOD * 3),
        (GOOD.strip(), ND, GOOD),
        (b'[{"a": 1},\n {"b":\n  "x\\ny"}]', "application/json", b'{"a": 1}\n{"b":   "x\\ny"}\n'),
        (b'{\n "a": 1\n}', "application/json", b'{  "a": 1 }\n'),
        (GOOD * 2, "application/json; charset=utf-8", GOOD * 2),
        (b"ERROR no\n  at f\n", "text/plain", b"ERROR no\n  at f\n"),
        (b"ERROR no", "application/x-www-form-urlencoded", b"ERROR no\n"),
    ],
)
def test_lines_stay_what_was_sent(
    tmp_path: Path, intake: ListIntake, body: bytes, content_type: str, lines: bytes
) -> None:
    """NDJSON, an array, one object, NDJSON under JSON's name, and text: whole lines, one record each."""
    answer = post(tmp_path, intake, body, content_type)
    assert answer.status_code == 200
    assert sent(intake) == lines
    assert answer.json() == {"accepted": lines.count(b"\n"), "rejected": 0, "errors": [], "seq": 1, "duplicate": False}


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_compressed_bodies(tmp_path: Path, intake: ListIntake, encoding: str, encode: Any) -> None:
    """gzip and zstd are undone; a bomb is 413, nonsense 400, another encoding 415."""
    assert post(tmp_path, intake, encode(GOOD), ND, Content_Encoding=encoding).status_code == 200
    assert sent(intake) == GOOD
    assert post(tmp_path, intake, encode(bytes(70 << 20)), ND, Content_Encoding=encoding).status_code == 413
    assert post(tmp_path, intake, b"nonsense", ND, Content_Encoding=encoding).status_code == 400
    assert post(tmp_path, intake, GOOD, ND, Content_Encoding="br").status_code == 415
    assert len(intake.batches) == 1


def test_bad_lines_are_named_and_the_others_taken(tmp_path: Path, intake: ListIntake) -> None:
    """Partial acceptance: 200 with the numbers of those set aside; 400 with the first where none can be taken."""
    body = GOOD + b"[1]\n" + GOOD + b'{"torn": \n'
    answer = post(tmp_path, intake, body, ND).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 2)
    assert [each["line"] for each in answer["errors"]] == [2, 4]
    assert sent(intake) == GOOD * 2
    refused = post(tmp_path, intake, b"\n\nnot json\n", ND)
    assert refused.status_code == 400
    assert "line 3" in refused.json()["detail"]
    torn = post(tmp_path, intake, b'[{"a": 1},\n{"b": 2},\n{"c"', "application/json")
    assert torn.status_code == 400
    assert "line 3" in torn.json()["detail"]
    assert len(intake.batches) == 1


def test_what_is_sent_is_not_repeated(tmp_path: Path, intake: ListIntake) -> None:
    """A refusal names the place, never the words: they may hold a secret."""
    assert "hunter2" not in post(tmp_path, intake, b"password=hunter2\n", ND).text


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(BusyError("wait", 7), 429), (DiskFullError("full"), 507), (DecodeError("odd", 422), 422)],
)
def test_refusals_of_the_intake(tmp_path: Path, intake: ListIntake, refusal: Exception, status: int) -> None:
    """Backpressure is 429 with Retry-After, a full disk 507: the client knows what to do."""
    intake.refusal = refusal
    answer = post(tmp_path, intake, GOOD, ND)
    assert answer.status_code == answer.json()["status_code"] == status
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)


def test_a_batch_id_makes_it_once(tmp_path: Path, intake: ListIntake) -> None:
    """The second time it is acknowledged and said to be a duplicate; an id out of bounds is 400."""
    for is_duplicate in (False, True):
        answer = post(tmp_path, intake, GOOD, ND, X_Batch_ID="b1").json()
        assert answer["duplicate"] is is_duplicate
        assert answer["accepted"] == (0 if is_duplicate else 1)
    assert len(intake.batches) == 1
    assert post(tmp_path, intake, GOOD, ND, X_Batch_ID="x" * 300).status_code == 400


def test_other_types_and_odd_services_are_refused(tmp_path: Path, intake: ListIntake) -> None:
    """415 says what to send; a service is a name of at most 100 characters."""
    assert post(tmp_path, intake, GOOD, "application/xml").status_code == 415
    assert post(tmp_path, intake, GOOD, ND, "?service=" + "x" * 101).status_code == 400
    assert post(tmp_path, intake, GOOD, ND, "?service=a%0Ab").status_code == 400
    assert post(tmp_path, intake, GOOD, ND, "?service=checkout").status_code == 200
    assert intake.batches[0][1].parts[0].service == "checkout"


def test_a_process_that_only_reads_says_so(tmp_path: Path) -> None:
    """Without an intake the route is there and tells that it takes nothing."""
    assert post(tmp_path, None, GOOD, ND).status_code == 404
    with open_store(tmp_path / "s.db") as store:
        assert create_app(store).state.intake is None


@given(lines=st.lists(st.one_of(st.just(b"{}"), st.binary(max_size=30).filter(lambda x: b"\n" not in x)), max_size=12))
def test_any_bytes_are_decoded_or_refused(lines: list[bytes]) -> None:
    """Nothing but DecodeError is raised; what is kept and what is named are together all lines that are not blank."""
    body = b"\n".join(lines)
    for content_type in (ND, "application/json", "text/plain"):
        try:
            batch = decode(body, content_type)
        except DecodeError:
            continue
        if content_type == ND:
            kept = [x for part in batch.parts for x in part.data.split(b"\n") if x.strip()]
            assert all(isinstance(json.loads(x.decode("utf-8", "replace")), dict) for x in kept)
            assert len(kept) + len(batch.rejected) == sum(bool(x.strip()) for x in body.split(b"\n"))
