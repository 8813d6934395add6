"""The tables, as SQLAlchemy Core knows them.

Every table that holds what came from somebody's logs has `tenant` as the first column of its key, and
every query names it. Times are event time in microseconds (`*_us`). No wall clock is stored: saving the
same scan twice leaves the same bytes. This module opens nothing and queries nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

TABLES_VERSION = 1
"""Version of the tables below; a store of another version is refused, for migrations are not here yet."""

SEVERITIES = ("low", "medium", "high", "critical")
"""Alert severities from lowest to highest; `severity_rank` is the index in here."""

INTAKE_COUNTS = (
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
)
"""Names of the accounting (docs/contracts.md) that are columns of `intake`."""

metadata = MetaData()

tables_version = Table("tables_version", metadata, Column("version", Integer, primary_key=True))

alerts = Table(
    "alerts",
    metadata,
    Column("tenant", String(128), primary_key=True),
    Column("alert_id", String(128), primary_key=True),
    Column("incident_id", String(128)),
    Column("kind", String(64), nullable=False),
    Column("service", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("severity_rank", SmallInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger),
    # event time up to which the source had been read when this was said; an older word never wins
    Column("as_of_us", BigInteger, nullable=False),
    Column("observed", Float),
    Column("expected_low", Float),
    Column("expected_high", Float),
    Column("unit", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("template_ids", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
)
Index("alerts_by_start", alerts.c.tenant, alerts.c.start_us, alerts.c.alert_id)

alert_events = Table(
    "alert_events",
    metadata,
    Column("tenant", String(128), primary_key=True),
    Column("alert_id", String(128), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    # triggered, updated (the severity changed), resolved
    Column("action", String(16), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("severity", String(16), nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("tenant", String(128), primary_key=True),
    Column("incident_id", String(128), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("severity_rank", SmallInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("services", JSON, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger),
    Column("as_of_us", BigInteger, nullable=False),
    Column("what", JSON, nullable=False),
    Column("alert_ids", JSON, nullable=False),
    Column("template_ids", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("series", JSON, nullable=False),
)
Index("incidents_by_start", incidents.c.tenant, incidents.c.start_us, incidents.c.incident_id)

templates = Table(
    "templates",
    metadata,
    Column("tenant", String(128), primary_key=True),
    # counts are those of one source, so that reading a file again replaces and another file adds
    Column("source_id", String(32), primary_key=True),
    Column("service", Text, primary_key=True),
    Column("template_id", String(32), primary_key=True),
    Column("event_key", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    # number of the OpenTelemetry logs data model, the highest seen
    Column("severity", SmallInteger, nullable=False),
    Column("first_us", BigInteger),
    Column("last_us", BigInteger),
    Column("sample", Text, nullable=False),
    Column("aliases", JSON, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("tenant", String(128), primary_key=True),
    # digest of the change that is told; a dot and the receiver's name behind it once the receiver is known
    Column("id", String(128), primary_key=True),
    # "" until it is known who wants to hear of it
    Column("receiver", String(64), nullable=False),
    Column("alert_id", String(128), nullable=False),
    # fire, update, resolve
    Column("action", String(32), nullable=False),
    # a notice: core/notices.py
    Column("payload", JSON, nullable=False),
    # event time of what is told
    Column("created_us", BigInteger, nullable=False),
    # storage/outbox.py: State
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # the sender's clock: not tried before; of what is done with, when that was
    Column("next_us", BigInteger, nullable=False, server_default=text("0")),
    Column("last_error", Text, nullable=False, server_default=""),
)
Index("outbox_by_state", outbox.c.state, outbox.c.next_us)
Index("outbox_by_alert", outbox.c.tenant, outbox.c.receiver, outbox.c.alert_id)

intake = Table(
    "intake",
    metadata,
    Column("tenant", String(128), primary_key=True),
    Column("source_id", String(32), primary_key=True),
    Column("names", JSON, nullable=False),
    Column("first_us", BigInteger),
    Column("last_us", BigInteger),
    *(Column(name, BigInteger, nullable=False) for name in INTAKE_COUNTS),
    Column("formats", JSON, nullable=False),
    Column("redacted", JSON, nullable=False),
    Column("rejects_by_reason", JSON, nullable=False),
    Column("health", JSON, nullable=False),
    Column("services", JSON, nullable=False),
)
