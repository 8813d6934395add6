"""Normalising: what varies in a message (numbers, ids, paths, hosts, dates …) → typed masks.

Two steps. `fold` works on the whole column: every digit becomes 0 and runs of hex digits become one mark, so
that a million lines have some thousand *shapes*. `normalize` works on one shape and is a pure function of it:
it masks, splits and collapses, and gives the token tuple by which messages are the same event. This module
knows nothing of templates, streams or Drain3, and never looks at a digit's value (folding has taken it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

NORMALIZER_VERSION = 1
"""Raised whenever `normalize` changes an answer: it is part of a template's id and of the settings digest."""

WILDCARD = "<*>"
"""The one token that stands for every masked value in a key; its type is told apart in `Normalized.text`."""

# One private-use character a mask type: single characters survive every later mask and cannot be split.
_FIRST_MARK = 0xE000
MASK_TYPES = (
    "num", "hex", "uuid", "ip", "mac", "path", "host", "url", "email", "date", "time", "dur", "size", "id",
    "value", "str", "redacted", "class",
)  # fmt: skip
"""Types of masks, in the order of their marks; written `<num>`, `<ip>` … where people see them."""
_MARK = {name: chr(_FIRST_MARK + i) for i, name in enumerate(MASK_TYPES)}
_TYPE_BY_MARK = {mark: name for name, mark in _MARK.items()}
_M = f"[{chr(_FIRST_MARK)}-{chr(_FIRST_MARK + len(MASK_TYPES) - 1)}]"

# Words whose digit is part of the word. Their digits are folded to letters of the private-use block instead,
# else "ipv4" and "ipv6" would become one wildcard.
_WORDS = [
    "ipv4", "IPv4", "ipv6", "IPv6", "utf8", "UTF8", "utf-8", "UTF-8", "utf16", "UTF-16", "sha1", "SHA1", "SHA-1",
    "sha256", "SHA256", "SHA-256", "sha512", "SHA512", "SHA-512", "md5", "MD5", "log4j", "k8s", "K8s", "s3", "S3",
  "http2", "HTTP/2", "HTTP/1.1", "HTTP/1.0", "oauth2", "OAuth2", "base64", "Base64", "x86_64",
    "x86", "i386", "ssh2", "ext4", "X509", "x509", "p2p", "Neo4j", "neo4j", "Log4j",
]  # fmt: skip
_DIGIT_LETTERS = "".join(chr(0xE080 + i) for i in range(10))
_TO_LETTERS = str.maketrans("0123456789", _DIGIT_LETTERS)
_FROM_LETTERS = str.maketrans(_DIGIT_LETTERS, "0123456789")
_PROTECTED = [w.translate(_TO_LETTERS) for w in _WORDS]
_WORD = re.compile(
    rf"(?<![A-Za-z0-9{_DIGIT_LETTERS}])(?:{'|'.join(map(re.escape, _PROTECTED))})(?![A-Za-z0-9{_DIGIT_LETTERS}])"
)
_LETTER = re.compile(f"[{_DIGIT_LETTERS}]")

_FOLD = bytes(48 if 48 <= c < 58 else (32 if c in (9, 10, 11, 12, 13) else c) for c in range(256))


# Written in the syntax that Python's and Rust's regular expressions share, without look-around, so that one
# table serves the columns (`mask_hex`) and single messages. Word boundaries are ASCII in both.
@dataclass(frozen=True, slots=True)
class Mask:
    """One masking rule: where `guard` occurs in a text, what `pattern` matches becomes `mark`."""

    name: str
    guard: str
    pattern: re.Pattern[str]
    mark: str


def _mask(name: str, guard: str, pattern: str) -> Mask:
    return Mask(name, guard, re.compile(pattern, re.ASCII), _MARK[name])


# Written in the syntax that Python's and Rust's regular expressions share, without look-around, so that one
# table serves the columns (`mask_hex`) and single messages. Word boundaries are ASCII in both.
HEX_MASKS = (
    _mask("uuid", "-", r"(?i:[0a-f]{8}-[0a-f]{4}-[0a-f]{4}-[0a-f]{4}-[0a-f]{12})"),
    _mask(
        "hex", "",
        r"(?i:\b0x[0a-f]+\b)|(?i:\b(?:[a-f]+0|0+[a-f])[0a-f]{2,}\b)|\b(?:[a-f]{8,}|[A-F]{8,})\b",
    ),
    _mask("id", "0", r"\b(?:[A-Za-z]+0|0+[A-Za-z])[A-Za-z0]{10,}\b"),
)  # fmt: skip
"""Masks of runs that differ from message to message in letters too; without them every one is a new shape."""

MAX_CHARS = 4_096
"""Characters of a message that are looked at; what is beyond takes no part in its template."""


def fold_digits(bodies: pl.Series) -> list[str]:
    """Return `bodies` (String, nulls as "") with every digit as 0 and white-space controls as blanks.

    Words such as ``ipv4`` and ``s3`` keep their digits as private-use letters, wherever they stand; `normalize`
    sees whether they are words of their own. Cost: about 0.6 µs a row.
    """
    if bodies.null_count():
        bodies = bodies.fill_null("")
    if (bodies.str.len_bytes().max() or 0) > MAX_CHARS:  # type: ignore[operator]
        bodies = bodies.str.slice(0, MAX_CHARS)
    joined = bodies.str.replace_many(_WORDS, _PROTECTED, leftmost=True).str.join("\0")
    folded = str(joined.item()).encode().translate(_FOLD).decode().split("\0")
    if len(folded) != len(bodies):  # a body holds NUL itself
        return fold_digits(bodies.str.replace_all("\0", " ", literal=True))
    return folded


def mask_hex(folded: pl.Series) -> pl.Series:
    """Return folded messages with uuids, hex runs and long mixed ids as one mark each. Cost: 0.3 µs a row."""
    for rule in HEX_MASKS:
        folded = folded.str.replace_all(f"(?-u){rule.pattern.pattern}", rule.mark)
    return folded


_GENERIC_DOMAINS = "com|net|org|edu|gov|mil|int|info|biz|local|localdomain|internal|intranet|lan|corp|arpa|dev|cloud"
# Two-letter country domains, without those that are words or endings of file names and keys (id, is, py, sh …).
_COUNTRIES = (
    "ar|at|au|be|bg|br|ca|ch|cl|cn|co|cz|de|dk|ee|es|eu|fi|fr|gr|hk|hr|hu|ie|il|ir|jp|kr|lt|lu|lv|mx|my|nl|no|nz|"
    "om|pe|ph|pk|pt|ro|ru|se|sg|sk|th|tr|tw|ua|uk|us|vn|za"
)
_LABEL = r"[A-Za-z0-9](?:[\w-]*[A-Za-z0-9])?"
_DOMAINS = rf"(?:{_LABEL}\.(?:{_COUNTRIES})|(?i:{_GENERIC_DOMAINS}))"
# Roots of qualified names (reverse domains and the JDK's): classes, packages, components, actions.
_ROOTS = "com|org|net|io|edu|gov|java|javax|android|sun|scala|kotlin"
_MEMBER = r"\.[A-Za-z_$][\w$]*"
_NO_ERROR = "(?<!Exception)(?<!Error)"  # the class of an error is what happened, not a value
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_GROUP = f"[A-Fa-f0{_MARK['hex']}]{{1,4}}"
_GROUPS = f"{_GROUP}(?::{_GROUP})*"
# A number may be a bound or an estimate: "<1 sec", "~5 MB".
_AMOUNT = r"(?:(?<!\S)[<>~≤≥]=?)?(?<![\w.])[-+]?0[0.,]*"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]00:?00)\b)"
_CLOCK = r"00?:00(?::00(?:[.,]0+)?)?"

MASKS: tuple[Mask, ...] = (
    _mask("redacted", "<redacted", r"<redacted:[\w-]+>"),
    _mask("url", "://", r"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>|)\]},;]*"),
    _mask("email", "@", r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"),
    _mask("path", "\\", r"(?:\b[A-Za-z]:|\\)(?:\\[^\s\\/:*?\"<>|,;]+)+\\?"),
    _mask("path", "/", r"(?<![\w.)\]])(?:~|\.{1,2})?(?:/[\w.@%+~#=$:*\ue000-\ue0ff-]+)+/?(?<![:.])(?:\?[^\s\"'<>]*)?"),
    _mask("ip", "0.0", r"(?<![\w.])0{1,3}(?:\.0{1,3}){3}(?:/00?|:0{1,5})?(?![\w.])"),
    _mask("ip", "::", rf"(?<![\w:])(?:{_GROUPS})?::(?:{_GROUPS})?(?![\w:])"),
    _mask("date", "0", rf"\b0000([-/.])00?(?:\1)00?(?:[T ]{_CLOCK})?{_ZONE}?"),
    _mask("date", "0", rf"\b00?([-/.])00?\1(?:0000|00)(?:[T ,]+{_CLOCK}(?: ?[AaPp][Mm]\b)?)?"),
    _mask("date", "0", rf"\b(?:{_DAY},? +)?00?[-/ ]{_MONTH}[-/ ]0000(?:[: ]{_CLOCK})?{_ZONE}?(?!\w)"),
    _mask(
        "date", "0",
        rf"\b(?:{_DAY},? +)?{_MONTH} +00?(?:,? +0000)?,? +{_CLOCK}(?: (?:[A-Z]{{3,4}}|[+-]0000))?(?: 0000)?\b",
    ),
    _mask("mac", "0", rf"\b{_GROUP}(?:([:-]){_GROUP})(?:\1{_GROUP}){{4,}}\b"),
    _mask("host", ".", rf"(?<![\w.@-])(?:{_LABEL}\.)+(?:{_DOMAINS})(?::0+)?(?![\w@-]|\.\w)"),
    _mask("host", ":0", rf"(?<![\w.@-])(?:(?:{_LABEL}\.){{2,}}{_LABEL}|localhost):0{{2,5}}(?![\w.])"),
    _mask("class", ".", rf"(?<![\w.@/-])(?:{_ROOTS})(?:{_MEMBER}){{2,}}{_NO_ERROR}(?:/[\w.$]+)?(?![\w$]|\.\w)"),
    _mask("time", ":00", rf"(?<![\w:.]){_CLOCK}(?: ?[AaPp][Mm]\b)?(?![\w:])"),
    _mask("size", "0", rf"{_AMOUNT} ?(?:[KMGTPkmgt]i?[Bb]|B|[Bb]ytes?)(?:/s|ps)?\b"),
    _mask("dur", "0", rf"{_AMOUNT} ?(?:ms|us|ns|µs|msecs?|secs?|s|m|h|hrs?|mins?)\b"),
)  # fmt: skip
"""Masks in the order they are tried: paths and hosts before dates and numbers, which they contain."""


# A value is what follows "=" up to a delimiter; nothing at all is a value too ("ruser= rhost=…").
# The same goes for a quoted value behind a quoted key, as in JSON.
KEY_VALUE = re.compile(
    r"""((?<![\w.-])[A-Za-z_][\w.-]*=|"[^"]*"\s*:\s*(?=")|'[^']*'\s*:\s*(?='))("[^"]*"|'[^']*'|[^\s,;&|"'<>()\[\]{}=]*)"""
)
# Not in ASCII mode: what `str.split` takes for white space must not stay inside a token.
_TOKEN = re.compile(r"\.{2,}|[^\s()\[\]{}<>,;:=\"'|!?.]+(?:\.[^\s()\[\]{}<>,;:=\"'|!?.]+)*\.?|[()\[\]{}<>,;:=\"'|!?.]")
_VARIABLE = re.compile(f"[0{_M[1:-1]}]")
_LITERALS = frozenset(
    ("true", "false", "True", "False", "TRUE", "FALSE", "null", "NULL", "nil", "None", "N/A", "n/a", "NaN", "undefined")
)
_LEADER = ".."  # dots up to a value, however many: "size.......... 12"
_NUMBER = re.compile(r"[+-]?0[0.,_]*%?")


@dataclass(frozen=True, slots=True)
class Normalized:
    """A normalised message.

    `key` is what makes two messages the same event; `kinds` holds, position by position, the mask type of a
    wildcard or "" for a constant; `gaps` are the white space before each token and after the last.
    """

    key: tuple[str, ...]
    kinds: tuple[str, ...]
    gaps: tuple[str, ...]


class Piece(NamedTuple):
    """A token of a shape: its key, its mask type ("" for a constant), and the span of the shape it covers."""

    token: str
    kind: str
    start: int
    end: int


def normalize(shape: str) -> Normalized:
    """Return the normalised form of a shape (see `fold_digits`, `mask_hex`); pure. Cost: some 40 µs."""
    masked = mask(shape)
    pieces = split(masked)
    ends = [0, *(p.end for p in pieces)]
    starts = [*(p.start for p in pieces), len(masked)]
    return Normalized(
        tuple(p.token for p in pieces),
        tuple(p.kind for p in pieces),
        tuple(masked[end:start] for end, start in zip(ends, starts, strict=True)),
    )


def write(tokens: tuple[str, ...], kinds: tuple[str, ...], gaps: tuple[str, ...]) -> str:
    """Return tokens as text for people, wildcards typed: `could not connect to <ip>: refused`."""
    words = (f"<{kind}>" if kind else token for token, kind in zip(tokens, kinds, strict=True))
    text = "".join(gap + word for gap, word in zip(gaps, words, strict=False)) + gaps[-1]
    return text.translate(_FROM_LETTERS).strip()


def mask(shape: str) -> str:
    """Return `shape` with typed marks for what the masks find."""
    for rule in MASKS:
        if rule.guard in shape:
            shape = rule.pattern.sub(rule.mark, shape)
    if "=" in shape or ":" in shape:
        shape = KEY_VALUE.sub(lambda m: m[1] + mark_value(m[2]), shape)
    return shape


def mark_value(value: str) -> str:
    """Return the mark of the value of a key=value: the one it has already, else the general one."""
    if value in _TYPE_BY_MARK:
        return value
    return _MARK["num" if _NUMBER.fullmatch(value) else "value"]


def split(masked: str) -> list[Piece]:
    """Return the tokens of a masked shape, runs of wildcards collapsed."""
    out: list[Piece] = []
    for match in _TOKEN.finditer(masked):
        token = match[0]
        kind = _kind(token)
        if kind:
            token = WILDCARD
        elif token.startswith(_LEADER):
            token = _LEADER
        out.append(Piece(token, kind, match.start(), match.end()))
        _collapse(out)
    return out


def _kind(token: str) -> str:
    """Return the mask type of a token, "" for a constant: any token with a digit or a mark is a wildcard."""
    if token in _LITERALS:
        return "value"
    if not _VARIABLE.search(token) and not (_LETTER.search(token) and _LETTER.search(_WORD.sub("", token))):
        return ""
    known = _TYPE_BY_MARK.get(token.strip("-+#/@."))
    if known:
        return known
    return "num" if _NUMBER.fullmatch(token) else "id"


_MAX_PERIOD = 8
_NO_JOINERS = frozenset("()[]{}<>=\"'?!")
_OPEN = {")": "(", "]": "[", ">": "<", "}": "{", '"': '"', "'": "'"}


def _collapse(out: list[Piece]) -> None:
    """Collapse the tail: wildcard runs, wildcards joined by punctuation, a bracketed wildcard after another."""
    last = out[-1]
    if last.token == WILDCARD:
        if len(out) > 1 and out[-2].token == WILDCARD:
            _replace_tail(out, 2)
        elif len(out) > 2 and out[-3].token == WILDCARD and _is_joiner(out[-2].token):
            _replace_tail(out, 3)
    elif last.token in _OPEN:
        for length in (3, 4):  # empty brackets, or a wildcard in them
            if (
                len(out) >= length
                and out[-length].token == WILDCARD
                and out[1 - length].token == _OPEN[last.token]
                and (length == 3 or out[-2].token == WILDCARD)
            ):
                _replace_tail(out, length)
                return
    _collapse_repetition(out)


def _collapse_repetition(out: list[Piece]) -> None:
    """Collapse a group that stands twice in a row and holds a wildcard: a list of records is one record."""
    last = out[-1].token
    for period in range(2, min(_MAX_PERIOD, len(out) // 2) + 1):
        if out[-1 - period].token != last:
            continue
        tokens = [p.token for p in out[-2 * period :]]
        if tokens[:period] == tokens[period:] and WILDCARD in tokens and any(map(is_word, tokens)):
            end = out[-1].end
            del out[-period:]
            out[-1] = out[-1]._replace(end=end)
            return


def _is_joiner(token: str) -> bool:
    """Whether a token between two wildcards only joins them: punctuation, or a filler such as "****"."""
    return token not in _NO_JOINERS and not any(map(str.isalnum, token))


def _replace_tail(out: list[Piece], length: int) -> None:
    out[-length:] = [_join(out[-length], out[-1])]


def _join(first: Piece, last: Piece) -> Piece:
    kind = first.kind if first.kind == last.kind else "*"
    return Piece(WILDCARD, kind, first.start, last.end)


def is_word(token: str) -> bool:
    """Whether a token of a key is a constant word: it holds a letter and is no mask."""
    return not token.startswith("<") and any(map(str.isalpha, token))
