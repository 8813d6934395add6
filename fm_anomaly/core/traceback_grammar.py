"""The grammar of tracebacks: which open record a line without a header belongs to.

Python (chained, groups), Java, .NET, JavaScript, Go, Rust, Ruby and PHP. A `Record` remembers the language
and how far its traceback has come; `claim` picks the record for one line by the line's kind. This module
must not know frames, columns or caps: `multiline` walks the lines and keeps the bounds.

Two kinds of open record matter: `current`, which got the lane's last line, and `traceback`, the last one
with a traceback. They differ when another thread's line came between; then `traceback` takes only what it
alone can explain.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fm_anomaly.core.traceback_lines import UNKNOWN, LineKind

TextOf = Callable[[int], str]

_FINAL = re.compile(r"[A-Za-z_][\w.]{0,200}(?:: |:?[ \t]*$)", re.ASCII)
_DOTTED_FINAL = re.compile(r"(?:[A-Za-z_]\w{0,60}\.){1,12}[A-Z]\w{0,100}(?:: |:?[ \t]*$)", re.ASCII)
_CARETS = re.compile(r"[ \t]*[~^ \t]+$")
_NAMES_ERROR = re.compile(r"[Ee]xception|[Ee]rror|Throwable|stack ?trace|panic", re.ASCII)


class Record:
    """A record that may still grow: where it started, how large it is, and where its grammar stands."""

    __slots__ = ("is_head", "lang", "last", "n_bytes", "n_lines", "phase", "start")

    def __init__(self, start: int, n_bytes: int, is_head: bool = False) -> None:
        self.start = start
        self.last = start
        self.n_lines = 1
        self.n_bytes = n_bytes
        self.is_head = is_head
        self.lang = ""
        self.phase = ""

    def enter(self, lang: str, phase: str = "") -> Record:
        """Note that this record holds a traceback of `lang`, which has come to `phase`."""
        self.lang = lang
        self.phase = phase
        return self


class Lane:
    """One writer: the record it wrote to last, its open traceback, and blank lines not yet claimed."""

    __slots__ = ("blanks", "current", "seen", "traceback", "undecided")

    def __init__(self) -> None:
        self.seen = -1
        self.current: Record | None = None
        self.traceback: Record | None = None
        self.blanks: list[int] = []
        self.undecided: Record | None = None
        """The record that this lane's last line joins if the next one is a stack frame."""

    def skip(self, i: int) -> None:
        """Pass line `i`, a record of its own that no line can join."""
        self.seen = i
        self.current = self.undecided = None
        self.blanks.clear()

    def open_records(self) -> list[Record]:
        """Return the records that a later line may belong to."""
        return [r for r in (self.current, self.traceback, self.undecided) if r is not None]

    def open_in(self, *langs: str) -> Record | None:
        """Return the open traceback, interrupted or not, if it is in one of `langs`."""
        record = self.traceback
        return record if record is not None and record.lang in langs else None

    def near(self, *langs: str) -> Record | None:
        """Return the current record if it is in one of `langs` ("": no traceback yet)."""
        record = self.current
        return record if record is not None and record.lang in langs else None


def claim(lane: Lane, kind: int, following: int, text_of: TextOf) -> Record | None:
    """Return the open record that the lane's line at ``lane.seen`` belongs to; None if it starts one.

    Cost: one table look-up and a few comparisons; `text_of` is called at turning points only.
    """
    return _RULES[kind](lane, following, text_of)


def open_grammar(record: Record, kind: int, text_of: TextOf) -> Record:
    """Note in a new `record` which traceback its first line, of `kind`, opens."""
    if kind == LineKind.RUST_START:
        return record.enter("rust", "message" if text_of(record.start).rstrip().endswith(":") else "")
    lang, phase = _OPENED.get(kind, ("", ""))
    return record.enter(lang, phase)


_OPENED: dict[int, tuple[str, str]] = {
    LineKind.PY_START: ("py", "frames"),
    LineKind.PY_FILE: ("py", "code"),
    LineKind.PY_GROUP_START: ("group", ""),
    LineKind.PY_GROUP: ("group", ""),
    LineKind.AT: ("at", ""),
    LineKind.CAUSE: ("at", ""),
    LineKind.START: ("start", ""),
    LineKind.GO_PART: ("go", ""),
    LineKind.RUBY_FRAME: ("ruby", ""),
    LineKind.PHP_PART: ("php", ""),
    LineKind.NODE_SOURCE: ("node", "error"),
}


def _bare(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.near("rust")
    if record is not None and record.phase == "message" and not lane.blanks:
        return record.enter("rust")
    record = lane.open_in("py")
    if record is None or record.phase not in ("frames", "code", "mark") or record.n_lines < 2:
        return None
    # "MyFault: no route" has no ending that gives it away: it ends a traceback only where it follows it at once.
    final = _FINAL if record is lane.current else _DOTTED_FINAL
    return record.enter("py", "done") if final.match(text_of(lane.seen)) else None


def _indent(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.current
    open_py = lane.open_in("py")
    if open_py is not None and (open_py is record or _wants_source(open_py, lane.seen, text_of)):
        if open_py.phase in _AFTER_SOURCE:
            open_py.phase = _AFTER_SOURCE[open_py.phase]
        return open_py
    if record is not None and lane.blanks and not (record.is_head or record.lang):
        return None
    return record


_AFTER_SOURCE = {"code": "mark", "mark": "frames"}


def _wants_source(record: Record, i: int, text_of: TextOf) -> bool:
    """Whether an interrupted Python traceback waits for the source line of its last frame, or its marks."""
    return record.phase == "code" or (record.phase == "mark" and bool(_CARETS.match(text_of(i))))


def _py_start(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.open_in("py")
    if record is not None and record.phase == "chain":
        return record.enter("py", "frames")
    record = lane.near("")
    if record is None:
        return None
    if record.is_head or (not lane.blanks and text_of(record.last).rstrip().endswith(":")):
        return record.enter("py", "frames")
    return None


def _py_file(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.open_in("py")
    if record is not None and record.phase in ("frames", "code", "mark"):
        return record.enter("py", "code")
    record = lane.current
    if record is not None and not record.lang:
        record.enter("py", "code")
    return record


def _py_repeat(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    return lane.open_in("py") or lane.current


def _py_chain(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.open_in("py")
    return record.enter("py", "chain") if record is not None and record.phase == "done" else None


def _py_group_start(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.near("")
    return record.enter("group") if record is not None else None


def _py_group(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    return lane.open_in("group") or lane.current


def _at(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record, other = lane.current, lane.open_in("at", "start")
    if record is None:
        return other
    if other is None or other is record:
        return record if record.lang else record.enter("at")
    # A frame right after another thread's line: that line's own only if it speaks of an error.
    if record.is_head and record.n_lines == 1 and not _NAMES_ERROR.search(text_of(record.start)):
        return other
    return record if record.lang else record.enter("at")


def _cause(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record, other = lane.current, lane.open_in("at", "start")
    if other is not None and (record is None or (record.is_head and record.n_lines == 1)):
        return other
    if record is not None and not record.lang:
        record.enter("at")
    return record


def _exception(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.open_in("py")
    if record is not None and record.phase in ("frames", "code", "mark"):
        return record.enter("py", "done")
    record = lane.near("rust", "node")
    if record is not None and record.phase in ("message", "error"):
        return record.enter("at" if record.lang == "node" else "rust")
    record = lane.near("")
    if record is None or not record.is_head or record.n_lines > 1 or lane.blanks:
        return None
    if following in _FRAMES:
        return record.enter("at")
    if following == UNKNOWN:
        lane.undecided = record
    return None


_FRAMES = (LineKind.AT, LineKind.CAUSE)


def _go_part(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.near("go", "start") or lane.near("")
    if record is None or not (record.lang or record.is_head):
        return None
    return record.enter("go")


def _near_rule(*langs: str) -> Callable[[Lane, int, TextOf], Record | None]:
    """A line that only continues the current record, if that is in one of `langs`."""

    def rule(lane: Lane, following: int, text_of: TextOf) -> Record | None:
        return lane.near(*langs)

    return rule


def _ruby_frame(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.near("ruby", "")
    return record.enter("ruby") if record is not None and (record.lang or record.is_head) else None


def _php_part(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.near("php", "start", "")
    return record.enter("php") if record is not None and not lane.blanks else None


def _closing(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    record = lane.current
    return record if record is not None and record.n_lines > 1 and not lane.blanks else None


def _current(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    return lane.current


def _never(lane: Lane, following: int, text_of: TextOf) -> Record | None:
    return None


_RULES: dict[int, Callable[[Lane, int, TextOf], Record | None]] = {
    LineKind.BARE: _bare,
    LineKind.INDENT: _indent,
    LineKind.PY_START: _py_start,
    LineKind.PY_FILE: _py_file,
    LineKind.PY_REPEAT: _py_repeat,
    LineKind.PY_CHAIN: _py_chain,
    LineKind.PY_GROUP_START: _py_group_start,
    LineKind.PY_GROUP: _py_group,
    LineKind.AT: _at,
    LineKind.CAUSE: _cause,
    LineKind.EXCEPTION: _exception,
    LineKind.START: _never,
    LineKind.RUST_START: _never,
    LineKind.GO_PART: _go_part,
    LineKind.GO_CALL: _near_rule("go"),
    LineKind.RUST_PART: _near_rule("rust"),
    LineKind.RUBY_FRAME: _ruby_frame,
    LineKind.PHP_PART: _php_part,
    LineKind.CLOSING: _closing,
    LineKind.NODE_SOURCE: _never,
    LineKind.NODE_END: _near_rule("node", "at"),
    LineKind.KEY_MARK: _current,
}
