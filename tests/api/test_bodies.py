"""Laws of bodies: what goes in comes out whatever its encoding, and no body makes the process hold more than it may."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from random import Random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from fm_anomaly.api.bodies import BodyLimits, BodyReader, inflated
from fm_anomaly.errors import BusyError, DecodeError

ENCODERS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}


def request(body: bytes, piece: int = 1_000, delay_s: float = 0.0, **headers: str) -> Request:
    parts = [body[at : at + piece] for at in range(0, len(body), piece)] or [b""]

    async def stream() -> AsyncIterator[dict[str, object]]:
        for at, part in enumerate(parts):
            await asyncio.sleep(delay_s)
            yield {"type": "http.request", "body": part, "more_body": at < len(parts) - 1}

    messages = stream()
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": sent}
    return Request(scope, messages.__anext__)


@given(body=st.binary(max_size=5_000), encoding=st.sampled_from([*ENCODERS, "identity"]))
def test_a_body_comes_out_as_it_went_in(body: bytes, encoding: str) -> None:
    """For every encoding, decoding is the inverse of encoding; nothing is held afterwards."""
    sent = ENCODERS.get(encoding, bytes)(body)
    reader = BodyReader()
    assert asyncio.run(reader.read(request(sent, content_encoding=encoding))) == body
    assert reader.held_bytes == 0


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
def test_several_members_are_one_body(encoding: str) -> None:
    """Compressed pieces put together, as appending writers make them, decompress to the pieces put together."""
    if encoding != "deflate":
        assert inflated(ENCODERS[encoding](b"one ") + ENCODERS[encoding](b"two"), encoding, 100) == b"one two"


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
def test_a_bomb_is_refused(encoding: str) -> None:
    """A small body that holds a gigabyte of zeros is refused with 413 once the limit is passed."""
    bomb = ENCODERS[encoding](bytes(64 << 20))
    assert len(bomb) < 1 << 20
    with pytest.raises(DecodeError, match="larger than 1 MiB") as refused:
        inflated(bomb, encoding, 1 << 20)
    assert refused.value.status == 413


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_of_countless_members_is_refused_soon(encoding: str) -> None:
    """Empty members cost time and no text: there is an end to them."""
    with pytest.raises(DecodeError, match="members"):
        inflated(ENCODERS[encoding](b"") * 200_000, encoding, 1 << 20)


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
@pytest.mark.parametrize("n_lost", [1, 10, 1_000])
def test_a_body_that_was_cut_off_is_refused(encoding: str, n_lost: int) -> None:
    """What was lost on the way is never acknowledged with the rest."""
    whole = ENCODERS[encoding](Random(1).randbytes(300_000))
    with pytest.raises(DecodeError, match="ends early"):
        inflated(whole[:-n_lost], encoding, 1 << 20)


@pytest.mark.parametrize("encoding", sorted(ENCODERS))
@given(noise=st.binary(min_size=1, max_size=200))
def test_damaged_data_is_refused_in_words(encoding: str, noise: bytes) -> None:
    """Any bytes either decompress or are refused with 400; nothing else is raised."""
    whole = ENCODERS[encoding](b"a line of a log\n" * 50)
    for raw in (noise, whole[: len(whole) // 2] + noise):
        try:
            inflated(raw, encoding, 1 << 20)
        except DecodeError as exc:
            assert exc.status in (400, 413)


@pytest.mark.parametrize("size", [2_001, 50_000])
def test_too_large_is_refused_whether_it_was_said_or_not(size: int) -> None:
    """A body beyond the limit is 413, by its declared length before a byte is read, else while it comes."""
    reader = BodyReader(BodyLimits(body_bytes=2_000))
    for sent in (request(bytes(size)), request(bytes(size), content_length=str(size))):
        with pytest.raises(DecodeError) as refused:
            asyncio.run(reader.read(sent))
        assert refused.value.status == 413
        assert reader.held_bytes == 0


def test_all_bodies_together_are_bounded() -> None:
    """While one body holds the memory that there is for all, another is told to come again; later it may."""
    reader = BodyReader(BodyLimits(all_bytes=5_000))

    async def both() -> list[object]:
        slow = request(bytes(4_000), delay_s=0.01, content_length="4000")
        return list(await asyncio.gather(reader.read(slow), reader.read(request(bytes(4_000))), return_exceptions=True))

    kinds = {type(each) for each in asyncio.run(both())}
    assert kinds == {bytes, BusyError}
    assert reader.held_bytes == 0
    assert len(asyncio.run(reader.read(request(bytes(4_000))))) == 4_000


def test_a_body_that_drips_is_given_up() -> None:
    """A body that does not come whole in time is 408."""
    reader = BodyReader(BodyLimits(timeout_s=0.05))
    with pytest.raises(DecodeError) as refused:
        asyncio.run(reader.read(request(bytes(40), piece=1, delay_s=0.02)))
    assert refused.value.status == 408
    assert reader.held_bytes == 0


def test_an_unknown_encoding_is_415() -> None:
    """An encoding that is not known is named as such, with those that are."""
    for name in ("br", "gzip, zstd", "\xff"):
        with pytest.raises(DecodeError, match="gzip, zstd") as refused:
            asyncio.run(BodyReader().read(request(b"x", content_encoding=name)))
        assert refused.value.status == 415
