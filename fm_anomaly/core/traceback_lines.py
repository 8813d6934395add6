"""What a line without a header says about itself: indented, bare, or a word of a traceback's grammar.

One code a line, from two vectorised regular expressions and, for the lines they flag, one anchored
Python match. This module knows single lines only; `multiline` decides what belongs together.
"""

from __future__ import annotations

import re
from enum import IntEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray


class LineKind(IntEnum):
    """Role of a line without a header in the grammar of tracebacks."""

    BLANK = 0
    BARE = 1  # unindented, claimed by no grammar
    INDENT = 2  # indented, claimed by no grammar
    PY_START = 3  # Traceback (most recent call last):
    PY_FILE = 4  # File "x.py", line 3, in f
    PY_REPEAT = 5  # [Previous line repeated 3 more times]
    PY_CHAIN = 6  # During handling of the above exception, …
    PY_GROUP = 7  # a line of an exception group: | or +-
    PY_GROUP_START = 22  # + Exception Group Traceback (most recent call last):
    AT = 8  # frames of Java, JavaScript and .NET, "... 12 more", "--- End of …"
    CAUSE = 9  # Caused by:, Suppressed:, --->
    EXCEPTION = 10  # package.SomeError: message
    START = 11  # a line that opens a crash report of its own: panic:, Exception in thread "main", …
    RUST_START = 12  # thread 'main' panicked at src/main.rs:4:5:
    GO_PART = 13  # goroutine 1 [running]:, [signal …, created by …, exit status 2
    GO_CALL = 14  # main.(*T).run(0xc000…)
    RUST_PART = 15  # note: …, stack backtrace:
    RUBY_FRAME = 16  # app/x.rb:3:in 'run'
    PHP_PART = 17  # Stack trace:, #0 /app/x.php(3): f()
    CLOSING = 18  # } or ] alone: the end of a dump
    NODE_SOURCE = 19  # /app/index.js:10, before the excerpt and the error
    NODE_END = 20  # Node.js v20.11.0
    KEY_MARK = 21  # a line of a private key, already redacted


HEAD = 254
"""In place of a `LineKind`: the line has a header."""
UNKNOWN = 255
"""In place of a `LineKind`: the line has not come yet."""

_INDENTED = r"""[ \t]+(?:
      (?P<PY_FILE>File\ "[^"]{1,400}",\ line\ \d)
    | (?P<PY_REPEAT>\[Previous\ line\ repeated\ )
    | (?P<AT>at\ \S|\.\.\.\ \d{1,9}\ (?:more|common|frames)|---\ End\ of\ )
    | (?P<CAUSE>Caused\ by:|Suppressed:|--->\ )
    | (?P<PY_GROUP_START>\+\ Exception\ Group\ Traceback)
    | (?P<PY_GROUP>\|[ \t]|\+-)
    )"""

_UNINDENTED = r"""(?:
      (?P<PY_START>Traceback\ \(most\ recent\ call\ last\):)
    | (?P<PY_CHAIN>During\ handling\ of\ the\ above\ exception,\ another|The\ above\ exception\ was\ the\ direct)
    | (?P<B_CAUSE>Caused\ by:|Suppressed:|Wrapped\ by:|--->\ )
    | (?P<B_AT>---\ End\ of\ |\.\.\.\ \d{1,9}\ more|at\ [\w$.<>/]{1,300}\()
    | (?P<START>panic:\ |fatal\ error:\ |Exception\ in\ thread\ "|Unhandled\ [Ee]xception[.:]\ |PHP\ Fatal\ error:
        |Uncaught\ (?:[\w$.]{0,100}(?:Error|Exception))\b)
    | (?P<RUST_START>thread\ '[^']{0,200}'\ (?:\(\d{1,19}\)\ )?panicked\ at\ )
    | (?P<GO_PART>goroutine\ \d{1,19}\ (?:\w{1,3}=\S{1,40}\ ){0,3}\[|\[signal\ |created\ by\ |exit\ status\ \d)
    | (?P<RUST_PART>note:\ |stack\ backtrace:)
    | (?P<RUBY_FRAME>(?:from\ )?[^\s:]{1,300}\.(?:rb|erb|rake|ru):\d{1,7}:in\ )
    | (?P<PHP_PART>Stack\ trace:|[#]\d{1,5}\ (?:/|\{main\}|\[internal))
    | (?P<CLOSING>[)\]}]{1,8}[,;]?[ \t]*$)
    | (?P<NODE_SOURCE>(?:file://|node:)?[^\s:]{1,300}\.[cm]?[jt]s:\d{1,7}[ \t]*$)
    | (?P<NODE_END>Node\.js\ v\d)
    | (?P<KEY_MARK><redacted:private_key>[ \t]*$)
    | (?P<EXCEPTION>(?:[\w$]{1,100}\.){0,12}[\w$]{0,100}
        (?:Error|Exception|Throwable|Failure|Fault|Interrupt|Exit)(?:\ \[\w{1,60}\])?(?::|[ \t]*$))
    | (?P<GO_CALL>[\w\-./]{1,200}\.[\w.*()\[\]{}<>\-·]{1,200}\([^\n]{0,400}\)[ \t]*$)
    )"""

_CLASSIFY = re.compile(f"{_INDENTED}|{_UNINDENTED}", re.VERBOSE | re.ASCII)
_KIND_BY_GROUP = {name: int(LineKind[name.removeprefix("B_")]) for name in _CLASSIFY.groupindex}

# A superset of what _CLASSIFY can match, without groups: it spares most lines the Python match.
_GUARD = (
    r'^(?:[ \t]+(?:File "|\[Prev|at |\.\.\. [0-9]|---|Caused by|Suppressed|[|+])'
    r"|Traceback|During h|The above|Caused by|Suppressed|Wrapped|---|\.\.\. |at |panic: |fatal error"
    r"|Exception in|Unhandled|PHP Fatal|Uncaught|thread '|goroutine |\[signal|created by|exit status"
    r"|note: |stack back|Stack trace|#[0-9]|[)\]}]|Node\.js|<redacted:private_key>|from "
    r"|[^ \t]*\.(?:[cm]?[jt]s|rb|erb|rake|ru):[0-9]"
    r"|[^ \t]*(?:Error|Exception|Throwable|Failure|Fault|Interrupt|Exit)(?:[: \t]|$)"
    r"|[^ \t].*\)[ \t]*$)"
)


def kinds_of(lines: pl.Series, is_blank: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the `LineKind` of each line; the caller knows already which are blank.

    Cost: two vectorised passes, and a Python match for the lines that look like a part of a traceback.
    """
    indented = (lines.str.starts_with(" ") | lines.str.starts_with("\t")).to_numpy()
    kinds = np.where(indented, np.uint8(LineKind.INDENT), np.uint8(LineKind.BARE))
    flagged = np.flatnonzero(lines.str.contains(_GUARD).to_numpy())
    if len(flagged):
        for i, text in zip(flagged.tolist(), lines[flagged].to_list(), strict=True):
            match = _CLASSIFY.match(text)
            if match is not None and match.lastgroup is not None:
                kinds[i] = _KIND_BY_GROUP[match.lastgroup]
    kinds[is_blank] = LineKind.BLANK
    return kinds
