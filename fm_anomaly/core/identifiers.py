"""Identifiers, where asked: named fields become keyed pseudonyms, public addresses are redacted.

A pseudonym is the first 12 hexadecimal digits of keyed BLAKE2b: the same person stays the same person within
one key, and nobody without the key can look them up. Off by default: identifiers and addresses are evidence.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from hashlib import blake2b

from fm_anomaly.core.secret_tokens import Counts, each, mark
from fm_anomaly.core.secret_values import quoted_end

_AFTER_NAME = re.compile(r"(?:(?P<kq>\\{0,15}[\"'])[ \t]{0,4}[:=]|[:=])[ \t]{0,4}(?P<vq>\\{0,15}[\"'])?", re.ASCII)
_VALUE = re.compile(r"[^\s\"'`<>&,;\\)\]}]+")
_EMPTY = frozenset(["", "null", "None", "nil", "none", "-", "anonymous", "true", "false"])
_PSEUDONYM = re.compile(r"<id:[0-9a-f]{12}>\Z")
_MIN_ELSEWHERE = 5
"""A value this long is replaced wherever the line repeats it; shorter ones would hit by chance."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Which fields are replaced, and the key."""

    names: tuple[str, ...]
    key: bytes

    def of(self, value: str) -> str:
        """Return the pseudonym of `value`."""
        digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=6, key=self.key[:64])
        return f"<id:{digest.hexdigest()}>"

    def redact(self, text: str, counts: Counts) -> str:
        """Replace the values of the named fields, and their repetitions in the same line."""
        seen: dict[str, str] = {}
        for name in self.names:

            def replace(text: str, at: int, name: str = name) -> tuple[int, int, str] | None:
                return self._field(text, at, name, seen, counts)

            if name in text:
                text = each(text, name, replace)
        for value, pseudonym in seen.items():
            if len(value) >= _MIN_ELSEWHERE:
                text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", pseudonym, text)
        return text

    def _field(
        self, text: str, at: int, name: str, seen: dict[str, str], counts: Counts
    ) -> tuple[int, int, str] | None:
        if at and (text[at - 1].isalnum() or text[at - 1] in "_."):
            return None
        after = _AFTER_NAME.match(text, at + len(name))
        if after is None:
            return None
        start = after.end()
        value = _VALUE.match(text, start)
        end = quoted_end(text, start, after["vq"]) if after["vq"] else (value.end() if value is not None else start)
        found = text[start:end]
        if found in _EMPTY or _PSEUDONYM.match(found) or found[0] in "{[<":
            return None
        counts["pseudonym"] = counts.get("pseudonym", 0) + 1
        seen[found] = self.of(found)
        quote = "" if after["vq"] else (after["kq"] or "")
        return start, end, quote + seen[found] + quote


# Addresses --------------------------------------------------------------------------------------------------

IP_PATTERN = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?:[0-9A-Fa-f]{1,4}:){2,7}(?::|[0-9A-Fa-f])"
"""A superset of addresses, for the guard."""
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:.]{2,41}(?![\w:]))", re.ASCII
)


def redact_ips(text: str, counts: Counts) -> str:
    """Redact public addresses; private, loopback and documentation ones tell nobody anything."""

    def replace(match: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            return match[0]
        return mark("ip", counts) if address.is_global else match[0]

    return _IP.sub(replace, text)
