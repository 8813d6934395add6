"""Laws of settings: every value has one origin, later origins win, nothing unknown passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fm_anomaly.config import load_settings
from fm_anomaly.core.retention import RetentionParams
from fm_anomaly.errors import ConfigError


def origin_of(key: str, folder: Path, environ: dict[str, str] | None = None, **options: object) -> tuple[object, str]:
    settings = load_settings(folder=folder, environ=environ or {}, options=options)
    found = next(s for s in settings.settings if s.key == key)
    return found.value, found.origin


def test_later_origins_win_and_are_told(tmp_path: Path) -> None:
    """Default, then file, then environment, then option."""
    assert origin_of("tenant", tmp_path) == ("default", "default")
    path = tmp_path / "fm_anomaly.toml"
    path.write_text('tenant = "a"\n[windows]\nlateness_s = 5\n')
    assert origin_of("tenant", tmp_path) == ("a", str(path))
    assert origin_of("tenant", tmp_path, {"FM_ANOMALY_TENANT": "b"}) == ("b", "FM_ANOMALY_TENANT")
    assert origin_of("tenant", tmp_path, {"FM_ANOMALY_TENANT": "b"}, tenant="c") == ("c", "option")
    assert origin_of("windows.lateness_s", tmp_path)[0] == 5


def test_settings_reach_the_pipeline(tmp_path: Path) -> None:
    """What is set is what the core takes, the bucket width in both of its readers."""
    environ = {"FM_ANOMALY_WINDOWS_BUCKET_S": "30", "FM_ANOMALY_PARSING_TZ": "Europe/Paris"}
    settings = load_settings(folder=tmp_path, environ=environ)
    params = settings.pipeline
    assert (params.windows.bucket_s, params.detection.bucket_s, params.parsing.tz) == (30, 30, "Europe/Paris")
    assert settings["windows.bucket_s"] == 30


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("tennant = 'x'", "did you mean tenant"),
        ("[parsing]\ntzz = 'UTC'", "did you mean parsing.tz"),
        ("tz = 'UTC'", "did you mean parsing.tz"),
        ("[windows]\nbucket_s = 'wide'", "windows.bucket_s cannot be 'wide'"),
        ("[windows]\nbucket_s = true", "windows.bucket_s"),
        ("tenant = ", "not valid TOML"),
        ("xyzzy = 1", "config show"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_next_step(tmp_path: Path, toml: str, told: str) -> None:
    """An unknown key or a wrong value is one clear sentence."""
    (tmp_path / "fm_anomaly.toml").write_text(toml)
    with pytest.raises(ConfigError, match=told):
        load_settings(folder=tmp_path, environ={})


def test_an_unknown_variable_is_refused(tmp_path: Path) -> None:
    """A misspelt variable does not silently do nothing; those that are no settings pass."""
    with pytest.raises(ConfigError, match="did you mean FM_ANOMALY_PARSING_TZ"):
        load_settings(folder=tmp_path, environ={"FM_ANOMALY_PARSING_TZZ": "UTC"})
    load_settings(folder=tmp_path, environ={"FM_ANOMALY_DATA": "/data", "HOME": "/root"})


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """--config with a wrong name is an error; no file at all is none."""
    with pytest.raises(ConfigError, match="no such file"):
        load_settings(str(tmp_path / "absent.toml"), environ={})
    assert load_settings(folder=tmp_path, environ={})["tenant"] == "default"


# -- receivers ---------------------------------------------------------------------------------------------------------

_RECEIVERS = """
tenant = "shop"
[notify]
base_url = "https://logs.example"
[receivers.pager]
kind = "alertmanager"
url = "http://127.0.0.1:9093/prefix"
labels = { cluster = "eu1" }
[receivers.chat]
kind = "slack"
url_env = "FM_ANOMALY_CHAT_URL"
min_severity = "high"
services = ["api", "pay-*"]
notify = ["new"]
[receivers.hook]
kind = "webhook"
url = "https://cases.example/hooks/long-secret-path?key=1"
secret_env = "HOOK_KEY"
"""


def test_receivers_come_from_the_file(tmp_path: Path) -> None:
    """Their tables become values, in order; the variables that they name are no unknown settings."""
    (tmp_path / "fm_anomaly.toml").write_text(_RECEIVERS)
    settings = load_settings(folder=tmp_path, environ={"FM_ANOMALY_CHAT_URL": "https://x.example/T0/secret"})
    pager, chat, hook = settings.receivers
    assert (pager.name, pager.kind, pager.tenant, dict(pager.labels)) == (
        "pager",
        "alertmanager",
        "shop",
        {"cluster": "eu1"},
    )
    assert (chat.min_severity, chat.services, chat.notify) == ("high", ("api", "pay-*"), ("new",))
    assert hook.secret_env == "HOOK_KEY"
    assert settings.notify.base_url == "https://logs.example"


def test_the_shown_settings_keep_addresses_to_themselves(tmp_path: Path) -> None:
    """`config show` tells host and port of a receiver, never a path, a query or a secret."""
    (tmp_path / "fm_anomaly.toml").write_text(_RECEIVERS)
    environ = {"FM_ANOMALY_CHAT_URL": "https://x.example/T0/hidden", "HOOK_KEY": "hidden"}
    settings = load_settings(folder=tmp_path, environ=environ)
    shown = {s.key: s.shown() for s in settings.settings if s.key.startswith(("receivers.", "notify."))}
    assert shown["receivers.hook.url"] == '"https://cases.example/…"'
    assert shown["receivers.pager.url"] == '"http://127.0.0.1:9093/…"'
    assert shown["receivers.pager.labels.cluster"] == '"eu1"'
    assert shown["notify.base_url"] == '"https://logs.example"'
    assert not [key for key, text in shown.items() if "secret-path" in text or "hidden" in text]


def test_no_variable_gives_a_receiver_its_address(tmp_path: Path) -> None:
    """An address comes from the file only: a variable that looks like one is an unknown setting."""
    (tmp_path / "fm_anomaly.toml").write_text(_RECEIVERS)
    with pytest.raises(ConfigError, match="FM_ANOMALY_RECEIVERS_PAGER_URL"):
        load_settings(folder=tmp_path, environ={"FM_ANOMALY_RECEIVERS_PAGER_URL": "http://evil.example"})


def test_retention_is_a_section(tmp_path: Path) -> None:
    """Each class has its days, from the file or the environment; what is not named stays as it was."""
    (tmp_path / "fm_anomaly.toml").write_text("[retention]\nsamples_days = 5\n")
    settings = load_settings(folder=tmp_path, environ={"FM_ANOMALY_RETENTION_ALERTS_DAYS": "30"})
    assert settings.retention == replace(RetentionParams(), samples_days=5, alerts_days=30)
    assert settings["retention.minutes_days"] == 3


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[receivers.x]\nkind = 'pigeon'", "receivers.x.kind cannot be 'pigeon'"),
        ("[receivers.x]\nkind = 'slack'\nurll = 'y'", "did you mean url"),
        ("[receivers.x]\nurl = 'http://y'", "needs a kind"),
        ("[receivers]\nx = 1", "receivers.x"),
        ("[receivers.'a b']\nkind = 'slack'", "with a name of"),
        ("[receivers.x]\nkind = 'slack'\nmin_severity = 'awful'", "min_severity"),
        ("[receivers.x]\nkind = 'slack'\nnotify = ['old']", "notify"),
        ("[retention]\nsample_days = 5", "did you mean retention.samples_days"),
        ("[retention]\nsamples_days = 0", "samples_days must be at least 1"),
        ("[notify]\nresend = 5", "did you mean notify.resend_s"),
        ("receivers = 3", "receivers"),
    ],
)
def test_a_receiver_that_cannot_be_used_is_refused(tmp_path: Path, toml: str, told: str) -> None:
    """An unknown key or value of a receiver is one clear sentence."""
    (tmp_path / "fm_anomaly.toml").write_text(toml)
    with pytest.raises(ConfigError, match=told):
        load_settings(folder=tmp_path, environ={})


# -- tenants -----------------------------------------------------------------------------------------------------------


def test_a_tenant_has_what_differs(tmp_path: Path) -> None:
    """Its quotas and retention over those of all; the file alone says so, and it is shown."""
    (tmp_path / "fm_anomaly.toml").write_text(
        "[limits]\nrequests_per_s = 50\n[retention]\nsamples_days = 7\n"
        "[tenants.shop.limits]\nlog_mb_per_day = 500\n[tenants.shop.retention]\nsamples_days = 2\n[tenants.plain]\n"
    )
    settings = load_settings(folder=tmp_path, environ={"FM_ANOMALY_RETENTION_ALERTS_DAYS": "90"})
    shop, plain = settings.tenants["shop"], settings.tenants["plain"]
    assert (shop.limits.requests_per_s, shop.limits.log_mb_per_day) == (50, 500)
    assert (shop.retention.samples_days, shop.retention.alerts_days) == (2, 90)
    assert (plain.limits, plain.retention) == (settings.limits, settings.retention)
    assert settings["tenants.shop.retention.samples_days"] == 2


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("tenants = 3", "tenants"),
        ("[tenants.'a b']", "a b"),
        ("[tenants.shop]\nparsing.tz = 'UTC'", "unknown setting 'parsing.tz'"),
        ("[tenants.shop.limits]\nrequests = 5", "did you mean limits.requests_per_s"),
        ("[tenants.shop.retention]\nsamples_days = 0", "samples_days"),
        ("[limits]\nrequests_per_s = -1", "requests_per_s"),
    ],
)
def test_a_tenant_that_cannot_be_used_is_refused(tmp_path: Path, toml: str, told: str) -> None:
    """An unknown key, a value out of range, a name that is none."""
    (tmp_path / "fm_anomaly.toml").write_text(toml)
    with pytest.raises(ConfigError, match=told):
        load_settings(folder=tmp_path, environ={})
