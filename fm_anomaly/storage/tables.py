"""The tables, as SQLAlchemy Core knows them.

Every table that holds what came from somebody's logs has `tenant` as the first column of its key, and
every query names it. Times are event time in microseconds (`*_us`). No wall clock is stored but in keys and the audit:
saving the same thing twice leaves the same bytes. `storage/migrations` brings an older store to this; a test holds
that both agree. This module opens nothing and queries nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
    text,
    true,
)

from fm_anomaly.storage.sealing import SealedJson, SealedText

REVISION = "0004"
"""The migration that makes what stands below."""

SEVERITIES = ("low", "medium", "high", "critical")
"""Alert severities from lowest to highest; `severity_rank` is the index in here."""

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
STEPS_S = (MINUTE_S, HOUR_S, DAY_S)
"""Widths of the counts that are kept, seconds."""

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

ANY = "*"
"""Stands for a tenant in keys that may choose theirs, and in the audit of what is of none."""

LIVE = "live"
"""`source_id` of templates that come from the service and not from one scan."""

LABEL = ("group_id", "group_name", "category_id", "category_name", "category_model")
"""Columns that say which group and category an alert's error is of; empty where nothing said so."""

metadata = MetaData()


def _tenant() -> Column[str]:
    return Column("tenant", String(128), primary_key=True)


def _said(name: str, kind: Any = Text) -> Column[Any]:
    """Return a text column that older rows have empty."""
    return Column(name, kind, nullable=False, server_default="")


def _number(name: str, kind: Any = BigInteger) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=text("0"))


def _label() -> Iterator[Column[str]]:
    """Yield the columns of a `core.category_labels.CategoryLabel`."""
    kinds = {"group_id": String(32), "category_id": String(32), "category_model": String(32)}
    return (_said(name, kinds.get(name, Text)) for name in LABEL)


def _structure(name: str, empty: str) -> Column[Any]:
    return Column(name, JSON, nullable=False, server_default=text(f"'{empty}'"))


heads = Table(
    "heads",
    metadata,
    _tenant(),
    # last number given to an event: the row is locked by whoever writes, so numbers appear in their order
    _number("event_no"),
    _number("incident_no"),
    # the last entry of the write-ahead log that has been recorded
    _number("seq"),
    # number and hash of the newest row of the audit
    _number("audit_no"),
    _said("audit_hash", String(64)),
)

alerts = Table(
    "alerts",
    metadata,
    _tenant(),
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
    Column("evidence", SealedJson, nullable=False),
    _said("fingerprint", String(32)),
    _number("n_events"),
    _number("score", Float),
    Column("is_notified", Boolean, nullable=False, server_default=true()),
    _said("muted_by", String(128)),
    # what people said of it; no step of the pipeline overwrites these
    _said("acked_by"),
    Column("acked_us", BigInteger),
    _said("verdict", String(16)),
    *_label(),
)
Index("alerts_by_category", alerts.c.tenant, alerts.c.category_id, alerts.c.start_us)
Index("alerts_by_start", alerts.c.tenant, alerts.c.start_us, alerts.c.alert_id)
Index("alerts_by_incident", alerts.c.tenant, alerts.c.incident_id)

events = Table(
    "events",
    metadata,
    _tenant(),
    # 1, 2, 3 … a tenant; the id of the event stream
    Column("event_no", BigInteger, primary_key=True, autoincrement=False),
    # digest of what happened, so that saying it again adds nothing
    Column("key", String(64), nullable=False),
    Column("alert_id", String(128)),
    Column("incident_id", String(128)),
    # triggered, updated, resolved; acked, commented, feedback, feedback_removed, silenced, unsilenced, marked, …
    Column("action", String(32), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    _said("severity", String(16)),
    _said("reason"),
    _said("actor"),
    Column("is_notified", Boolean, nullable=False, server_default=false()),
)
Index("events_by_key", events.c.tenant, events.c.key, unique=True)
Index("events_by_alert", events.c.tenant, events.c.alert_id, events.c.event_no)
Index("events_by_incident", events.c.tenant, events.c.incident_id, events.c.event_no)
Index("events_by_time", events.c.tenant, events.c.at_us)

incidents = Table(
    "incidents",
    metadata,
    _tenant(),
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
    Column("evidence", SealedJson, nullable=False),
    # null where the series is read from `counts`
    Column("series", JSON, nullable=False),
    _structure("joined", "[]"),
    # the incident that its alerts went to when two became one
    Column("merged_into", String(128)),
    _said("acked_by"),
    Column("acked_us", BigInteger),
    *_label(),
)
Index("incidents_by_start", incidents.c.tenant, incidents.c.start_us, incidents.c.incident_id)

templates = Table(
    "templates",
    metadata,
    _tenant(),
    # counts are those of one source, so that reading a file again replaces and another file adds; or LIVE
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
    Column("sample", SealedText, nullable=False),
    Column("aliases", JSON, nullable=False),
    _said("birth_text"),
    Column("is_coarse", Boolean, nullable=False, server_default=false()),
    Column("merged_into", String(32)),
    _number("as_of_us"),
)
Index("templates_by_id", templates.c.tenant, templates.c.template_id)

template_names = Table(
    "template_names",
    metadata,
    _tenant(),
    Column("service", Text, primary_key=True),
    Column("template_id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

buckets = Table(
    "buckets",
    metadata,
    _tenant(),
    # what has been added to `counts`, so that it is never added twice
    Column("service", Text, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
)
Index("buckets_by_time", buckets.c.tenant, buckets.c.start_us)

counts = Table(
    "counts",
    metadata,
    _tenant(),
    # one of STEPS_S
    Column("step_s", Integer, primary_key=True, autoincrement=False),
    Column("service", Text, primary_key=True),
    # records, requests (errors: 5xx), template, exception, latency
    Column("name", String(16), primary_key=True),
    # "" | "" | template id | exception identity | operation
    Column("subject", Text, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    # latency: sum of milliseconds, and the median of a minute
    Column("total", Float),
    Column("median", Float),
)
Index("counts_by_time", counts.c.tenant, counts.c.step_s, counts.c.start_us)

samples = Table(
    "samples",
    metadata,
    _tenant(),
    Column("service", Text, primary_key=True),
    Column("template_id", String(32), primary_key=True),
    Column("at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("ts_us", BigInteger),
    Column("text", SealedText, nullable=False),
)
Index("samples_by_time", samples.c.tenant, samples.c.at_us)

services = Table(
    "services",
    metadata,
    _tenant(),
    Column("service", Text, primary_key=True),
    Column("records", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("templates", Integer, nullable=False),
    Column("learned_s", BigInteger, nullable=False),
    Column("ready", JSON, nullable=False),
    Column("health", String(16), nullable=False),
    Column("as_of_us", BigInteger, nullable=False),
)

digest = Table(
    "digest",
    metadata,
    _tenant(),
    Column("digest_id", String(64), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("service", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("template_ids", JSON, nullable=False),
)
Index("digest_by_start", digest.c.tenant, digest.c.start_us, digest.c.digest_id)

commands = Table(
    "commands",
    metadata,
    _tenant(),
    Column("command_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("details", JSON, nullable=False),
    Column("effect", JSON, nullable=False),
)
Index("commands_by_time", commands.c.tenant, commands.c.at_us)

markers = Table(
    "markers",
    metadata,
    _tenant(),
    Column("marker_id", String(64), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("service", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("actor", Text, nullable=False),
)
Index("markers_by_time", markers.c.tenant, markers.c.at_us, markers.c.marker_id)

silences = Table(
    "silences",
    metadata,
    _tenant(),
    Column("silence_id", String(64), primary_key=True),
    # {"service": …, "kind": …, "template": …, "severity": …}: all must hold
    Column("matchers", JSON, nullable=False),
    Column("owner", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("until_us", BigInteger),
    Column("until_worse", Boolean, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    # taken back before it was over
    Column("ended_us", BigInteger),
    _said("ended_by"),
)
Index("silences_by_start", silences.c.tenant, silences.c.start_us, silences.c.silence_id)

feedback = Table(
    "feedback",
    metadata,
    _tenant(),
    Column("feedback_id", String(64), primary_key=True),
    Column("alert_id", String(128), nullable=False),
    # expected, noise, real
    Column("verdict", String(16), nullable=False),
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("effect", Text, nullable=False),
    Column("removed_us", BigInteger),
    _said("removed_by"),
)
Index("feedback_by_alert", feedback.c.tenant, feedback.c.alert_id)

patterns = Table(
    "patterns",
    metadata,
    _tenant(),
    Column("pattern_id", String(64), primary_key=True),
    Column("service", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("expression", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("removed_us", BigInteger),
    _said("removed_by"),
)

outbox = Table(
    "outbox",
    metadata,
    _tenant(),
    # digest of the change that is told; a dot and the receiver's name behind it once the receiver is known
    Column("id", String(128), primary_key=True),
    # "" until it is known who wants to hear of it
    Column("receiver", String(64), nullable=False),
    Column("alert_id", String(128), nullable=False),
    # fire, update, resolve
    Column("action", String(32), nullable=False),
    # a notice: core/notices.py
    Column("payload", SealedJson, nullable=False),
    # event time of what is told
    Column("created_us", BigInteger, nullable=False),
    # storage/outbox.py: State
    Column("state", String(16), nullable=False),
    _number("attempts", Integer),
    # the sender's clock: not tried before; of what is done with, when that was
    _number("next_us"),
    _said("last_error"),
)
Index("outbox_by_state", outbox.c.state, outbox.c.next_us)
Index("outbox_by_alert", outbox.c.tenant, outbox.c.receiver, outbox.c.alert_id)

api_keys = Table(
    "api_keys",
    metadata,
    # whose logs it opens; ANY of those who may choose
    _tenant(),
    # shown, and the beginning of the secret
    Column("key_id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    # SHA-256 of the secret, in hex
    Column("digest", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    _said("created_by"),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    _said("revoked_by"),
    # the key whose place it takes
    _said("replaces", String(32)),
)
Index("api_keys_by_digest", api_keys.c.digest)

audit = Table(
    "audit",
    metadata,
    # ANY: what is of no tenant
    _tenant(),
    # 1, 2, 3 … a tenant
    Column("audit_no", BigInteger, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # done, refused
    Column("outcome", Text, nullable=False),
    # JSON, as the text that the hash covers
    Column("details", Text, nullable=False),
    # the hash of the row before, and of this one with it
    Column("before", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

intake = Table(
    "intake",
    metadata,
    _tenant(),
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
