"""logger(1), rsyslog and curl as processes: what they send arrives with service, severity and time."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fm_anomaly.api.page.shippers import snippets
from tests.e2e.conftest import program
from tests.e2e.receiver import Receiver

TRACE = ["Traceback (most recent call last):", '  File "/app/shop/cart.py", line 7, in total', "KeyError: '991'"]


def logger(*options: str) -> None:
    call = [program("logger"), "--tag", "shop", *options]
    subprocess.run(call, check=True, timeout=60, capture_output=True, text=True)


@pytest.mark.parametrize("rfc", ["--rfc5424", "--rfc3164"])
@pytest.mark.parametrize("transport", ["--udp", "--tcp", "--tcp --octet-count"])
def test_logger(syslog_receiver: Receiver, rfc: str, transport: str) -> None:
    """Both RFCs, over UDP, TCP and octet-counted TCP; a traceback of one process joins."""
    udp = transport == "--udp"
    port = syslog_receiver.syslog_udp if udp else syslog_receiver.syslog_tcp
    to = ["--server", "127.0.0.1", "--port", str(port), *transport.split(), rfc]
    logger(*to, "--priority", "daemon.warning", "slow")
    logger(*to, "--priority", "user.err", "--id=42", "no prices")
    lines = subprocess.run(
        [program("logger"), "--tag", "shop", *to, "--id=43"],
        input="\n".join(TRACE) + "\n",
        text=True,
        check=True,
        timeout=60,
    )
    assert lines.returncode == 0
    slow, failed, trace = syslog_receiver.wait_for(3)
    assert [r["service"] for r in (slow, failed, trace)] == ["shop"] * 3
    assert [r["severity"] for r in (slow, failed)] == [13, 17]
    assert [r["body"] for r in (slow, failed)] == ["slow", "no prices"]
    assert (trace["exc_type"], trace["n_lines"]) == ("KeyError", 3)
    assert all(syslog_receiver.is_now(r["ts_us"]) for r in (slow, failed, trace))


@contextmanager
def rsyslog(folder: Path, *actions: str) -> Iterator[Path]:
    """rsyslog with a socket of its own to write to, and the given actions."""
    binary = program("rsyslogd")
    socket, config = folder / "log", folder / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{folder}")\n'
        'module(load="imuxsock" SysSock.Use="off")\n'
        f'input(type="imuxsock" Socket="{socket}" CreatePath="on" UseSysTimeStamp="off" RateLimit.Interval="0")\n'
        + "\n".join(actions)
        + "\n"
    )
    call = [binary, "-n", "-f", str(config), "-i", str(folder / "pid")]
    out = (folder / "out").open("w")
    child = subprocess.Popen(call, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 30
        while not socket.exists() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert socket.exists(), (folder / "out").read_text()
        yield socket
    finally:
        child.terminate()
        child.wait(30)
        out.close()


RSYSLOG = next(each.text for each in snippets("http://127.0.0.1:8010") if each.name == "rsyslog")


def test_the_snippet_for_rsyslog(syslog_receiver: Receiver, tmp_path: Path) -> None:
    """What the page and docs/integrations tell people to write, word for word but for the port."""
    snippet = RSYSLOG.replace("5514", str(syslog_receiver.syslog_tcp))
    with rsyslog(tmp_path, snippet) as socket:
        logger("--socket", str(socket), "--priority", "user.err", "no prices")
        (record,) = syslog_receiver.wait_for(1)
    assert (record["body"], record["severity"], record["service"]) == ("no prices", 17, "shop")


FORWARDS = {
    "udp": 'target="127.0.0.1" port="{udp}" protocol="udp" template="RSYSLOG_TraditionalForwardFormat"',
    "tcp": 'target="127.0.0.1" port="{tcp}" protocol="tcp" template="RSYSLOG_ForwardFormat"',
    "octet": 'target="127.0.0.1" port="{tcp}" protocol="tcp" TCP_Framing="octet-counted" '
    'template="RSYSLOG_SyslogProtocol23Format"',
}


@pytest.mark.parametrize("name", list(FORWARDS))
def test_rsyslog_forwards(syslog_receiver: Receiver, tmp_path: Path, name: str) -> None:
    """Its three usual templates and both framings; JSON in a message is read as JSON."""
    options = FORWARDS[name].format(udp=syslog_receiver.syslog_udp, tcp=syslog_receiver.syslog_tcp)
    said = json.dumps({"event": "no prices", "level": "error", "logger": "shop.cart"})
    with rsyslog(tmp_path, f'action(type="omfwd" {options})') as socket:
        logger("--socket", str(socket), "--priority", "daemon.warning", "--id=42", "slow")
        logger("--socket", str(socket), "--priority", "user.info", said)
        slow, failed = syslog_receiver.wait_for(2)
    assert [(r["body"], r["severity"], r["service"]) for r in (slow, failed)] == [
        ("slow", 13, "shop"),
        ("no prices", 17, "shop"),
    ]
    assert all(syslog_receiver.is_now(r["ts_us"]) for r in (slow, failed))


def test_rsyslog_writes_to_elasticsearch(receiver: Receiver, tmp_path: Path) -> None:
    """omelasticsearch in bulk mode, with the template that its manual gives."""
    if not list(Path("/usr/lib").glob("*/rsyslog/omelasticsearch.so")):
        pytest.skip("no rsyslog-elasticsearch on this machine")
    template = (
        'template(name="doc" type="list" option.jsonf="on") {\n'
        '  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")\n'
        '  property(outname="host" name="hostname" format="jsonf")\n'
        '  property(outname="severity" name="syslogseverity-text" caseConversion="upper" format="jsonf")\n'
        '  property(outname="syslog-tag" name="syslogtag" format="jsonf")\n'
        '  property(outname="program" name="programname" format="jsonf")\n'
        '  property(outname="message" name="msg" format="jsonf")\n}'
    )
    action = (
        f'action(type="omelasticsearch" server="127.0.0.1" serverport="{receiver.port}" template="doc" '
        'searchIndex="logs" bulkmode="on" searchType="" action.resumeRetryCount="-1" action.resumeInterval="1")'
    )
    with rsyslog(tmp_path, 'module(load="omelasticsearch")', template, action) as socket:
        logger("--socket", str(socket), "--priority", "user.err", "no prices")
        records = receiver.wait_for(1)
        assert records, (tmp_path / "out").read_text()
    (record,) = records
    assert (record["body"].strip(), record["severity"], record["service"]) == ("no prices", 17, "shop")
    assert receiver.is_now(record["ts_us"])


def curl(receiver: Receiver, path: str, body: bytes, *headers: str) -> tuple[int, str]:
    call = [program("curl"), "--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]
    for header in headers:
        call += ["--header", header]
    call += ["--data-binary", "@-", receiver.url + path]
    done = subprocess.run(call, input=body, capture_output=True, check=True, timeout=60)
    text, _, code = done.stdout.decode().rpartition("\n")
    return int(code), text


def test_curl(receiver: Receiver) -> None:
    """A first line by hand, to each protocol that is plain enough for it."""
    us = time.time_ns() // 1_000
    entry = {"streams": [{"stream": {"app": "shop"}, "values": [[str(us * 1_000), "ERROR no prices"]]}]}
    hec: dict[str, Any] = {"time": us / 1e6, "source": "shop", "event": "ERROR no prices"}
    bulk = b'{"create":{}}\n{"message":"ERROR no prices","app":"shop"}\n'
    zipped = gzip.compress(json.dumps(entry).encode())
    json_type, gzip_coding = "Content-Type: application/json", "Content-Encoding: gzip"
    assert curl(receiver, "/loki/api/v1/push", zipped, json_type, gzip_coding) == (204, "")
    assert curl(receiver, "/services/collector", json.dumps(hec).encode())[1] == '{"text":"Success","code":0}'
    assert curl(receiver, "/services/collector/raw?source=shop", b"ERROR no prices")[0] == 200
    assert json.loads(curl(receiver, "/_bulk", bulk)[1])["errors"] is False
    records = receiver.wait_for(4)
    assert {(r["body"].removeprefix("ERROR "), r["severity"], r["service"]) for r in records} == {
        ("no prices", 17, "shop")
    }
    assert all(receiver.is_now(r["ts_us"]) for r in records)
    assert curl(receiver, "/_bulk", b"nonsense")[0] == 400
