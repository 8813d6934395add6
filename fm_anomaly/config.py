"""Settings: the parts' `*Params`, filled from fm_anomaly.toml, then FM_ANOMALY_*, then options.

Composed from the dataclasses themselves: every field of `PipelineParams` and of the Params in it is a key,
`tenant` or `parsing.tz`, a table of the toml, and an environment variable FM_ANOMALY_PARSING_TZ. Each value
remembers where it came from. This module must not know what any setting means.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fm_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from fm_anomaly.core.pipeline import PipelineParams

FILE_NAME = "fm_anomaly.toml"
PREFIX = "FM_ANOMALY_"
_NOT_SETTINGS = frozenset({"FM_ANOMALY_CONFIG", "FM_ANOMALY_DATA"})
# bucket width is one setting with two readers
_LINKED = {"detection.bucket_s": "windows.bucket_s"}
_WORDS = {"on": True, "yes": True, "off": False, "no": False}
_SECRET = re.compile(r"(?:^|_)(?:key|secret|token|password)$")
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it came from: "default", a file, an environment variable or an option."""

    key: str
    value: Any
    origin: str

    def shown(self) -> str:
        """Return the value as toml writes it; a secret only as set or not."""
        if self.value is not None and _SECRET.search(self.key.rpartition(".")[2]):
            return "(set, not shown)" if self.value else '""'
        return _as_toml(self.value)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run; `pipeline` is what the core takes."""

    pipeline: PipelineParams
    settings: tuple[Setting, ...]

    def __getitem__(self, key: str) -> Any:
        """Return the value of a key such as "parsing.tz"."""
        return next(setting.value for setting in self.settings if setting.key == key)


def load_settings(
    config: str | None = None,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings: defaults, overruled by the file, by the environment, by `options`.

    Parameters
    ----------
    config
        The toml file to read; None reads fm_anomaly.toml in `folder` if it is there.
    folder, environ
        The working directory and the environment; those of the process by default.
    options
        Values by key, from the command line; None values are skipped. Their origin is "option".

    Raises
    ------
    ConfigError
        The file cannot be read, a key is unknown, or a value cannot be used.
    """
    from fm_anomaly.core.pipeline import PipelineParams

    environ = os.environ if environ is None else environ
    defaults = PipelineParams()
    types = {key: hint for key, hint in _leaves(defaults) if key not in _LINKED}
    given: dict[str, tuple[Any, str]] = {}
    for key, value, origin in _from_file(_config_path(config, folder or Path(), environ)):
        given[key] = (_checked(key, value, types, origin, is_strict=True), origin)
    for key, value, origin in _from_environ(environ, types):
        given[key] = (_checked(key, _unfolded(value, types[key]), types, origin, is_strict=False), origin)
    for key, value in (options or {}).items():
        if value is not None:
            given[key] = (_checked(key, value, types, "option", is_strict=False), "option")
    linked = {key: given[of] for key, of in _LINKED.items() if of in given}
    params = _filled(defaults, {**given, **linked}, "")
    settings = tuple(Setting(key, _value_at(params, key), given[key][1] if key in given else DEFAULT) for key in types)
    return Settings(params, settings)


def _config_path(config: str | None, folder: Path, environ: Mapping[str, str]) -> Path | None:
    named = config or environ.get("FM_ANOMALY_CONFIG")
    if named:
        return Path(named)
    path = folder / FILE_NAME
    return path if path.exists() else None


def _leaves(params: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield key and type of every field, those of nested dataclasses under their section."""
    hints = typing.get_type_hints(type(params))
    for field in fields(params):
        value = getattr(params, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", hints[field.name]


def _from_file(path: Path | None) -> Iterator[tuple[str, Any, str]]:
    if path is None:
        return
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as exc:
        raise ConfigError(f"cannot read settings {path}: {(exc.strerror or str(exc)).lower()}; check --config") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}; correct that line") from exc
    for key, value in _flat(tables):
        yield key, value, str(path)


def _flat(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _from_environ(environ: Mapping[str, str], types: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    by_variable = {_variable(key): key for key in types}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS:
            continue
        key = by_variable.get(variable)
        if key is None:
            near = difflib.get_close_matches(variable, by_variable, 1)
            raise ConfigError(f"unknown setting {variable} in the environment; {_step(near)}")
        yield key, environ[variable], variable


def _variable(key: str) -> str:
    return PREFIX + key.replace(".", "_").upper()


def _checked(key: str, value: Any, types: Mapping[str, Any], origin: str, *, is_strict: bool) -> Any:
    if key not in types:
        raise ConfigError(f"unknown setting {key!r} in {origin}; {_step(_nearest(key, types))}")
    try:
        return msgspec.convert(value, types[key], strict=is_strict)
    except (msgspec.ValidationError, TypeError, ValueError) as exc:
        raise ConfigError(f"setting {key} cannot be {value!r} (from {origin}): {exc}") from exc


def _nearest(key: str, types: Mapping[str, Any]) -> list[str]:
    """Return the key most like `key`; one of the same last name in another section comes first."""
    last = key.rpartition(".")[2]
    same = [known for known in types if known.rpartition(".")[2] == last]
    by_name = difflib.get_close_matches(last, [known.rpartition(".")[2] for known in types], 1)
    return (
        same[:1]
        or difflib.get_close_matches(key, types, 1)
        or [known for known in types if known.rpartition(".")[2] in by_name]
    )


def _step(near: list[str]) -> str:
    return f"did you mean {near[0]}?" if near else "fm-anomaly config show lists them all"


def _unfolded(text: str, hint: Any) -> Any:
    """Return the value that an environment variable's text stands for: a word for bool, JSON or commas for lists."""
    if text.lower() in _WORDS and hint is bool:
        return _WORDS[text.lower()]
    if typing.get_origin(hint) in (tuple, list, set, frozenset, dict):
        try:
            return json.loads(text)
        except ValueError:
            return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _filled(params: Any, given: Mapping[str, tuple[Any, str]], prefix: str) -> Any:
    """Return `params` with the given values in it, section by section."""
    changed: dict[str, Any] = {}
    for field in fields(params):
        key, value = f"{prefix}{field.name}", getattr(params, field.name)
        if key in given:
            changed[field.name] = given[key][0]
        elif is_dataclass(value) and not isinstance(value, type):
            changed[field.name] = _filled(value, given, f"{key}.")
    try:
        return replace(params, **changed)
    except ValueError as exc:
        raise ConfigError(f"settings of {prefix.rstrip('.') or 'the pipeline'} cannot be used: {exc}") from exc


def _value_at(params: Any, key: str) -> Any:
    for name in key.split("."):
        params = getattr(params, name)
    return params


def _as_toml(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, (tuple, list, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return "[" + ", ".join(_as_toml(item) for item in items) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(str(value), ensure_ascii=False) if isinstance(value, str) else str(value)
