"""Version 2: what the service keeps; the steps of alerts become one numbered list of events a tenant."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text(name: str, kind: Any = sa.Text) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False, server_default="")


def _number(name: str, kind: Any = sa.BigInteger) -> sa.Column[int]:
    return sa.Column(name, kind, nullable=False, server_default=sa.text("0"))


def _flag(name: str, default: Any) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=default)


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.String(128), primary_key=True)


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _must(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    """Bring the tables from 0001 to 0002."""
    op.create_table("heads", _tenant(), _number("event_no"), _number("incident_no"), _number("seq"))
    _widen()
    _events()
    _counts()
    _people()
    op.create_table(
        "outbox",
        _tenant(),
        _key("id", sa.String(128)),
        _must("receiver", sa.String(64)),
        _must("alert_id", sa.String(128)),
        _must("action", sa.String(32)),
        _must("payload", sa.JSON),
        _must("created_us", sa.BigInteger),
        _must("state", sa.String(16)),
        _number("attempts", sa.Integer),
        _number("next_us"),
        _text("last_error"),
    )
    op.create_index("outbox_by_state", "outbox", ["state", "next_us"])
    op.create_index("outbox_by_alert", "outbox", ["tenant", "receiver", "alert_id"])
    if "tables_version" in sa.inspect(op.get_bind()).get_table_names():
        op.drop_table("tables_version")


def _widen() -> None:
    """Give the tables of version 1 their new columns."""
    columns: dict[str, list[sa.Column[Any]]] = {
        "alerts": [
            _text("fingerprint", sa.String(32)),
            _number("n_events"),
            _number("score", sa.Float),
            _flag("is_notified", sa.true()),
            _text("muted_by", sa.String(128)),
            _text("acked_by"),
            sa.Column("acked_us", sa.BigInteger),
            _text("verdict", sa.String(16)),
        ],
        "incidents": [
            sa.Column("joined", sa.JSON, nullable=False, server_default=sa.text("'[]'")),
            sa.Column("merged_into", sa.String(128)),
            _text("acked_by"),
            sa.Column("acked_us", sa.BigInteger),
        ],
        "templates": [
            _text("birth_text"),
            _flag("is_coarse", sa.false()),
            sa.Column("merged_into", sa.String(32)),
            _number("as_of_us"),
        ],
    }
    for table, added in columns.items():
        for column in added:
            op.add_column(table, column)
    op.create_index("alerts_by_incident", "alerts", ["tenant", "incident_id"])
    op.create_index("templates_by_id", "templates", ["tenant", "template_id"])


def _events() -> None:
    """Make the list of events and move the steps of alerts into it, in the order of their times."""
    events = op.create_table(
        "events",
        _tenant(),
        _key("event_no", sa.BigInteger),
        _must("key", sa.String(64)),
        sa.Column("alert_id", sa.String(128)),
        sa.Column("incident_id", sa.String(128)),
        _must("action", sa.String(32)),
        _must("at_us", sa.BigInteger),
        _text("severity", sa.String(16)),
        _text("reason"),
        _text("actor"),
        _flag("is_notified", sa.false()),
    )
    op.create_index("events_by_key", "events", ["tenant", "key"], unique=True)
    op.create_index("events_by_alert", "events", ["tenant", "alert_id", "event_no"])
    op.create_index("events_by_incident", "events", ["tenant", "incident_id", "event_no"])
    op.create_index("events_by_time", "events", ["tenant", "at_us"])
    bind = op.get_bind()
    steps = bind.execute(
        sa.text("SELECT tenant, alert_id, seq, action, at_us, severity FROM alert_events ORDER BY at_us, alert_id, seq")
    ).all()
    numbers: Counter[str] = Counter()
    moved = []
    for tenant, alert_id, seq, action, at_us, severity in steps:
        numbers[tenant] += 1
        key = blake2b(f"{alert_id}\x1f{seq}".encode(), digest_size=16).hexdigest()
        row = {"tenant": tenant, "event_no": numbers[tenant], "key": key, "alert_id": alert_id, "action": action}
        moved.append({**row, "at_us": at_us, "severity": severity})
    if moved:
        op.bulk_insert(events, moved)
    highest = bind.execute(sa.text("SELECT tenant, MAX(number) FROM incidents GROUP BY tenant"))
    counted = {row[0]: row[1] for row in highest}
    heads = sa.table("heads", sa.column("tenant"), sa.column("event_no"), sa.column("incident_no"))
    for tenant in sorted({*numbers, *counted}):
        row = {"tenant": tenant, "event_no": numbers[tenant], "incident_no": counted.get(tenant, 0)}
        bind.execute(sa.insert(heads).values(row))
    op.drop_table("alert_events")


def _counts() -> None:
    """Make what counts, samples, services and the digest are kept in."""
    op.create_table("buckets", _tenant(), _key("service", sa.Text), _key("start_us", sa.BigInteger))
    op.create_index("buckets_by_time", "buckets", ["tenant", "start_us"])
    op.create_table(
        "counts",
        _tenant(),
        _key("step_s", sa.Integer),
        _key("service", sa.Text),
        _key("name", sa.String(16)),
        _key("subject", sa.Text),
        _key("start_us", sa.BigInteger),
        _must("count", sa.BigInteger),
        _must("errors", sa.BigInteger),
        sa.Column("total", sa.Float),
        sa.Column("median", sa.Float),
    )
    op.create_index("counts_by_time", "counts", ["tenant", "step_s", "start_us"])
    op.create_table(
        "samples",
        _tenant(),
        _key("service", sa.Text),
        _key("template_id", sa.String(32)),
        _key("at_us", sa.BigInteger),
        _must("source", sa.Text),
        _must("line", sa.BigInteger),
        sa.Column("ts_us", sa.BigInteger),
        _must("text", sa.Text),
    )
    op.create_index("samples_by_time", "samples", ["tenant", "at_us"])
    op.create_table(
        "services",
        _tenant(),
        _key("service", sa.Text),
        _must("records", sa.BigInteger),
        _must("errors", sa.BigInteger),
        _must("templates", sa.Integer),
        _must("learned_s", sa.BigInteger),
        _must("ready", sa.JSON),
        _must("health", sa.String(16)),
        _must("as_of_us", sa.BigInteger),
    )
    op.create_table(
        "digest",
        _tenant(),
        _key("digest_id", sa.String(64)),
        _must("kind", sa.String(64)),
        *(_must(name, sa.Text) for name in ("service", "subject", "title", "reason")),
        _must("start_us", sa.BigInteger),
        _must("count", sa.BigInteger),
        _must("template_ids", sa.JSON),
    )
    op.create_index("digest_by_start", "digest", ["tenant", "start_us", "digest_id"])


def _people() -> None:
    """Make what people say: commands, markers, silences, feedback, names and patterns of templates."""
    op.create_table(
        "commands",
        _tenant(),
        _key("command_id", sa.String(64)),
        _must("kind", sa.String(32)),
        _must("actor", sa.Text),
        _must("at_us", sa.BigInteger),
        _must("details", sa.JSON),
        _must("effect", sa.JSON),
    )
    op.create_index("commands_by_time", "commands", ["tenant", "at_us"])
    op.create_table(
        "markers",
        _tenant(),
        _key("marker_id", sa.String(64)),
        _must("at_us", sa.BigInteger),
        *(_must(name, sa.Text) for name in ("service", "title", "actor")),
    )
    op.create_index("markers_by_time", "markers", ["tenant", "at_us", "marker_id"])
    op.create_table(
        "silences",
        _tenant(),
        _key("silence_id", sa.String(64)),
        _must("matchers", sa.JSON),
        _must("owner", sa.Text),
        _must("reason", sa.Text),
        _must("start_us", sa.BigInteger),
        sa.Column("until_us", sa.BigInteger),
        _must("until_worse", sa.Boolean),
        _must("changed_us", sa.BigInteger),
        sa.Column("ended_us", sa.BigInteger),
        _text("ended_by"),
    )
    op.create_index("silences_by_start", "silences", ["tenant", "start_us", "silence_id"])
    op.create_table(
        "feedback",
        _tenant(),
        _key("feedback_id", sa.String(64)),
        _must("alert_id", sa.String(128)),
        _must("verdict", sa.String(16)),
        _must("actor", sa.Text),
        _must("note", sa.Text),
        _must("at_us", sa.BigInteger),
        _must("effect", sa.Text),
        sa.Column("removed_us", sa.BigInteger),
        _text("removed_by"),
    )
    op.create_index("feedback_by_alert", "feedback", ["tenant", "alert_id"])
    op.create_table(
        "patterns",
        _tenant(),
        _key("pattern_id", sa.String(64)),
        *(_must(name, sa.Text) for name in ("service", "name", "expression", "actor")),
        _must("at_us", sa.BigInteger),
        sa.Column("removed_us", sa.BigInteger),
        _text("removed_by"),
    )
    op.create_table(
        "template_names",
        _tenant(),
        _key("service", sa.Text),
        _key("template_id", sa.String(32)),
        _must("name", sa.Text),
        _must("actor", sa.Text),
        _must("at_us", sa.BigInteger),
    )
