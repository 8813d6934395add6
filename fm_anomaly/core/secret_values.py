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
import string
from typing import NamedTuple

from fm_anomaly.core.secret_tokens import Counts, at_boundary, mark

# Where a secret's word may begin: the stem that is looked for, the letters before it, the word. Stems leave out
# the first letter, so that "password", "Password", "PASSWORD" and "dbPassword" need two forms and not more.
_STEMS = (
    ("assw", "p", "password"),
    ("assphr", "p", "password"),
    ("pwd", "", "pwd"),
    ("ecret", "s", "secret"),
    ("oken", "t", "token"),
    ("pi_key", "a", "key"),
    ("pi-key", "a", "key"),
    ("pi key", "a", "key"),
    ("pikey", "a", "key"),
    ("ccess_key", "a", "key"),
    ("ccess-key", "a", "key"),
    ("ccesskey", "a", "key"),
    ("rivate", "p", "key"),
    ("ccount_key", "a", "key"),
    ("hared_key", "s", "key"),
    ("ption_key", "encry", "key"),
    ("igning_key", "s", "key"),
    ("ssion_key", "se", "key"),
    ("aster_key", "m", "key"),
    ("redential", "c", "credential"),
    ("uthoriz", "a", "authorization"),
    ("ookie", "c", "cookie"),
    ("earer ", "b", "bearer"),
    ("asic ", "b", "basic"),
)
_AS_WRITTEN = (
    ("_pass", "", "pass"),
    ("_PASS", "", "pass"),
    ("-pass", "", "pass"),
    ('"pass"', "", "pass"),
    ("creds", "", "credential"),
    ("ssionid", "se", "session"),
    ("mz-Sig", "X-A", "signature"),
)
"""Stems of one form only: there is room for no more. They stand last: among the others they made the search,
which sorts literals into buckets, four times slower."""
_CAMEL_STEMS = ("Pwd", "piKey", "pi Key", "pi-Key", "ccessKey", "ptionKey", "igningKey", "ssionKey", "asterKey")


def _stem_forms() -> dict[str, tuple[str, str]]:
    forms = {}
    for stem, before, word in _STEMS:
        forms[stem] = forms[stem.upper()] = (before, word)
    for stem in _CAMEL_STEMS:
        spelled = re.sub(r"(?<=[a-z])(?=Key)", "_", stem).lower()
        forms[stem] = forms[spelled]
    forms.update({stem: (before, word) for stem, before, word in _AS_WRITTEN})
    return forms


_FORMS = _stem_forms()
STEM_PATTERN = "|".join(re.escape(form).replace("\\ ", " ").replace("\\-", "-") for form in _FORMS)
"""Finds the stems; plain literals only, at most 64: Rust's engine looks for these with vector instructions."""
_STEM = re.compile(STEM_PATTERN)

_WORDS = {
    "password": re.compile(r"passw(?:or)?d|passphrase", re.IGNORECASE),
    "pwd": re.compile(r"pwd", re.IGNORECASE),
    "secret": re.compile(r"secret", re.IGNORECASE),
    "token": re.compile(r"token", re.IGNORECASE),
    "key": re.compile(
        r"(?:api|access|private|account|shared|encryption|signing|session|master)[_ -]?key", re.IGNORECASE
    ),
    "pass": re.compile(r"[_-]pass(?:w(?:or)?d|phrase)?|\"pass(?=\")", re.IGNORECASE),
    "session": re.compile(r"sessionid"),
    "signature": re.compile(r"X-Amz-Signature"),
    "credential": re.compile(r"credential|creds", re.IGNORECASE),
    "authorization": re.compile(r"authorization", re.IGNORECASE),
    "cookie": re.compile(r"cookie", re.IGNORECASE),
    "bearer": re.compile(r"bearer[ \t]{1,4}([\w.~+/=-]{8,8000})", re.IGNORECASE | re.ASCII),
    "basic": re.compile(r"basic[ \t]{1,4}([A-Za-z0-9+/]{4,2000}={0,2})", re.IGNORECASE | re.ASCII),
}

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
_KEY_CHARS = string.ascii_letters + string.digits + "_.-"
_MAYBE_COUNTS = ("pass", "session")
_NO_PASSWORD = re.compile(
    r".*?(?:^|[_.-])(?:\w*(?:st|nd|rd|th)|by|one|two|three|per|pre|post|multi|single|low|high|band|dry|all|full|final|last"
    r"|tests?|checks?|gc|build|compile|render|opt|n|num|max|min|total|did|must|can|will|is|to|sync|scan|run|current)\Z",
    re.IGNORECASE | re.ASCII,
)
"""What stands before `_pass` where it is a run or a verdict: `first_pass`, `tests_pass`."""
_COUNTED = re.compile(r"max|min|total|num|count|limit|per|cost|used|prompt|completion|input|output|avg|left|remaining")

_PLACEHOLDER = re.compile(
    r"(?:<redacted:\w{1,24}>(?:\\{1,8}[nr])*|<id:[0-9a-f]{12}>|\$\{[\w.:-]{0,64}\}|\$[A-Z_]{1,64}|%[sdrv]|\{\{?\w{0,32}\}?\}|[*.x•-]+"
    r"|null|none|nil|true|false|undefined|yes|no|n/a|\[?(?:redacted|filtered|masked|hidden)\]?)\Z",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{[\w.:-]{1,64}\}(?=[\s,;&\"'\\)\]}]|\Z)")
_SCHEME = re.compile(r"(?:bearer|basic|digest|token|negotiate|apikey|splunk|aws4-hmac-sha256)[ \t]+", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d{1,64}(?:\.\d{1,64})?(?:[eE][+-]?\d{1,4})?(?=[\s,}\]]|\Z)")
# A bare value: up to white space, a quote, an escape such as \n, or a separator that another field follows.
_BARE = re.compile(
    r"(?:[^\s\"'`<>&,;\\)\]}|]++|<redacted:\w{1,24}>|\\\\|\\(?![\\nrtbfu\"'])"
    r"|[,;|](?=[^\s\"'`<>&,;\\)\]}|=:])(?![\w.-]{1,64}[=:])|[)\]}](?=[\w!#$%*+/@^~-]))+"
)
_PAIRS = re.compile(r"(?:[^\s,\"'\\<>]++|<redacted:\w{1,24}>|(?<=;)[ \t](?=[\w-]))+")
_ELEMENT = re.compile(r"[^<\"\\]+")
_WORDLIKE = re.compile(r"[A-Za-z]?[a-z]{0,19}\.?\Z")
_MORE_WORDS = re.compile(r"[ \t]{1,4}(?:[a-z]|<redacted:)")


class _Key(NamedTuple):
    """A key like a secret's, and where its value begins. (A tuple: made once a candidate, and faster.)"""

    word: str
    start: int
    name: str
    quote: str
    separator: str
    value_quote: str
    value_at: int


Span = tuple[int, int, str]
"""Start and end of what to replace, and the quotes that the replacement needs."""


def stems_in(text: str) -> list[str]:
    """Return the stems in `text`, in order; the same as matching `STEM_PATTERN` over a column."""
    return _STEM.findall(text)


def redact_values(text: str, counts: Counts, stems: list[str]) -> str:
    """Redact the values of keys named like secrets, and bearer and basic credentials.

    `stems` are those in `text`, in order (see `stems_in`).
    """
    out: list[str] = []
    done = place = 0
    for stem in stems:
        at = text.find(stem, place)
        place = at + len(stem)
        before, word = _FORMS[stem]
        at -= len(before)
        if at < done:
            continue
        span = _credential_span(text, at, word) if word in _CREDENTIALS else _secret_span(text, at, word)
        if span is not None:
            start, end, quote = span
            kind = "credential" if word in _CREDENTIALS or word == "authorization" else "secret"
            out.append(text[done:start] + quote + mark(kind, counts) + quote)
            done = end
    return "".join(out) + text[done:] if out else text


_CREDENTIALS = ("bearer", "basic")


def _secret_span(text: str, at: int, word: str) -> Span | None:
    match = _WORDS[word].match(text, at)
    after = _AFTER_WORD.match(text, match.end()) if match is not None else None
    if after is None:
        return None
    first = max(0, at - 64)
    start = first + len(text[first:at].rstrip(_KEY_CHARS))
    if word == "pass":
        if match is not None and not match[0].lower().endswith("pass"):
            word = "password"
        elif _NO_PASSWORD.match(text[start:at]):
            return None
    quote, value_quote = after["kq"] or "", after["vq"] or ""
    separator = after["qsep"] or after["sep"] or " "
    if not _fits(text, start, word, separator, quote, value_quote):
        return None
    return _value_span(text, _Key(word, start, text[start : after.start()], quote, separator, value_quote, after.end()))


def _fits(text: str, start: int, word: str, separator: str, quote: str, value_quote: str) -> bool:
    """Whether the separator stands as it should: a flag has dashes, an element angle brackets, a pair brackets."""
    if separator == " ":
        return text.startswith("--", start)
    if separator == ">":
        return text[start - 1 : start] == "<" and not value_quote
    if separator == ",":
        before = text[max(0, start - len(quote) - 3) : start - len(quote)].rstrip("bru ")
        opened = before.endswith("(") or (before.endswith("[") and word in ("authorization", "cookie"))
        return opened and quote == value_quote
    return True


def _value_span(text: str, key: _Key) -> Span | None:
    at = key.value_at
    if key.value_quote:
        end = quoted_end(text, at, key.value_quote)
        at += _scheme_length(text, key, end)
        return (at, end, "") if _is_secret(text[at:end]) else None
    if _VARIABLE.match(text, at):
        return None
    if text[at : at + 1] in ("{", "["):
        end = bracket_end(text, at)
        empty = text[at + 1 : end - 1].strip() == ""
        return None if empty or _is_plural(text, key) or _PLACEHOLDER.match(text[at:end]) else (at, end, key.quote)
    number = _NUMBER.match(text, at)
    if number is not None:
        if key.word in _MAYBE_COUNTS:
            return None
        counted = key.word == "token" and (_COUNTED.search(key.name.lower()) or _is_plural(text, key))
        return None if counted else (at, number.end(), key.quote)
    return _bare_span(text, key)


def _is_plural(text: str, key: _Key) -> bool:
    """Whether the key speaks of tokens in the plural: those are counted or listed, not secret."""
    return key.word == "token" and text[key.start : key.value_at].lower().rstrip(" \t:=\"'\\").endswith("tokens")


def _bare_span(text: str, key: _Key) -> Span | None:
    at = key.value_at + _scheme_length(text, key, len(text))
    form = _ELEMENT if key.separator == ">" else _PAIRS if key.word == "cookie" and not key.quote else _BARE
    match = form.match(text, at)
    if match is None or not _is_secret(match[0]):
        return None
    value, end = match[0], match.end()
    if key.word == "pwd" and value[0] in "/~":
        return None  # the working directory
    if key.word == "session" and value.startswith("0x"):
        return None  # a number, and evidence: ZooKeeper's
    if at == key.value_at and key.separator == ":" and not key.quote and _is_prose(key, value, text[end : end + 16]):
        return None
    return at, end, key.quote


def _is_prose(key: _Key, value: str, rest: str) -> bool:
    """Whether `key: value` reads like a sentence: "invalid token: expired", "password: field required"."""
    if not _WORDLIKE.match(value):
        return False
    return key.word not in ("password", "pwd") or _MORE_WORDS.match(rest) is not None


def _scheme_length(text: str, key: _Key, end: int) -> int:
    if key.word != "authorization":
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


def _credential_span(text: str, at: int, word: str) -> Span | None:
    """Find `Bearer …` and `Basic …`; "bearer authentication failed" is no credential."""
    match = _WORDS[word].match(text, at) if at_boundary(text, at) else None
    if match is None or not (_has_digit(match[1]) if word == "bearer" else _is_basic(match[1])):
        return None
    return match.start(1), match.end(1), ""


def _has_digit(value: str) -> bool:
    return any(c.isdigit() for c in value)


def _is_basic(value: str) -> bool:
    """Whether `value` is base64 of `user:password` (RFC 7617)."""
    try:
        return b":" in base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
