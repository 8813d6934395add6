"""How each shipper is told to send here: snippets ready to copy, filled with this server's address.

The one source of them: the page shows these, docs/integrations quotes them, and a test holds both together. Text only.
It must not know the routes' code; that each route named here exists is held by a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Snippet:
    """One shipper: what to write, and where. `guide` names its page in docs/integrations."""

    name: str
    where: str
    """File or place that the text goes to."""
    text: str
    guide: str
    tried: str = ""
    """Versions of the real client that tests send with; "" where its manual was followed and it was not run."""


_CURL = """\
echo '{"timestamp":"'$(date -u +%FT%TZ)'","level":"error","service":"api","message":"hello"}' |
  curl --data-binary @- -H 'Content-Type: application/x-ndjson' BASE/api/v1/logs
"""
_SDK = """\
export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=BASE/v1/logs
export OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_COMPRESSION=gzip
export OTEL_SERVICE_NAME=api
"""
_COLLECTOR = """\
exporters:
  otlphttp/fm_anomaly:
    logs_endpoint: BASE/v1/logs
service:
  pipelines:
    logs: {receivers: [otlp, filelog], exporters: [otlphttp/fm_anomaly]}
"""
_FLUENT_BIT = """\
[OUTPUT]
    name        opentelemetry
    match       *
    host        HOST
    port        PORT
    logs_uri    /v1/logs
    compress    gzip
"""
_FILEBEAT = """\
output.elasticsearch:
  hosts: ["BASE"]
  preset: balanced
setup.ilm.enabled: false
setup.template.enabled: false
"""
_VECTOR = """\
[sinks.fm_anomaly]
type = "elasticsearch"
inputs = ["your_source"]
endpoints = ["BASE"]
api_version = "v8"
mode = "bulk"
bulk.action = "create"
"""
_SPLUNK = """\
from splunk_handler import SplunkHandler

SplunkHandler(host="HOST", port=PORT, token="any", index="main", protocol="SCHEME", source="api")
"""
_PROMTAIL = """\
clients:
  - url: BASE/loki/api/v1/push
"""
_LOKI_PYTHON = """\
import logging_loki

logging_loki.LokiHandler(url="BASE/loki/api/v1/push", tags={"application": "api"}, version="1")
"""
_LOKI_NODE = """\
pino(pinoLoki({ host: "BASE", labels: { application: "api" } }))
new LokiTransport({ host: "BASE", labels: { app: "api" } })  // winston; protobuf, or json: true
"""
_RSYSLOG = """\
# with: fm-anomaly serve --syslog-tcp HOST:5514
action(type="omfwd" target="HOST" port="5514" protocol="tcp" TCP_Framing="octet-counted"
       template="RSYSLOG_SyslogProtocol23Format" queue.type="linkedList" action.resumeRetryCount="-1")
"""
_JOURNALD = """\
# rsyslog reads the journal and sends it on, with: fm-anomaly serve --syslog-tcp HOST:5514
module(load="imjournal" StateFile="imjournal.state")
action(type="omfwd" target="HOST" port="5514" protocol="tcp" TCP_Framing="octet-counted"
       template="RSYSLOG_SyslogProtocol23Format" queue.type="linkedList" action.resumeRetryCount="-1")
"""
_LOGGER = """\
# with: fm-anomaly serve --syslog-tcp HOST:5514
logger --server HOST --port 5514 --tcp --octet-count --tag api --priority user.err "no prices"
"""
_DOCKER = """\
docker run --log-driver splunk --log-opt splunk-url=BASE --log-opt splunk-token=any --log-opt splunk-format=json IMAGE
# or follow the file that Docker writes anyway:
fm-anomaly serve --follow /var/lib/docker/containers/ID/ID-json.log
"""
_FAULTMAVEN = """\
# structlog writes JSON on stderr, and whatever carries it will do; by hand, with: fm-anomaly serve --follow app.log
faultmaven 2>&1 | tee -a app.log
"""

_SNIPPETS = (
    Snippet("A first line", "a shell", _CURL, "faultmaven", "curl 7.88"),
    Snippet("FaultMaven", "a shell", _FAULTMAVEN, "faultmaven"),
    Snippet("OpenTelemetry SDKs", "the environment of your service", _SDK, "opentelemetry", "Python 1.45, Node 0.223"),
    Snippet("OpenTelemetry Collector", "its configuration", _COLLECTOR, "opentelemetry"),
    Snippet("Fluent Bit", "fluent-bit.conf", _FLUENT_BIT, "opentelemetry"),
    Snippet("Vector", "vector.toml", _VECTOR, "elastic"),
    Snippet("Filebeat", "filebeat.yml", _FILEBEAT, "elastic"),
    Snippet("Promtail", "promtail.yaml", _PROMTAIL, "loki"),
    Snippet("Loki from Python", "your service", _LOKI_PYTHON, "loki", "python-logging-loki 0.3"),
    Snippet("Loki from Node", "your service", _LOKI_NODE, "loki", "pino-loki 3.0, winston-loki 6.1"),
    Snippet("Splunk from Python", "your service", _SPLUNK, "splunk", "splunk-handler 3.0"),
    Snippet("Docker", "a shell", _DOCKER, "splunk"),
    Snippet("rsyslog", "/etc/rsyslog.d/fm-anomaly.conf", _RSYSLOG, "syslog", "8.2302"),
    Snippet("journald", "/etc/rsyslog.d/fm-anomaly.conf", _JOURNALD, "syslog"),
    Snippet("logger", "a shell", _LOGGER, "syslog", "util-linux 2.38"),
)


def snippets(base: str) -> list[Snippet]:
    """Return the snippets for a server at `base`, such as ``http://127.0.0.1:8010``."""
    url = urlsplit(base)
    port = url.port or (443 if url.scheme == "https" else 80)
    words = {"BASE": base, "HOST": url.hostname or "", "PORT": str(port), "SCHEME": url.scheme}
    return [replace(each, text=_filled(each.text, words)) for each in _SNIPPETS]


def _filled(text: str, words: dict[str, str]) -> str:
    # whole words only: OTEL_EXPORTER_… has a PORT in it
    return re.sub(rf"\b(?:{'|'.join(words)})\b", lambda found: words[found[0]], text)
