"""Laws of joining: cuts don't show, nothing is lost, records are bounded; and one example a grammar."""

from __future__ import annotations

import random
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fm_anomaly.core.multiline import Joined, MultilineParams, join
from fm_anomaly.core.traceback_lines import _CLASSIFY, _GUARD

SMALL = MultilineParams(max_lines=12, max_bytes=400, look_back=6)

PYTHON = """Traceback (most recent call last):
  File "/app/shop/api.py", line 30, in add
    cart.add(item)
    ~~~~~~~~^^^^^^
  File "/app/shop/cart.py", line 12, in add
    raise KeyError(item)
KeyError: 'apple'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/shop/api.py", line 33, in add
    raise OutOfStock(item) from None
shop.errors.OutOfStock: no apple
  hint: order more"""

GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/app/shop/jobs.py", line 9, in main
  |     raise ExceptionGroup("two jobs", errors)
  | ExceptionGroup: two jobs (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: price
    +---------------- 2 ----------------
    | TypeError: amount
    +------------------------------------"""

JAVA = """java.lang.IllegalStateException: till is closed
\tat shop.Till.pay(Till.java:44)
\tat java.base/java.lang.Thread.run(Thread.java:829)
\tSuppressed: shop.TillException: drawer
\t\tat shop.Till.close(Till.java:51)
Caused by: java.io.IOException: drawer is stuck
\tat shop.Drawer.open(Drawer.java:8)
\t... 2 common frames omitted"""

GO = """panic: runtime error: index out of range [5] with length 3 [recovered]
\tpanic: again

goroutine 17 [running]:
shop/till.(*Till).Pay(0xc000010000, {0x1, 0x2})
\t/app/till/till.go:18 +0x1d
created by shop/till.Open in goroutine 1
\t/app/till/till.go:9 +0x2f

goroutine 1 [chan receive]:
main.main()
\t/app/main.go:8 +0x65
exit status 2"""

NODE = """/app/till.js:10
    throw new Error('drawer')
    ^

Error: drawer
    at open (/app/till.js:10:9)
    at node:internal/main/run_main_module:23:47

Node.js v20.11.0"""

DOTNET = """Unhandled exception. System.InvalidOperationException: till is closed
 ---> System.IO.IOException: drawer
   at Shop.Drawer.Open() in /src/Drawer.cs:line 8
   --- End of inner exception stack trace ---
   at Shop.Till.Pay(Int32 cents) in /src/Till.cs:line 44
--- End of stack trace from previous location ---
   at Shop.Program.Main()"""

RUBY = """/app/till.rb:44:in 'Till#pay': till is closed (Shop::TillError)
\tfrom /app/shop.rb:3:in 'block in run'
\tfrom /app/shop.rb:9:in '<main>'"""

RUST = """thread 'main' panicked at src/till.rs:44:9:
index out of bounds: the len is 3 but the index is 5
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:645:5
   1: shop::till::pay
             at ./src/till.rs:44:9
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace."""

PHP = """PHP Fatal error:  Uncaught RuntimeException: till is closed in /var/www/shop/till.php:44
Stack trace:
#0 /var/www/shop/index.php(10): pay()
#1 {main}
  thrown in /var/www/shop/till.php on line 44"""

TRACES = {
    "python": PYTHON,
    "group": GROUP,
    "java": JAVA,
    "go": GO,
    "node": NODE,
    "dotnet": DOTNET,
    "ruby": RUBY,
    "rust": RUST,
    "php": PHP,
}
HEAD = re.compile(r"2026-|\{")


def joined(lines: list[str], lane: list[int] | None = None, params: MultilineParams | None = None) -> Joined:
    """Join, with a header's format that stands for all: a date, or a JSON object, which is closed."""
    heads = np.array([HEAD.match(line) is not None for line in lines], dtype=np.bool_)
    blanks = np.array([not line.strip() for line in lines], dtype=np.bool_)
    closed = np.array([line.startswith("{") for line in lines], dtype=np.bool_)
    lanes = None if lane is None else np.array(lane, dtype=np.int64)
    return join(pl.Series(lines, dtype=pl.String), heads, blanks, lanes, closed, params or MultilineParams())


def owners(text: str) -> list[int]:
    return joined(text.split("\n")).owner.tolist()


@pytest.mark.parametrize("name", TRACES)
def test_a_traceback_after_its_head_is_one_record(name: str) -> None:
    """Every line of a traceback belongs to the line that reported it, or to its own first line."""
    lines = ["2026-01-01 ERROR till payment failed", *TRACES[name].split("\n"), "2026-01-01 INFO till next"]
    got = joined(lines).owner.tolist()
    start = 1 if name in ("go", "node", "dotnet", "rust", "php") else 0  # reports of their own
    assert got == [0] + [start] * (len(lines) - 2) + [len(lines) - 1]


@pytest.mark.parametrize("name", TRACES)
def test_a_traceback_alone_is_one_record(name: str) -> None:
    """Without any head, a traceback is a record of its own, and the next bare line is another."""
    lines = ["{}", *TRACES[name].split("\n"), "Executing recovery strategy"]
    assert joined(lines).owner.tolist() == [0] + [1] * (len(lines) - 2) + [len(lines) - 1]


def test_bare_text_between_records_stays_alone() -> None:
    """A bare line after a traceback's last line is claimed by nothing."""
    lines = ["2026-01-01 ERROR x", *PYTHON.split("\n")[:7], "Failed to get details: not registered", "Next text"]
    assert joined(lines).owner.tolist() == [0] * 8 + [8, 9]


def test_an_interrupted_traceback_goes_on() -> None:
    """Another thread's line in the middle of a traceback takes nothing from it."""
    for name in ("python", "group", "java"):
        trace = TRACES[name].split("\n")
        for cut in range(1, len(trace)):
            if not trace[cut - 1].strip() or not trace[cut].strip() or "hint" in trace[cut]:
                continue
            lines = ["2026-01-01 ERROR a", *trace[:cut], "2026-01-01 INFO other", *trace[cut:]]
            got = joined(lines).owner.tolist()
            assert got[cut + 1] == cut + 1
            if name == "java" and cut == 1:
                continue  # nothing but "java.lang.X: …" has come, and frames follow another thread's line
            rest = [g for g, line in zip(got[cut + 2 :], trace[cut:], strict=True) if line.strip()]
            assert set(rest) == {0}, (name, cut, got)


def test_blank_lines_belong_to_what_goes_on_around_them() -> None:
    """A blank line inside a traceback is part of it, one after a record is nobody's."""
    assert owners("2026-01-01 x\n  more\n\n  more\n\n2026-01-01 y\n\n") == [0, 0, 0, 0, -1, 5, -1, -1]


def test_closed_heads_take_nothing() -> None:
    """A JSON line never gets a continuation."""
    assert owners('{"a": 1}\n  indented\n  again\n{"b": 1}') == [0, 1, 1, 3]


def test_a_head_keeps_its_dump() -> None:
    """Indented lines, and the bracket that closes them, belong to the head."""
    assert owners('2026-01-01 got\n  {\n    "a": 1\n}\n2026-01-01 next') == [0, 0, 0, 0, 4]


def test_lanes_never_mix() -> None:
    """Two writers' tracebacks, line by line in turn, come apart by lane."""
    trace = ["2026-01-01 ERROR x", *PYTHON.split("\n")]
    lines = [line for line in trace for _ in range(2)]
    got = joined(lines, [0, 1] * len(trace)).owner.tolist()
    assert got == [0, 1] * len(trace)


def test_caps_start_a_new_record() -> None:
    """A record has at most max_lines lines and about max_bytes bytes, wherever it comes from."""
    got = joined(["2026-01-01 x"] + ["  more"] * 40, params=MultilineParams(max_lines=10)).owner
    assert np.unique(got).tolist() == [0, 10, 20, 30, 40]
    got = joined(["2026-01-01 x"] + ["  " + "m" * 98] * 40, params=MultilineParams(max_bytes=1010)).owner
    assert max(np.bincount(got)) <= 12


def random_lines(seed: int) -> tuple[list[str], list[int]]:
    """Return a document of heads, tracebacks (whole, cut, interrupted), bare and blank lines, and its lanes."""
    rng = random.Random(seed)
    lines: list[str] = []
    pieces = [*TRACES.values()]
    singles = [
        *("2026-01-01 INFO a", "2026-01-01 ERROR shop.TillException: x", '{"event": "x"}', "", "  ", "    indented"),
        *(
            "bare text",
            "Exception in worker:",
            "ValueError: x",
            "MyFault: y",
            "}",
            "Caused by: a.B: c",
            "\tat a.b(C.java:1)",
        ),
        *(
            '  File "/a.py", line 1, in f',
            "<redacted:private_key>",
            "a.b.CException: d",
            "note: x",
            "#0 /x.php(1): f()",
        ),
    ]
    while len(lines) < 40:
        if rng.random() < 0.45:
            trace = rng.choice(pieces).split("\n")
            low, high = sorted((rng.randrange(len(trace) + 1), rng.randrange(len(trace) + 1)))
            part = trace if rng.random() < 0.6 else trace[low:high]
            for line in part:
                lines.append(line)
                if rng.random() < 0.15:
                    lines.append(rng.choice(singles))
        else:
            lines.append(rng.choice(singles))
    return lines, [rng.randrange(3) for _ in lines]


def in_pieces(lines: list[str], lane: list[int] | None, cuts: list[int], params: MultilineParams) -> list[int]:
    """Join as a caller does that gets `lines` in pieces: what lies before `open_from` is final."""
    final: list[int] = []
    first = 0
    for end in [*cuts, len(lines)]:
        got = joined(lines[first:end], lane[first:end] if lane is not None else None, params)
        upto = got.open_from if end < len(lines) else end - first
        final += [o + first if o >= 0 else -1 for o in got.owner[:upto].tolist()]
        first += upto
    return final


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.booleans(), st.sampled_from([SMALL, MultilineParams()]))
def test_cuts_do_not_show(seed: int, with_lanes: bool, params: MultilineParams) -> None:
    """However the lines are cut into calls, every line has the same owner."""
    lines, lane = random_lines(seed)
    lanes = lane if with_lanes else None
    whole = joined(lines, lanes, params).owner.tolist()
    for cut in range(len(lines)):
        assert in_pieces(lines, lanes, [cut], params) == whole
    for step in (1, 7):
        assert in_pieces(lines, lanes, list(range(step, len(lines), step)), params) == whole


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_every_line_has_one_owner_that_is_a_record(seed: int) -> None:
    """Owners own themselves, come first, and only blank lines have none; what stays open is bounded."""
    lines, _ = random_lines(seed)
    got = joined(lines, params=SMALL)
    for i, owner in enumerate(got.owner.tolist()):
        assert owner <= i
        assert (owner == -1) <= (not lines[i].strip())
        assert owner == -1 or got.owner[owner] == owner
    counts = np.bincount(got.owner[got.owner >= 0])
    assert counts.max() <= SMALL.max_lines


def test_what_stays_open_is_bounded() -> None:
    """After a traceback, the lines to be passed again are at most those of open records and the look-back."""
    lines = ["2026-01-01 ERROR x", *PYTHON.split("\n")] + ["2026-01-01 INFO y"] * 100
    for n in range(1, len(lines) + 1):
        assert n - joined(lines[:n]).open_from <= MultilineParams().look_back + 17
    assert joined(lines).open_from == len(lines) - 1


@settings(max_examples=200, deadline=None)
@given(st.from_regex(_CLASSIFY, fullmatch=False) | st.text(max_size=40))
def test_the_guard_spares_nothing_that_has_a_kind(text: str) -> None:
    """The vectorised guard lets through every line that the precise expression knows."""
    line = text.split("\n")[0]
    if _CLASSIFY.match(line):
        assert pl.Series([line]).str.contains(_GUARD)[0]


def test_nothing_is_fine() -> None:
    """No lines make no records."""
    got = joined([])
    assert len(got.owner) == 0
    assert got.open_from == 0
