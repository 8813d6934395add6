"""Settings: the parts' `*Params`, filled from fm_anomaly.toml, then FM_ANOMALY_*, then options.

Composed from the dataclasses themselves: every field of `PipelineParams` and of the Params in it is a key,
`tenant` or `parsing.tz`, a table of the toml, and an environment variable FM_ANOMALY_PARSING_TZ; so are those of the
`[notify]`, `[categories]`, `[retention]` and `[limits]` sections. Receivers, `[receivers.NAME]`, and what differs for a
tenant, `[tenants.NAME]`, come from the file alone. Each
value remembers where it came from. This module must not know what any setting means.
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
from urllib.parse import urlsplit

import msgspec

from fm_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from fm_anomaly.core.category_schedule import CategoryScheduleParams
    from fm_anomaly.core.pipeline import PipelineParams
    from fm_anomaly.core.quotas import QuotaParams
    from fm_anomaly.core.retention import RetentionParams
    from fm_anomaly.notify.receivers import NotifyParams, Receiver

FILE_NAME = "fm_anomaly.toml"
PREFIX = "FM_ANOMALY_"
_NOT_SETTINGS = frozenset(
    {
        "FM_ANOMALY_CONFIG",
        "FM_ANOMALY_DATA",
        "FM_ANOMALY_NPM",
        "FM_ANOMALY_SHOTS",
        "FM_ANOMALY_TOKEN",
        "FM_ANOMALY_SEGMENT_KEY",
    }
)
# bucket width is one setting with two readers
_LINKED = {"detection.bucket_s": "windows.bucket_s"}
_TENANT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RECEIVER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
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
        if self.key.startswith("receivers.") and self.key.endswith(".url"):
            return _as_toml(_without_path(self.value))
        if self.value is not None and _SECRET.search(self.key.rpartition(".")[2]):
            return "(set, not shown)" if self.value else '""'
        return _as_toml(self.value)


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What holds for one tenant: its quotas, and how long its rows are kept."""

    limits: QuotaParams
    retention: RetentionParams


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run.

    `pipeline` is for the core, `notify` and `receivers` for senders, `retention` of a store, `categories` for the
    service's runs of the batch job.
    """

    pipeline: PipelineParams
    settings: tuple[Setting, ...]
    notify: NotifyParams
    categories: CategoryScheduleParams
    receivers: tuple[Receiver, ...]
    retention: RetentionParams
    limits: QuotaParams
    tenants: Mapping[str, TenantSettings]
    """Those that the file names, each with what holds for it."""

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
    from fm_anomaly.core.category_schedule import CategoryScheduleParams
    from fm_anomaly.core.pipeline import PipelineParams
    from fm_anomaly.core.quotas import QuotaParams
    from fm_anomaly.core.retention import RetentionParams
    from fm_anomaly.notify.receivers import NotifyParams

    environ = os.environ if environ is None else environ
    defaults = {
        "": PipelineParams(),
        "notify.": NotifyParams(),
        "retention.": RetentionParams(),
        "limits.": QuotaParams(),
        "categories.": CategoryScheduleParams(),
    }
    leaves = [leaf for prefix, params in defaults.items() for leaf in _leaves(params, prefix)]
    types = {key: hint for key, hint in leaves if key not in _LINKED}
    given: dict[str, tuple[Any, str]] = {}
    path = _config_path(config, folder or Path(), environ)
    tables = _tables(path)
    named = tables.pop("receivers", {})
    if not isinstance(named, dict):
        raise ConfigError(f"receivers in {path} is no table: write [receivers.NAME]")
    of_tenants = tables.pop("tenants", {})
    for key, value in _flat(tables):
        given[key] = (_checked(key, value, types, str(path), is_strict=True), str(path))
    for key, value, origin in _from_environ(environ, types, _variables(named)):
        given[key] = (_checked(key, _unfolded(value, types[key]), types, origin, is_strict=False), origin)
    for key, value in (options or {}).items():
        if value is not None:
            given[key] = (_checked(key, value, types, "option", is_strict=False), "option")
    linked = {key: given[of] for key, of in _LINKED.items() if of in given}
    filled = {prefix: _filled(params, {**given, **linked}, prefix) for prefix, params in defaults.items()}
    values = {prefix + key: _value_at(params, key) for prefix, params in filled.items() for key, _ in _leaves(params)}
    settings = [Setting(key, values[key], given[key][1] if key in given else DEFAULT) for key in types]
    receivers = _receivers(named, filled[""].tenant, str(path))
    settings += [Setting(key, value, str(path)) for key, value in _flat(named, "receivers.")]
    tenants = _tenants(of_tenants, filled, types, str(path))
    settings += [Setting(key, value, str(path)) for key, value in _flat(of_tenants, "tenants.")]
    return Settings(
        filled[""],
        tuple(settings),
        filled["notify."],
        filled["categories."],
        receivers,
        filled["retention."],
        filled["limits."],
        tenants,
    )


def _tenants(named: Any, filled: Mapping[str, Any], types: Mapping[str, Any], origin: str) -> dict[str, TenantSettings]:
    """Return what the file's `[tenants.NAME.limits]` and `[tenants.NAME.retention]` say, over what holds for all."""
    if not isinstance(named, dict):
        raise ConfigError(f"tenants in {origin} is no table: write [tenants.NAME]")
    own = {key: hint for key, hint in types.items() if key.startswith(("limits.", "retention."))}
    found = {}
    for name, table in named.items():
        if not isinstance(table, dict) or not _TENANT_NAME.fullmatch(name):
            raise ConfigError(f"tenants.{name} in {origin} is no [tenants.NAME] with letters, digits, dots and dashes")
        where = f"{origin}, [tenants.{name}]"
        given = {key: (_checked(key, value, own, where, is_strict=True), where) for key, value in _flat(table)}
        parts = {prefix: _filled(filled[prefix], given, prefix) for prefix in ("limits.", "retention.")}
        found[name] = TenantSettings(parts["limits."], parts["retention."])
    return found


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


def _tables(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as exc:
        raise ConfigError(f"cannot read settings {path}: {(exc.strerror or str(exc)).lower()}; check --config") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}; correct that line") from exc


def _flat(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _from_environ(
    environ: Mapping[str, str], types: Mapping[str, Any], secrets: frozenset[str]
) -> Iterator[tuple[str, str, str]]:
    by_variable = {_variable(key): key for key in types}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS or variable in secrets:
            continue
        key = by_variable.get(variable)
        if key is None:
            near = difflib.get_close_matches(variable, by_variable, 1)
            raise ConfigError(f"unknown setting {variable} in the environment; {_step(near)}")
        yield key, environ[variable], variable


def _receivers(named: Mapping[str, Any], tenant: str, origin: str) -> tuple[Receiver, ...]:
    """Return the receivers of the file's `[receivers.NAME]` tables, in its order."""
    from fm_anomaly.notify.receivers import Receiver

    types = {key: hint for key, hint in _leaves(Receiver("", "")) if key != "name"}  # type: ignore[arg-type]
    found = []
    for name, table in named.items():
        where = f"receivers.{name}"
        if not isinstance(table, dict) or not _RECEIVER_NAME.fullmatch(name):
            raise ConfigError(f"{where} in {origin} is no table [receivers.NAME] with a name of a-z, 0-9, - and _")
        if unknown := [key for key in table if key not in types]:
            near = difflib.get_close_matches(unknown[0], types, 1)
            raise ConfigError(f"unknown setting {where}.{unknown[0]!r} in {origin}; {_step(near)}")
        if "kind" not in table:
            raise ConfigError(f"{where} in {origin} needs a kind: alertmanager, webhook or slack")
        of = {f"{where}.{key}": hint for key, hint in types.items()}
        values = {key: _checked(f"{where}.{key}", value, of, origin, is_strict=True) for key, value in table.items()}
        found.append(Receiver(**{"name": name, "tenant": tenant, **values}))
    return tuple(found)


def _variables(named: Mapping[str, Any]) -> frozenset[str]:
    """Return the environment variables that receivers name for their secrets: no settings of ours."""
    tables = [table for table in named.values() if isinstance(table, dict)]
    return frozenset(str(value) for table in tables for key, value in table.items() if key.endswith("_env"))


def _without_path(url: Any) -> str:
    """Return an address without what may be a secret in it."""
    try:
        parts = urlsplit(str(url))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(no URL)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}" + ("/…" if parts.path.strip("/") or parts.query else "")


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
