"""Reads a traceback's text: exception type, message, and the top frame inside the application.

Type and frame are the identity of an error, so they are picked by one rule: in Python the exception that
was raised *last* (after "During handling of …" and "The above exception was the direct cause …"), in Java,
.NET and JavaScript the one that the first line names; both are what the program reported. A Java root cause
is kept at the end of the message. The frame is the innermost one that is not in a library; where all are in
libraries, the innermost. Go and Rust have no exception types: theirs is "panic" (or "fatal error").

This module sees one record's text, header included or not, and must not know formats or columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

MAX_TEXT = 65_536
"""Longer texts are read at both ends only: the first and the last half of this many characters."""
MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class ExceptionFields:
    """What a traceback says. ``frame`` reads "path:line in function", its path relative to the application."""

    type: str | None = None
    message: str | None = None
    frame: str | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    path: str
    line: str
    function: str
    is_library: bool


def parse(text: str) -> ExceptionFields:
    """Return the exception that `text` reports; all None where it reports none.

    Examples
    --------
    >>> parse("redis.exceptions.ConnectionError: Error 111 connecting to cache:6379")
    ExceptionFields(type='redis.exceptions.ConnectionError', message='Error 111 connecting to cache:6379', frame=None)
    """
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT // 2] + "\n" + text[-MAX_TEXT // 2 :]
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    for marker, reader in _READERS:
        if marker.search(text) is not None:
            return reader(text)
    return _one_line(text)


def parse_many(texts: list[str]) -> list[ExceptionFields]:
    """Return `parse` of each text; equal texts are read once."""
    memo: dict[str, ExceptionFields] = {}
    out = []
    for text in texts:
        fields = memo.get(text)
        if fields is None:
            fields = memo[text] = parse(text)
        out.append(fields)
    return out


def looks_like(lines: pl.Series) -> pl.Series:
    """Return whether each line begins with the name of an exception class and a colon; null for null."""
    return lines.str.contains(r"^(?-u:(?:[\w$]+\.)*[A-Z][\w$]*(?:Error|Exception)(?::|$))")


_NAME = r"(?:[A-Za-z_$][\w$]{0,100}[.:]{1,2}){0,15}[A-Za-z_$][\w$`]{0,120}"
_ERROR_NAME = r"(?:[\w$]{1,100}(?:\.|::)){0,15}[\w$]{0,100}(?:Error|Exception|Throwable|Failure|Fault|Interrupt)"
_AT_START = re.compile(rf"({_ERROR_NAME})(?: \[\w{{1,60}}\])?(?::[ \t]*(.*)|[ \t]*$)", re.MULTILINE)
_INSIDE = re.compile(rf"(?<![\w.$])({_ERROR_NAME})(?: \[\w{{1,60}}\])?(?::[ \t]+(.*)|[ \t]*$)", re.MULTILINE)


def _fields(kind: str | None, message: str | None, frame: str | None) -> ExceptionFields:
    if message is not None:
        message = message.strip()
        message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
    return ExceptionFields(kind, message or None, frame)


def _one_line(text: str) -> ExceptionFields:
    match = _AT_START.match(text.lstrip())
    if match is None or not _CLASS.search(match[1]):
        return ExceptionFields()
    return _fields(match[1], match[2], None)


# A class's own name, and more than "Error: cannot open file", which is a sentence.
_CLASS = re.compile(r"(?:^|[.:])[A-Z][\w$]*(?:Error|Exception|Throwable|Failure|Fault|Interrupt)\Z", re.ASCII)


# Frames -----------------------------------------------------------------------------------------------------

_LIBRARY_PATH = re.compile(
    r"site-packages|dist-packages|/lib/python\d|<frozen|^<|node_modules|^node:|^internal/|/rustc/|/\.cargo/"
    r"|/go/pkg/mod/|/usr/local/go/|/usr/lib/go|/goroot/|/gems/|/lib/ruby/|(?:^|/)vendor/"
)
_LIBRARY_NAME = re.compile(
    r"(?:java|javax|jakarta|sun|jdk|com\.sun|kotlin|kotlinx|scala|akka|groovy|clojure"
    r"|org\.(?:springframework|apache|hibernate|jboss|eclipse|junit|slf4j)|io\.(?:netty|grpc|vertx|undertow)"
    r"|reactor|com\.(?:zaxxer|fasterxml|google\.common|mysql)|redis\.clients)\."
)
_ROOT = re.compile(
    r"^(?:file://)?(?:[A-Za-z]:)?"
    r"(?:.*/(?:site-packages|dist-packages|node_modules)/|.*/pkg/mod/|.*/gems/"
    r"|/(?:app|code|workspace|build|src)/|/usr/src/app/|/(?:srv|opt|usr/src|var/www)/[^/]+/|/home/[^/]+/[^/]+/"
    r"|/usr/(?:local/)?lib/python[\d.]+/|\./)"
)


def _show(frames: Iterable[_Frame]) -> str | None:
    """Return the first frame of the application, or the first of all; `frames` come innermost first."""
    top = None
    for frame in frames:
        if top is None or not frame.is_library:
            top = frame
        if not frame.is_library:
            break
    if top is None:
        return None
    place = _ROOT.sub("", top.path.replace("\\", "/"), count=1)
    place = f"{place}:{top.line}" if top.line else place
    return f"{place} in {top.function}" if top.function else place


def _frame(path: str, line: str, function: str) -> _Frame:
    return _Frame(path, line, function, _LIBRARY_PATH.search(path.replace("\\", "/")) is not None)


# Python -----------------------------------------------------------------------------------------------------

_PY_FRAME = re.compile(r'^[ \t]+File "([^"\n]{1,400})", line (\d{1,9})(?:, in ([^\n]{1,200}))?', re.MULTILINE)
_PY_FINAL = re.compile(rf"^({_NAME})(?::[ \t]*(.*)|[ \t]*$)", re.MULTILINE)
_PY_GROUP = re.compile(r"^[ \t]+\+ Exception Group Traceback", re.MULTILINE)
_PY_HEADER = "Traceback (most recent call last):"


def _python(text: str) -> ExceptionFields:
    group = _PY_GROUP.search(text)
    block = _group_block(text[group.start() :]) if group is not None else text[max(text.rfind(_PY_HEADER), 0) :]
    block = block.partition("\n")[2] if _PY_HEADER in block.partition("\n")[0] else block
    frames = [_frame(m[1], m[2], (m[3] or "").strip()) for m in _PY_FRAME.finditer(block)]
    final = _PY_FINAL.search(block, _end_of_frames(block))
    kind, message = (final[1], final[2]) if final is not None else (None, None)
    return _fields(kind, message, _show(reversed(frames)))


def _end_of_frames(block: str) -> int:
    end = 0
    for match in _PY_FRAME.finditer(block):
        end = match.end()
    return end


def _group_block(text: str) -> str:
    """Return the group's own traceback as an ordinary one: its margin taken off, its members left out."""
    lines = []
    for line in text.splitlines():
        inner = line.strip()
        if inner.startswith("+-"):
            break
        lines.append(re.sub(r"^[ \t]*[|+][ \t]", "", line))
    return "\n".join(lines)


# Java, .NET, JavaScript -------------------------------------------------------------------------------------

_AT = re.compile(r"^[ \t]*at ([^\n]{1,600})", re.MULTILINE)
_JAVA_AT = re.compile(
    r"(?:[^\s/()]{1,100}/{1,2}){0,2}([\w$.<>]{1,300})\.([\w$<>]{1,200})"
    r"\(([\w$-]{1,200}\.(?:java|kt|scala|groovy|clj)|Native Method|Unknown Source|<\w{1,30}>)(?::(\d{1,9}))?\)"
)
_JS_AT = re.compile(
    r"(?:async )?(?:(.{1,200}?) \()?((?:file://|node:)?[^\s()]{1,400}?):(\d{1,9})(?::\d{1,9})?\)?[ \t\r]*$"
)
_NET_AT = re.compile(r"([^\s(]{1,300})\([^\n]{0,300}?\)(?: in (.{1,400}):line (\d{1,9}))?[ \t\r]*$")
_CAUSED_BY = re.compile(rf"^[ \t]*Caused by: ({_NAME})(?::[ \t]*(.*))?", re.MULTILINE)


def _at_lines(text: str) -> ExceptionFields:
    first = _AT.search(text)
    start = first.start() if first is not None else len(text)
    kind, message = _reported(text[:start])
    causes = _CAUSED_BY.findall(text, start)
    if causes:
        name, why = causes[-1]
        message = f"{message or ''} [caused by {name}{': ' + why.strip() if why else ''}]"
    frames = (_at_frame(match[1]) for match in _AT.finditer(text))
    return _fields(kind, message, _show(frame for frame in frames if frame is not None))


def _reported(head: str) -> tuple[str | None, str | None]:
    """Return type and message that the lines before the first frame name; their last naming line wins."""
    for line in reversed(head.splitlines()[-20:]):
        match = _AT_START.match(line.strip()) or _INSIDE.search(line)
        if match is not None and not line.lstrip().startswith("--->"):
            return match[1], match[2]
    return None, None


def _at_frame(text: str) -> _Frame | None:
    java = _JAVA_AT.match(text)
    if java is not None:
        return _java_frame(java)
    net = _NET_AT.match(text)
    if net is not None and (net[2] or "/" not in text):
        return _net_frame(net)
    js = _JS_AT.match(text)
    return _frame(js[2], js[3], js[1] or "") if js is not None else None


def _java_frame(match: re.Match[str]) -> _Frame:
    owner, function, file, line = match.groups()
    package, _, klass = owner.rpartition(".")
    name = file if line else klass.partition("$")[0]
    path = f"{package.replace('.', '/')}/{name}" if package else name
    return _Frame(path, line or "", function, _LIBRARY_NAME.match(owner + ".") is not None)


def _net_frame(match: re.Match[str]) -> _Frame:
    function, path, line = match.groups()
    is_library = function.startswith(("System.", "Microsoft."))
    if path is None:
        return _Frame(function, "", "", is_library)
    return _Frame(path, line, function, is_library)


# Go, Rust, Ruby, PHP ----------------------------------------------------------------------------------------

_GO_PANIC = re.compile(r"^(?:.*?[ \t])?(panic|fatal error): (.*)", re.MULTILINE)
_GO_FRAME = re.compile(
    r"^([^\s(][^\n]{0,300})\([^()\n]{0,400}\)[ \t\r]*\n[ \t]+([^\s:]{1,400}):(\d{1,9})", re.MULTILINE
)
_RUST_PANIC = re.compile(
    r"panicked at (?:'(.{0,600}?)', )?([^\s:]{1,300}):(\d{1,9}):\d{1,9}:?[ \t\r]*(?:\n([^\n]{1,600}))?"
)
_RUST_FRAME = re.compile(
    r"^[ \t]*\d{1,4}: (?:0x[0-9a-f]+ - )?([^\n]{1,300})\n[ \t]+at ([^\s:]{1,300}):(\d{1,9})", re.MULTILINE
)
_RUBY_FRAME = re.compile(r"([^\s:]{1,300}\.(?:rb|erb|rake|ru)):(\d{1,7}):in [`']([^'\n]{1,200})'")
_RUBY_FIRST = re.compile(
    r"\.(?:rb|erb|rake|ru):\d{1,7}:in [`'][^'\n]{1,200}': (.{0,600}) \(([A-Z][\w:]{0,200})\)[ \t\r]*$", re.MULTILINE
)
_RUBY_NAMED = re.compile(r"\b((?:[A-Z]\w{0,100}::){0,9}[A-Z]\w{0,100}(?:Error|Exception)) \((.{0,600})\)")
_PHP_FIRST = re.compile(
    r"(?:Uncaught |(?=[\w\\]{0,200}(?:Error|Exception): ))([\w\\]{1,200}): (.{0,600}?) in (/[^\s:]{1,300}):(\d{1,9})"
)
_PHP_FRAME = re.compile(r"^#\d{1,5} (/[^\s(]{1,300})\((\d{1,9})\): ([^\n(]{1,200})", re.MULTILINE)


def _go(text: str) -> ExceptionFields:
    panic = _GO_PANIC.search(text)
    kind, message = (panic[1], panic[2]) if panic is not None else (None, None)
    return _fields(kind, message, _show(_go_frames(text)))


def _go_frames(text: str) -> Iterable[_Frame]:
    for match in _GO_FRAME.finditer(text):
        function, path, line = match.groups()
        is_library = function.startswith(("runtime.", "runtime/", "panic")) or bool(_LIBRARY_PATH.search(path))
        yield _Frame(path, line, function.removeprefix("created by "), is_library)


def _rust(text: str) -> ExceptionFields:
    panic = _RUST_PANIC.search(text)
    if panic is None:
        return ExceptionFields()
    message = panic[1] if panic[1] is not None else panic[4]
    places = {(m[2].removeprefix("./"), m[3]): m[1].strip() for m in _RUST_FRAME.finditer(text)}
    path, line = panic[2].removeprefix("./"), panic[3]
    return _fields("panic", message, _show([_frame(path, line, places.get((path, line), ""))]))


def _ruby(text: str) -> ExceptionFields:
    frames = (_frame(*match.groups()) for match in _RUBY_FRAME.finditer(text))
    first, named = _RUBY_FIRST.search(text), _RUBY_NAMED.search(text)
    if first is not None:
        return _fields(first[2], first[1], _show(frames))
    kind, message = (named[1], named[2]) if named is not None else (None, None)
    return _fields(kind, message, _show(frames))


def _php(text: str) -> ExceptionFields:
    first = _PHP_FIRST.search(text)
    calls = [(m[1], m[2], m[3].strip()) for m in _PHP_FRAME.finditer(text)]
    if first is None:
        return _fields(None, None, _show(_frame(*call) for call in calls))
    function = calls[0][2] if calls else ""
    places = [_frame(first[3], first[4], function), *(_frame(*call) for call in calls)]
    return _fields(first[1], first[2], _show(places))


_READERS = (
    (re.compile(re.escape(_PY_HEADER)), _python),
    (re.compile(r"\bpanicked at "), _rust),
    (re.compile(r"^goroutine \d|^panic: |^fatal error: ", re.MULTILINE), _go),
    (re.compile(r"^#\d{1,5} (?:/|\{main\}|\[internal)", re.MULTILINE), _php),
    (re.compile(r"^[ \t]*at [^\n]{1,400}?(?:\)|:\d{1,9}|:line \d{1,9})[ \t\r]*$", re.MULTILINE), _at_lines),
    (re.compile(r"\.(?:rb|erb|rake|ru):\d{1,7}:in "), _ruby),
    (re.compile(r'^[ \t]+File "[^"\n]{1,400}", line \d', re.MULTILINE), _python),
)
