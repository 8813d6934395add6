"""Text from logs made safe for the surface it is shown on: terminal, HTML, CSV.

Log text is written by strangers. A terminal obeys escape sequences, a bidirectional override reorders what a
person reads, a spreadsheet runs a cell that begins with "=". These functions keep every character visible and
none of them active; they are pure and must not know what they show. JSON needs no function of its own: its
writers escape control characters.
"""

from __future__ import annotations

import html as _html
import re

# Controls (C0, DEL, C1), zero-width and bidirectional marks and embeddings (UAX #9), line separators, soft hyphen,
# variation selectors (those that only pick a symbol's emoji style apart) and tags, interlinear marks, surrogates.
_ACTIVE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
)
_ACTIVE_OR_LAYOUT = re.compile(f"[{_ACTIVE}\t\n]")
_ACTIVE_ONLY = re.compile(f"[{_ACTIVE}]")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_CLIP_MARK = "…"


def terminal(text: str, keep_layout: bool = False) -> str:
    r"""Return `text` with control, escape, bidirectional and invisible characters written as ``\x1b``, ``\u202e``.

    New lines and tabs are escaped too (``\n``, ``\t``) unless `keep_layout`. The result is plain text, never
    markup: print it as such (``rich.text.Text``, not a string that rich parses).

    Examples
    --------
    >>> terminal("GET [/api/v1/cases] \x1b[31m500")
    'GET [/api/v1/cases] \\x1b[31m500'
    """
    pattern = _ACTIVE_ONLY if keep_layout else _ACTIVE_OR_LAYOUT
    return pattern.sub(_escaped, text)


def html(text: str) -> str:
    """Return `text` escaped for HTML, in text and in quoted attributes alike; controls shown as in `terminal`.

    New lines and tabs stay: HTML folds them, and ``<pre>`` shows them.

    Examples
    --------
    >>> html('<b onclick="x">')
    '&lt;b onclick=&quot;x&quot;&gt;'
    """
    return _html.escape(terminal(text, keep_layout=True), quote=True)


def csv_cell(text: str) -> str:
    """Return `text` as a cell that a spreadsheet shows and does not run.

    A cell that begins with = + - @, a tab or a carriage return gets a leading apostrophe (OWASP, "CSV injection"),
    which spreadsheets do not show. Text that is a plain number stays as it is. Quoting and the escape of quotes
    are the CSV writer's task; NUL and escape characters are shown as in `terminal`.

    Examples
    --------
    >>> csv_cell("=HYPERLINK(1)"), csv_cell("-12.5"), csv_cell("ok")
    ("'=HYPERLINK(1)", '-12.5', 'ok')
    """
    is_formula = text.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(text)
    return ("'" if is_formula else "") + terminal(text, keep_layout=True)


_NUMBER = re.compile(r"[+-]?(?:\d{1,32}(?:\.\d{0,32})?|\.\d{1,32})(?:[eE][+-]?\d{1,4})?", re.ASCII)


def clip(text: str, n: int) -> str:
    """Return at most `n` characters of `text` (n ≥ 1), the last one "…" where something was cut off.

    Clip first and escape afterwards, so that no escape is cut in two; characters are counted, not columns.

    Examples
    --------
    >>> clip("connection refused", 10)
    'connectio…'
    """
    return text if len(text) <= n else text[: max(n - 1, 0)] + _CLIP_MARK


_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
