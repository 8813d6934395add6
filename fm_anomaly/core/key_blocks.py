"""Private-key blocks (RFC 7468): on one line, with \\n escapes in JSON, or over many lines.

`open_block` redacts a line where a block begins and tells whether it goes on; `redact_inside` redacts the key
material of a line while a block is open. The caller keeps that one bit of state, and bounds it.
"""

from __future__ import annotations

import re

from fm_anomaly.core.secret_tokens import Counts, mark

_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
# Text after BEGIN that can be a block's: base64, headers, and line ends, escaped or not, up to a quote.
_REST = re.compile(r"(?:[A-Za-z0-9+/=:, -]|\\{1,8}[nr])*")
_MATERIAL = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}|(?<=\")[A-Za-z0-9+/]{20,}={0,2}(?=(?:\\{1,8}[nr])?\")")
_WHOLE = re.compile(
    r"[ \t]*(?:[A-Za-z0-9+/]{1,200}={0,2}|(?:Proc-Type|DEK-Info|Version|Comment): [^\n]{0,200})[ \t\r]*\Z"
)
_MARK = "<redacted:private_key>"


def open_block(text: str, counts: Counts) -> tuple[str, bool]:
    """Redact the blocks that begin in `text`; return the new text, and whether the last one goes on."""
    out: list[str] = []
    done = 0
    is_open = False
    begin = _BEGIN.search(text)
    while begin is not None:
        out.append(text[done : begin.start()])
        out.append(mark("private_key", counts))
        rest = _REST.match(text, begin.end())
        end = _END.match(text, rest.end()) if rest is not None else None
        if end is None:
            end = _END.search(text, begin.end(), begin.end() + 20_000)
        if end is not None:
            done = end.end()
        else:
            done = _tail_kept(text, begin.end(), rest.end() if rest is not None else begin.end())
            is_open = True
        begin = _BEGIN.search(text, done)
        is_open = is_open and begin is None
    return "".join(out) + text[done:], is_open


def _tail_kept(text: str, start: int, end: int) -> int:
    """Return where text to keep starts again: a JSON string's line end stays, key material goes."""
    return start if len(text[start:end].strip("\\nr ")) == 0 else end


def redact_inside(text: str, counts: Counts) -> tuple[str, bool]:
    """Redact a line inside an open block; return the new text, and whether the block goes on."""
    end = _END.search(text)
    if end is not None:
        head = _MATERIAL.sub(_MARK, text[: end.start()])
        if _WHOLE.match(head):
            head = ""
        return head + _MARK + text[end.end() :], False
    if _WHOLE.match(text) is not None:
        return _MARK, True
    return _MATERIAL.sub(_MARK, text), True
