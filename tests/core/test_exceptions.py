"""What a traceback says: type, message and top application frame, one table a language, and bounds."""

from __future__ import annotations

import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fm_anomaly.core.exceptions import MAX_MESSAGE, ExceptionFields, looks_like, parse, parse_many

from .test_multiline import DOTNET, GO, GROUP, JAVA, NODE, PHP, PYTHON, RUBY, RUST

SITE = "/usr/local/lib/python3.11/site-packages"

CASES = {
    "python, last raised": (PYTHON, ("shop.errors.OutOfStock", "no apple", "shop/api.py:33 in add")),
    "python, after a head": (
        "2026-01-01 [error] Failed\n" + "\n".join(PYTHON.split("\n")[:7]),
        ("KeyError", "'apple'", "shop/cart.py:12 in add"),
    ),
    "python, innermost in a library": (
        "Traceback (most recent call last):\n"
        '  File "/usr/src/app/infra/redis.py", line 88, in get\n    return await self.client.get(key)\n'
        f'  File "{SITE}/redis/client.py", line 5, in get\n    raise ConnectionError\n'
        "redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.",
        (
            "redis.exceptions.ConnectionError",
            "Error 111 connecting to cache:6379. Connection refused.",
            "infra/redis.py:88 in get",
        ),
    ),
    "python, libraries only": (
        f'Traceback (most recent call last):\n  File "{SITE}/redis/client.py", line 5, in get\n    raise X\n'
        "TimeoutError",
        ("TimeoutError", None, "redis/client.py:5 in get"),
    ),
    "python, syntax": (
        'Traceback (most recent call last):\n  File "/srv/shop/a.py", line 1\n    x = = 1\n        ^\n'
        "SyntaxError: invalid syntax",
        ("SyntaxError", "invalid syntax", "a.py:1"),
    ),
    "python, group": (GROUP, ("ExceptionGroup", "two jobs (2 sub-exceptions)", "shop/jobs.py:9 in main")),
    "java": (
        "2026-01-01 ERROR pay failed\n" + JAVA,
        (
            "java.lang.IllegalStateException",
            "till is closed [caused by java.io.IOException: drawer is stuck]",
            "shop/Till.java:44 in pay",
        ),
    ),
    "java, named in the head": (
        "2026-01-01 WARN worker - shop.TillException: stuck\n"
        "\tat org.springframework.X.y(X.java:1)\n\tat shop.T$1.run(T.java:2)",
        ("shop.TillException", "stuck", "shop/T.java:2 in run"),
    ),
    "java, main": (
        'Exception in thread "main" java.lang.NullPointerException\n\tat shop.Main.main(Main.java:3)',
        ("java.lang.NullPointerException", None, "shop/Main.java:3 in main"),
    ),
    "node": (NODE, ("Error", "drawer", "till.js:10 in open")),
    "node, modules": (
        "TypeError: Cannot read properties of undefined (reading 'id')\n    at get (/app/node_modules/x/y.js:1:2)\n"
        "    at async handler (file:///app/src/routes/case.js:10:33)",
        ("TypeError", "Cannot read properties of undefined (reading 'id')", "src/routes/case.js:10 in handler"),
    ),
    ".net, one frame": (
        "System.Exception: bad\n   at Foo.Bar() in /src/F.cs:line 3",
        ("System.Exception", "bad", "F.cs:3 in Foo.Bar"),
    ),
    ".net": (DOTNET, ("System.InvalidOperationException", "till is closed", "Drawer.cs:8 in Shop.Drawer.Open")),
    "go": (
        GO,
        (
            "panic",
            "runtime error: index out of range [5] with length 3 [recovered]",
            "till/till.go:18 in shop/till.(*Till).Pay",
        ),
    ),
    "rust": (
        RUST,
        ("panic", "index out of bounds: the len is 3 but the index is 5", "src/till.rs:44 in shop::till::pay"),
    ),
    "rust, before 1.73": (
        "thread 'main' panicked at 'no till', src/till.rs:44:9",
        ("panic", "no till", "src/till.rs:44"),
    ),
    "ruby": (RUBY, ("Shop::TillError", "till is closed", "till.rb:44 in Till#pay")),
    "php": (PHP, ("RuntimeException", "till is closed", "till.php:44 in pay")),
    "one line": (
        "redis.exceptions.ConnectionError: Error 111",
        ("redis.exceptions.ConnectionError", "Error 111", None),
    ),
    "a sentence": ("Error: cannot open file", (None, None, None)),
    "no error": ("Failed to get details for chromadb: not registered", (None, None, None)),
    "empty": ("", (None, None, None)),
}


@pytest.mark.parametrize("name", CASES)
def test_fields(name: str) -> None:
    """Each language's traceback gives up its type, message and frame."""
    text, expected = CASES[name]
    assert parse(text) == ExceptionFields(*expected)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("one line", "a sentence", "no error", "empty")])
def test_line_ends_do_not_matter(name: str) -> None:
    """Carriage returns and a last new line change nothing."""
    text, expected = CASES[name]
    assert parse(text.replace("\n", "\r\n") + "\r\n") == ExceptionFields(*expected)


def test_many_is_each() -> None:
    """`parse_many` is `parse` of each, repeated texts included."""
    texts = [text for text, _ in CASES.values()] * 2
    assert parse_many(texts) == [parse(text) for text in texts]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([line for text, _ in CASES.values() for line in text.split("\n")]) | st.text(max_size=20))
)
def test_any_text_is_read(lines: list[str]) -> None:
    """Whatever comes, nothing raises, and fields are one bounded line."""
    fields = parse("\n".join(lines))
    assert len(fields.message or "") <= MAX_MESSAGE
    assert "\n" not in (fields.type or "") + (fields.message or "")


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "aError: ",
            "Uncaught aError: ",
            "a.b.",
            "x.rb:1:in ",
            "\tat a.b(",
            "#0 /x(1): f\n",
            " in /a:",
            "panicked at '",
        ),
        *(
            '  File "a", line 1\n',
            "Caused by: a",
            "    at a (",
            "goroutine 1\n",
            "a.b(c)\n\t",
            "Traceback (most recent call last):\n",
        ),
    ],
)
def test_hostile_texts_take_bounded_time(unit: str) -> None:
    """A text made to make patterns backtrack is read in a second."""
    start = time.process_time()
    for text in (unit * 20_000, "panic: x\n" + unit * 20_000, "\tat a.b(c)\n" + unit * 20_000):
        parse(text)
    assert time.process_time() - start < 3


def test_a_long_text_is_read_at_both_ends() -> None:
    """The head names a Java exception, the end a Python one, however long the middle is."""
    assert parse("shop.TillException: x\n" + "\tat a.B.c(B.java:1)\n" * 9_000).type == "shop.TillException"
    frames = '  File "/app/a.py", line 1, in f\n    f()\n' * 5_000
    assert parse(f"Traceback (most recent call last):\n{frames}RecursionError: too deep").type == "RecursionError"


def test_lines_that_look_like_an_exception() -> None:
    """The guard knows a class name at the line's start, before a colon or the end; "Error: …" is a sentence."""
    lines = [
        "redis.exceptions.ConnectionError: x",
        "ValueError",
        "LookupError: y",
        "Error: z",
        "an Error: q",
        "error: r",
    ]
    assert looks_like(pl.Series(lines)).to_list() == [True, True, True, False, False, False]
