"""The three vocabularies of the sample generator: whose systems the logs could come from, as plain data.

Words only: service names, things, deeds, dependencies and what goes wrong with them. How a system is drawn from
them by seed stands in `system.py`; nothing here knows formats, rates or time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dependency:
    """A store or provider outside the services: where it lives, and how its clients complain of it.

    `failures` are message templates (see `phrases.Phrase`) with the words ``{host}`` and ``{port}``.
    """

    name: str
    host: str
    port: int
    client: str
    python_error: str
    java_error: str
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bug:
    """An error that a bad release brings: the class in both languages, and its message template."""

    python_error: str
    java_error: str
    message: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one kind of system.

    `apis` answer requests, `workers` run jobs; `deeds` are (base, past, gerund) of a verb; `chronic` are errors
    that everybody knows and nobody fixes.
    """

    name: str
    package: str
    apis: tuple[str, ...]
    workers: tuple[str, ...]
    nouns: tuple[str, ...]
    deeds: tuple[tuple[str, str, str], ...]
    dependencies: tuple[Dependency, ...]
    bugs: tuple[Bug, ...]
    chronic: tuple[str, ...]
    jobs: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _deeds(text: str) -> tuple[tuple[str, str, str], ...]:
    deeds = []
    for deed in text.split(", "):
        base, past, gerund = deed.split()
        deeds.append((base, past, gerund))
    return tuple(deeds)


REDIS = Dependency(
    "Redis",
    "redis",
    6379,
    "redis_client",
    "redis.exceptions.ConnectionError",
    "io.lettuce.core.RedisConnectionException",
    (
        "could not connect to {host} at {ip}:{port}: Connection refused",
        "{host} GET failed for key {noun}:{hex}: Error 111 connecting to {host}:{port}. Connection refused.",
        "connection to {host}:{port} closed by server while reading {noun} {id}",
    ),
)
POSTGRES = Dependency(
    "Postgres",
    "pg-main",
    5432,
    "db_session",
    "sqlalchemy.exc.OperationalError",
    "org.postgresql.util.PSQLException",
    (
        "connection to server at {host} ({ip}), port {port} failed: Connection timed out",
        "FATAL: remaining connection slots are reserved, {noun} {id} not saved",
        "server closed the connection unexpectedly while saving {noun} {id}",
    ),
)
KAFKA = Dependency(
    "Kafka",
    "kafka-0",
    9092,
    "event_bus",
    "kafka.errors.NoBrokersAvailable",
    "org.apache.kafka.common.errors.TimeoutException",
    (
        "no brokers available at {host}:{port}, dropping {noun} event {id}",
        "topic {noun}-events not present in metadata after {ms} ms",
    ),
)
CHROMA = Dependency(
    "ChromaDB",
    "chromadb",
    8000,
    "chromadb",
    "httpx.ConnectError",
    "java.net.ConnectException",
    (
        "vector search failed on {host}:{port}: All connection attempts failed",
        "{host} query timed out after {sec}s for collection {noun}_kb",
    ),
)
LLM = Dependency(
    "LLM_Providers",
    "llm-gateway",
    443,
    "llm_router",
    "TimeoutError",
    "java.util.concurrent.TimeoutException",
    (
        "upstream {host} timed out after 30s for {noun} {id}",
        "all providers failed for {noun} {id}, last answer 529 overloaded",
    ),
)
PAYMENTS = Dependency(
    "AcquirerBank",
    "acquirer",
    8443,
    "acquirer_client",
    "requests.exceptions.ReadTimeout",
    "java.net.SocketTimeoutException",
    (
        "authorization of {noun} {id} failed: read timed out on {host}:{port}",
        "{host} refused the handshake: certificate has expired, {noun} {id} parked",
    ),
)
SEARCH = Dependency(
    "Search",
    "elastic-2",
    9200,
    "search_client",
    "elasticsearch.ConnectionTimeout",
    "java.net.NoRouteToHostException",
    (
        "search index {noun} unavailable on {host}:{port}: no living connections",
        "bulk index of {noun} failed on {host}: cluster_block_exception",
    ),
)
OBJECTS = Dependency(
    "ObjectStore",
    "objects",
    9000,
    "object_store",
    "botocore.exceptions.EndpointConnectionError",
    "java.net.UnknownHostException",
    (
        "could not reach endpoint http://{host}:{port}/{noun} while storing {noun} {id}",
        "PUT /{noun}/{hex} answered 503 SlowDown from {host}",
    ),
)
MQTT = Dependency(
    "Broker",
    "mqtt-broker",
    8883,
    "mqtt_client",
    "aiomqtt.exceptions.MqttError",
    "org.eclipse.paho.MqttException",
    (
        "lost broker {host}:{port} while publishing {noun} {id}: keepalive expired",
        "cannot subscribe to fleet/{noun}: broker {host} unavailable",
    ),
)
TIMESERIES = Dependency(
    "TimeSeries",
    "tsdb",
    8086,
    "tsdb_writer",
    "influxdb_client.rest.ApiException",
    "java.io.InterruptedIOException",
    (
        "write of {n} points to {host}:{port} rejected: engine: timeout",
        "{host} answered 503 to a batch of {noun} points, {n} kept in memory",
    ),
)

COMMON_BUGS = (
    Bug("AttributeError", "java.lang.NullPointerException", "'NoneType' object has no attribute '{noun}_id'"),
    Bug("KeyError", "java.util.NoSuchElementException", "'{noun}_version'"),
    Bug(
        "pydantic_core.ValidationError",
        "jakarta.validation.ValidationException",
        "1 validation error for {Noun}Payload: field required",
    ),
    Bug(
        "TypeError",
        "java.lang.ClassCastException",
        "unsupported operand type(s) for +: 'Decimal' and 'float' in {noun}",
    ),
    Bug("ZeroDivisionError", "java.lang.ArithmeticException", "division by zero in {noun} average"),
    Bug("RuntimeError", "java.lang.IllegalStateException", "{noun} {id} is in state draft, expected published"),
    Bug(
        "ImportError",
        "java.lang.NoClassDefFoundError",
        "cannot import name '{noun}_rules' from partially initialized module",
    ),
    Bug(
        "sqlalchemy.exc.ProgrammingError",
        "org.hibernate.exception.SQLGrammarException",
        "column {nouns}.archived_at does not exist",
    ),
    Bug(
        "json.decoder.JSONDecodeError",
        "com.fasterxml.jackson.core.JsonParseException",
        "Expecting value: line 1 column 1 (char 0) in {noun} body",
    ),
    Bug("jinja2.exceptions.UndefinedError", "freemarker.core.InvalidReferenceException", "'{noun}_label' is undefined"),
)

TRIAGE = Vocabulary(
    name="triage",
    package="triage",
    apis=_words("api gateway knowledge sessions copilot"),
    workers=_words("worker investigator ingestor reporter notifier indexer"),
    nouns=_words(
        "case turn session hypothesis evidence runbook report finding document chunk tenant "
        "milestone playbook snapshot attachment"
    ),
    deeds=_deeds(
        "score scored scoring, resolve resolved resolving, embed embedded embedding, "
        "retrieve retrieved retrieving, summarize summarized summarizing, "
        "classify classified classifying, rank ranked ranking, link linked linking, "
        "archive archived archiving, validate validated validating, redact redacted redacting, "
        "merge merged merging, open opened opening"
    ),
    dependencies=(REDIS, POSTGRES, CHROMA, LLM),
    bugs=(
        *COMMON_BUGS,
        Bug(
            "triage.core.errors.PhaseTransitionError",
            "com.triage.PhaseTransitionException",
            "cannot leave phase intake without {noun}",
        ),
        Bug(
            "tiktoken.errors.EncodingError", "com.triage.TokenException", "prompt of {noun} {id} exceeds context window"
        ),
    ),
    chronic=(
        "job {id} failed: upstream returned 502, retrying",
        "webhook for {noun} {id} answered 502 Bad Gateway",
        "component {noun} not registered, SLA skipped for {id}",
    ),
    jobs=("knowledge refresh", "case archiver", "usage rollup", "embedding sweep"),
)

SHOP = Vocabulary(
    name="shop",
    package="shop",
    apis=_words("storefront checkout payments cart accounts pricing"),
    workers=_words("fulfilment inventory mailer invoicing settlement feeds"),
    nouns=_words(
        "order basket invoice refund voucher parcel sku customer price shipment payout review address return warehouse"
    ),
    deeds=_deeds(
        "capture captured capturing, reserve reserved reserving, ship shipped shipping, "
        "refund refunded refunding, reprice repriced repricing, pack packed packing, "
        "authorize authorized authorizing, settle settled settling, book booked booking, "
        "confirm confirmed confirming, export exported exporting, audit audited auditing, "
        "discount discounted discounting"
    ),
    dependencies=(POSTGRES, REDIS, KAFKA, PAYMENTS, SEARCH),
    bugs=(
        *COMMON_BUGS,
        Bug("decimal.InvalidOperation", "java.lang.NumberFormatException", "price of {noun} {id} is not a number"),
        Bug(
            "shop.tax.UnknownRegion", "com.shop.tax.UnknownRegionException", "no tax rule for region XK in {noun} {id}"
        ),
    ),
    chronic=(
        "carrier tracking for {noun} {id} answered 502, will retry",
        "fraud score for {noun} {id} unavailable: upstream 502",
        "stock sync of {noun} {id} rejected by legacy ERP",
    ),
    jobs=("settlement export", "price feed import", "abandoned basket sweep", "stock reconciliation"),
)

MEDIA = Vocabulary(
    name="media",
    package="mediahub",
    apis=_words("edge catalog playback devices auth telemetry"),
    workers=_words("transcoder thumbnailer packager fleet-sync firmware billing"),
    nouns=_words(
        "stream device asset segment playlist firmware sensor manifest subtitle channel thumbnail "
        "license gateway frame rollout"
    ),
    deeds=_deeds(
        "transcode transcoded transcoding, ingest ingested ingesting, probe probed probing, "
        "publish published publishing, pair paired pairing, flash flashed flashing, "
        "stitch stitched stitching, encrypt encrypted encrypting, purge purged purging, "
        "sample sampled sampling, mirror mirrored mirroring, rotate rotated rotating, "
        "schedule scheduled scheduling"
    ),
    dependencies=(OBJECTS, MQTT, TIMESERIES, REDIS, KAFKA),
    bugs=(
        *COMMON_BUGS,
        Bug(
            "mediahub.codec.UnsupportedProfile",
            "com.mediahub.UnsupportedProfileException",
            "profile high10 not supported for {noun} {id}",
        ),
        Bug(
            "struct.error",
            "java.nio.BufferUnderflowException",
            "unpack requires a buffer of 16 bytes, {noun} header short",
        ),
    ),
    chronic=(
        "origin for {noun} {id} answered 502, serving stale",
        "device {hex} rejected {noun} update: low battery",
        "drm proxy returned 502 for {noun} {id}, retrying",
    ),
    jobs=("storage sweep", "telemetry rollup", "firmware census", "cdn purge"),
)

VOCABULARIES: dict[str, Vocabulary] = {v.name: v for v in (TRIAGE, SHOP, MEDIA)}
"""The vocabularies by name, in a fixed order."""

MESSAGES: tuple[str, ...] = (
    "{past} {noun} {id} in {took} ms",
    "{noun} {id} {past} for user {user}",
    "{gerund} {n} {nouns} for {other} {id}",
    "{noun} {id}: {gerund} took {took}ms",
    "cache hit for {noun}:{id}",
    "cache miss for {noun}:{id}, {gerund} now",
    "fetched {n} rows from {nouns} in {ms} ms",
    "published {noun}.{past} to partition {n}, offset {id}",
    "queue {noun}-{base} depth {n}, oldest {sec}s",
    "{Noun} {uuid} moved from pending to {past}",
    "will {base} {noun} {id} with {n} {others} attached",
    "user {user} {past} {noun} {id} from {ip}",
    "lock {noun}-{id} acquired after {ms}ms",
    "{base} {noun}: batch {hex} of {n} done",
    "skipping {noun} {id}: already {past}",
    "{noun} {id} written, {bytes} bytes",
    "no {other} found for {noun} {id}, using default",
    "{gerund} {noun} {id} step {n} of plan {hex}",
)
"""Shapes of ordinary messages: a seed puts words in and draws some for each service."""

WARNINGS: tuple[str, ...] = (
    "{noun} {id} has no {other}, falling back to default",
    "retrying {base} of {noun} {id}, attempt {attempt} of 3",
    "deprecated field '{other}_ref' used by client {ip}",
    "slow query on {nouns}: {ms} ms",
    "rate limit reached for user {user}, {base} postponed",
    "clock of {other} {hex} is {n}s ahead",
    "disk usage at {pct} percent on /var/lib/{noun}",
    "{noun} checksum differs from {other} {hex}, reading again",
    "response of {other} truncated after {bytes} bytes",
    "stale {noun} lock of {hex} released",
    "certificate for {noun}.internal expires in {n} days",
    "unknown {other} type in {noun} {id} ignored",
)
"""Shapes of warnings, for the rare and the one-off."""

ONE_OFF_ERRORS: tuple[str, ...] = (
    "failed to {base} {noun} {id}: broken pipe",
    "unexpected end of {noun} body from {ip}",
    "could not parse {other} of {noun} {id}: invalid literal",
    "{noun} {id} vanished while {gerund}",
    "timeout after {sec}s waiting for {other} lock",
    "mail to {email} bounced: mailbox full",
    "invalid {noun} signature from {ip}",
    "deadlock detected, {base} of {noun} {id} rolled back",
    "file {noun}-{hex}.tmp is gone before upload",
    "refused {other} of {bytes} bytes: too large",
)
"""Shapes of errors that happen once or twice and mean nothing."""

BACKGROUND: tuple[str, ...] = (
    "heartbeat ok, uptime {id}s",
    "gc pause {ms}ms, heap {mb}MB of 2048MB",
    "connection pool: {n} in use, {n} idle",
    "metrics flushed: {n} series",
    "health check passed in {ms}ms",
    "config checked, revision {hex} unchanged",
    "leader lease renewed for {sec}s",
    "consumer lag {n} on partition {n}",
)
"""Shapes of what a service says at a steady beat, whatever the traffic."""
