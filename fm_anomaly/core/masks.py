"""The table of masks: which runs of a folded message are values, and of which type.

Every mask sees text whose digits are all 0 (`normalizing.fold_digits`), so none may look at a digit's value.
Rules are general forms (paths, dates, amounts, key=value); none knows a product. Knows nothing of tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# One private-use character a mask type: single characters survive every later mask and cannot be split.
_FIRST_MARK = 0xE000
MASK_TYPES = (
    "num", "hex", "uuid", "ip", "mac", "path", "host", "url", "email", "date", "time", "dur", "size", "id",
    "value", "str", "redacted", "class",
)  # fmt: skip
"""Types of masks, in the order of their marks; written `<num>`, `<ip>` … where people see them."""
MARK = {name: chr(_FIRST_MARK + i) for i, name in enumerate(MASK_TYPES)}
TYPE_BY_MARK = {mark: name for name, mark in MARK.items()}
MARKS = f"{chr(_FIRST_MARK)}-{chr(_FIRST_MARK + len(MASK_TYPES) - 1)}"
"""The marks as a range of a regular expression's class."""


NUMBER = re.compile(r"[+-]?0[0.,_]*%?")
"""A plain number of a folded message."""


@dataclass(frozen=True, slots=True)
class Mask:
    """One masking rule: where `guard` occurs in a text, what `pattern` matches becomes `mark`."""

    name: str
    guard: str
    pattern: re.Pattern[str]
    mark: str

    def masked(self, text: str) -> str:
        """Return `text` with the mark for each match; the guard spares a search that would find nothing."""
        return self.pattern.sub(self.mark, text) if self.guard in text else text


def _mask(name: str, guard: str, pattern: str) -> Mask:
    return Mask(name, guard, re.compile(pattern, re.ASCII), MARK[name])


# D is a digit: "0" in a folded message. Written in the syntax that Python's and Rust's regular expressions share,
# without look-around, so that one table serves columns and single messages. Word boundaries are ASCII in both.
_RUNS = (
    ("uuid", "-", r"(?i:[Da-f]{8}-[Da-f]{4}-[Da-f]{4}-[Da-f]{4}-[Da-f]{12})"),
    ("hex", "", r"(?i:\bDx[Da-f]+\b)|(?i:\b(?:[a-f]+D|D+[a-f])[Da-f]{2,}\b)|\b(?:[a-f]{8,}|[A-F]{8,})\b"),
    ("id", "0", r"\b(?:[A-Za-z]+D|D+[A-Za-z])[A-Za-zD]{10,}\b"),
)
HEX_MASKS = tuple(_mask(name, guard, pattern.replace("D", "0")) for name, guard, pattern in _RUNS)
"""Masks of runs that differ from message to message in letters too; without them every one is a new shape."""
RAW_HEX_PATTERNS = tuple(
    (rf"(?-u){pattern.replace('D', '[0-9]').replace('[[0-9]', '[0-9')}", MARK[name]) for name, _, pattern in _RUNS
)
"""The same for messages whose digits are not folded yet, in Rust's syntax, with their marks."""

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
_GROUP = f"[A-Fa-f0{MARK['hex']}]{{1,4}}"
_GROUPS = f"{_GROUP}(?::{_GROUP})*"
# The look-behind stands after the first 0, for a pattern that begins with a literal is searched ten times faster.
_AMOUNT = r"0(?<![\w.]0)[0.,]*"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]00:?00)\b)"
_CLOCK = r"0?:00(?::00(?:[.,]0+)?)?"

MASKS: tuple[Mask, ...] = (
    _mask("redacted", "<redacted", r"<redacted:[\w-]+>"),
    _mask("url", "://", r"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>|)\]},;]*"),
    _mask("email", "@", r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b"),
    _mask("path", "\\", r"(?:\b[A-Za-z]:|\\)(?:\\[^\s\\/:*?\"<>|,;]+)+\\?"),
    _mask("path", "/", r"(?<![\w.)\]])(?:~|\.{1,2})?(?:/[\w.@%+~#=$:*\ue000-\ue0ff-]+)+/?(?<![:.])(?:\?[^\s\"'<>]*)?"),
    _mask("ip", "0.0", r"0(?<![\w.]0)0{0,2}(?:\.0{1,3}){3}(?:/00?|:0{1,5})?(?![\w.])"),
    _mask("ip", "::", rf"(?<![\w:])(?:{_GROUPS})?::(?:{_GROUPS})?(?![\w:])"),
    _mask("date", "0", rf"0(?<!\w0)000([-/.])00?(?:\1)00?(?:[T ]0{_CLOCK})?{_ZONE}?"),
    _mask("date", "0", rf"0(?<!\w0)0?([-/.])00?\1(?:0000|00)(?:[T ,]+0{_CLOCK}(?: ?[AaPp][Mm]\b)?)?"),
    _mask("date", "0", rf"\b(?:{_DAY},? +)?00?[-/ ]{_MONTH}[-/ ]0000(?:[: ]0{_CLOCK})?{_ZONE}?(?!\w)"),
    _mask(
        "date", "0",
        rf"\b(?:{_DAY},? +)?{_MONTH} +00?(?:,? +0000)?,? +0{_CLOCK}(?: (?:[A-Z]{{3,4}}|[+-]0000))?(?: 0000)?\b",
    ),
    _mask("mac", "0", rf"\b{_GROUP}(?:([:-]){_GROUP})(?:\1{_GROUP}){{4,}}\b"),
    _mask("host", ".", rf"(?<![\w.@-])(?:{_LABEL}\.)+(?:{_DOMAINS})(?::0+)?(?![\w@-]|\.\w)"),
    _mask("host", ":0", rf"(?<![\w.@-])(?:(?:{_LABEL}\.){{2,}}{_LABEL}|localhost):0{{2,5}}(?![\w.])"),
    _mask("class", ".", rf"(?<![\w.@/-])(?:{_ROOTS})(?:{_MEMBER}){{2,}}{_NO_ERROR}(?:/[\w.$]+)?(?![\w$]|\.\w)"),
    _mask("time", ":00", rf"0(?<![\w:.]0){_CLOCK}(?: ?[AaPp][Mm]\b)?(?![\w:])"),
    _mask("size", "0", rf"{_AMOUNT} ?(?:[KMGTPkmgt]i?[Bb]|B|[Bb]ytes?)(?:/s|ps)?\b"),
    _mask("dur", "0", rf"{_AMOUNT} ?(?:ms|us|ns|µs|msecs?|secs?|s|m|h|hrs?|mins?)\b"),
)  # fmt: skip
"""Masks in the order they are tried: paths and hosts before dates and numbers, which they contain."""


# A value is what follows "=" up to a delimiter; nothing at all is a value too ("ruser= rhost=…").
# The same goes for a quoted value behind a quoted key, as in JSON.
KEY_VALUE = re.compile(
    r"""((?<![\w.-])[A-Za-z_][\w.-]*=|"[^"]*"\s*:\s*(?=")|'[^']*'\s*:\s*(?='))("[^"]*"|'[^']*'|[^\s,;&|"'<>()\[\]{}=]*)"""
)


def mark_value(value: str) -> str:
    """Return the mark of the value of a key=value: the one it has already, else the general one."""
    if value in TYPE_BY_MARK:
        return value
    return MARK["num" if NUMBER.fullmatch(value) else "value"]
