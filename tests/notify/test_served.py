"""The whole way: lines into a running `fm-anomaly serve`, alerts out at a webhook, an Alertmanager and Slack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fm_anomaly.notify.webhook import SIGNATURE, TIMESTAMP, signature
from fm_anomaly.testing import as_bytes, outage_log
from tests.notify.servers import Hook, alertmanager, hook, served, wait_until

_SETTINGS = """
[notify]
resend_s = 1
base_url = "http://logs.example"
[receivers.cases]
kind = "webhook"
url = "{cases}/fm"
secret_env = "FM_ANOMALY_CASES_KEY"
max_per_minute = 600
[receivers.pager]
kind = "alertmanager"
url = "{pager}"
[receivers.chat]
kind = "slack"
url_env = "CHAT_URL"
"""


@pytest.fixture
def people() -> Iterator[dict[str, Hook]]:
    """What a case tool, a chat and the Alertmanager's people hear."""
    with hook() as cases, hook() as chat, hook() as paged:
        yield {"cases": cases, "chat": chat, "paged": paged}


def test_an_outage_in_the_logs_reaches_people(tmp_path: Path, people: dict[str, Hook]) -> None:
    """Each receiver hears of the new error once, signed and linked; secrets stand in no log of ours; figures agree."""
    with alertmanager(tmp_path / "am", people["paged"].url) as pager:
        pager.start()
        settings = _SETTINGS.format(cases=people["cases"].url, pager=pager.url)
        secrets = {"FM_ANOMALY_CASES_KEY": "the key", "CHAT_URL": f"{people['chat'].url}/T0/B0/secret-path"}
        with served(tmp_path, settings, secrets) as address:
            log = as_bytes(outage_log())
            answer = httpx.post(
                f"{address}/api/v1/logs", content=log, headers={"Content-Type": "text/plain"}, timeout=60
            )
            assert answer.status_code < 300, answer.text
            assert people["cases"].wait_for(1, 60)
            assert people["chat"].wait_for(1, 60)
            assert wait_until(lambda: _figures(address, 'outbox_pending{receiver="cases"}') in (None, 0), 30)
            taken = _figures(address, 'notify_messages_total{receiver="cases",result="taken"}')
            alerts = {each["alert_id"]: each for each in httpx.get(f"{address}/api/v1/alerts").json()}
            assert _figures(address, "store_up") == 1
            assert _figures(address, "intake_lines_total", became="records") == log.count(b" [")
            assert not _figures(address, "outbox_dead")
    got = people["cases"].got
    assert len(got) == taken
    for each in got:
        timestamp = int(each.headers[TIMESTAMP.lower()])
        assert each.headers[SIGNATURE.lower()] == signature("the key", timestamp, each.body)
        told = each.json()["alert"]
        assert told["alert_id"] in alerts
        assert told["url"] == f"http://logs.example/incidents/{told['incident']['incident_id']}"
    assert len({(each.json()["action"], each.json()["alert"]["alert_id"]) for each in got}) == len(got)
    assert any("price service answered" in each.json()["alert"]["title"] for each in got)
    assert people["chat"].got[0].path == "/T0/B0/secret-path"
    written = (tmp_path / "stderr").read_text()
    assert "notify_sent" in written
    assert "secret-path" not in written
    assert "the key" not in written


def _figures(address: str, name: str, **labels: str) -> float | None:
    """Return the sum of the samples whose line begins with that name and has these labels; None where there is none."""
    lines = httpx.get(f"{address}/metrics", timeout=30).text.splitlines()
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    values = [
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith(f"faultmaven_anomaly_{name}") and all(each in line for each in wanted)
    ]
    return sum(values) if values else None
