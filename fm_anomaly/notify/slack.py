"""Messages for a Slack channel through its incoming webhook: one an incident, in blocks, within Slack's limits.

Log text is hostile: it is shown as quotation, its `& < >` escaped, so that it mentions nobody and links nowhere. Where
a lot has come together, the most severe are told each, the others in one list. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fm_anomaly.core.display import clip, terminal
from fm_anomaly.core.outbox_rows import OutboxRow
from fm_anomaly.notify.planning import Change, Says
from fm_anomaly.notify.receivers import NotifyParams, Target
from fm_anomaly.notify.requests import Message, iso, json_request, permalink

_HEADER_CHARS = 150
_SECTION_CHARS = 3_000
_LINE_CHARS = 300
_MAX_LINES = 3
MAX_SINGLE = 5
"""Incidents told at once in a message each; what is beyond is listed in one."""
_MAX_LISTED = 30
_SIGNS = {"low": "🔵", "medium": "🟡", "high": "🟠", "critical": "🔴"}


@dataclass(frozen=True, slots=True)
class _Matter:
    """The changes of one incident."""

    changes: tuple[Change, ...]

    @property
    def lead(self) -> Change:
        """The change that makes the headline: what fires before what is over, the most severe, the earliest."""
        return min(
            self.changes,
            key=lambda c: (not c.notice.is_firing, -c.notice.severity.rank, c.notice.start_us, c.notice.alert_id),
        )

    @property
    def rows(self) -> tuple[OutboxRow, ...]:
        """What is settled by telling it."""
        return tuple(row for change in self.changes for row in change.rows)

    @property
    def order(self) -> tuple[bool, int, int]:
        """Sort key: what fires first, by severity, then by age."""
        lead = self.lead.notice
        return (not lead.is_firing, -lead.severity.rank, lead.start_us)


def messages(
    target: Target, changes: Sequence[Change], told: Mapping[str, OutboxRow], params: NotifyParams, now_us: int
) -> list[Message]:
    """Return a message for each incident of which there is something to tell; many at once end in a list.

    That one of several alerts of an incident is over is no news: the end is told with the last of them.
    """
    by_group: dict[str, list[Change]] = {}
    for each in changes:
        if each.is_worth_telling:
            by_group.setdefault(each.notice.group, []).append(each)
    matters = [_Matter(tuple(some)) for some in by_group.values() if not _goes_on(some, told)]
    matters.sort(key=lambda matter: matter.order)
    n_single = MAX_SINGLE if len(matters) <= MAX_SINGLE else MAX_SINGLE - 1
    singles, rest = matters[:n_single], matters[n_single:]
    found = [Message(json_request(target, target.url, body(m.changes, params.base_url)), m.rows) for m in singles]
    if rest:
        listed = json_request(target, target.url, _list(rest))
        found.append(Message(listed, tuple(row for matter in rest for row in matter.rows)))
    return found


def body(changes: Sequence[Change], base_url: str) -> dict[str, Any]:
    """Return the message about the changes of one incident."""
    matter = _Matter(tuple(changes))
    lead = matter.lead
    title = headline(lead)
    blocks: list[dict[str, Any]] = [
        _header(title),
        _section(_what(lead)),
    ]
    lines = [clip(terminal(line.text), _LINE_CHARS) for line in lead.notice.evidence[:_MAX_LINES]]
    if lines:
        blocks.append(_section(_quoted(lines)))
    others = [each for each in matter.changes if each is not lead]
    if others:
        blocks.append(_section("\n".join(f"• {escape(headline(each))}" for each in others[:_MAX_LISTED])))
    blocks.append({"type": "context", "elements": [_text(_context(lead, base_url))]})
    return {"text": _cut(escape(title), _SECTION_CHARS), "blocks": blocks}


def headline(change: Change) -> str:
    """Return the line that says it all, not escaped: sign, severity, service, what, and how it stands."""
    notice = change.notice
    told = terminal(notice.title)
    if notice.headline != notice.title:
        told = f"{terminal(notice.service)} · {told}"
    if change.says in (Says.OVER, Says.PASSED):
        return f"✅ over: {told}"
    sign = _SIGNS[notice.severity.value]
    how = {Says.WORSE: "worse: "}.get(change.says, "back: " if change.novelty.value == "regressed" else "")
    return f"{sign} {notice.severity.value.upper()} {how}{told}"


def escape(text: str) -> str:
    """Return `text` as Slack shows it and does not read it; backticks, which would open a quotation, become quotes.

    >>> escape("<!channel> a & `b`")
    "&lt;!channel&gt; a &amp; 'b'"
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")


def _goes_on(changes: Sequence[Change], told: Mapping[str, OutboxRow]) -> bool:
    """Tell whether these are ends only, and other alerts of the incident that were told still fire."""
    if any(each.says is not Says.OVER for each in changes):
        return False
    ended = {each.notice.alert_id for each in changes}
    ids = {i for each in changes if each.notice.incident is not None for i in each.notice.incident.alert_ids}
    return any(told[i].notice.is_firing for i in sorted(ids - ended) if i in told)


def _what(change: Change) -> str:
    notice = change.notice
    said = [escape(terminal(notice.reason))]
    if change.says is Says.WORSE and change.was_severity is not None:
        said.append(f"was {change.was_severity.value}, now {notice.severity.value}")
    if change.says is Says.PASSED:
        said.append("it began and ended before it could be told")
    if notice.label is not None and notice.label.category:
        said.append(escape(f"category: {clip(terminal(notice.label.category), _LINE_CHARS)}"))
    incident = notice.incident
    if incident is not None and len(incident.services) > 1:
        said.append(escape(f"services: {', '.join(terminal(service) for service in incident.services[:10])}"))
    return "\n".join(said)


def _context(change: Change, base_url: str) -> str:
    notice = change.notice
    span = f"since {_time(notice.start_us)}"
    if not notice.is_firing:
        span = f"{_time(notice.start_us)} → {_time(notice.end_us)}"
    parts = [span, notice.kind.replace("_", " "), f"alert {notice.alert_id}"]
    if notice.tenant != "default":
        parts.append(f"tenant {terminal(notice.tenant)}")
    said = escape(" · ".join(parts))
    link = permalink(base_url, notice)
    return f"{said} · <{escape(link)}|open>" if link else said


def _list(matters: Sequence[_Matter]) -> dict[str, Any]:
    title = f"{len(matters)} more incidents"
    lines = [escape(clip(headline(matter.lead), _HEADER_CHARS)) for matter in matters[:_MAX_LISTED]]
    if len(matters) > _MAX_LISTED:
        lines.append(f"… and {len(matters) - _MAX_LISTED} more: see /api/v1/incidents")
    # a section takes 3,000 characters: five lines of 150, which only escapes make longer
    sections = [_section("\n".join(lines[at : at + 5])) for at in range(0, len(lines), 5)]
    return {"text": title, "blocks": [_header(title), *sections]}


def _quoted(lines: Sequence[str]) -> str:
    return "```" + "\n".join(escape(line) for line in lines) + "```"


def _header(text: str) -> dict[str, Any]:
    shown = _cut(escape(text), _HEADER_CHARS)
    return {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": _cut(text, _SECTION_CHARS), "verbatim": True}


def _cut(text: str, n: int) -> str:
    """Return at most `n` characters of escaped text, no escape cut in two, a quotation still closed."""
    if len(text) <= n:
        return text
    end = "…```" if text.endswith("```") else "…"
    kept = text[: n - len(end)]
    at = kept.rfind("&", len(kept) - 5)
    return (kept[:at] if at >= 0 and ";" not in kept[at:] else kept) + end


def _time(us: int) -> str:
    return iso(us)[:19].replace("T", " ") + " UTC"
