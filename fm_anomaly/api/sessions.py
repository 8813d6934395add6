"""Sessions of the page: a signed cookie that stands for a key, checked with the key at every request.

Nothing is kept: the cookie names the key and its end, signed under this installation's key, so that it outlives a
restart and ends with its key. The key's secret is never in it. Knows no routes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import cached_property
from http.cookies import CookieError, SimpleCookie

from fm_anomaly.api.clock import now_us
from fm_anomaly.errors import ModelError
from fm_anomaly.storage.installation_key import default_key_file, make_key

COOKIE = "fm_session"
LIFE_S = 12 * 3_600
_US = 1_000_000


class Sessions:
    """Makes and reads cookies."""

    def __init__(self, key: bytes | None = None) -> None:
        self._given = key

    @cached_property
    def _key(self) -> bytes:
        return hmac.digest(self._given or _own_key(), b"fm-anomaly session 1", "sha256")

    def made(self, key_id: str, at_us: int) -> str:
        """Return the value of a cookie for a key, good for twelve hours."""
        told = f"{key_id}.{at_us // _US + LIFE_S}.{secrets.token_hex(8)}"
        return f"{told}.{self._signature(told)}"

    def opened(self, header: str) -> tuple[str, int] | None:
        """Return id of the key and end (µs) of the session in a ``Cookie`` header; None where none is in force."""
        try:
            found = SimpleCookie(header).get(COOKIE)
        except CookieError:
            return None
        told, _, signature = ("" if found is None else found.value).rpartition(".")
        if not hmac.compare_digest(self._signature(told).encode(), signature.encode("utf-8", "replace")):
            return None
        key_id, ends_s, _ = told.split(".")
        ends_us = int(ends_s) * _US
        return (key_id, ends_us) if now_us() < ends_us else None

    def _signature(self, told: str) -> str:
        return hmac.new(self._key, told.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _own_key() -> bytes:
    try:
        return make_key(default_key_file())
    except ModelError:
        # no configuration folder to keep it in: sessions end with the process
        return secrets.token_bytes(32)
