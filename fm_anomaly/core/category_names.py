"""Names of categories as a person would give them: exception type, what is said, where.

The words are those of the most typical message, in their order, as far as most members share them; what differs from
member to member is left out. Never a number of a cluster. Knows messages and places, not vectors.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fm_anomaly.core.error_terms import plain_words

MAX_WORDS = 12
MAX_MESSAGE_CHARS = 90


@dataclass(frozen=True, slots=True)
class Member:
    """What one distinct error gives to the name of its category; `weight` is how much it counts."""

    message: str
    exc_type: str
    frame: str
    services: tuple[str, ...]
    weight: float


_TAG = r"npm ERR|ERROR|FATAL|SEVERE|CRITICAL|Error|error|fatal|warn|WARN(?:ING)?"
_DECORATION = re.compile(rf"^(?:\W{{0,4}}(?:{_TAG})(?=[\]:!*>|])[\]\s:*!>|]*|E {{2,}}|[\W\d_]+)+")
_PLACE_IN_FRONT = re.compile(r"^[\w./\\+-]*[./\\][\w./\\+-]*(?:[:(\[]+\d+(?:[:,]\d+)*[)\]]*)?:?\s+")
_VALUE = re.compile(
    r"https?://\S+|(?:[A-Za-z]:)?[\w.@~+-]*(?:/[\w.@~+:-]*)+|<[a-z*:_]+>|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{7,40}\b"
    r"|[^\s\w]*\w*\d\S*"
)
# numbers that say what happened and not where: a status of HTTP, an error's code
_CODE = re.compile(r"(?<![\w.:/-])(?:[45]\d\d|[A-Z]{1,4}\d{3,5})(?![\w.:/-]*\w)")
_PUNCTUATION = " ,;:.()[]'\""
_ERROR_NAME = r"(?:Error|Exception|Timeout|Interrupt|Panic|Fault|panic)"
_TYPE_IN_FRONT = re.compile(rf"^(?:[\w$]+[.:]{{1,2}})*[A-Z][\w$]*{_ERROR_NAME}: ")
_DANGLING = frozenset(
    [
        "at",
        "to",
        "in",
        "of",
        "for",
        "the",
        "a",
        "an",
        "from",
        "by",
        "on",
        "with",
        "and",
        "or",
        "line",
        "file",
        "is",
        "are",
        "was",
        "be",
        "but",
        "has",
    ]
)


def name_of(members: Sequence[Member]) -> tuple[str, tuple[str, ...]]:
    """Return the name of a category and its telling words; `members` come most typical first.

    >>> message = "could not connect to redis at 10.0.0.7:6379"
    >>> name_of([Member(message, "ConnectionError", "infra/redis.py in get", (), 1.0)])[0]
    'ConnectionError: could not connect to redis (infra/redis.py get)'
    """
    exc_type = _of_most((each.exc_type, each.weight) for each in members)
    frame = _of_most((each.frame, each.weight) for each in members)
    said = _said(members, exc_type)
    words = tuple(plain_words(said.lower()))
    where = " ".join(frame.split(" in ")) if frame else ""
    name = ": ".join(part for part in (exc_type, said) if part) or _clipped(members[0].message.strip()) or "no words"
    return (f"{name} ({where})" if where else name), words


def _of_most(values: Iterable[tuple[str, float]]) -> str:
    """Return the value of more than half of the weight, "" where none has it."""
    weight: Counter[str] = Counter()
    for value, each in values:
        weight[value] += each  # type: ignore[assignment]
    value, heaviest = min(weight.items(), key=lambda each: (-each[1], each[0]))
    return value if 2 * heaviest > sum(weight.values()) else ""


def _said(members: Sequence[Member], exc_type: str) -> str:
    share: Counter[str] = Counter()
    for each in members:
        for word in {word.lower() for word in plain_words(_bare(each.message, each.exc_type))}:
            share[word] += each.weight  # type: ignore[assignment]
    least = 0.5 * sum(each.weight for each in members)
    codes = {code for code in _CODE.findall(members[0].message) if _weight_with(code, members) > least}
    text = _bare(members[0].message, members[0].exc_type)
    pieces = _VALUE.sub(lambda m: m[0] if m[0].strip(_PUNCTUATION) in codes else " … ", text).split()
    marked = [
        piece if piece.strip(_PUNCTUATION) in codes or _is_shared(piece, share, least) else "…" for piece in pieces
    ]
    marked = [piece for piece in marked if exc_type == "" or piece.strip(":;,.()[]'\"") != exc_type]
    # what was left out shows as one sign; words count, signs do not
    kept: list[str] = []
    n_words = 0
    for piece in marked:
        if n_words == MAX_WORDS:
            break
        if piece != "…":
            n_words += 1
        elif not kept or kept[-1] == "…":
            continue
        kept.append(piece)
    return _clipped(_tidy(kept))


def _weight_with(code: str, members: Sequence[Member]) -> float:
    return sum(each.weight for each in members if code in each.message)


def _bare(message: str, exc_type: str) -> str:
    """Return a message without the tag, place and exception type in front of it."""
    text = message.strip()
    for _ in range(3):
        before = text
        text = _PLACE_IN_FRONT.sub("", _DECORATION.sub("", text))
        if exc_type:
            text = _TYPE_IN_FRONT.sub("", text)
        if not any(map(str.isalpha, text)):
            return before
        if text == before:
            break
    return text


def _is_shared(piece: str, share: Counter[str], least: float) -> bool:
    words = [word.lower() for word in plain_words(piece)]
    if not words:
        return len(piece) == 1 and piece.isalpha()
    return sum(share[word] > least for word in words) * 2 >= len(words)


def _tidy(pieces: list[str]) -> str:
    text = " ".join(pieces)
    text = re.sub(r"\s+([,;:.)\]])", r"\1", re.sub(r"([(\[])\s+", r"\1", text))
    text = re.sub(r"\(\s*…?\s*\)|\[\s*…?\s*\]|'\s*…?\s*'|\"\s*…?\s*\"|``", "", text)
    text = re.sub(r"…[…\s]*…", "…", re.sub(r"\s+", " ", text)).strip(" ,;:.-=>«»'\"`|…")
    # what a cut leaves dangling
    while text.rsplit(" ", 1)[-1].lower() in _DANGLING and " " in text:
        text = text.rsplit(" ", 1)[0].rstrip(" ,;:.-=>…")
    return _balanced(text)


def _balanced(text: str) -> str:
    for opening, closing in ("()", "[]", "{}"):
        if text.count(opening) != text.count(closing):
            text = text.replace(opening, "").replace(closing, "")
    for quote in "'\"`":
        if text.count(quote) % 2 and not re.search(r"\w'\w", text):
            text = text.replace(quote, "")
    return re.sub(r"\s+", " ", text).strip()


def _clipped(text: str) -> str:
    if len(text) <= MAX_MESSAGE_CHARS:
        return text
    return text[: MAX_MESSAGE_CHARS - 1].rsplit(" ", 1)[0].rstrip(" …") + "…"
