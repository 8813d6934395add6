"""Quotas of tenants: how many requests, and how much text, each may send.

A bucket a tenant and quota: it fills evenly, holds what may come at once, and may be overdrawn by one request, so that
a large one is never refused for ever. Time is a parameter. It must not know requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

_DAY_S = 86_400
_BURST_S = 10
_MAX_WAIT_S = 3_600


@dataclass(frozen=True, slots=True)
class QuotaParams:
    """What a tenant may send; 0 is no limit.

    requests_per_s: requests of every kind, ten seconds' worth at once. log_mb_per_day: MB (10^6 bytes) of log text,
    decompressed, an hour's worth at once.
    """

    requests_per_s: float = 0.0
    log_mb_per_day: float = 0.0

    def __post_init__(self) -> None:
        for name in ("requests_per_s", "log_mb_per_day"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 (no limit) or more")


@dataclass(slots=True)
class Bucket:
    """Fills by `rate` a second up to `size`."""

    rate: float
    size: float
    level: float
    at_s: float

    def take(self, amount: float, at_s: float) -> int:
        """Take `amount`; return 0, or after how many seconds to come again, and nothing was taken."""
        self.level = min(self.size, self.level + (at_s - self.at_s) * self.rate)
        self.at_s = at_s
        if self.level <= 0:
            return max(1, min(_MAX_WAIT_S, math.ceil(-self.level / self.rate + 1 / self.rate)))
        self.level -= amount
        return 0


@dataclass(slots=True)
class Quotas:
    """The buckets of all tenants that have sent something; `by_tenant` has those that differ from `params`."""

    params: QuotaParams = field(default_factory=QuotaParams)
    by_tenant: Mapping[str, QuotaParams] = field(default_factory=dict)
    _requests: dict[str, Bucket] = field(default_factory=dict)
    _bytes: dict[str, Bucket] = field(default_factory=dict)

    def request(self, tenant: str, at_s: float) -> int:
        """Count a request; return 0, or after how many seconds to come again."""
        rate = self._of(tenant).requests_per_s
        return _taken(self._requests, tenant, rate, max(1.0, rate * _BURST_S), 1, at_s) if rate else 0

    def text(self, tenant: str, n_bytes: int, at_s: float) -> int:
        """Count bytes of text; return 0, or after how many seconds to come again."""
        a_day = self._of(tenant).log_mb_per_day * 1e6
        return _taken(self._bytes, tenant, a_day / _DAY_S, a_day / 24, n_bytes, at_s) if a_day else 0

    def _of(self, tenant: str) -> QuotaParams:
        return self.by_tenant.get(tenant, self.params)


def _taken(buckets: dict[str, Bucket], tenant: str, rate: float, size: float, amount: float, at_s: float) -> int:
    bucket = buckets.get(tenant)
    if bucket is None:
        bucket = buckets[tenant] = Bucket(rate, size, size, at_s)
    return bucket.take(amount, at_s)
