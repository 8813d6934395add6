"""Writes what people said and what it did: one row of the audit and one event a command, and what it made.

Within the transaction of a step, and once: a command is known by its id. Knows nothing of pipelines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, func, select, update

from fm_anomaly.core.commands import Applied, Command, CommandKind
from fm_anomaly.storage import tables
from fm_anomaly.storage.audit import Deed, note
from fm_anomaly.storage.numbering import add_events, event_key
from fm_anomaly.storage.writing import Row, clean, plain_text, some, upsert

ACTIONS = {
    CommandKind.MERGE: "merged",
    CommandKind.RENAME: "renamed",
    CommandKind.PATTERN: "pattern_added",
    CommandKind.UNPATTERN: "pattern_removed",
    CommandKind.ACK: "acked",
    CommandKind.RESOLVE: "closed",
    CommandKind.COMMENT: "commented",
    CommandKind.FEEDBACK: "feedback",
    CommandKind.UNFEEDBACK: "feedback_removed",
    CommandKind.SILENCE: "silenced",
    CommandKind.UNSILENCE: "unsilenced",
    CommandKind.MARKER: "marked",
    CommandKind.RENAME_CATEGORY: "category_renamed",
    CommandKind.MERGE_CATEGORIES: "category_merged",
    CommandKind.PIN_GROUP: "group_pinned",
    CommandKind.UNDO_CATEGORY: "category_undone",
}
"""The action of the event that tells of a command."""
_SAYS_ITS_TEXT = (CommandKind.COMMENT, CommandKind.SILENCE, CommandKind.MARKER)


def save_commands(connection: Connection, heads: Row, applied: Sequence[Applied]) -> int:
    """Write commands that are not there yet; return how many are new."""
    if not applied:
        return 0
    tenant = heads["tenant"]
    by_id = {command_id(each.command): each for each in applied}
    known: set[str] = set()
    for ids in some(list(by_id)):
        query = select(tables.commands.c.command_id).where(
            tables.commands.c.tenant == tenant, tables.commands.c.command_id.in_(ids)
        )
        known.update(connection.scalars(query))
    fresh = [(key, each) for key, each in by_id.items() if key not in known]
    for key, each in fresh:
        command = each.command
        row = {
            "tenant": tenant,
            "command_id": key,
            "kind": command.kind.value,
            "actor": plain_text(command.actor),
            "at_us": command.at_us,
            "details": clean(msgspec.to_builtins(command)),
            "effect": clean(each.effect.to_dict()),
        }
        connection.execute(tables.commands.insert().values(row))
        if command.kind in _SAVE:
            _SAVE[command.kind](connection, tenant, key, each)
        note(connection, heads, [_deed(row, each)])
    add_events(connection, heads, [_event(connection, tenant, key, each) for key, each in fresh])
    return len(fresh)


def _deed(row: Row, applied: Applied) -> Deed:
    command = applied.command
    said = {name: value for name, value in row["details"].items() if value and name not in ("tenant", "actor", "kind")}
    details = {**said, "effect": row["effect"]["effect"]}
    subject = command.subject or row["command_id"]
    return Deed(applied.received_us or command.at_us, command.actor, command.kind.value, subject, details=details)


def command_id(command: Command) -> str:
    """Return the id of a command, made from what it says where it has none."""
    return command.command_id or event_key(
        command.kind, command.at_us, command.actor, command.service, command.subject, command.other, command.text
    )


def _event(connection: Connection, tenant: str, key: str, applied: Applied) -> Row:
    command = applied.command
    alert_id = command.subject
    if command.kind is CommandKind.UNFEEDBACK:
        table = tables.feedback
        is_row = and_(table.c.tenant == tenant, table.c.feedback_id == command.subject)
        alert_id = connection.scalar(select(table.c.alert_id).where(is_row)) or ""
    of_alert = (CommandKind.ACK, CommandKind.COMMENT, CommandKind.RESOLVE, CommandKind.FEEDBACK, CommandKind.UNFEEDBACK)
    is_about = command.kind in of_alert
    is_incident = is_about and alert_id.startswith("i-")
    if command.kind is CommandKind.FEEDBACK:
        said = f"{command.other}: {applied.effect.text}" + (f" · {command.text}" if command.text else "")
    else:
        said = command.text if command.kind in _SAYS_ITS_TEXT else applied.effect.text
    return {
        "key": event_key("command", key),
        "alert_id": alert_id if is_about and not is_incident else None,
        "incident_id": alert_id if is_incident else None,
        "action": ACTIONS[command.kind],
        "at_us": command.at_us,
        "reason": plain_text(said),
        "actor": plain_text(command.actor),
    }


def _insert(connection: Connection, table: Table, row: Row) -> None:
    upsert(connection, table, [clean(row)], sets=[])


def _end(connection: Connection, table: Table, key: str, tenant: str, command: Command, us: str, by: str) -> None:
    is_row = and_(table.c.tenant == tenant, table.c[key] == command.subject, table.c[us].is_(None))
    connection.execute(update(table).where(is_row).values({us: command.at_us, by: plain_text(command.actor)}))


def _rename(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    command = applied.command
    row = {
        "tenant": tenant,
        "service": command.service,
        "template_id": command.subject,
        "name": command.text,
        "actor": command.actor,
        "at_us": command.at_us,
    }
    names = tables.template_names
    upsert(connection, names, [clean(row)], where=lambda new: new.at_us >= names.c.at_us)


def _pattern(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    command = applied.command
    row = {
        "tenant": tenant,
        "pattern_id": key,
        "service": command.service,
        "name": command.text,
        "expression": command.other,
        "actor": command.actor,
        "at_us": command.at_us,
    }
    _insert(connection, tables.patterns, row)


def _unpattern(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    _end(connection, tables.patterns, "pattern_id", tenant, applied.command, "removed_us", "removed_by")


def _ack(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    command = applied.command
    values = {"acked_by": plain_text(command.actor), "acked_us": command.at_us}
    incidents, alerts = tables.incidents, tables.alerts
    is_row = and_(incidents.c.tenant == tenant, incidents.c.incident_id == command.subject)
    connection.execute(update(incidents).where(is_row).values(values))
    for ids in some(command.alert_ids):
        mine = and_(alerts.c.tenant == tenant, alerts.c.alert_id.in_(ids))
        connection.execute(update(alerts).where(mine).values(values))


def _resolve(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    """Close what no pipeline keeps any more: alerts of scans, or from before a state that was lost."""
    command = applied.command
    alerts, incidents = tables.alerts, tables.incidents
    closed = {"state": "resolved", "end_us": command.at_us}
    touched: set[str] = set()
    for ids in some(command.alert_ids):
        firing = and_(alerts.c.tenant == tenant, alerts.c.alert_id.in_(ids), alerts.c.state == "firing")
        found = connection.scalars(select(alerts.c.incident_id).where(firing, alerts.c.incident_id.is_not(None)))
        touched.update(str(each) for each in found)
        connection.execute(update(alerts).where(firing).values(closed))
    for incident_id in sorted(touched):
        left = select(func.count()).select_from(alerts).where(
            alerts.c.tenant == tenant, alerts.c.incident_id == incident_id, alerts.c.state == "firing"
        )  # fmt: skip
        if not connection.scalar(left):
            is_row = and_(incidents.c.tenant == tenant, incidents.c.incident_id == incident_id)
            connection.execute(update(incidents).where(is_row, incidents.c.state == "firing").values(closed))


def _feedback(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    command, table = applied.command, tables.feedback
    earlier = and_(
        table.c.tenant == tenant,
        table.c.alert_id == command.subject,
        table.c.removed_us.is_(None),
        table.c.at_us <= command.at_us,
    )
    given_way = {"removed_us": command.at_us, "removed_by": plain_text(command.actor)}
    connection.execute(update(table).where(earlier).values(given_way))
    row = {
        "tenant": tenant,
        "feedback_id": key,
        "alert_id": command.subject,
        "verdict": command.other,
        "actor": command.actor,
        "note": command.text,
        "at_us": command.at_us,
        "effect": applied.effect.text,
    }
    _insert(connection, table, row)
    _judge(connection, tenant, command.subject, command.other)


def _unfeedback(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    command, table = applied.command, tables.feedback
    is_row = and_(table.c.tenant == tenant, table.c.feedback_id == command.subject)
    alert_id = connection.scalar(select(table.c.alert_id).where(is_row))
    _end(connection, table, "feedback_id", tenant, command, "removed_us", "removed_by")
    if alert_id is not None:
        _judge(connection, tenant, alert_id, "")


def _judge(connection: Connection, tenant: str, alert_id: str, verdict: str) -> None:
    table = tables.alerts
    is_row = and_(table.c.tenant == tenant, table.c.alert_id == alert_id)
    connection.execute(update(table).where(is_row).values(verdict=verdict))


def _silence(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    command, table = applied.command, tables.silences
    row = {
        "tenant": tenant,
        "silence_id": command.subject or key,
        "matchers": dict(command.matchers),
        "owner": command.actor,
        "reason": command.text,
        "start_us": command.at_us,
        "until_us": command.until_us,
        "until_worse": command.until_worse,
        "changed_us": command.at_us,
    }
    changed = ("matchers", "owner", "reason", "until_us", "until_worse", "changed_us")
    upsert(connection, table, [clean(row)], sets=changed, where=lambda new: new.changed_us >= table.c.changed_us)


def _unsilence(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    _end(connection, tables.silences, "silence_id", tenant, applied.command, "ended_us", "ended_by")


def _marker(connection: Connection, tenant: str, key: str, applied: Applied) -> None:
    command = applied.command
    row = {
        "tenant": tenant,
        "marker_id": key,
        "at_us": command.at_us,
        "service": command.service,
        "title": command.text,
        "actor": command.actor,
    }
    _insert(connection, tables.markers, row)


_SAVE: dict[CommandKind, Callable[[Connection, str, str, Applied], Any]] = {
    CommandKind.RENAME: _rename,
    CommandKind.PATTERN: _pattern,
    CommandKind.UNPATTERN: _unpattern,
    CommandKind.ACK: _ack,
    CommandKind.RESOLVE: _resolve,
    CommandKind.FEEDBACK: _feedback,
    CommandKind.UNFEEDBACK: _unfeedback,
    CommandKind.SILENCE: _silence,
    CommandKind.UNSILENCE: _unsilence,
    CommandKind.MARKER: _marker,
}
"""What a command makes or changes beside its own row; those that are not here change templates or nothing."""
