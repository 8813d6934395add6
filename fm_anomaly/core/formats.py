"""The grammar of text log headers: which patterns stand between the timestamp and the message.

Patterns are Rust regular expressions (Polars), anchored, without groups and without counted repetitions of
many bytes: so they run as automata (measured: ten times faster than with a group). They match the whole
header; what it says is read from its text by `header_fields`, once per distinct header. A new text format is a new
row here. This module knows nothing of batches and sources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fm_anomaly.core import severities

_LEVELS = (
    "TRACE|DEBUG[1-5]?|DBUG|DEBG|DBG|INFORMATION|INFO|INF|NOTICE|WARNING|WARN|WRN|ERROR|ERR|FATAL"
    "|CRITICAL|CRIT|CRT|FTL|ALERT|EMERG|PANIC|VERBOSE"
)
_PLAIN_WORDS = "SEVERE|FINEST|FINER|FINE|CONFIG|NOTE|LOG|STATEMENT|DETAIL|HINT"
"""Levels of java.util.logging and PostgreSQL that are words of every day (`git config`): upper case only."""
_WORDS = f"{_LEVELS}|{_PLAIN_WORDS}"
_ANY_CASE = rf"(?i-u:{_LEVELS})"
_NAMED = rf"(?:{_ANY_CASE}|{_PLAIN_WORDS})"
_B = r"[ \t]"
# [ERROR], [ warn ], [core:error]: any case; upper case bare; other case only where what follows tells.
_BRACKETED = rf"\[{_B}*(?:[A-Za-z0-9_]+:)?{_NAMED}{_B}*\]"
_UPPER = rf"(?:{_WORDS})(?:/[A-Za-z0-9_\-]+\]|[:|,\]]|{_B}|$)"
_MARKED = rf"{_ANY_CASE}(?::|\||\t|  | \[| - )"
_LOWER = rf"(?:info|debug|warn|trace|Info|Debug|Warn|Trace){_B}"
_LOWER_FIRST = rf"(?:error|warning|fatal|critical|notice){_B}"
"""Words of every day, which are a level only right behind the timestamp."""
_LEVEL_IN_TEXT = rf"(?:{_BRACKETED}:?|<{_ANY_CASE}>|\({_ANY_CASE}\)|{_UPPER}|{_MARKED})"
"""A level behind a plain word, which may be the message's own (`show info about …`)."""
LEVEL = rf"(?:{_LEVEL_IN_TEXT}|{_LOWER})"

_BRACKET = r"""\[(?:[^\[\]{}"']|\[[^\[\]]*\])*\]"""
_DOTTED = r"[A-Za-z_$][A-Za-z0-9_\-]*(?:(?:[.$/]|::)[A-Za-z0-9_$<>\-]+)+"
_CAMEL = r"[A-Z][a-z0-9]+[A-Z][A-Za-z0-9]*"
_FILE_LINE = r"[A-Za-z0-9_./\-]+\.[A-Za-z]+:[0-9]+"
_LOGGER = (
    rf"(?:{_FILE_LINE}[:\]]?{_B}+(?:-{_B}+)?"
    rf"|[A-Za-z0-9_.]+:[A-Za-z0-9_<>.]+:[0-9]+ - "
    rf"|{_DOTTED}(?:@[0-9]+)?(?:\[[0-9]+\])?{_B}*(?::{_B}+| - |\|{_B}+|\]{_B}+)"
    rf"|{_DOTTED}{_B}+{_BRACKET}{_B}*"
    rf"|{_CAMEL}:{_B}+"
    rf"|[A-Za-z0-9_:]+\]{_B}+)"
)
_LEAD = rf"(?: #[0-9]+)?\]?{_B}*(?:[-|,:;]{_B}*)?"
_AFTER = (
    rf"{_B}*(?:[-|:]{_B}+)?(?:[0-9]+{_B}+---{_B}+|[0-9]+#[0-9]+:{_B}+(?:\*[0-9]+ )?)?"
    rf"(?:{_BRACKET}:?{_B}*){{0,4}}(?:\([^() \t]*\){_B}+)?"
    rf"(?:-- [^: \n]*: )?(?:[-|:]{_B}+)?(?:{_LOGGER})?(?:[-|:]{_B}+)?"
)
_BEFORE = (
    rf"(?:[0-9]+{_B}+|{_BRACKET}{_B}*(?:-{_B}+)?|\([^() \t]*\){_B}+|[A-Z][A-Z0-9_]+{_B}+"
    rf"|[A-Za-z0-9_.$/@\-]+{_B}*(?:-{_B}|\|{_B}*)|{_DOTTED}{_B}+|[-|]{_B}+)"
)
_PLAIN = rf"(?:[A-Za-z0-9][A-Za-z0-9_.@/:\-]*{_B}+)"

LEVEL_FIRST = rf"^(?:{_LEAD}(?:{LEVEL}|{_LOWER_FIRST}){_AFTER})"
"""After the timestamp comes the level."""
LEVEL_LATER = rf"^(?:{_LEAD}{_BEFORE}*?(?:{LEVEL}|{_PLAIN}{_BEFORE}*?{_LEVEL_IN_TEXT}){_AFTER})"
"""After the timestamp come process ids, threads, names, at most one plain word, then the level."""
NO_LEVEL = (
    rf"^(?:\]?{_B}*(?:[-|,:]{_B}+)?(?:{_BRACKET}:?{_B}*){{0,2}}"
    rf"(?:{_FILE_LINE}:{_B}+|{_DOTTED}(?::{_B}+| - )|\|(?:[A-Za-z0-9_.\-]+\|){{1,3}})?)"
)
"""Nothing but brackets and a logger; matches every text, with an empty header at worst."""
LETTER_LEVEL = rf"^(?:{_B}+[0-9]+{_B}+[0-9]+{_B}+[VDIWEFA]{_B}+[^:\n]+:{_B})"
"""Process, thread, one letter as the level, tag (logcat)."""
KLOG = rf"^(?:{_B}+[0-9]+{_B}[^ \t\]]+:[0-9]+\]{_B}?)"
"""Thread, file and line of glog and klog, whose level is the letter before the date."""
SYSLOG = rf"^(?:{_B}+[^ \t]+{_B}+[^ \t:\[\]]+(?:\[[^\]\n]*\])?:{_B}?)"
"""Host, tag and process of syslog's older form."""
SYSLOG_WIDE = rf"^(?:{_B}+[^ \t]+{_B}+[^\[\]:\n]+\[[0-9]+\]:{_B}?)"
SYSLOG_PID = rf"^(?:{_B}+[^ \t]+{_B}+[^ \t:\[\]]+\[[0-9]+\]:{_B}?)"
"""The same with ISO time, where only a process id makes it certain."""
SYSLOG_HOST = rf"^(?:{_B}+[^ \t]+{_B}+)"
REDIS = rf"^(?:{_B}+[.\-*#]{_B})"
PADDED_LEVELS = tuple(
    f" [{word:9s}] " for word in ("debug", "info", "warning", "error", "critical", "exception", "notset")
)
"""How a line of structlog's console form goes on: the level padded to nine."""

DOTNET_PREFIX = r"^(?:trce|dbug|info|warn|fail|crit): "
DOTNET = r"^(?:trce|dbug|info|warn|fail|crit): [A-Za-z][A-Za-z0-9_.`+]*\[[0-9]+\]$"
"""The .NET console form: level and category here, the message on the next line."""
BARE_LEVEL = (
    rf"^(?:{_BRACKETED}:?{_B}*(?:-{_B}+)?"
    rf"|(?:{_WORDS}):[A-Za-z_][A-Za-z0-9_.\-]*:"
    rf"|(?:(?:{_LEVELS})(?::|\||{_B}|$)|(?:{_PLAIN_WORDS}):){_B}*(?:{_BRACKET}{_B}+)?(?:[-|:]{_B}+)?)"
)
"""No timestamp: the line begins with a level."""
WORD_AT_START = rf"^\[?{_NAMED}\]?:"
"""A level word in front of a message that has no other level; it stays part of the message."""
LOGFMT = r"""^[A-Za-z_@][A-Za-z0-9_.@\-]*=(?:"(?:[^"\\]|\\.)*"|[^ "]*) +[A-Za-z_@][A-Za-z0-9_.@\-]*=(?:[^ ]|$)"""
ACCESS = (
    r"^(?:[^ ]+ )?([^ ]+) [^ ]+ [^\[\]\"]{1,80} \[([0-9]{2}/[A-Za-z]{3}/[0-9]{4}[: ][^\]]{8,20})\] "
    r"\"([A-Z]{3,10}) ([^ \"]+)[^\"]*\" ([0-9]{3})(?-u:\b)"
)
"""Common and combined log format: client, time, method, path, status."""
REQUEST = (
    r"\"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) ([^ \"]+)(?: HTTP/[0-9.]+)?\" "
    r"(?:status: ?|-> ?)?([1-5][0-9]{2})(?-u:\b)"
)
"""A quoted request line with its status, anywhere in a message."""
SYSLOG_5424 = (
    r"^<([0-9]{1,3})>1 ([^ ]+) [^ ]+ ([^ ]+) ([^ ]+) [^ ]+ "
    r"(?:-|(?:\[[^ \]=\"]+(?: [^ =\]\"]+=\"(?:[^\"\\\]]|\\.)*\")*\])+) ?(.*)$"
)
"""RFC 5424: priority, time, application, process, message."""

_LEVEL_WORD = re.compile(rf"(?<![A-Za-z0-9_.])((?i:{_LEVELS})|{_PLAIN_WORDS})(?![A-Za-z0-9_.-])")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*(?:\.[A-Za-z0-9_\-]+)?")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_THREAD = re.compile(
    r"main$|thread|(?:^|-)exec-|pool|nio|qtp|schedul|eventloop|-task-|^task-\d|dispatch|akka|^http-|executor|"
    r"reactor|forkjoin|listener|handler|fetcher|^req-|^tid|^pid|netty|worker-\d+-|^\w+-\d+-\d+|fiber|^boot$|preauth|"
    r"^[A-Z]+-\d{3,}$",
    re.IGNORECASE,
)
_TAG = re.compile(r"[ \t]+(\S+)[ \t]+(.+?)(?:\(.*?\))?(?:\[[^\]]*\])?:[ \t]?$")
_EXCEPTION_NAME = re.compile(r"(?:Error|Exception|Failure|Fault|Warning|Timeout)\b")
_TRAILING_CAMEL = re.compile(rf"({_CAMEL}):[ \t]+$")
_LETTERS = {"V": "trace", "D": "debug", "I": "info", "W": "warn", "E": "error", "F": "fatal", "A": "fatal"}


@dataclass(frozen=True, slots=True)
class Header:
    """What the text of a header says."""

    severity: int
    service: str | None
    length: int
    """Characters that are header; the rest belongs to the message."""
    format: str


@lru_cache(maxsize=65_536)
def header_fields(text: str) -> Header:
    """Read a header with a level (or without). Cost: some µs; distinct headers are few and remembered."""
    length = len(text)
    camel = _TRAILING_CAMEL.search(text)
    if camel and _EXCEPTION_NAME.search(camel[1]):
        length = camel.start()  # `ConnectionError: …` begins the message
    level = _LEVEL_WORD.search(text)
    severity = severities.from_word(level[1]) if level else 0
    service = next((b.strip() for b in _BRACKETS.findall(text) if is_service(b.strip())), None)
    return Header(severity, service, length, _shape(text, level))


def is_service(name: str) -> bool:
    """Whether a bracketed token names a service: a plain word that is no level and no thread.

    >>> [is_service(n) for n in ("api", "worker-2", "main", "http-nio-8080-exec-1", "INFO", "1234")]
    [True, True, False, False, False, False]
    """
    if not _NAME.fullmatch(name) or len(name) > 64 or name.lower() in severities.WORDS:
        return False
    return _THREAD.search(name) is None


def _shape(text: str, level: re.Match[str] | None) -> str:
    if level is None:
        return "plain"
    before, after = text[: level.start()], text[level.end() :]
    if re.search(r"\d+#\d+:", after):
        return "nginx-error"
    if before.endswith(" - ") and after.startswith(" - "):
        return "python"
    return "log4j" if re.search(rf"{_DOTTED}\S*(?: *: | - )", after or before) else "plain"


def word_severity(text: str) -> int:
    """Return the severity of the level word that a message begins with."""
    return severities.from_word(text[:40].partition(":")[0].strip("[]"))


@lru_cache(maxsize=65_536)
def tag_of(header: str) -> str | None:
    """Return the application that a syslog header names, without path and process id.

    >>> tag_of(" web1 /usr/sbin/cron(pam_unix)[42]: ")
    'cron'
    """
    found = _TAG.match(header)
    if found is None:
        return None
    name = found[2].strip().rstrip(":").rsplit("/", 1)[-1]
    return name[:64] or None


def letter_severity(header: str) -> int:
    """Return the severity of the first free-standing level letter of a logcat header."""
    found = re.search(r"[ \t]([VDIWEFA])[ \t]", header)
    return severities.from_word(_LETTERS[found[1]]) if found else 0


KLOG_SEVERITY = {ord(letter): severities.from_word(_LETTERS[letter]) for letter in "IWEF"}
"""First byte of a klog line → severity."""
REDIS_SEVERITY = {".": 5, "-": 5, "*": 10, "#": 13}
"""redis' level mark → severity."""
