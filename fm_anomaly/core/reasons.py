"""Words for people: titles, and one true sentence with numbers for each anomaly.

Pure functions of plain values. Must not know of detectors' state, terminals or HTML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fm_anomaly.core.anomalies import AnomalyKind, Finding

_MASK = re.compile(r"<[^<>\s]{0,24}>")
_NOISE = re.compile(r"^[\s:;,.·\-–—=|\"'`()\[\]{}]+|[\s:;,·\-–—=|\"'`(\[{]+$")
_WORD = re.compile(r"([(\[{\"'`]*)(.*?)([)\]}\"'`,:;.!?…]*)\Z", re.DOTALL)
_NAME_WITH_DIGIT = re.compile(r"[A-Za-z]+[0-9][A-Za-z]*|[A-Za-z]{3,}(?:256|512|64|32|16)|HTTP/[0-9.]+")
_STATUS = re.compile(r"[1-9][0-9]{2}")
_BEFORE_STATUS = frozenset(
    {
        "status",
        "code",
        "returned",
        "returns",
        "http",
        "error",
        "errno",
        "answered",
        "responded",
        "replied",
        "got",
        "with",
    }
)
_LINKS = frozenset({"at", "to", "for", "from", "of", "on", "in", "by", "with", "after", "within", "id", "no.", "#"})
"""Words that go with the value behind them."""
_AMOUNTS = frozenset({"ms", "s", "sec", "seconds", "minutes", "hours", "bytes", "attempts", "retries", "times"})
"""Words that go with the number before them, where that has gone with its preposition."""
_PLAIN_MODULES = frozenset({"builtins", "java", "javax", "org", "com", "io", "net", "system", "app", "exceptions"})
TITLE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Context:
    """The bucket and the stream that a finding is about."""

    service: str
    history_us: int
    bucket_us: int
    n_records: int
    n_errors: int
    share_before: float
    """Learned share of errors, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Words:
    """What people read about an anomaly."""

    title: str
    reason: str
    unit: str
    text: str
    """Template or exception it is about: words that other services may share."""


def words(finding: Finding, context: Context) -> Words:
    """Return title and reason of a finding."""
    return _WORDS[finding.kind](finding, context)


def duration(us: int) -> str:
    """Return a length of time in its two largest units.

    >>> duration(9_000_000_000), duration(175_000_000), duration(400_000)
    ('2h30m', '2m55s', '<1s')
    """
    seconds = us // 1_000_000
    if seconds < 1:
        return "<1s"
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    first = next(i for i, (n, _) in enumerate(parts) if n)
    words = [f"{parts[first][0]}{parts[first][1]}"]
    if first + 1 < len(parts) and parts[first + 1][0]:
        n, unit = parts[first + 1]
        words.append(f"{n:02d}{unit}")
    return "".join(words)


def number(x: float) -> str:
    """Return a number as people write it.

    >>> number(12345.6), number(46.0), number(0.62), number(3.04), number(0.004), number(0)
    ('12,346', '46', '0.6', '3', '0.004', '0')
    """
    if abs(x) >= 10 or x == 0 or (abs(x) > 0.5 and abs(x - round(x)) < 0.05):
        return f"{round(x):,}"
    return f"{x:.1f}" if abs(x) >= 0.1 else f"{x:.2g}"


def per_minute(x: float, span_s: float) -> str:
    """Return a count in a span as a rate a minute."""
    return f"{number(x * 60 / span_s)}/min"


def steady(per_min: float) -> str:
    """Return a steady rate, by the hour where it is below one in two minutes.

    >>> steady(0.62), steady(0.1)
    ('0.6/min', '6/h')
    """
    return f"{number(per_min)}/min" if per_min >= 0.3 else f"{number(60 * per_min)}/h"


def share(x: float) -> str:
    """Return a share in per cent.

    >>> share(0.4), share(0.0), share(0.004)
    ('40 %', '0 %', '0.4 %')
    """
    percent = 100 * x
    return f"{percent:.1f} %" if 0.05 <= percent < 1 else f"{percent:.0f} %"


def between(low: float, high: float) -> str:
    """Return a range of counts, in whole numbers.

    >>> between(0.0, 0.3), between(11.2, 29.7)
    ('0–1', '11–30')
    """
    lower, upper = int(low), int(high) + (high > int(high))
    return f"{lower:,}–{upper:,}" if lower != upper else f"{lower:,}"


def milliseconds(x: float) -> str:
    """Return a duration given in milliseconds."""
    if x >= 10_000:
        return f"{x / 1000:.0f} s"
    return f"{x / 1000:.1f} s" if x >= 1000 else f"{number(x)} ms"


def plain(text: str) -> str:
    """Return a message or a template without the values of single records, cut to the length of a title.

    A value is a mask or a word with digits; the preposition before it goes with it. Status codes and names such as
    s3 and ipv6 stay.

    >>> plain("kafka: no brokers available at kafka-0:9092, dropping shipment event 53 (attempt 2)")
    'kafka: no brokers available, dropping shipment event…'
    >>> plain("job <num> failed after <num> attempts: upstream returned 502")
    'job failed: upstream returned 502'
    """
    kept: list[str] = []
    is_linked = False
    for word in text.split():
        opening, core, closing = _parts(word)
        if is_linked and core.lower() in _AMOUNTS:
            _close(kept, closing)
        elif _is_value(core, kept[-1] if kept else ""):
            is_linked = False
            while kept and kept[-1].lower() in _LINKS:
                kept.pop()
                is_linked = True
            _close(kept, closing if not opening else closing.lstrip(")]}\"'`"))
            continue
        else:
            kept.append(word)
        is_linked = False
    return _cut(_NOISE.sub("", " ".join(kept)))


def _parts(word: str) -> tuple[str, str, str]:
    """Return what opens a word, the word, and the punctuation that closes it."""
    found = _WORD.match(word)
    return (found[1], found[2], found[3]) if found is not None else ("", word, "")


def _is_value(core: str, before: str) -> bool:
    if _MASK.search(core):
        return True
    if not any(c.isdigit() for c in core) or _NAME_WITH_DIGIT.fullmatch(core):
        return False
    return not (_STATUS.fullmatch(core) and before.lower().rstrip(":=") in _BEFORE_STATUS)


def _close(kept: list[str], closing: str) -> None:
    """Move the punctuation of a word left out to the word before it."""
    if kept and closing and kept[-1][-1] not in ",:;.(":
        kept[-1] += closing


def error_title(exc_type: str | None, message: str | None, text: str) -> str:
    """Return a short human title of an error: who (exception's package) and what (last clause of the message).

    >>> error_title("redis.exceptions.ConnectionError", None, "could not connect to redis at <ip>: Connection refused")
    'redis: connection refused'
    >>> error_title("ValueError", "bad token 17 in query", "job <num> failed")
    'ValueError: bad token in query'
    >>> error_title(None, None, "kafka: no brokers available at kafka-0:<num>, dropping shipment event <num>")
    'kafka: no brokers available, dropping shipment event'
    """
    said = plain(message or "") or plain(text)
    if not exc_type:
        return said or "error"
    owner, _, name = exc_type.rpartition(".")
    top = owner.split(".")[0]
    if not top or top.lower() in _PLAIN_MODULES:
        return _cut(f"{name}: {said}") if said else name
    clause = plain((message or text).rsplit(": ", 1)[-1]) or said or name
    return _cut(f"{top}: {clause if clause[:2].isupper() else clause[0].lower() + clause[1:]}")


def _cut(text: str) -> str:
    """Return a text of at most a title's length, cut behind a word where one ends in its last third."""
    if len(text) <= TITLE_LENGTH:
        return text
    head = text[: TITLE_LENGTH - 1]
    space = head.rfind(" ")
    return (head[:space] if space > 2 * TITLE_LENGTH // 3 else head).rstrip(" ,:;.(-") + "…"


def _window(finding: Finding, context: Context) -> str:
    return duration(finding.reading.span_s * 1_000_000 or finding.reading.window * context.bucket_us)


def _times(finding: Finding, expected: float) -> str:
    return f"{number(finding.reading.observed / expected)}×" if expected > 0 else ""


def _share_words(finding: Finding, context: Context) -> str:
    now = context.n_errors / context.n_records if context.n_records else 0.0
    if now < context.share_before + 0.02:
        return ""
    return f" · error share of {context.service} {share(context.share_before)} → {share(now)}"


def _new_error(finding: Finding, context: Context) -> Words:
    e, t = finding.exception, finding.template
    text = t.text if t else ""
    title = error_title(e.type if e else None, e.message if e else None, text)
    r = finding.reading
    seen = per_minute(r.observed, r.window * context.bucket_us / 1e6)
    if r.window > 1 and r.observed < 10:
        seen = f"{number(r.observed)} in {_window(finding, context)}"
    before = duration(context.history_us)
    was = f"never seen in the {before} before"
    if finding.absent_us:
        was = f"back after {duration(finding.absent_us)} without it"
    elif finding.stray_us:
        before = duration(max(context.history_us - finding.stray_us, 0))
        was = f"first seen {duration(finding.stray_us)} earlier, never in the {before} before that"
    reason = f"{was} · {seen}, expected {between(0, 0)}"
    text = " ".join(filter(None, (text, e.identity if e else "", (e.message or "") if e else "")))
    return Words(title, reason + _share_words(finding, context), "records", text)


def _error_spike(finding: Finding, context: Context) -> Words:
    r, t = finding.reading, finding.template
    expected = between(r.expected_low, r.expected_high)
    seen = f"{number(r.observed)} errors in {_window(finding, context)}, expected {expected}"
    before = f" · learned over {duration(context.history_us)}"
    if finding.subject:
        title = error_title(None, None, t.text if t else finding.subject)
    else:
        title = f"errors of {context.service}" + (f": {plain(t.text)}" if t else "")
    return Words(title, seen + _share_words(finding, context) + before, "errors", t.text if t else "")


def _volume(finding: Finding, context: Context) -> Words:
    r, t = finding.reading, finding.template
    middle = r.expected
    seen = f"{number(r.observed)} records in {_window(finding, context)}"
    seen += f", expected {between(r.expected_low, r.expected_high)}"
    if r.direction > 0:
        seen += f" · {_times(finding, middle)} its rate" if middle >= 1 else ""
    else:
        seen += f" · down to {share(r.observed / max(middle, 1e-9))}"
    title = plain(t.text) if finding.subject and t else f"{'more' if r.direction > 0 else 'fewer'} records"
    reason = f"{seen} · learned over {duration(context.history_us)}"
    return Words(title, reason, "records", t.text if t else "")


def _missed_beat(finding: Finding, context: Context) -> Words:
    r, t = finding.reading, finding.template
    seen = f"every {duration(int(r.expected) * context.bucket_us)} the last {number(r.n)} times"
    gap = duration(r.window * context.bucket_us)
    reason = f"came again after {gap}, usually {seen}" if finding.is_over else f"not seen for {gap}, came {seen}"
    title = f"missed: {plain(t.text)}" if t else f"{context.service} is silent"
    return Words(title, reason, "beats", t.text if t else "")


def _silence(finding: Finding, context: Context) -> Words:
    if finding.is_beat:
        return _missed_beat(finding, context)
    r = finding.reading
    gap = _window(finding, context)
    rate = per_minute(r.expected_high / max(r.window, 1), context.bucket_us / 1e6)
    reason = f"no record for {gap}, about {number(r.expected_high)} expected at {rate}"
    if finding.is_over:
        reason = f"no record for {gap} at an expected {rate}"
    reason += f" · learned over {duration(context.history_us)}"
    return Words(f"{context.service} is silent", reason, "records", "")


def _latency(finding: Finding, context: Context) -> Words:
    r = finding.reading
    window = _window(finding, context)
    if r.direction > 1:
        reason = f"{share(r.observed)} slower than {milliseconds(r.expected_high)} over {window}, expected 5 %"
        return Words(f"slow tail of {finding.subject}", reason, "share", finding.subject)
    times = number(r.observed / max(r.expected, 1e-6))
    reason = f"typically {milliseconds(r.observed)} over {window}, expected {milliseconds(r.expected_low)}"
    reason += f"–{milliseconds(r.expected_high)} · {times}× · learned over {duration(context.history_us)}"
    return Words(f"slow {finding.subject}", reason, "ms", finding.subject)


def _new_template(finding: Finding, context: Context) -> Words:
    t = finding.template
    text = t.text if t else ""
    seen = per_minute(finding.reading.observed, context.bucket_us / 1e6)
    reason = f"never seen in the {duration(context.history_us)} before · {seen}"
    return Words(plain(text) or finding.subject, reason, "records", text)


def _sequence(finding: Finding, context: Context) -> Words:
    odd = finding.sessions
    if odd is None:
        return Words("unusual sessions", "", "sessions", "")
    step, other, begin = (plain(text) for text in odd.texts)
    title, what = {
        "missing": (f"sessions without {step}", f"step “{step}” missing"),
        "extra": (f"more sessions with {step}", f"step “{step}” taken"),
        "fewer": (f"sessions with fewer {step}", f"step “{step}” taken less often than {odd.usual}×"),
        "more": (f"sessions with more {step}", f"step “{step}” taken more often than {odd.usual}×"),
        "order": (f"sessions in another order: {step}", f"step “{step}” taken before “{other}”"),
    }[odd.shape[1]]
    of = f" that begin with “{begin}”" if begin else ""
    reason = f"{what} in {odd.n_odd:,} of {odd.n:,} sessions{of} in {_window(finding, context)}"
    return Words(title, f"{reason}, in {odd.n_odd_before:,} of {odd.n_before:,} before", "sessions", odd.texts[0])


_WORDS = {
    AnomalyKind.NEW_ERROR: _new_error,
    AnomalyKind.ERROR_SPIKE: _error_spike,
    AnomalyKind.VOLUME_SPIKE: _volume,
    AnomalyKind.VOLUME_DROP: _volume,
    AnomalyKind.SILENCE: _silence,
    AnomalyKind.LATENCY: _latency,
    AnomalyKind.SEQUENCE: _sequence,
    AnomalyKind.NEW_TEMPLATE: _new_template,
}
