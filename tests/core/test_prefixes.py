"""What container runtimes put around lines."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fm_anomaly.core.parsing import SourceParser
from fm_anomaly.core.prefixes import MAX_PIECES, is_wrapped, shipped_header, unwrap
from fm_anomaly.core.text_batch import TextLines


def parse(text: str) -> pl.DataFrame:
    parser = SourceParser("app.log")
    frame = pl.concat([parser.feed(text.encode()), parser.flush()])
    assert parser.counts.is_balanced
    return frame


def test_docker_lines_are_unwrapped_and_parsed_as_what_they_hold() -> None:
    """Text and JSON inside; the runtime's time only where the line tells none."""
    frame = parse(
        r'{"log":"2026-03-02 10:00:00 ERROR [api] gone\n","stream":"stderr","time":"2026-03-02T11:00:00Z"}' + "\n"
        r'{"log":"{\"event\":\"x\",\"level\":\"error\"}\n","stream":"stdout","time":"2026-03-02T11:00:00Z"}' + "\n"
    )
    assert frame["body"].to_list() == ["gone", "x"]
    assert frame["severity"].to_list() == [17, 17]
    assert frame["ts_us"].to_list() == [1_772_445_600_000_000, 1_772_449_200_000_000]


def test_pieces_of_a_split_line_are_one_line() -> None:
    """Kubernetes' P and F, Docker's missing line end: pieces count as continuations."""
    frame = parse(
        "2026-03-02T10:00:00Z stderr P ERROR fir\n"
        "2026-03-02T10:00:01Z stdout F INFO other\n"
        "2026-03-02T10:00:02Z stderr F st\n"
    )
    assert frame["body"].to_list() == ["first", "other"]
    assert (frame["line"].to_list(), frame["n_lines"].to_list()) == ([1, 2], [2, 1])


def test_compose_names_services_and_keeps_them_apart() -> None:
    """Tracebacks of two services that interleave are joined each by itself."""
    frame = parse(
        "api-1     | Traceback (most recent call last):\n"
        "worker-1  | Traceback (most recent call last):\n"
        'api-1     |   File "/app/api.py", line 1, in a\n'
        'worker-1  |   File "/app/worker.py", line 2, in b\n'
        "worker-1  | KeyError: 'w'\n"
        "api-1     | ValueError: a\n"
        "api-1     | 2026-03-02 10:00:00 INFO on\n"
    )
    assert frame["service"].to_list() == ["api", "worker", "api"]
    assert frame["exc_type"].to_list() == ["ValueError", "KeyError", None]
    assert frame["n_lines"].to_list() == [3, 3, 1]


def test_an_endless_split_line_is_ended() -> None:
    """A line of too many pieces is closed, so that nothing is held for ever."""
    found = unwrap(["2026-03-02T10:00:00Z stdout P x"] * (MAX_PIECES + 5))
    assert found.count == [MAX_PIECES, 5]
    assert found.open_from == 1


def test_a_wrapped_line_is_told_wherever_it_stands() -> None:
    """A look at the first bytes leaves out no wrapped line, and takes no other for one."""
    wrapped = (
        '{"log":"x\\n","stream":"stdout"}',
        "2026-03-02T09:00:00.1Z stderr F x",
        "2026-03-02T09:00:00.1Z stdout P x",
        "web-1  | x",
        "db_2 | x",
        shipped_header(1, 17, "a1", "my api") + "x",
    )
    for line in (*wrapped, "plain", "a | b", ""):
        for lines in (["first", line], [line, "0"], [line]):
            assert is_wrapped(TextLines.of(pl.Series(lines))) is (line in wrapped)


TOKEN = "gh" + "p_aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAabcd"
SPLIT = {
    "cri": (
        "2026-03-02T10:00:00Z stderr P ERROR login password=SEK\n"
        "2026-03-02T10:00:00Z stderr F RETabcdef and more\n"
        "2026-03-02T10:00:01Z stderr P ERROR for bob@exa\n"
        f"2026-03-02T10:00:01Z stderr P mple.com token {TOKEN[:9]}\n"
        f"2026-03-02T10:00:01Z stderr F {TOKEN[9:]} refused\n"
        f"2026-03-02T10:00:02Z stderr P INFO sent {TOKEN}\n"
        "2026-03-02T10:00:02Z stderr F RETabcdef on\n"
    ),
    "docker": (
        r'{"log":"ERROR login password=SEK","stream":"stderr","time":"2026-03-02T10:00:00Z"}' + "\n"
        r'{"log":"RETabcdef and more\n","stream":"stderr","time":"2026-03-02T10:00:00Z"}' + "\n"
    ),
}


@pytest.mark.parametrize("name", list(SPLIT))
def test_a_secret_that_the_runtime_cut_in_two_is_gone(name: str) -> None:
    """No part of it shows in any column, each counts once, and cuts of the input don't show."""
    data = SPLIT[name].encode()
    whole = None
    for step in (len(data), 7, 61):
        parser = SourceParser("app.log")
        frames = []
        for at in range(0, len(data), step):
            frames.append(parser.feed(data[at : at + step]))
            parser = SourceParser.restore(parser.snapshot())
        frame = pl.concat([*frames, parser.flush()])
        shown = str(frame.to_dicts())
        assert not [part for part in ("SEK", "RETab", "bob@", "mple.com", TOKEN[9:]) if part in shown]
        expected = {"secret": 1, "email": 1, "github_token": 2} if name == "cri" else {"secret": 1}
        assert parser.counts.redacted == expected
        whole = frame if whole is None else whole
        assert frame.equals(whole)


def test_a_shippers_header_tells_what_the_line_leaves_open() -> None:
    """Time, severity and service; a time without a zone gives way to the shipper's, one with a zone does not."""
    us = 1_772_445_600_000_000
    head = shipped_header(us, 17, "a1", "my api")
    lines = ("boom", "2026-03-02 12:30:00 INFO [web] on", '{"event":"x","timestamp":"2026-03-02T11:00:00Z"}', "")
    frame = parse("".join(f"{head}{line}\n" for line in lines))
    assert frame["ts_us"].to_list() == [us, us, us + 3_600_000_000]
    assert frame["severity"].to_list() == [17, 9, 17]
    assert frame["service"].to_list() == ["my api", "web", "my api"]
    assert frame["body"].to_list() == ["boom", "on", "x"]


def test_a_shippers_lanes_are_kept_apart() -> None:
    """Tracebacks of two writers that interleave are joined each by itself, however the input is cut."""
    steps = ("Traceback (most recent call last):", '  File "/app/{0}.py", line 1, in f', "ValueError: {0}")
    heads = {name: shipped_header(1_772_445_600_000_000, 0, name, name) for name in ("a", "b")}
    data = "".join(f"{heads[name]}{step.format(name)}\n" for step in steps for name in heads).encode()
    for size in (len(data), 50):
        parser = SourceParser("loki")
        frames = [parser.feed(data[at : at + size]) for at in range(0, len(data), size)]
        frame = pl.concat([*frames, parser.flush()])
        assert frame["exc_message"].to_list() == ["a", "b"]


@pytest.mark.parametrize("service", ["api", "my api", "50 %", "\t", "naïve", "x" * 300, ""])
def test_any_service_name_survives_a_shippers_header(service: str) -> None:
    """White space is kept, the length is bounded."""
    assert unwrap([shipped_header(1, 0, "", service) + "x"]).services == [service.strip()[:200] or None]


TEXTS = st.lists(
    st.sampled_from(
        (
            *("boom", "Traceback (most recent call last):", '  File "/app/a.py", line 1, in f', "KeyError: 1", ""),
            *("2026-03-02 10:00:00 INFO [web] on", '{"event":"x"}', "INFO on", "\tmore", " at x"),
        )
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30)
@example(
    records=[
        ("a", ["boom", "INFO on"]),
        ("a", [" at x", "boom", "2026-03-02 10:00:00 INFO [web] on"]),
        ("a", ["Traceback (most recent call last):"]),
    ],
    size=50,
)
@given(records=st.lists(st.tuples(st.sampled_from("ab"), TEXTS), min_size=1, max_size=5), size=st.integers(30, 300))
def test_a_record_that_was_sent_as_one_is_one(records: list[tuple[str, list[str]]], size: int) -> None:
    """Its lines have one record, whatever stands in them, unless a JSON object is among them; cuts don't show."""
    data = b""
    for lane, lines in records:
        head, more = lines[0] or "boom", lines[1:]
        texts = [shipped_header(1, 0, lane, lane) + head]
        texts += [shipped_header(1, 0, lane, lane, goes_on=True) + line for line in more]
        data += "".join(f"{text}\n" for text in texts).encode()
    whole = SourceParser("loki")
    frame = pl.concat([whole.feed(data), whole.flush()])
    assert whole.counts.is_balanced
    if not any(line.startswith("{") for _, lines in records for line in lines):
        assert frame.height <= len(records)
    cut = SourceParser("loki")
    frames = []
    for at in range(0, len(data), size):
        frames.append(cut.feed(data[at : at + size]))
        cut = SourceParser.restore(cut.snapshot())
    assert pl.concat([*frames, cut.flush()]).equals(frame)
    assert cut.counts == whole.counts
