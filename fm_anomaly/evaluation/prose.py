"""What a service of a sample writes in prose: everything in the message, as plain text, logfmt and Python logging do.

One flow (a request or a job) from its first line to its access line. Nothing here knows how often flows happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fm_anomaly.evaluation.authors import NO_FIELDS, Author, Strike
from fm_anomaly.evaluation.phrases import address
from fm_anomaly.evaluation.rendering import ERROR, INFO, WARN, Format
from fm_anomaly.evaluation.system import Activity


def write_prose(author: Author, us: int, activity: Activity, slow: float, strike: Strike | None) -> None:
    """Write the lines of one flow that starts at `us`; `slow` multiplies its durations."""
    rng, service = author.rng, author.service
    took = slow * (
        activity.own_ms * rng.lognormvariate(0, 0.4)
        + sum([o.median_ms * rng.lognormvariate(0, o.sigma) for o in activity.operations])
    )
    end = us + int(took * 1000)
    step = (end - us) // (len(activity.steps) + 1)
    for i, phrase in enumerate(activity.steps if strike is None else activity.steps[:1]):
        author.say(us + i * step, INFO, activity.logger, phrase.fill(rng))
    if strike is not None:
        _prose_failure(author, end - 500, activity, strike)
    if service.is_api:
        _access(author, end, activity, author.draw_status(strike), took)
    elif strike is None:
        author.say(end, INFO, activity.logger, activity.done.fill(rng, took), _duration(author, took))


def _duration(author: Author, took: float) -> Mapping[str, Any]:
    return {"duration_ms": round(took, 1)} if author.fmt is Format.LOGFMT else NO_FIELDS


def _prose_failure(author: Author, us: int, activity: Activity, strike: Strike) -> None:
    failure = strike.failure
    message = failure.text.fill(author.rng)
    for i, layer in enumerate(strike.layers):
        text = failure.intro + message if i == 0 else f"{layer}: {activity.name} failed: {message}"
        trace = failure.traceback(message) if strike.has_trace and i == 0 else None
        author.say(us + i * 120, ERROR, activity.logger, text, trace=trace)
    if not author.service.is_api and author.rng.random() < 0.4:
        text = f"giving {activity.name} another try in {1 << int(author.rng.random() * 4)}s"
        author.say(us + 400, WARN, activity.logger, text)


def _access(author: Author, us: int, activity: Activity, status: int, took: float) -> None:
    rng = author.rng
    path, level = activity.path.fill(rng), INFO if status < 500 else WARN
    if author.fmt is Format.LOGFMT:
        fields = {"method": activity.method, "path": path, "status": status, "duration_ms": round(took, 1)}
        author.say(us, level, activity.logger, "request completed", fields)
    elif author.service.access_style == 0:
        author.say(us, level, activity.logger, f"{activity.method} {path} {status} {took:.0f}ms")
    elif author.service.access_style == 1:
        text = f"request completed method={activity.method} path={path} status={status} duration_ms={took:.1f}"
        author.say(us, level, activity.logger, text)
    else:
        text = (
            f'{address(rng)} "{activity.method} {path} HTTP/1.1" {status} {int(rng.random() * 9000)} took {took:.0f}ms'
        )
        author.say(us, level, activity.logger, text)
