"""`notify`: what an operator sees of receivers and dead letters, and what a wrong word says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_anomaly.storage import default_path, open_store
from fm_anomaly.storage.outbox import Outbox, Outcome, State, enqueue
from tests.cli.conftest import Run
from tests.notice_objects import fired, make_alert, rows
from tests.notify.servers import hook

_SETTINGS = """
[receivers.cases]
kind = "webhook"
url = "{url}/long-secret"
[receivers.chat]
kind = "slack"
url_env = "CHAT_URL"
min_severity = "high"
services = ["api", "pay-*"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings with two receivers."""
    path = tmp_path / "fm_anomaly.toml"
    path.write_text(_SETTINGS.format(url="http://127.0.0.1:1"))
    return path


@pytest.fixture
def dead(tmp_path: Path) -> str:
    """The id of a dead letter in ./data, with a hostile title."""
    with open_store(default_path(tmp_path / "data")) as store:
        with store.writing() as connection:
            enqueue(connection, rows(fired(make_alert(title="evil \x1b[31m title"))))
        outbox = Outbox(store)
        outbox.route(lambda notice: ["cases"], 0)
        (row,) = outbox.claim("default", "cases", 1, 1)
        outbox.finish([Outcome(row.tenant, row.id, State.DEAD, 3, 1, "HTTP 400: no")])
    return row.id


def test_list_shows_receivers_and_what_waits(run: Run, settings: Path, dead: str) -> None:
    """One line each, without addresses; with the store's counts where there is one."""
    shown = run("notify", "list", "--data", "data")
    assert shown.code == 0
    cases, chat = shown.out.splitlines()
    assert cases.split()[:4] == ["cases", "webhook", "from", "medium"]
    assert "1 dead" in cases
    assert "services api, pay-*" in chat
    assert "long-secret" not in shown.out
    assert "no receivers" in run("notify", "list", "--config", _empty(settings)).out


def test_dead_letters_are_shown_and_sent_again(run: Run, settings: Path, dead: str) -> None:
    """Id, time, what and why, safe for the terminal; after a resend there are none."""
    shown = run("notify", "dead", "--data", "data")
    assert dead in shown.out
    assert "HTTP 400: no" in shown.out
    assert "\x1b" not in shown.out
    assert run("notify", "resend", dead, "--data", "data").code == 0
    assert "no dead letters" in run("notify", "dead", "--data", "data").out
    again = run("notify", "resend", dead, "--data", "data")
    assert again.code == 2
    assert "notify dead" in again.err


def test_resend_all(run: Run, settings: Path, dead: str) -> None:
    """`all` takes every dead letter."""
    assert "1 will be sent again" in run("notify", "resend", "all", "--data", "data").out


def test_test_sends_and_says_what_was_answered(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken: exit code 0; refused: 3, with the reason; the address stays hidden."""
    with hook() as server:
        (tmp_path / "fm_anomaly.toml").write_text(_SETTINGS.format(url=server.url))
        shown = run("notify", "test", "cases")
        assert (shown.code, shown.out) == (0, "cases: it fires: taken\ncases: it is over: taken\n")
        assert len(server.got) == 2
        server.answer = lambda got: (403, {}, b"go away")
        shown = run("notify", "test", "cases")
        assert shown.code == 3
        assert "NOT taken, HTTP 403: go away" in shown.out
        assert "long-secret" not in shown.out + shown.err
        monkeypatch.setenv("CHAT_URL", server.url)
        assert run("notify", "test", "chat").code == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("test", "nobody"), "the settings have: cases, chat"),
        (("test", "chat"), "CHAT_URL, which is not set"),
        (("dead", "--data", "absent"), "no store in absent"),
        (("resend",), "ID"),
        ((), "ACTION"),
    ],
)
def test_a_wrong_word_is_one_sentence(run: Run, settings: Path, words: tuple[str, ...], told: str) -> None:
    """Exit code 2 and the next step."""
    shown = run("notify", *words)
    assert shown.code == 2
    assert told in shown.err
    assert "Traceback" not in shown.err


def _empty(beside: Path) -> Path:
    path = beside.with_name("empty.toml")
    path.write_text("")
    return path
