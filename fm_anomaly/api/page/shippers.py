"""How each shipper is told to send here: snippets ready to copy, filled with this server's address.

Text only. It must not know the routes' code; that each route named here exists is held by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Snippet:
    """One shipper: what to write, and where."""

    name: str
    where: str
    """File or place that the text goes to."""
    text: str


_CURL = """\
echo '{"timestamp":"'$(date -u +%FT%TZ)'","level":"error","service":"api","message":"hello"}' |
  curl --data-binary @- -H 'Content-Type: application/x-ndjson' BASE/api/v1/logs
"""
_FAULTMAVEN = """\
# structlog already writes the lines: send what the process writes on stderr
faultmaven 2>&1 >/dev/null | while IFS= read -r line; do printf '%s\\n' "$line"; done |
  split -l 500 --filter='curl -sS --data-binary @- -H "Content-Type: application/x-ndjson" BASE/api/v1/logs'
"""
_FLUENT_BIT = """\
[OUTPUT]
    Name              opentelemetry
    Match             *
    Host              HOST
    Port              PORT
    Logs_uri          /v1/logs
"""
_VECTOR = """\
[sinks.fm_anomaly]
type = "http"
inputs = ["your_source"]
uri = "BASE/api/v1/logs"
encoding.codec = "json"
framing.method = "newline_delimited"
compression = "gzip"
"""
_PROMTAIL = """\
clients:
  - url: BASE/loki/api/v1/push
"""
_FILEBEAT = """\
output.elasticsearch:
  hosts: ["BASE"]
setup.template.enabled: false
setup.ilm.enabled: false
"""
_RSYSLOG = """\
module(load="omelasticsearch")
template(name="fm" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="service.name" name="programname" format="jsonf")
  property(outname="log.level" name="syslogseverity-text" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}
action(type="omelasticsearch" server="HOST" serverport="PORT" template="fm" bulkmode="on")
"""
_COLLECTOR = """\
exporters:
  otlphttp/fm_anomaly:
    endpoint: BASE
service:
  pipelines:
    logs:
      exporters: [otlphttp/fm_anomaly]
"""
_SDK = """\
export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=BASE/v1/logs
export OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf
export OTEL_SERVICE_NAME=api
"""
_DOCKER = """\
docker logs -f api 2>&1 |
  split -l 200 --filter='curl -sS --data-binary @- "BASE/api/v1/logs?service=api"'
"""
_JOURNALD = """\
journalctl -f -o json |
  split -l 200 --filter='curl -sS --data-binary @- -H "Content-Type: application/x-ndjson" BASE/api/v1/logs'
"""

_SNIPPETS = (
    Snippet("A first line", "a shell", _CURL),
    Snippet("FaultMaven", "a shell", _FAULTMAVEN),
    Snippet("OpenTelemetry SDKs", "the environment of your service", _SDK),
    Snippet("OpenTelemetry Collector", "its configuration", _COLLECTOR),
    Snippet("Fluent Bit", "fluent-bit.conf", _FLUENT_BIT),
    Snippet("Vector", "vector.toml", _VECTOR),
    Snippet("Promtail", "promtail.yaml", _PROMTAIL),
    Snippet("Filebeat", "filebeat.yml", _FILEBEAT),
    Snippet("rsyslog", "/etc/rsyslog.d/fm-anomaly.conf", _RSYSLOG),
    Snippet("Docker", "a shell", _DOCKER),
    Snippet("journald", "a shell", _JOURNALD),
)


def snippets(base: str) -> list[Snippet]:
    """Return the snippets for a server at `base`, such as ``http://127.0.0.1:8010``."""
    url = urlsplit(base)
    port = url.port or (443 if url.scheme == "https" else 80)
    filled = ((s, s.text.replace("BASE", base)) for s in _SNIPPETS)
    return [
        Snippet(s.name, s.where, text.replace("HOST", url.hostname or "").replace("PORT", str(port)))
        for s, text in filled
    ]
