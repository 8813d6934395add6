"""Secrets that their key gives away: `password=…`, `"token": "…"`, `Authorization: …`, `--api-key …`.

The value may be bare, quoted, a number, or a JSON object or array, at any depth of JSON inside JSON strings;
what replaces it keeps the surrounding JSON valid. A key counts by its last words (`db_password`,
`clientSecret`), not by a word somewhere in it (`password_policy`, `total_tokens`). This module must not know
columns or state.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from fm_anomaly.core.secret_tokens import Counts, at_boundary, each, mark

_WORDS = {
    "passw": re.compile(r"passw(?:or)?d"),
    "passphr": re.compile(r"passphrase"),
    "pwd": re.compile(r"pwd"),
    "secret": re.compile(r"secret"),
    "token": re.compile(r"token"),
    "key": re.compile(r"(?:api|access|private|account|shared|encryption|signing|session|master)[_ -]?key"),
    "credential": re.compile(r"credential"),
    "authoriz": re.compile(r"authorization"),
    "cookie": re.compile(r"cookie"),
}
_KEY_STARTS = ("api", "access", "private", "account", "shared", "encryption", "signing", "session", "master")
_LONGEST_KEY_START = 11

# What may follow the word within the key.
_SUFFIX = (
    r"(?:s(?![\w]))?(?:[_-]?(?:\d{1,3}|value|hash|key|access[_-]?key|string|text|data|plain|plaintext|b64|base64"
    r"|header|token|secret|password|old|new|confirm|confirmation|enc|encrypted)){0,2}"
)
_AFTER_WORD = re.compile(
    _SUFFIX
    + r"(?:(?P<kq>\\{0,15}[\"'`])[ \t]{0,4}(?P<qsep>=>|:=|==?|:|,)"
    + r"|[ \t]{0,2}(?P<sep>=>|:=|==?|:|>)"
    + r"|(?P<flag>[ \t]{1,2}))[ \t]{0,4}(?:[bru]{0,2}(?P<vq>\\{0,15}[\"'`]))?",
    re.IGNORECASE | re.ASCII,
)
_KEY_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_COUNTED = re.compile(r"max|min|total|num|count|limit|per|cost|used|prompt|completion|input|output|avg|left|remaining")

_PLACEHOLDER = re.compile(
    r"(?:<redacted:\w{1,24}>(?:\\{1,8}[nr])*|<id:[0-9a-f]{12}>|\$\{[\w.:-]{0,64}\}|\$[A-Z_]{1,64}|%[sdrv]|\{\{?\w{0,32}\}?\}|[*.x•-]+"
    r"|null|none|nil|true|false|undefined|yes|no|n/a|\[?(?:redacted|filtered|masked|hidden)\]?)\Z",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:bearer|basic|digest|token|negotiate|apikey|splunk|aws4-hmac-sha256)[ \t]+", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d{1,64}(?:\.\d{1,64})?(?:[eE][+-]?\d{1,4})?(?=[\s,}\]]|\Z)")
# A bare value: up to white space, a quote, an escape such as \n, or a separator that another field follows.
_BARE = re.compile(
    r"(?:<redacted:\w{1,24}>|\\\\|\\(?![\\nrtbfu\"'])|[^\s\"'`<>&,;\\)\]}|]"
    r"|[,;|](?=[^\s\"'`<>&,;\\)\]}|=:])(?![\w.-]{1,64}[=:])|[)\]}](?=[\w!#$%*+/@^~-]))+"
)
_PAIRS = re.compile(r"(?:<redacted:\w{1,24}>|[^\s,\"'\\<>]|(?<=;)[ \t](?=[\w-]))+")
_ELEMENT = re.compile(r"[^<\"\\]+")
_WORDLIKE = re.compile(r"[A-Za-z]?[a-z]{0,19}\.?\Z")
_MORE_WORDS = re.compile(r"[ \t]+[a-z]")


@dataclass(frozen=True, slots=True)
class _Key:
    """A key like a secret's, and where its value begins."""

    word: str
    start: int
    name: str
    quote: str
    separator: str
    value_quote: str
    value_at: int


def redact_values(text: str, counts: Counts) -> str:
    """Redact the values of keys that are named like secrets."""
    low = lower(text)
    out: list[str] = []
    done = 0
    for at, word in _anchors(low):
        if at < done:
            continue
        key = _key_at(text, low, at, word)
        span = _value_span(text, key) if key is not None else None
        if key is not None and span is not None:
            start, end, quote = span
            kind = "credential" if key.word == "authoriz" else "secret"
            out.append(text[done:start] + quote + mark(kind, counts) + quote)
            done = end
    return "".join(out) + text[done:] if out else text


def lower(text: str) -> str:
    """Return `text` in lower case, the same length whatever the script."""
    low = text.lower()
    # Only U+0130 grows; a line that has it is folded in ASCII alone.
    return low if len(low) == len(text) else text.translate(_ASCII_LOWER)


_ASCII_LOWER = {c: c + 32 for c in range(65, 91)}


def _anchors(low: str) -> list[tuple[int, str]]:
    """Return where the words stand in `low`, in order."""
    found = []
    for word in _WORDS:
        at = low.find(word)
        while at >= 0:
            found.append((at, word))
            at = low.find(word, at + len(word))
    found.sort()
    return found


def _key_at(text: str, low: str, at: int, word: str) -> _Key | None:
    if word == "key":
        reach = range(3, min(at, _LONGEST_KEY_START) + 1)
        first = next((at - n for n in reach if low.startswith(_KEY_STARTS, at - n)), at)
        match = _WORDS[word].match(low, first, at + 3)
    else:
        match = _WORDS[word].match(low, at)
    after = _AFTER_WORD.match(text, match.end()) if match is not None else None
    if match is None or after is None:
        return None
    start = _key_start(text, match.start())
    name = text[start : after.start()]
    quote = after["kq"] or ""
    separator = after["qsep"] or after["sep"] or " "
    if not _fits(text, start, word, separator, quote, after["vq"] or ""):
        return None
    return _Key(word, start, name, quote, separator, after["vq"] or "", after.end())


def _key_start(text: str, at: int) -> int:
    start = at
    first = max(0, at - 64)
    while start > first and text[start - 1] in _KEY_CHARS:
        start -= 1
    return start


def _fits(text: str, start: int, word: str, separator: str, quote: str, value_quote: str) -> bool:
    """Whether the separator stands as it should: a flag has dashes, an element angle brackets, a pair brackets."""
    if separator == " ":
        return text.startswith("--", start)
    if separator == ">":
        return text[start - 1 : start] == "<" and not value_quote
    if separator == ",":
        before = text[max(0, start - len(quote) - 3) : start - len(quote)].rstrip("bru ")
        opened = before.endswith("(") or (before.endswith("[") and word in ("authoriz", "cookie"))
        return opened and quote == value_quote
    return True


def _value_span(text: str, key: _Key) -> tuple[int, int, str] | None:
    """Return start and end of what to replace, and the quotes that the replacement needs."""
    at = key.value_at
    if key.value_quote:
        end = quoted_end(text, at, key.value_quote)
        at += _scheme_length(text, key, end)
        return (at, end, "") if _is_secret(text[at:end]) else None
    if text[at : at + 1] in ("{", "["):
        end = bracket_end(text, at)
        empty = text[at + 1 : end - 1].strip() == ""
        return None if empty or _is_plural(text, key) or _PLACEHOLDER.match(text[at:end]) else (at, end, key.quote)
    number = _NUMBER.match(text, at)
    if number is not None:
        counted = key.word == "token" and (_COUNTED.search(key.name.lower()) or _is_plural(text, key))
        return None if counted else (at, number.end(), key.quote)
    return _bare_span(text, key)


def _is_plural(text: str, key: _Key) -> bool:
    """Whether the key speaks of tokens in the plural: those are counted or listed, not secret."""
    return key.word == "token" and text[key.start : key.value_at].lower().rstrip(" \t:=\"'\\").endswith("tokens")


def _bare_span(text: str, key: _Key) -> tuple[int, int, str] | None:
    at = key.value_at + _scheme_length(text, key, len(text))
    form = _ELEMENT if key.separator == ">" else _PAIRS if key.word == "cookie" else _BARE
    match = form.match(text, at)
    if match is None or not _is_secret(match[0]):
        return None
    value, end = match[0], match.end()
    if key.word == "pwd" and value[0] in "/~":
        return None  # the working directory
    if at == key.value_at and key.separator == ":" and not key.quote and _is_prose(key, value, text[end : end + 4]):
        return None
    return at, end, key.quote


def _is_prose(key: _Key, value: str, rest: str) -> bool:
    """Whether `key: value` reads like a sentence: "invalid token: expired", "password: field required"."""
    if not _WORDLIKE.match(value):
        return False
    return key.word not in ("passw", "passphr", "pwd") or _MORE_WORDS.match(rest) is not None


def _scheme_length(text: str, key: _Key, end: int) -> int:
    if key.word != "authoriz":
        return 0
    scheme = _SCHEME.match(text, key.value_at, end)
    return scheme.end() - scheme.start() if scheme is not None else 0


def _is_secret(value: str) -> bool:
    return value.strip() != "" and _PLACEHOLDER.match(value) is None


def quoted_end(text: str, at: int, quote: str) -> int:
    """Return where the string that began with `quote` just before `at` ends: at its closing quote.

    `quote` carries the backslashes of its depth (none in plain JSON, one inside a JSON string, three in one
    inside that). An end of the enclosing string, or of the line, ends a string that was cut off.
    """
    depth = len(quote) - 1
    char = quote[-1]
    place = text.find(char, at)
    while place >= 0:
        slashes = place
        while slashes > at and text[slashes - 1] == "\\":
            slashes -= 1
        n = place - slashes
        if n < depth or (n - depth) % (2 * depth + 2) == 0:
            return place - min(n, depth)
        place = text.find(char, place + 1)
    return len(text)


_BRACKETS = re.compile(r"(\\*)\"|[{}\[\]]")


def bracket_end(text: str, at: int) -> int:
    """Return the position after the bracket that closes the one at `at`; the line's end if none does."""
    level = 0
    place = at
    while True:
        match = _BRACKETS.search(text, place)
        if match is None:
            return len(text)
        if match[0][-1] == '"':
            closing = quoted_end(text, match.end(), match[0])
            place = closing + len(match[0])
            continue
        level += 1 if match[0] in "{[" else -1
        place = match.end()
        if level == 0:
            return place


# Bearer and basic credentials without a header's name -------------------------------------------------------

_BEARER = re.compile(r"bearer[ \t]{1,4}([\w.~+/=-]{8,8000})", re.IGNORECASE | re.ASCII)
_BASIC = re.compile(r"basic[ \t]{1,4}([A-Za-z0-9+/]{4,2000}={0,2})", re.IGNORECASE | re.ASCII)


def redact_credentials(text: str, counts: Counts) -> str:
    """Redact `Bearer …` and `Basic …` credentials; "bearer authentication failed" is no credential."""

    def replace(text: str, at: int) -> tuple[int, int, str] | None:
        form, is_credential = (_BEARER, _has_digit) if text[at + 1] in "eE" else (_BASIC, _is_basic)
        match = form.match(text, at) if at_boundary(text, at) else None
        if match is None or not is_credential(match[1]):
            return None
        return match.start(1), match.end(1), mark("credential", counts)

    for literal in ("bearer ", "basic "):
        low = lower(text)
        if literal in low:
            text = each(text, literal, replace, low)
    return text


def _has_digit(value: str) -> bool:
    return any(c.isdigit() for c in value)


def _is_basic(value: str) -> bool:
    """Whether `value` is base64 of `user:password` (RFC 7617)."""
    try:
        return b":" in base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
