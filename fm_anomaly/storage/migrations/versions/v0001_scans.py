"""Version 1: the tables that a scan fills."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_INTAKE = [
    "lines",
    "records",
    "continuations",
    "blanks",
    "rejects",
    "skipped_own",
    "counted",
    "late",
    "bytes",
    "truncated",
    "tracebacks",
]


def upgrade() -> None:
    """Make the tables of version 1."""
    op.create_table(
        "alerts",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("alert_id", sa.String(128), primary_key=True),
        sa.Column("incident_id", sa.String(128)),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("severity_rank", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("start_us", sa.BigInteger, nullable=False),
        sa.Column("end_us", sa.BigInteger),
        sa.Column("as_of_us", sa.BigInteger, nullable=False),
        sa.Column("observed", sa.Float),
        sa.Column("expected_low", sa.Float),
        sa.Column("expected_high", sa.Float),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("template_ids", "labels", "evidence")),
    )
    op.create_index("alerts_by_start", "alerts", ["tenant", "start_us", "alert_id"])
    op.create_table(
        "alert_events",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("alert_id", sa.String(128), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("incident_id", sa.String(128), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("severity_rank", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("services", sa.JSON, nullable=False),
        sa.Column("start_us", sa.BigInteger, nullable=False),
        sa.Column("end_us", sa.BigInteger),
        sa.Column("as_of_us", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.JSON, nullable=False)
            for name in ("what", "alert_ids", "template_ids", "evidence", "series")
        ),
    )
    op.create_index("incidents_by_start", "incidents", ["tenant", "start_us", "incident_id"])
    op.create_table(
        "templates",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("source_id", sa.String(32), primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("template_id", sa.String(32), primary_key=True),
        sa.Column("event_key", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("severity", sa.SmallInteger, nullable=False),
        sa.Column("first_us", sa.BigInteger),
        sa.Column("last_us", sa.BigInteger),
        sa.Column("sample", sa.Text, nullable=False),
        sa.Column("aliases", sa.JSON, nullable=False),
    )
    op.create_table(
        "intake",
        sa.Column("tenant", sa.String(128), primary_key=True),
        sa.Column("source_id", sa.String(32), primary_key=True),
        sa.Column("names", sa.JSON, nullable=False),
        sa.Column("first_us", sa.BigInteger),
        sa.Column("last_us", sa.BigInteger),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _INTAKE),
        *(
            sa.Column(name, sa.JSON, nullable=False)
            for name in ("formats", "redacted", "rejects_by_reason", "health", "services")
        ),
    )
