"""Laws of what a webhook gets, over a real HTTP server: FaultMaven's shape, signed, bounded, never redirected."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fm_anomaly.core.alert_values import Evidence
from fm_anomaly.core.anomalies import AnomalyKind
from fm_anomaly.errors import ConfigError
from fm_anomaly.notify import NotifyParams, Receiver, ReceiverKind, Target, target
from fm_anomaly.notify.requests import Request
from fm_anomaly.notify.testing import send_test
from fm_anomaly.notify.transport import HttpTransport
from fm_anomaly.notify.webhook import RULES, SIGNATURE, TIMESTAMP
from fm_anomaly.storage import Store, open_store
from tests.notice_objects import MINUTE_US, START_US, fired, make_alert, make_incident, resolved
from tests.notify.fakes import Post
from tests.notify.servers import Got, Hook, free_port, hook

NOW_US = START_US + 10 * MINUTE_US
A = make_alert("a")


@pytest.fixture
def server() -> Iterator[Hook]:
    """A real HTTP server."""
    with hook() as kept:
        yield kept


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "s.db") as opened:
        yield opened


def real(store: Store, server: Hook, **more: str) -> Post:
    """Return a webhook at the server's address."""
    receiver = Receiver("hook", ReceiverKind.WEBHOOK, f"{server.url}/fm?x=1")
    return Post(store, receiver, NotifyParams(base_url="https://logs.example/"), Target(receiver, receiver.url, **more))


def test_the_shape_is_faultmavens(store: Store, server: Hook) -> None:
    """action, alert, rule, timestamp; what was not told before it was over says so."""
    post = real(store, server)
    post.happen(fired(A), incident=make_incident(A, make_alert("b")))
    post.sender.run_once(NOW_US)
    post.happen(resolved(A, NOW_US))
    post.sender.run_once(NOW_US)
    first, second = (got.json() for got in server.got)
    assert set(first) == {"action", "alert", "rule", "timestamp"}
    assert (first["action"], second["action"]) == ("triggered", "resolved")
    assert first["rule"] == {"id": "new_error", "name": "new error", "description": RULES["new_error"]}
    assert first["timestamp"] == "2026-03-02T12:31:03.000Z"
    alert = first["alert"]
    assert (alert["severity"], alert["state"], alert["novelty"]) == ("high", "firing", "new")
    assert (alert["start"], alert["end"]) == ("2026-03-02T12:30:03.000Z", None)
    assert alert["url"] == f"https://logs.example/incidents/i-{A.alert_id}"
    assert second["alert"]["url"] == f"https://logs.example/api/v1/alerts/{A.alert_id}"
    assert alert["incident"]["alert_ids"] == [A.alert_id, make_alert("b").alert_id]
    assert alert["evidence"] == [
        {
            "source": "app.log",
            "line": 7,
            "timestamp": "2026-03-02T12:30:03.000Z",
            "service": "api",
            "text": "ERROR kettle: lid stuck",
        }
    ]
    assert second["alert"]["end"] is not None
    assert server.got[0].path == "/fm?x=1"


def test_a_signature_can_be_checked_by_whoever_has_the_key(store: Store, server: Hook) -> None:
    """HMAC over time, dot and the raw body; without a key no signature; credentials go into their header."""
    post = real(store, server, secret="key", token="tok")
    post.happen(fired(replace(A, title="käse ☃")))
    post.sender.run_once(NOW_US)
    (got,) = server.got
    stamp = got.headers[TIMESTAMP.lower()]
    assert stamp == str(NOW_US // 1_000_000)
    expected = hmac.new(b"key", stamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert got.headers[SIGNATURE.lower()] == f"v1={expected}"
    assert got.headers["authorization"] == "Bearer tok"
    plain = real(store, server, basic="ann:pass")
    plain.happen(fired(make_alert("b")))
    plain.sender.run_once(NOW_US)
    assert SIGNATURE.lower() not in server.got[1].headers
    assert server.got[1].headers["authorization"] == "Basic YW5uOnBhc3M="


def test_the_same_change_has_the_same_key(store: Store, server: Hook) -> None:
    """A receiver that lost its answer knows the message when it comes again."""
    post = real(store, server)
    server.answer = lambda got: (503, {}, b"")
    post.happen(fired(A))
    post.sender.run_once(NOW_US)
    server.answer = lambda got: (200, {}, b"")
    post.sender.run_once(NOW_US + MINUTE_US)
    first, second = server.got
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_redirects_are_not_followed(store: Store, server: Hook) -> None:
    """A redirect would carry alerts to where nobody configured them: it is a failure."""
    with hook() as other:
        server.answer = lambda got: (307, {"Location": f"{other.url}/"}, b"")
        post = real(store, server)
        post.happen(fired(A))
        assert post.sender.run_once(NOW_US) == 0
        assert other.got == []


def test_an_answer_is_read_as_far_as_it_is_worth(server: Hook) -> None:
    """Of megabytes of an error page some words are kept, made safe, without the secrets that it echoes."""
    server.answer = lambda got: (500, {}, b"\x1b[31mno: " + got.path.encode() + b" hush-hush " + b"x" * 3_000_000)
    url = f"{server.url}/secret-path"
    line = HttpTransport(Target(Receiver("hook", ReceiverKind.WEBHOOK, url_env="U"), url, secret="hush-hush"))
    answer = line.send(Request(url, {}, b"{}"))
    assert answer.status == 500
    assert len(answer.error) < 400
    assert "\x1b" not in answer.error
    assert "hush-hush" not in answer.error
    line.close()


@pytest.mark.parametrize(("told", "seconds"), [("120", 120.0), ("999999", 3600.0), ("soon", None), ("", None)])
def test_retry_after_is_read_within_limits(server: Hook, told: str, seconds: float | None) -> None:
    """Seconds count, up to an hour; anything else is left to our own waits."""
    server.answer = lambda got: (429, {"Retry-After": told}, b"")
    line = HttpTransport(Target(Receiver("hook", ReceiverKind.WEBHOOK, server.url), server.url))
    assert line.send(Request(server.url, {}, b"{}")).retry_after_s == seconds
    line.close()


def test_a_receiver_that_says_nothing_is_given_up_on_in_time() -> None:
    """A time limit ends a request; a closed port and nonsense addresses are failures, never exceptions."""
    receiver = Receiver("hook", ReceiverKind.WEBHOOK, "http://127.0.0.1", timeout_s=0.2)
    with hook() as silent:
        let_go = threading.Event()

        def wait(got: Got) -> tuple[int, dict[str, str], bytes]:
            let_go.wait(10)
            return 200, {}, b""

        silent.answer = wait
        line = HttpTransport(Target(receiver, silent.url))
        answer = line.send(Request(silent.url, {}, b"{}"))
        let_go.set()
        assert (answer.status, answer.is_ok, answer.is_refusal) == (0, False, False)
        assert "ReadTimeout" in answer.error
        for url in (f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid/"):
            assert line.send(Request(url, {}, b"{}")).status == 0
        line.close()


def test_a_test_alert_fires_and_is_over(server: Hook) -> None:
    """`notify test` leaves nothing open behind it; it stops at the first refusal."""
    whom = Target(Receiver("hook", ReceiverKind.WEBHOOK, server.url), server.url)
    assert all(answer.is_ok for _, answer in send_test(whom, NotifyParams(), NOW_US))
    assert [got.json()["action"] for got in server.got] == ["triggered", "resolved"]
    server.answer = lambda got: (404, {}, b"nobody here")
    (refused,) = send_test(whom, NotifyParams(), NOW_US)
    assert refused[1].error == "HTTP 404: nobody here"


def test_every_kind_of_alert_is_explained() -> None:
    """A rule for each kind, in words."""
    assert set(RULES) == {kind.value for kind in AnomalyKind}


# -- receivers as configured -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receiver", "environ", "told"),
    [
        (Receiver("x", ReceiverKind.WEBHOOK), {}, "one of url and url_env"),
        (Receiver("x", ReceiverKind.WEBHOOK, "http://a.test", url_env="U"), {"U": "http://b.test"}, "one of url"),
        (Receiver("x", ReceiverKind.SLACK, url_env="U"), {}, "variable U, which is not set"),
        (Receiver("x", ReceiverKind.SLACK, url_env="U"), {"U": " "}, "variable U, which is not set"),
        (Receiver("x", ReceiverKind.WEBHOOK, "http://a.test", secret_env="S"), {}, "secret_env names"),
        (Receiver("x", ReceiverKind.WEBHOOK, "ftp://a.test"), {}, "no http:// or https:// URL"),
        (Receiver("x", ReceiverKind.WEBHOOK, "http://"), {}, "no http:// or https:// URL"),
        (Receiver("x", ReceiverKind.WEBHOOK, "http://a.test:99999"), {}, "no http:// or https:// URL"),
        (Receiver("x", ReceiverKind.WEBHOOK, "http://a.test/\nHost: b"), {}, "no http:// or https:// URL"),
        (Receiver("x", ReceiverKind.WEBHOOK, "http://u:hunter2@a.test"), {}, "basic_env"),
    ],
)
def test_what_cannot_be_reached_is_refused_at_the_start(receiver: Receiver, environ: dict[str, str], told: str) -> None:
    """One sentence that names the setting, and never the secret."""
    with pytest.raises(ConfigError, match=told) as raised:
        target(receiver, environ)
    assert "hunter2" not in str(raised.value)


def test_secrets_stay_out_of_representations() -> None:
    """A target or request in a traceback shows no address that is secret, no token, no key."""
    receiver = Receiver("x", ReceiverKind.SLACK, url_env="U", token_env="T", secret_env="S")
    whom = target(receiver, {"U": "https://h.test/hunter2", "T": "hunter2", "S": "hunter2"})
    assert "hunter2" not in repr(whom)
    assert "hunter2" not in repr(Request(whom.url, {"Authorization": whom.token}, b""))


def test_evidence_is_json_whatever_it_holds(store: Store, server: Hook) -> None:
    """Control characters, quotes and markup arrive as text."""
    text = '\x1b[31m"}<script>\u202e\n'
    alert = replace(A, evidence=(Evidence("s", 1, None, "api", text),))
    post = real(store, server)
    post.happen(fired(alert))
    post.sender.run_once(NOW_US)
    assert server.got[0].json()["alert"]["evidence"][0]["text"] == text
