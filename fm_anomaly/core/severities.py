"""Level words and numbers of the common loggers → OpenTelemetry severity numbers.

Knows the words of each logging family and the numeric scales; knows nothing of lines or formats.
"""

from __future__ import annotations

from fm_anomaly.core.frames import Severity

WORDS: dict[str, int] = {
    word: int(severity)
    for severity, words in {
        Severity.TRACE: "trace trce trc verbose verb vrb finest finer all notset silly",
        Severity.DEBUG: "debug dbg dbug debg fine d debug1 debug2 debug3 debug4 debug5",
        Severity.INFO: "info inf information informational informative config log i default success notice "
        "note statement hint detail context http",
        Severity.WARN: "warn warning wrn warnung w",
        Severity.ERROR: "error err eror fail severe failure failed fehler e",
        Severity.FATAL: "fatal critical crit ftl crt alert emerg emergency panic pnc dpanic f a",
    }.items()
    for word in words.split()
}
"""Lower-case level word → severity number."""
WORDS["notice"] = 10  # OpenTelemetry's INFO2: syslog's notice
for _word, _number in (("alert", 22), ("emerg", 24), ("emergency", 24)):
    WORDS[_word] = _number

_SYSLOG = (24, 22, 21, 17, 13, 10, 9, 5)
"""RFC 5424 severities 0 to 7 by the mapping of the OpenTelemetry data model."""


def from_word(value: object) -> int:
    """Return the severity of a level word or number of no known scale; 0 where it is none."""
    if isinstance(value, str):
        word = value.strip().lower()
        found = WORDS.get(word)
        if found is None and word.isascii() and word.lstrip("-").isdigit() and len(word) < 6:
            return from_number(int(word))
        return found or 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_number(value)
    return 0


def from_number(value: float) -> int:
    """Return the severity of a numeric level: 0 to 7 syslog, multiples of ten as pino, bunyan and Python.

    GCP's scale (100 to 800) and Python's (10 to 50) grow with severity; pino's is Python's plus ten, and
    is told by its field names (`from_pino`).
    """
    if value >= 100:
        steps = ((700, 22), (600, 21), (500, 17), (400, 13), (300, 10), (200, 9))
        return next((severity for limit, severity in steps if value >= limit), 5)
    if value >= 10:
        return from_python(value)
    return from_syslog(int(value)) if value >= 0 else 0


def from_python(value: float) -> int:
    """Return the severity of a level of Python's `logging`: 10 debug … 50 critical."""
    return next((s for limit, s in ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5)) if value >= limit), 1)


def from_pino(value: float) -> int:
    """Return the severity of a level of pino or bunyan: 10 trace … 60 fatal."""
    return from_python(value - 10)


def from_syslog(value: int) -> int:
    """Return the severity of the low three bits of a syslog priority."""
    return _SYSLOG[value & 7]


def from_otel(value: float) -> int:
    """Return an OpenTelemetry number if it is one, else 0."""
    return int(value) if 1 <= value <= 24 else 0
