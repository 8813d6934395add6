"""Marks of a line of output: what it is (blank, frame of a stack, tagged error …) and what it speaks of.

One row in, one row out, in columns; each mark looks at its own line only. Which lines explain a failure is decided
from these marks in `line_scoring`; this module knows no second log and no neighbours. The patterns name conventions
of programming languages and of command-line tools in general, never a project or a host.
"""

from __future__ import annotations

import polars as pl

# Colours and cursor movements; a timestamp (behind at most two tab-separated columns, as forges export them) is
# decoration too: what a tool wrote begins after it.
_ANSI = r"\x1b\[[0-9;?]*[A-Za-z]"
_TIMESTAMP = (
    r"^(?:(?:[\w .()/-]+\t){0,2}\s*\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d)?\]?"
    r"|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?) ?"
)

# Numbers are folded, except a zero that stands alone: "0 failures" and "2 failures" are not the same line.
_HEX = r"\b(?:[0-9a-f]{7,40}|[0-9A-F]{8,40})\b"
_NUMBER = r"[1-9]\d*(?:[.,:]\d+)*|0\d[\d.,:]*|0(?:[.,:]\d+)+"

# What a tool puts before a message to say how bad it is: "[ERROR] …", "error: …", "E: …", "npm ERR! …", "##[error]…",
# "main.c:3:5: error: …", "gcc: fatal error: …".
_ERROR_TAG = (
    r"^(?:\S+ )?\W{0,4}(?:ERR!|ERROR\b)"
    r"|^\W{0,4}(?i:error|fatal|severe|critical|panic)(?:[^\w./=-]|$)"
    r"|^\S+(?:\s?\(\d+(?:,\d+)*\))?:?\s+(?i:(?:fatal |internal )?error)(?: \w+)?:"
)
_WARNING_TAG = r"^\W{0,4}(?i:warning|warn)(?:\W|$)|^\S+:\s+(?i:warning):"
_QUIET_TAG = (
    r"^\W{0,4}(?i:info|debug|trace|notice|verbose)(?:\W|$)|^\S+:\s+(?i:note|info):"
    # a passed test is no cause, whatever its name says
    r"|(?:^|\s)(?:[✓✔√]|PASS(?:ED)?\b|\[\s*OK\s*\])|^ok \d|\.{2,}\s*(?i:ok|passed)\b"
    # a command that the shell echoes is not its answer
    r"|^(?:\+{1,3}|\$) \S"
)

_FRAME = (
    r"^\s*(?:"
    r"at\s+[\w.$<>/\[\]@ -]+\s?\("  # Java, JavaScript, .NET
    r"|at\s+\S+:\d+"
    r'|File\s".*",\sline\s\d+'  # Python
    r"|\.{3}\s\d+\s(?:more|common)"
    r"|(?:Caused(?:\sby)?|Also|Suppressed|Wrapped\sby)\s*:|Caused\sby\b"
    r"|from\s\S+:\d+:in"  # Ruby
    r"|goroutine\s\d+\s\["  # Go
    r"|\S+\.\w+:\d+\s\+0x[0-9a-f]+"
    r"|\d+:\s+0x[0-9a-f]+\s"  # Rust, native back traces
    r"|#\d+\s+0x[0-9a-f]+\s)"
)
# Source text quoted below a message, with its place and its gutter: Rust, gcc, JavaScript's test runners.
_QUOTE = r"^\s*(?:-->\s\S+:\d+|>?\s*\d*\s*\|(?:\s|$)|= (?:note|help):)"

_EXCEPTION = (
    r"\b[A-Z]\w*(?:Error|Exception|Failure|Fault)\b|\bTraceback \(most recent|\bpanicked at\b|\bpanic:"
    r"|[Ss]egmentation fault|core dumped"
)

# Words of failure. One glued to a path, an option or a name ("--error", "errors.log", "error=0") is no cue.
_FAILURE_WORDS = (
    r"errors?|fatal|failed|failures?|fails|failing|exception|cannot|can't|could not|couldn't|unable to|undefined"
    r"|unresolved|not found|no such|does not exist|denied|refused|timed out|timeout|aborted?|killed|segfault|panic"
    r"|invalid|unexpected|mismatch|missing|unsafe|assert(?:ion)?|expected|traceback|conflict"
    r"|exit(?:ed)? (?:with )?(?:code|status) [1-9]|returned? (?:a )?non-?zero|unsuccessful|went wrong|rejected"
    r"|violation|broken|incompatible|no space"
)
_CUE = (
    rf"(?i:(?:^|[^\w./=-])(?:{_FAILURE_WORDS})(?:[^\w=/.-]|\.(?:\W|$)|$))"
    r"|(?i:\b(?:error|failure):(?:\s|$))|^\w*make(?:\[\d+\])?: \*\*\*|\bFAIL\b|^\s*not ok \d|[✗✖✘✕●]|^\s*E\s{2,}"
)
_NO_FAILURES = r"(?i)\b(?:fail(?:ures?|ed)?|errors?)\s*[:=]\s*0\b|\b(?:0|no)\s+(?:errors?|fail(?:ures?|ed|ing)?)\b"

# A verdict says that something failed and not why: nothing but these words, numbers and the names of targets
# (":app:test", "//app:test").
_VERDICT_WORDS = (
    "build|builds|task|tasks|test|tests|suite|suites|example|examples|spec|specs|step|steps|job|jobs|stage|target|targets|pipeline|process|command"
    "|compilation|compile|execution|run|result|results|status|summary|total|finished|completed|ended|exit|exited|code"
    "|error|errors|err|failed|failure|failures|fail|exception|fatal|unstable|passed|skipped|ignored|warning|warnings"
    "|with|an|a|the|in|of|was|were|is|are|has|have|there|and|what|went|wrong|due|to|these|following|info"
    "|seconds|minutes"
)
_VERDICT_PARTS = rf"(?i)(?:^|\s)(?://)?[\w/]*:[\w:.-]*\w|\d+ ?(?:ms|s|sec|min|m|h)\b|\b(?:{_VERDICT_WORDS})\b|[^a-z]"

SCHEMA = {
    "text": pl.String(),
    "key": pl.String(),
    "blank": pl.Boolean(),
    "indented": pl.Boolean(),
    "level": pl.UInt8(),
    "frame": pl.Boolean(),
    "quote": pl.Boolean(),
    "exception": pl.Boolean(),
    "cue": pl.Boolean(),
    "verdict": pl.Boolean(),
}
"""Columns of `mark`: text without decoration, key that equal lines share, and the marks."""

NO_LEVEL, QUIET, WARNING, ERROR = 0, 1, 2, 3
"""Values of `level`: no tag; information or a passed test; warning; error."""


def undecorated(texts: pl.Series) -> pl.Series:
    """Return lines without colours, leading timestamps and trailing white space. Cost: about 1 µs a line."""
    plain = texts.fill_null("").str.replace_all(_ANSI, "")
    return plain.str.replace(_TIMESTAMP, "").str.strip_chars_end()


def keys(plain: pl.Series) -> pl.Series:
    """Return what two runs of a build share of a line: hex ids and numbers folded, indentation dropped.

    >>> keys(pl.Series(["  Tests run: 12, Failures: 0 in 3.5 s"])).to_list()
    ['Tests run: #, Failures: 0 in # s']
    """
    return plain.str.strip_chars().str.replace_all(_HEX, "#").str.replace_all(_NUMBER, "#")


def mark(texts: pl.Series) -> pl.DataFrame:
    """Return the marks of each line (columns of `SCHEMA`), one row a line. Cost: about 10 µs a line of 100 bytes."""
    plain = undecorated(texts)
    text = pl.col("text")
    head = text.str.strip_chars_start()
    is_quiet, is_warning = head.str.contains(_QUIET_TAG), head.str.contains(_WARNING_TAG)
    level = (
        pl.when(is_quiet)
        .then(QUIET)
        .when(is_warning)
        .then(WARNING)
        .when(head.str.contains(_ERROR_TAG))
        .then(ERROR)
        .otherwise(NO_LEVEL)
    )
    return pl.DataFrame({"text": plain, "key": keys(plain)}).select(
        text,
        "key",
        (text == "").alias("blank"),
        text.str.contains(r"^\s").alias("indented"),
        level.cast(pl.UInt8).alias("level"),
        text.str.contains(_FRAME).alias("frame"),
        text.str.contains(_QUOTE).alias("quote"),
        text.str.contains(_EXCEPTION).alias("exception"),
        text.str.replace_all(_NO_FAILURES, "").str.contains(_CUE).alias("cue"),
        (text.str.replace_all(_VERDICT_PARTS, "") == "").alias("verdict"),
    )
