"""Seals lines of logs at rest under a key from outside: samples and evidence in the store, snapshots in their folder.

Each text has a salt, and so a key, of its own: the cipher is that of segments (`segment_format.Encrypted`). The columns
find the key at the dialect of their engine, which belongs to one store. Without a key everything is left as it is; what
was sealed needs the key to be read. It must not know what a text means.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from typing import Any

from sqlalchemy import JSON, Text
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.types import TypeDecorator

from fm_anomaly.errors import StoreError
from fm_anomaly.storage.segment_format import Encrypted, parse_key

VARIABLE = "FM_ANOMALY_SEGMENT_KEY"
_MAGIC = b"FMANSEAL"
_SALT_BYTES = 16
_MARK = "sealed1:"
_FIELD = "sealed1"
_ATTRIBUTE = "fm_anomaly_key"


def key_from_outside() -> bytes | None:
    """Return the key that the environment gives, None where it gives none. Raises ConfigError on what is no key."""
    text = os.environ.get(VARIABLE)
    return parse_key(text) if text else None


def use_key(engine: Engine, key: bytes | None) -> None:
    """Let the sealed columns of an engine use a key. Raises ConfigError where the library is missing."""
    if key is not None:
        Encrypted(key, bytes(_SALT_BYTES))
    setattr(engine.dialect, _ATTRIBUTE, key)


def seal(key: bytes, plain: bytes) -> bytes:
    """Return sealed bytes: a mark, a salt, and the text under the key that both make."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return _MAGIC + salt + Encrypted(key, salt).seal(0, plain)


def is_sealed(raw: bytes) -> bool:
    """Return whether bytes were sealed."""
    return raw.startswith(_MAGIC)


def unseal(key: bytes | None, raw: bytes) -> bytes:
    """Return the plain bytes; raises StoreError without the key that they were sealed with."""
    if key is None:
        raise StoreError(f"this is encrypted: set {VARIABLE} to the key that it was written with")
    at = len(_MAGIC) + _SALT_BYTES
    try:
        return Encrypted(key, raw[len(_MAGIC) : at]).open(0, raw[at:])
    except StoreError as exc:
        raise StoreError(f"this cannot be decrypted: is {VARIABLE} the key that it was written with?") from exc


class SealedText(TypeDecorator[str]):
    """Text, sealed where the store has a key."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what is written."""
        key = getattr(dialect, _ATTRIBUTE, None)
        if key is None or not value:
            return value
        return _MARK + base64.b64encode(seal(key, value.encode("utf-8", "surrogatepass"))).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what was given."""
        if value is None or not value.startswith(_MARK):
            return value
        raw = base64.b64decode(value[len(_MARK) :])
        return unseal(getattr(dialect, _ATTRIBUTE, None), raw).decode("utf-8", "surrogatepass")


class SealedJson(TypeDecorator[Any]):
    """JSON, sealed where the store has a key."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Return what is written."""
        key = getattr(dialect, _ATTRIBUTE, None)
        if key is None or not value:
            return value
        plain = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
        return {_FIELD: base64.b64encode(seal(key, plain)).decode()}

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return what was given."""
        if not isinstance(value, dict) or set(value) != {_FIELD}:
            return value
        return json.loads(unseal(getattr(dialect, _ATTRIBUTE, None), base64.b64decode(value[_FIELD])))
