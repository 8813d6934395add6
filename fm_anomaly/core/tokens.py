"""Tokens of a masked message: constants and wildcards, with what belongs together collapsed.

Any token with a digit or a mark is a wildcard. Runs of wildcards, wildcards joined by punctuation, and a
bracketed wildcard behind another are one wildcard, for how many there are says nothing of the event. Knows
the marks, not the masks that set them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fm_anomaly.core.masks import MARK, MARKS, NUMBER, TYPE_BY_MARK

WILDCARD = "<*>"
"""The one token that stands for every masked value; its type is told apart in `Pieces.kinds`."""

# Words whose digit is part of the word. Their digits are folded to letters of the private-use block instead,
# else "ipv4" and "ipv6" would become one wildcard.
WORDS = [
    "ipv4", "IPv4", "ipv6", "IPv6", "utf8", "UTF8", "utf-8", "UTF-8", "utf16", "UTF-16", "sha1", "SHA1", "SHA-1",
    "sha256", "SHA256", "SHA-256", "sha512", "SHA512", "SHA-512", "md5", "MD5", "log4j", "k8s", "K8s", "http2",
    "HTTP/2", "HTTP/1.1", "HTTP/1.0", "oauth2", "OAuth2", "base64", "Base64", "x86_64", "x86", "i386", "ssh2",
    "ext4", "X509", "x509", "p2p", "Neo4j", "neo4j", "Log4j",
    # Three letters at least: two would double the time that the search for all of them takes.
    " s3", "s3 ", "s3:", " S3", "S3 ", "S3:",
]  # fmt: skip
_DIGIT_LETTERS = "".join(chr(0xE080 + i) for i in range(10))
TO_LETTERS = str.maketrans("0123456789", _DIGIT_LETTERS)
FROM_LETTERS = str.maketrans(_DIGIT_LETTERS, "0123456789")
PROTECTED = [w.translate(TO_LETTERS) for w in WORDS]
_WHOLE = "|".join(re.escape(word.strip(" :")) for word in PROTECTED)
_WORD = re.compile(rf"(?<![A-Za-z0-9{_DIGIT_LETTERS}])(?:{_WHOLE})(?![A-Za-z0-9{_DIGIT_LETTERS}])")
_LETTER = re.compile(f"[{_DIGIT_LETTERS}]")

# Not in ASCII mode: what `str.split` takes for white space must not stay inside a token.
# Dots inside a word belong to it; a bound or an estimate belongs to its number ("<1 sec", "~5 MB").
_PART = r"[^\s()\[\]{}<>,;:=\"'|!?.]+"
_TOKEN = re.compile(rf"\.{{2,}}|(?:(?<!\S)[<>]=?(?=[0{MARKS}]))?{_PART}(?:\.{_PART})*\.?|[()\[\]{{}}<>,;:=\"'|!?.]")
_VARIABLE = re.compile(f"[0{MARKS}]")
_LITERALS = frozenset(
    ("true", "false", "True", "False", "TRUE", "FALSE", "null", "NULL", "nil", "None", "N/A", "n/a", "NaN", "undefined")
)
_LEADER = ".."  # dots up to a value, however many: "size.......... 12"
_MAX_PERIOD = 8
_NO_JOINERS = frozenset("()[]{}<>=\"'?!")
_OPEN = {")": "(", "]": "[", ">": "<", "}": "{", '"': '"', "'": "'"}


class Pieces(NamedTuple):
    """Tokens of a text, with mask types ("" for a constant) and the spans of the text that they cover."""

    tokens: list[str]
    kinds: list[str]
    starts: list[int]
    ends: list[int]

    def fold_tail(self, length: int) -> None:
        """Make one wildcard of the last `length` pieces, the first and last of which are wildcards or brackets."""
        kinds = {kind for kind in self.kinds[-length:] if kind}
        self.ends[-length] = self.ends[-1]
        self.kinds[-length] = kinds.pop() if len(kinds) == 1 else "*"
        self.drop(len(self.tokens) - length + 1, len(self.tokens))

    def drop(self, start: int, end: int) -> None:
        """Drop the pieces from `start` to `end`."""
        for column in self:
            del column[start:end]


def split(masked: str) -> Pieces:
    """Return the tokens of a masked shape, runs of wildcards collapsed."""
    out = Pieces([], [], [], [])
    tokens, kinds, starts, ends = out
    for match in _TOKEN.finditer(masked):
        token, kind = _classify(match[0])
        start, end = match.span()
        tokens.append(token)
        kinds.append(kind)
        starts.append(start)
        ends.append(end)
        if kind:
            _collapse_run(out)
        elif token in _OPEN:
            _collapse_brackets(out)
    _collapse_repetitions(out)
    return out


def typed(masked: str) -> str:
    """Return a text that `split` takes apart as `masked`, with each variable token told by its mark alone."""
    text = _TOKEN.sub(_typed, masked)
    return text if text == masked or _taken_apart(text) == _taken_apart(masked) else masked


def _typed(match: re.Match[str]) -> str:
    kind = _classify(match[0])[1]
    return MARK[kind] if kind else match[0]


def _taken_apart(text: str) -> list[tuple[tuple[str, str], str]]:
    """Return the tokens of a text as `split` sees them, each with the white space before it."""
    ends = [0, *(match.end() for match in _TOKEN.finditer(text))]
    return [(_classify(m[0]), text[end : m.start()]) for end, m in zip(ends, _TOKEN.finditer(text), strict=False)]


@lru_cache(maxsize=16_384)
def is_word(token: str) -> bool:
    """Whether a token of a key is a constant word: it holds a letter and is no mask."""
    return not token.startswith("<") and any(map(str.isalpha, token))


@lru_cache(maxsize=16_384)
def _classify(token: str) -> tuple[str, str]:
    """Return a token's key, and its mask type or ""."""
    if token in _LITERALS:
        return WILDCARD, "value"
    if _VARIABLE.search(token) or (_LETTER.search(token) and _LETTER.search(_WORD.sub("", token))):
        known = TYPE_BY_MARK.get(token.strip("-+#/@.<>=~"))
        return WILDCARD, known or ("num" if NUMBER.fullmatch(token) else "id")
    return (_LEADER if token.startswith(_LEADER) else token), ""


def _collapse_run(out: Pieces) -> None:
    """Collapse a wildcard at the tail with the one before it, or before the punctuation before it."""
    tokens = out.tokens
    if len(tokens) > 1 and tokens[-2] == WILDCARD:
        out.fold_tail(2)
    elif len(tokens) > 2 and tokens[-3] == WILDCARD and _is_joiner(tokens[-2]):
        out.fold_tail(3)


def _collapse_brackets(out: Pieces) -> None:
    """Collapse brackets at the tail, empty or around a wildcard, with the wildcard before them."""
    tokens, opening = out.tokens, _OPEN[out.tokens[-1]]
    if len(tokens) > 2 and tokens[-2] == opening and tokens[-3] == WILDCARD:
        out.fold_tail(3)
    elif len(tokens) > 3 and tokens[-3] == opening and tokens[-2] == WILDCARD == tokens[-4]:
        out.fold_tail(4)


@lru_cache(maxsize=16_384)
def _is_joiner(token: str) -> bool:
    """Whether a token between two wildcards only joins them: punctuation, or a filler such as "****"."""
    return token not in _NO_JOINERS and not any(map(str.isalnum, token))


def _collapse_repetitions(out: Pieces) -> None:
    """Collapse groups that stand twice in a row and hold a word and a wildcard: a list of records is one."""
    words = list(filter(is_word, out.tokens))
    if len(set(words)) == len(words):
        return
    end = 2
    while end <= len(out.tokens):
        end += 1 if not _collapse_repetition(out, end) else 0


def _collapse_repetition(out: Pieces, end: int) -> bool:
    for period in range(2, min(_MAX_PERIOD, end // 2) + 1):
        group = out.tokens[end - period : end]
        if group == out.tokens[end - 2 * period : end - period] and WILDCARD in group and any(map(is_word, group)):
            out.ends[end - period - 1] = out.ends[end - 1]
            out.drop(end - period, end)
            return True
    return False
