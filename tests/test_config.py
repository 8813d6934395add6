"""Laws of settings: every value has one origin, later origins win, nothing unknown passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_anomaly.config import load_settings
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
